package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var testTime = time.Date(2026, 2, 3, 4, 5, 6, 789, time.UTC)

// memory is a store that keeps what was appended. Hook, when set, is called
// before, and its error refuses the batch.
type memory struct {
	hook func(ctx context.Context, b event.Batch) error

	mu      sync.Mutex
	appends int
	kept    event.Batch
}

func (m *memory) Append(ctx context.Context, b event.Batch) error {
	m.mu.Lock()
	m.appends++
	m.mu.Unlock()
	if m.hook != nil {
		if err := m.hook(ctx, b); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.kept.Add(b)
	return nil
}

// texts are the messages' and lines' texts, and those of asides in brackets.
func (m *memory) texts() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return textsOf(m.kept)
}

func (m *memory) calls() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.appends
}

func textsOf(b event.Batch) []string {
	var texts []string
	for _, e := range b.Events {
		texts = append(texts, e.Message.Text)
	}
	for _, c := range b.Chunks {
		for _, l := range c.Lines {
			texts = append(texts, l.Text)
		}
	}
	for _, a := range b.Asides {
		texts = append(texts, "["+string(a.Raw)+"]")
	}
	return texts
}

func messages(texts ...string) event.Batch {
	var b event.Batch
	for _, t := range texts {
		b.Events = append(b.Events, event.Event{
			ID: event.NewID(testTime, t), Kind: event.KindMessage, Road: event.RoadMessages,
			OccurredAt: testTime, ReceivedAt: testTime, Message: &event.Message{Author: "dana", Text: t},
		})
	}
	return b
}

func lines(texts ...string) event.Batch {
	c := event.Chunk{ReceivedAt: testTime, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for _, t := range texts {
		c.Lines = append(c.Lines, event.Line{At: testTime, Text: t})
	}
	return event.Batch{Chunks: []event.Chunk{c}}
}

// decodeFake reads an array of strings. "bad" is put aside, "panic" panics.
func decodeFake(in Input, good func(...string) event.Batch) (event.Batch, error) {
	var texts []string
	if err := json.Unmarshal(in.Body, &texts); err != nil {
		return event.Batch{}, &event.Malformed{Field: "body", Reason: "not an array of strings"}
	}
	var b event.Batch
	var taken []string
	for i, t := range texts {
		switch t {
		case "panic":
			panic("asked to")
		case "bad":
			b.Asides = append(b.Asides, event.Aside{
				ID: event.NewID(in.ReceivedAt, t), ReceivedAt: in.ReceivedAt, Road: event.RoadMessages,
				Reason: fmt.Sprintf("entries[%d].text: is bad", i), Class: "bad_text", Raw: []byte(t),
			})
		default:
			taken = append(taken, t)
		}
	}
	if len(taken) > 0 {
		b.Add(good(taken...))
	}
	for i := range b.Events {
		b.Events[i].ReceivedAt = in.ReceivedAt
	}
	return b, nil
}

const testSecret = "s3cret-value"

func fakeFormats() Formats {
	alerts := func(in Input) (event.Batch, error) { return decodeFake(in, messages) }
	logs := func(in Input) (event.Batch, error) { return decodeFake(in, lines) }
	return Formats{
		{Name: "plain", Road: event.RoadMessages, Path: "/ingest/plain", Types: []string{"application/json", ""}, Decode: alerts, Hint: "Post an array."},
		{Name: "strict", Road: event.RoadPrometheus, Path: "/ingest/strict", Types: []string{"application/json"}, Decode: alerts, Reply: ReplyStrict},
		{Name: "signed", Road: event.RoadGitHub, Path: "/ingest/signed", Types: []string{"application/json"}, Decode: alerts,
			Verify: func(h http.Header, sent []byte) error {
				if h.Get("X-Signature") != testSecret {
					return errors.New("wrong signature")
				}
				return nil
			}},
		{Name: "logs", Road: event.RoadLoki, Lane: LaneLogs, Path: "/ingest/logs", Types: []string{"application/json"}, Decode: logs, Reply: ReplyEmpty},
		{Name: "logs-snappy", Road: event.RoadLoki, Lane: LaneLogs, Path: "/ingest/logs", Types: []string{"application/x-protobuf", ""}, Snappy: true, Decode: logs, Reply: ReplyEmpty},
		{Name: "kafka-only", Road: event.RoadEnvelope, Decode: alerts},
	}
}

// rig is receivers over a store, with everything that can be looked at.
type rig struct {
	*Receivers
	mux   *http.ServeMux
	store *memory
	reg   *prometheus.Registry
	log   *strings.Builder
}

func newRig(t testing.TB, change func(*Options)) *rig {
	t.Helper()
	r := &rig{mux: http.NewServeMux(), store: &memory{}, reg: prometheus.NewRegistry(), log: &strings.Builder{}}
	o := Options{
		Appender: r.store, Formats: fakeFormats(), Limits: DefaultLimits(), Registerer: r.reg,
		Clock:       func() time.Time { return testTime },
		Unavailable: func(err error) bool { return errors.Is(err, errDown) },
		Logger:      slog.New(slog.NewTextHandler(&syncWriter{w: r.log}, nil)),
	}
	if change != nil {
		change(&o)
	}
	rs, err := New(o)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	r.Receivers = rs
	rs.Register(r.mux)
	return r
}

var errDown = errors.New("the disk is full")

type syncWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *syncWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// post posts a body, with a header given as name, value, …
func (r *rig) post(path, body string, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.mux.ServeHTTP(w, req)
	return w
}

// metric is the sum of a metric's series whose labels include the given ones,
// as name, value, …; of a histogram it is the count.
func metric(t testing.TB, g prometheus.Gatherer, name string, labels ...string) float64 {
	t.Helper()
	families, err := g.Gather()
	if err != nil {
		t.Fatalf("gather metrics: %v", err)
	}
	var sum float64
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
	series:
		for _, m := range f.GetMetric() {
			got := map[string]string{}
			for _, l := range m.GetLabel() {
				got[l.GetName()] = l.GetValue()
			}
			for i := 0; i < len(labels); i += 2 {
				if got[labels[i]] != labels[i+1] {
					continue series
				}
			}
			sum += m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return sum
}

// problemOf reads an error's body.
func problemOf(t testing.TB, w *httptest.ResponseRecorder) map[string]any {
	t.Helper()
	if got, want := w.Header().Get("Content-Type"), "application/problem+json"; got != want {
		t.Errorf("Content-Type = %q, want %q", got, want)
	}
	var p map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
		t.Fatalf("the answer is not JSON: %v: %s", err, w.Body)
	}
	return p
}
