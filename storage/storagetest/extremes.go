package storagetest

import (
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// testExtremes stores facts at the ends of the accepted range of times, by
// senders whose clocks are years off, and finds them again to the nanosecond.
func testExtremes(t *testing.T, open Open) {
	s := openStore(t, open)
	last := event.MaxTime.Add(-time.Nanosecond)
	times := []time.Time{event.MinTime, event.MinTime.Add(1), at(0), last.Add(-1), last}
	var b event.Batch
	c := event.Chunk{ReceivedAt: at(0), Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	copy(c.ID[:], "extremes")
	for i, when := range times {
		// Received long before or after it says that it occurred.
		e := message(i, when)
		e.ReceivedAt = times[len(times)-1-i]
		if e.ReceivedAt.Equal(event.MinTime) {
			e.ReceivedAt = e.ReceivedAt.Add(1)
		}
		b.Events = append(b.Events, e)
		o := observation(i, when, at(0))
		o.KeepAliveUntil, o.FiringSeenAt, o.EndedAt, o.GoneBy = when, when, when, when
		b.Observations = append(b.Observations, o)
		b.Asides = append(b.Asides, event.Aside{ID: event.NewID(when, "aside", fmt.Sprint(i)), ReceivedAt: when.Add(1), Raw: []byte{0xff, 0}})
		c.Lines = append(c.Lines, event.Line{At: when, Level: event.LevelError, Text: when.Format(time.RFC3339Nano)})
		if i%2 == 0 {
			c.Counts = append(c.Counts, event.Count{
				CountKey: event.CountKey{Service: "payments", Level: event.LevelError, Second: when.Unix()}, N: 1<<53 + 1,
				First: when, Last: when, Digest: 1<<64 - 1, Template: "<*>", Sample: "\xff",
			})
		}
	}
	b.Chunks = []event.Chunk{c}
	appendBatch(t, s, b)
	for _, e := range b.Events {
		sameEvent(t, "event at "+e.OccurredAt.String(), findEvent(t, s, e.ID), e)
	}
	for _, o := range b.Observations {
		same(t, "observation at "+o.StartsAt.String(), findObservation(t, s, o.ID()), o)
	}
	same(t, "counts", countsOf(t, s, storage.CountQuery{}), c.Counts)
	same(t, "counts of the last second", countsOf(t, s, storage.CountQuery{From: last.Truncate(time.Second), To: event.MaxTime}), c.Counts[2:])
	same(t, "counts of the first second", countsOf(t, s, storage.CountQuery{To: event.MinTime.Add(1)}), c.Counts[:1])
	for _, n := range c.Counts {
		f := must[storage.Fact](t, "log fact")(s.Fact(t.Context(), n.CountKey.ID()))
		if f.Log == nil || f.Log.N != n.N || !f.Log.First.Equal(n.First) || f.Log.Sample != n.Sample {
			t.Errorf("log fact at %s: got %+v", n.First, f.Log)
		}
	}
	for i, l := range allLines(t, s, storage.LineQuery{Limit: 2}) {
		if !l.At.Equal(times[i]) || l.Text != c.Lines[i].Text {
			t.Errorf("line %d: got %q at %s, want it at %s", i, l.Text, l.At, times[i])
		}
	}
	asides := must[storage.AsidePage](t, "asides")(s.Asides(t.Context(), "", 0))
	for i, a := range asides.Asides {
		if want := b.Asides[len(times)-1-i]; a.ID != want.ID || !a.ReceivedAt.Equal(want.ReceivedAt) {
			t.Errorf("aside %d: got %s at %s, want %s at %s", i, a.ID, a.ReceivedAt, want.ID, want.ReceivedAt)
		}
	}
	all, _ := drain(t, s, "", 0)
	if len(all.Events) != len(times) || len(all.Observations) != len(times) || len(all.Counts) != len(c.Counts) {
		t.Errorf("feed: got %d events, %d observations and %d counts", len(all.Events), len(all.Observations), len(all.Counts))
	}
	for _, q := range []struct {
		from, to time.Time
		want     int
	}{{event.MinTime, event.MaxTime, 5}, {event.MinTime.Add(1), last, 3}, {last, time.Time{}, 1}, {time.Time{}, event.MinTime.Add(1), 1}} {
		if got := window(t, s, storage.CountQuery{From: q.from, To: q.to}); len(got.Events) != q.want {
			t.Errorf("window %s to %s: got %d events, want %d", q.from, q.to, len(got.Events), q.want)
		}
	}
}

// testOddTexts stores and asks for names that a query could stumble over.
func testOddTexts(t *testing.T, open Open) {
	s := openStore(t, open)
	odd := []string{"it's", `back\slash`, `\'`, `"`, "`", "nul\x00byte", "\xff\xfe", "cut\xc3", "\ufffd", "\U0010ff80\U0010ffff", "größe ☃", "%_", "line\nbreak", "{x:y}", "?", "--", "';", strings1k}
	var c event.Chunk
	copy(c.ID[:], "odd")
	c.ReceivedAt = at(0)
	for i, name := range odd {
		when := at(time.Duration(i) * time.Second)
		c.Streams = append(c.Streams, event.Stream{Service: name, Environment: name, Labels: event.Labels{name: name}})
		c.Lines = append(c.Lines, event.Line{Stream: i, At: when, Version: name, Trace: name, Metadata: event.Labels{"m" + name: name}, Text: "before " + name + " after"})
		c.Counts = append(c.Counts, event.Count{CountKey: event.CountKey{Service: name, Environment: name, Version: name, Second: when.Unix()}, N: 1, First: when, Last: when, Template: name, Sample: name, Upstreams: []string{name}})
	}
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{c}})
	for i, name := range odd {
		lines := allLines(t, s, storage.LineQuery{Service: name, Contains: name + " after"})
		if len(lines) != 1 || lines[0].Service != name || lines[0].Text != c.Lines[i].Text || lines[0].Trace != name || lines[0].Version != name || lines[0].Environment != name {
			t.Errorf("lines of service %.20q: got %+v, want its one", name, lines)
		} else {
			same(t, "labels of a line", lines[0].Labels, event.Labels{name: name, "m" + name: name})
		}
		counts := countsOf(t, s, storage.CountQuery{Services: []string{name, "another"}})
		if len(counts) != 1 || counts[0].CountKey != c.Counts[i].CountKey || counts[0].Template != name || counts[0].Sample != name || counts[0].Upstreams[0] != name {
			t.Errorf("counts of service %.20q: got %+v, want its one", name, counts)
		}
		if f := must[storage.Fact](t, "log fact")(s.Fact(t.Context(), c.Counts[i].CountKey.ID())); f.Log == nil || f.Log.Sample != name {
			t.Errorf("log fact of service %.20q: got %+v", name, f.Log)
		}
	}
}

// strings1k is a name that is long.
var strings1k = fmt.Sprintf("%01000d", 7)
