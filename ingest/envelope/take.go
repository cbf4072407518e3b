package envelope

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// taker takes the envelopes of one body.
type taker struct {
	decoder    Decoder
	receivedAt time.Time
	// restore says that it is a line of a backup.
	restore bool
	batch   event.Batch
	lines   int
	first   *body.Failure
	bad     int
}

// take adds an envelope's fact to the batch, or says why it cannot. Raw is the
// envelope as it was sent, where that is JSON.
func (t *taker) take(env *hindcastv1.Envelope, path string, raw json.RawMessage, alone bool) *body.Failure {
	r := &reader{path: path, clamp: !alone, own: env.GetId() == "", suspect: env.GetClockSuspect()}
	if !r.own {
		r.restore = t.restore
		if env.GetEscaped() {
			unescape(env)
		}
	}
	c := common{
		env:        env,
		receivedAt: t.received(r, env),
		road:       event.RoadEnvelope,
	}
	if env.GetRoad() != "" {
		c.road = event.Road(r.name("road", env.GetRoad()))
	}
	if r.failure != nil {
		return r.failure
	}
	switch fact := env.GetFact().(type) {
	case nil:
		r.fail("", body.ClassMissing, "no fact: one of %s is required", strings.Join(factNames(), ", "))
	case *hindcastv1.Envelope_Aside:
		a := aside(r, c, fact.Aside)
		if r.failure == nil {
			t.batch.Asides = append(t.batch.Asides, a)
		}
	case *hindcastv1.Envelope_LogLines:
		if t.lines += len(fact.LogLines.GetLines()); t.lines > MaxLines && !r.restore {
			t.lines -= len(fact.LogLines.GetLines())
			r.fail("log_lines.lines", body.ClassSize, "more than %d lines in a body: send them in several", MaxLines)
			break
		}
		chunk := logLines(r, c, fact.LogLines)
		if r.failure != nil {
			break
		}
		if t.decoder.Complete != nil && !r.restore && len(chunk.Counts) == 0 && len(chunk.Lines) > 0 {
			t.decoder.Complete(&chunk)
		}
		t.batch.Chunks = append(t.batch.Chunks, chunk)
	case *hindcastv1.Envelope_Alert:
		o := observation(r, c, fact.Alert)
		o.Raw = rawOf(r, env, raw)
		if r.failure == nil {
			t.batch.Observations = append(t.batch.Observations, o)
		}
	default:
		e := fromEnvelope(r, c)
		e.Raw = rawOf(r, env, raw)
		if r.failure == nil {
			t.batch.Events = append(t.batch.Events, e)
		}
	}
	return r.failure
}

// received is when the fact was first taken in: what the envelope says, but
// nothing is received after it was received.
func (t *taker) received(r *reader, env *hindcastv1.Envelope) time.Time {
	at := r.time("received_at", env.GetReceivedAt())
	if r.restore {
		return at
	}
	if at.IsZero() || at.After(t.receivedAt) {
		return t.receivedAt
	}
	return at
}

func (t *taker) putAside(f *body.Failure, raw []byte) {
	if t.first == nil {
		t.first = f
	}
	t.bad++
	t.batch.Asides = append(t.batch.Asides, f.Aside(event.RoadEnvelope, t.receivedAt, raw))
}

func (t *taker) result() (event.Batch, error) {
	b := t.batch
	if t.first != nil && len(b.Events)+len(b.Observations)+len(b.Chunks)+len(b.Asides) == t.bad {
		return b, t.first.Malformed()
	}
	return b, nil
}

// common is what an envelope says beside its fact.
type common struct {
	env        *hindcastv1.Envelope
	receivedAt time.Time
	road       event.Road
}

// rawOf is the payload that is kept with the fact: the original sender's, else
// a producer's own envelope.
func rawOf(r *reader, env *hindcastv1.Envelope, sent json.RawMessage) json.RawMessage {
	raw := env.GetRaw()
	switch {
	case len(raw) > 0 && (r.restore || json.Valid(raw)):
		return raw
	case len(raw) > 0:
		// What is no JSON is kept as a text: a raw payload is embedded in JSON.
		text, err := json.Marshal(strings.ToValidUTF8(string(raw), "\uFFFD"))
		if err != nil {
			r.fail("raw", body.ClassType, "%v", err)
		}
		return text
	case !r.own:
		return nil
	case sent != nil:
		return sent
	}
	// JSON has no times beyond the year 9999. Those were clamped, and then the
	// fact goes without a payload.
	text, err := compactJSON(env)
	if err != nil {
		return nil
	}
	return text
}

// compactJSON is an envelope in JSON without the white space in which protojson
// differs from build to build.
func compactJSON(env *hindcastv1.Envelope) (json.RawMessage, error) {
	text, err := (protojson.MarshalOptions{UseProtoNames: true}).Marshal(env)
	if err != nil {
		return nil, fmt.Errorf("write envelope as JSON: %w", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil {
		return nil, fmt.Errorf("write envelope as JSON: %w", err)
	}
	return compact.Bytes(), nil
}

func factNames() []string {
	fields := (&hindcastv1.Envelope{}).ProtoReflect().Descriptor().Oneofs().ByName("fact").Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	return names
}
