package storagetest

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func exporter(t *testing.T, s storage.Store) storage.Exporter {
	t.Helper()
	e, ok := s.(storage.Exporter)
	if !ok {
		t.Fatalf("%T cannot be exported", s)
	}
	return e
}

// Everything is facts of every kind and size.
func Everything() event.Batch {
	b := event.Batch{Events: everyKind()}
	for i := range 2500 {
		b.Events = append(b.Events, message(i, at(time.Duration(i)*time.Minute)))
	}
	stray := message(5000, at(0))
	stray.ID = event.NewID(at(900*time.Hour), "stray")
	b.Events = append(b.Events, stray)
	for i := range 1100 {
		when := at(time.Duration(i) * time.Hour)
		o := observation(i, when, when.Add(time.Minute))
		switch i {
		case 1:
			o.Raw, o.EndedAt, o.GoneBy, o.ClockSuspect = nil, when.Add(time.Hour), when.Add(time.Minute), true
		case 2:
			o.KeepAliveUntil, o.FiringSeenAt, o.Annotations, o.GeneratorURL, o.Groups, o.SentFingerprints, o.Instances = time.Time{}, time.Time{}, nil, "", nil, nil, nil
		}
		b.Observations = append(b.Observations, o)
	}
	for i := range 30 {
		when := at(time.Duration(i) * time.Second)
		b.Asides = append(b.Asides, event.Aside{
			ID: event.NewID(when, "aside"), ReceivedAt: when, Road: event.RoadGitHub, Reason: "alerts[0]: wrong", Class: "type", Raw: []byte("\xff\x00 no JSON"),
		})
	}
	// One chunk that is large in every way, and small ones over two days.
	b.Chunks = append(b.Chunks, chunk("large", wholeStart, 800, "payments", "checkout"))
	for i := range 120 {
		b.Chunks = append(b.Chunks, chunk(fmt.Sprint(i), wholeStart.Add(time.Duration(i)*24*time.Minute), 3, "payments", fmt.Sprint("service-", i%7)))
	}
	odd := chunk("odd", wholeStart, 1, "payments")
	odd.Streams = append(odd.Streams, event.Stream{Service: "", Environment: "", Labels: nil})
	odd.Lines = append(odd.Lines,
		event.Line{Stream: 1, At: wholeStart, Text: "not UTF-8: \xff\xfe\x00"},
		event.Line{Stream: 1, At: wholeStart, Text: ""},
		event.Line{Stream: 1, At: wholeStart.Add(72 * time.Hour), Text: "from another day", Metadata: event.Labels{"odd": "größe \u0000"}},
		event.Line{Stream: 1, At: wholeStart.Add(time.Nanosecond), Text: strings.Repeat("long ", 13_000)})
	odd.Counts[0].Sample, odd.Counts[0].Upstreams = "not UTF-8: \xff", nil
	b.Chunks = append(b.Chunks, odd)
	counted := chunk("counts only", wholeStart, 2, "payments")
	counted.Lines, counted.Streams = nil, nil
	lined := chunk("lines only", wholeStart, 2, "payments")
	lined.Counts = nil
	b.Chunks = append(b.Chunks, counted, lined)
	return b
}

