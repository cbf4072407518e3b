package alertmanager

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// recordedBody is a request of a recording: a real Prometheus 2.42 and
// Alertmanager 0.34.2 over services that were broken on purpose.
type recordedBody struct {
	At   time.Time       `json:"at"`
	Body json.RawMessage `json:"body"`
}

func recordings(t testing.TB, sort string) []recordedBody {
	t.Helper()
	var all []recordedBody
	for _, name := range []string{"bad_deploy", "rollback_fails"} {
		f, err := os.Open("testdata/" + name + "_" + sort + ".jsonl")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var r recordedBody
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatalf("%s: %v", f.Name(), err)
			}
			all = append(all, r)
		}
	}
	if len(all) == 0 {
		t.Fatalf("no recordings of %s", sort)
	}
	return all
}

// noon is when the tests receive.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

// decodeFunc is what the decoders have in common.
type decodeFunc func(Decoder, []byte, time.Time) (event.Batch, error)

func mustDecode(t testing.TB, decode decodeFunc, body string) event.Batch {
	t.Helper()
	b, err := decode(Decoder{}, []byte(body), noon)
	if err != nil {
		t.Fatalf("decode %s: %v", clip(body, 300), err)
	}
	checkFacts(t, b, noon)
	return b
}

func wantMalformed(t testing.TB, decode decodeFunc, body, field string) {
	t.Helper()
	b, err := decode(Decoder{}, []byte(body), noon)
	var m *event.Malformed
	if !errors.As(err, &m) {
		t.Fatalf("decode %s: error %v, want an *event.Malformed", clip(body, 300), err)
	}
	if m.Field != field {
		t.Errorf("decode %s: field %q (%s), want %q", clip(body, 300), m.Field, m.Reason, field)
	}
	if m.Reason == "" {
		t.Errorf("decode %s: no reason", clip(body, 300))
	}
	if b.Len() != 0 {
		t.Errorf("decode %s: an error and %d facts, want none", clip(body, 300), b.Len())
	}
}

// checkFacts checks what is true of all decoded facts, whatever the body.
func checkFacts(t testing.TB, b event.Batch, receivedAt time.Time) {
	t.Helper()
	inRange := func(what string, at time.Time, zero bool) {
		if at.IsZero() && zero {
			return
		}
		if !event.InRange(at) || at.Location() != time.UTC {
			t.Errorf("%s is %v, want a time in UTC from 1970 to 2200", what, at)
		}
	}
	for _, e := range b.Events {
		if e.ID.IsZero() || e.Kind == "" || e.Road == "" {
			t.Errorf("event without ID, kind or road: %+v", e)
		}
		inRange("OccurredAt", e.OccurredAt, false)
		if !e.ReceivedAt.Equal(receivedAt) {
			t.Errorf("ReceivedAt is %v, want %v", e.ReceivedAt, receivedAt)
		}
		if !json.Valid(e.Raw) {
			t.Errorf("Raw is not JSON: %.200q", e.Raw)
		}
		set := 0
		for _, is := range []bool{e.Notification != nil, e.Mute != nil, e.Silence != nil, e.Source != nil} {
			if is {
				set++
			}
		}
		if set != 1 {
			t.Errorf("event has %d payloads, want 1: %+v", set, e)
		}
		if e.Mute != nil && len(e.Mute.Labels) > 0 && e.Mute.Labels.Fingerprint() != e.Mute.Fingerprint {
			t.Errorf("mute's fingerprint %s is not that of %s", e.Mute.Fingerprint, e.Mute.Labels)
		}
		if s := e.Silence; s != nil {
			inRange("silence.StartsAt", s.StartsAt, true)
			inRange("silence.EndsAt", s.EndsAt, true)
			inRange("silence.UpdatedAt", s.UpdatedAt, true)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Errorf("event cannot be written: %v", err)
		}
	}
	seen := make(map[event.ID]bool)
	for _, o := range b.Observations {
		if seen[o.ID()] {
			t.Errorf("alert %s is twice in the batch", o.ID())
		}
		seen[o.ID()] = true
		if len(o.Labels) == 0 || o.Labels.Fingerprint() != o.Fingerprint {
			t.Errorf("fingerprint %s is not that of the labels %s", o.Fingerprint, o.Labels)
		}
		for n, v := range o.Labels {
			if n == "" || v == "" {
				t.Errorf("empty label %q=%q", n, v)
			}
		}
		inRange("StartsAt", o.StartsAt, false)
		inRange("KeepAliveUntil", o.KeepAliveUntil, true)
		inRange("EndedAt", o.EndedAt, true)
		inRange("FiringSeenAt", o.FiringSeenAt, true)
		inRange("GoneBy", o.GoneBy, true)
		if !o.EndedAt.IsZero() && o.EndedAt.Before(o.StartsAt) {
			t.Errorf("ended at %v, before it started at %v", o.EndedAt, o.StartsAt)
		}
		if o.EndedAt.IsZero() && o.FiringSeenAt.IsZero() && o.GoneBy.IsZero() {
			t.Errorf("neither firing nor ended: %+v", o)
		}
		if !json.Valid(o.Raw) {
			t.Errorf("Raw is not JSON: %.200q", o.Raw)
		}
	}
	for _, a := range b.Asides {
		if a.ID.IsZero() || a.Reason == "" || a.Class == "" || len(a.Raw) > event.MaxAside {
			t.Errorf("aside is not whole: %+v", a)
		}
	}
}

// theAlert is the only observation of a batch.
func theAlert(t testing.TB, b event.Batch) event.Observation {
	t.Helper()
	if len(b.Observations) != 1 || len(b.Asides) != 0 {
		t.Fatalf("got %d observations and asides %v, want one observation", len(b.Observations), b.Asides)
	}
	return b.Observations[0]
}

// theEvent is the only event of a batch.
func theEvent(t testing.TB, b event.Batch) event.Event {
	t.Helper()
	if len(b.Events) != 1 {
		t.Fatalf("got %d events and asides %+v, want one event", len(b.Events), b.Asides)
	}
	return b.Events[0]
}

// theAside is the only entry that was put aside.
func theAside(t testing.TB, b event.Batch) event.Aside {
	t.Helper()
	if len(b.Asides) != 1 {
		t.Fatalf("got %d asides, want one: %+v", len(b.Asides), b.Asides)
	}
	return b.Asides[0]
}

func at(text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t.UTC()
}