func testExport(t *testing.T, open Open) {
	s, again := openStore(t, open), openStore(t, open)
	b := Everything()
	for _, part := range []event.Batch{{Chunks: b.Chunks[:60]}, {Events: b.Events, Asides: b.Asides}, {Chunks: b.Chunks[60:]}, {Observations: b.Observations}} {
		appendBatch(t, s, part)
	}
	// What was replaced is not given out.
	replaced := chunk("replaced", wholeStart, 5, "gone")
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{replaced}})
	now := chunk("replaced", wholeStart, 2, "payments")
	now.ReceivedAt = replaced.ReceivedAt
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{now}})
	b.Chunks = append(b.Chunks, now)
	want := Facts(t, b)
	SameContents(t, "export", Contents(t, exporter(t, s)), want)

	e := exporter(t, s)
	size := must[storage.ExportSize](t, "size")(e.ExportSize(t.Context()))
	if wantSize := (storage.ExportSize{Events: int64(len(b.Events)), Observations: int64(len(b.Observations)), Asides: int64(len(b.Asides)), Chunks: int64(len(b.Chunks))}); size != wantSize {
		t.Errorf("size: got %+v, want %+v", size, wantSize)
	}
	var positions []string
	if err := e.Export(t.Context(), "", func(b event.Batch, position string) error {
		if n := len(b.Events) + len(b.Observations) + len(b.Asides) + len(b.Chunks); n == 0 {
			t.Errorf("export: an empty batch")
		}
		positions = append(positions, position)
		return again.Append(t.Context(), b)
	}); err != nil {
		t.Fatalf("export into another store: %v", err)
	}
	SameContents(t, "export of the other store", Contents(t, exporter(t, again)), want)
	if len(positions) < 6 {
		t.Errorf("export: got %d batches, want several of every kind", len(positions))
	}
	if e.Identity() == "" || e.Identity() == exporter(t, again).Identity() {
		t.Errorf("identities: got %q and %q, want two", e.Identity(), exporter(t, again).Identity())
	}

	held := must[map[event.ChunkID]storage.Held](t, "held")(e.Held(t.Context(), []event.ChunkID{b.Chunks[0].ID, b.Chunks[1].ID, now.ID, {1, 2, 3}}))
	wantHeld := make(map[event.ChunkID]storage.Held)
	for _, c := range []event.Chunk{b.Chunks[0], b.Chunks[1], now} {
		wantHeld[c.ID] = storage.Held{Lines: len(c.Lines), Counts: len(c.Counts)}
	}
	if !maps.Equal(held, wantHeld) {
		t.Errorf("held: got %v, want %v", held, wantHeld)
	}

	// Positions of another store, and of none.
	for _, bad := range []string{positions[0] + "x", "x", "..", e.Identity() + ".nothing.1", e.Identity() + ".events.-1"} {
		wantErr(t, "export from "+bad, e.Export(t.Context(), bad, ignoreBatch), storage.ErrBadCursor)
		wantErr(t, "export of timelines from "+bad, e.ExportDerived(t.Context(), bad, ignoreDerived), storage.ErrBadCursor)
	}
	wantErr(t, "export from another store's position", exporter(t, again).Export(t.Context(), positions[0], ignoreBatch), storage.ErrBadCursor)
	wantErr(t, "export of facts from a position in the timelines", e.Export(t.Context(), e.Identity()+".derived.1", ignoreBatch), storage.ErrBadCursor)
}

func ignoreBatch(event.Batch, string) error         { return nil }
func ignoreDerived([]storage.Derived, string) error { return nil }

// testExportResumed ends an export after every batch and goes on in a store
// that was closed and opened again.
func testExportResumed(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	b := Everything()
	appendBatch(t, s, b)
	want := Facts(t, b)
	c := claim(t, s, "a")
	for i := range 70 {
		tl := incident(fmt.Sprint(i), time.Duration(i)*time.Hour)
		d := storage.Derived{Timeline: tl, Signals: []event.ID{signal(i)}, Digest: fmt.Sprint(i), Pins: []event.ID{b.Events[i].ID}}
		publish(t, s, c, d)
		want["incident "+tl.Incident.ID.String()] = asJSON(t, d)
	}
	enough := errors.New("enough")
	got := make(map[string]string)
	position := ""
	for done := false; !done; {
		err := exporter(t, s).Export(t.Context(), position, func(b event.Batch, next string) error {
			facts := Facts(t, b)
			for name := range facts {
				if _, twice := got[name]; twice {
					t.Errorf("resumed export: %s comes twice", name)
				}
			}
			maps.Copy(got, facts)
			position = next
			return enough
		})
		if done = err == nil; !done {
			wantErr(t, "export that is stopped", err, enough)
		}
		if len(got)%5 == 0 || done { // now and then
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			s = open(t, dir)
		}
	}
	position = ""
	for done := false; !done; {
		err := exporter(t, s).ExportDerived(t.Context(), position, func(list []storage.Derived, next string) error {
			for _, d := range list {
				got["incident "+d.Timeline.Incident.ID.String()] = asJSON(t, d)
			}
			position = next
			return enough
		})
		if done = err == nil; !done {
			wantErr(t, "export of timelines that is stopped", err, enough)
		}
	}
	SameContents(t, "resumed export", got, want)
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wantErr(t, "export of a closed store", exporter(t, s).Export(t.Context(), "", ignoreBatch), storage.ErrUnavailable)
	wantErr(t, "export of a closed store's timelines", exporter(t, s).ExportDerived(t.Context(), "", ignoreDerived), storage.ErrUnavailable)
}

// testExportPruned exports what retention left: a copy of it answers as the
// original does.
func testExportPruned(t *testing.T, open Open) {
	s, again := openStore(t, open), openStore(t, open)
	early, late := chunk("early", wholeStart, 10, "payments"), chunk("late", wholeStart.Add(2*time.Hour), 10, "payments")
	// Of one second, some counts go and others stay.
	split := chunk("split", wholeStart, 10, "payments")
	for i := range split.Counts {
		split.Counts[i].Digest++
	}
	split.Counts = append(split.Counts, late.Counts[0])
	split.Counts[len(split.Counts)-1].Digest++
	seen, unseen, firing := message(1, wholeStart), message(2, wholeStart), observation(1, wholeStart, wholeStart)
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{early, split, late}, Events: []event.Event{seen, unseen}, Observations: []event.Observation{firing}})
	cited := early.Counts[10].CountKey.ID()
	one := storage.Derived{Timeline: incident("one", 0), Signals: []event.ID{signal(1), signal(2)}, Digest: "d", Pins: []event.ID{cited, seen.ID, firing.ID()}}
	one.Timeline.Incident.Aliases = []event.ID{signal(7)}
	two := storage.Derived{Timeline: incident("two", time.Hour), Signals: []event.ID{signal(3)}}
	publish(t, s, claim(t, s, "a"), one, two)
	whole := must[storage.Fact](t, "fact")(s.Fact(t.Context(), cited))
	hour := wholeStart.Add(time.Hour)
	prune(t, s, storage.Retention{LinesBefore: hour, CountsBefore: hour, EventsBefore: hour})

	e := exporter(t, s)
	if err := e.Export(t.Context(), "", func(b event.Batch, _ string) error { return again.Append(t.Context(), b) }); err != nil {
		t.Fatalf("export: %v", err)
	}
	// Twice, to no effect.
	if err := e.Export(t.Context(), "", func(b event.Batch, _ string) error { return again.Append(t.Context(), b) }); err != nil {
		t.Fatalf("export: %v", err)
	}
	c := claim(t, again, "copy")
	if err := e.ExportDerived(t.Context(), "", func(list []storage.Derived, _ string) error {
		return again.Publish(t.Context(), c, list)
	}); err != nil {
		t.Fatalf("export timelines: %v", err)
	}
	agree := func(what string) {
		t.Helper()
		for name, id := range map[string]event.ID{"log fact": cited, "event": seen.ID, "observation": firing.ID()} {
			want := must[storage.Fact](t, "fact")(s.Fact(t.Context(), id))
			got, err := again.Fact(t.Context(), id)
			if err != nil {
				t.Errorf("%s: pinned %s in the copy: %v", what, name, err)
				continue
			}
			same(t, what+": pinned "+name, got, want)
		}
		_, err := again.Fact(t.Context(), unseen.ID)
		wantErr(t, what+": event that was pruned before the copy", err, storage.ErrNotFound)
		for _, id := range []event.ID{one.Timeline.Incident.ID, signal(1), signal(2), signal(7), two.Timeline.Incident.ID, signal(3)} {
			same(t, what+": timeline", findTimeline(t, again, id), findTimeline(t, s, id))
		}
		same(t, what+": published", must[[]storage.Published](t, "published")(again.Published(t.Context(), time.Time{})), must[[]storage.Published](t, "published")(s.Published(t.Context(), time.Time{})))
	}
	agree("after the copy")
	same(t, "pinned log fact in the copy", must[storage.Fact](t, "fact")(again.Fact(t.Context(), cited)), whole)
	same(t, "counts that are left", countsOf(t, again, storage.CountQuery{From: hour}), countsOf(t, s, storage.CountQuery{From: hour}))
	sameLines(t, "lines that are left", allLines(t, again, storage.LineQuery{From: hour}), allLines(t, s, storage.LineQuery{From: hour}))
	prune(t, again, storage.Retention{LinesBefore: hour, CountsBefore: hour, EventsBefore: hour})
	agree("after pruning the copy")
}
