package storagetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func prune(t *testing.T, s storage.Store, r storage.Retention) {
	t.Helper()
	if err := s.Prune(t.Context(), r); err != nil {
		t.Fatalf("prune: %v", err)
	}
}

func testPrune(t *testing.T, open Open) {
	s := openStore(t, open)
	var b event.Batch
	for i := range 1200 {
		b.Events = append(b.Events, message(i, wholeStart.Add(time.Duration(i)*time.Minute)))
	}
	b.Events[3].ID = event.NewID(wholeStart.Add(1000*time.Hour), "stray")
	for i := range 20 {
		when := wholeStart.Add(time.Duration(i) * time.Hour)
		b.Observations = append(b.Observations, observation(i, when, when.Add(time.Minute)))
		b.Asides = append(b.Asides, event.Aside{ID: event.NewID(when, "aside"), ReceivedAt: when, Raw: []byte("x")})
		b.Chunks = append(b.Chunks, chunk(fmt.Sprint(i), when, 10, "payments"))
	}
	appendBatch(t, s, b)
	count := func(what string, events, observations, asides, lines, counts int) {
		t.Helper()
		facts := window(t, s, storage.CountQuery{})
		gotLines := allLines(t, s, storage.LineQuery{Limit: 1000})
		gotCounts := countsOf(t, s, storage.CountQuery{})
		gotAsides := must[storage.AsidePage](t, "asides")(s.Asides(t.Context(), "", 1000))
		got := []int{len(facts.Events), len(facts.Observations), len(gotAsides.Asides), len(gotLines), len(gotCounts)}
		if want := []int{events, observations, asides, lines, counts}; fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: got %v events, observations, asides, lines and counts, want %v", what, got, want)
		}
	}
	prune(t, s, storage.Retention{})
	count("after a policy that keeps all", 1200, 20, 20, 1200, 1200)
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	wantErr(t, "prune that is cancelled", s.Prune(cancelled, storage.Retention{EventsBefore: at(time.Hour)}), context.Canceled)

	hour := func(n int) time.Time { return wholeStart.Add(time.Duration(n) * time.Hour) }
	prune(t, s, storage.Retention{LinesBefore: hour(10)})
	count("after lines were pruned", 1200, 20, 20, 600, 1200)
	prune(t, s, storage.Retention{CountsBefore: hour(5)})
	count("after counts were pruned", 1200, 20, 20, 600, 900)
	prune(t, s, storage.Retention{EventsBefore: hour(5), AsidesBefore: hour(15)})
	count("after events and asides were pruned", 900, 15, 5, 600, 900)
	prune(t, s, storage.Retention{CountsBefore: hour(12)})
	count("after counts were pruned that still have lines", 900, 15, 5, 600, 480)
	_, err := s.Fact(t.Context(), b.Events[3].ID)
	wantErr(t, "event that was pruned", err, storage.ErrNotFound)

	// What was pruned may come again, and the feed goes on behind all that was.
	tip := must[storage.Cursor](t, "tip")(s.Tip(t.Context()))
	prune(t, s, storage.Retention{EventsBefore: hour(1000), CountsBefore: hour(1000), LinesBefore: hour(1000), AsidesBefore: hour(1000)})
	count("after all was pruned", 0, 0, 0, 0, 0)
	appendBatch(t, s, event.Batch{Events: b.Events[:1], Chunks: b.Chunks[:1], Observations: b.Observations[:1]})
	count("after some came again", 1, 1, 0, 60, 60)
	page, _ := drain(t, s, tip, 0)
	if page.Len() != 62 {
		t.Errorf("feed after pruning: got %d facts, want 62", page.Len())
	}
}

func testPins(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	log := chunk("a", wholeStart, 10, "payments")
	late := chunk("late", wholeStart, 10, "payments")
	for i := range late.Counts {
		late.Counts[i].Digest++
	}
	cited, other, uncited := log.Counts[10].CountKey.ID(), log.Counts[20].CountKey.ID(), log.Counts[30].CountKey.ID()
	seen, unseen := message(1, wholeStart), message(2, wholeStart)
	firing := observation(1, wholeStart, wholeStart)
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{log}, Events: []event.Event{seen, unseen}, Observations: []event.Observation{firing}})
	one, two := incident("one", 0), incident("two", time.Hour)
	pins := []event.ID{cited, other, seen.ID, firing.ID(), event.NewID(wholeStart, "of nothing")}
	publish(t, s, c, storage.Derived{Timeline: one, Pins: pins})
	// More lines of a second that is pinned arrive late.
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{late}})

	resolves := func(what string, want bool, ids ...event.ID) {
		t.Helper()
		for i, id := range ids {
			_, err := s.Fact(t.Context(), id)
			if want && err != nil || !want && !errors.Is(err, storage.ErrNotFound) {
				t.Errorf("%s: fact %d: got error %v, want it found: %v", what, i, err, want)
			}
		}
	}
	all := storage.Retention{LinesBefore: at(time.Hour), CountsBefore: at(time.Hour), EventsBefore: at(time.Hour), AsidesBefore: at(time.Hour)}
	prune(t, s, all)
	resolves("pinned", true, cited, other, seen.ID, firing.ID())
	resolves("not pinned", false, uncited, unseen.ID)
	if n := len(countsOf(t, s, storage.CountQuery{})); n != 0 {
		t.Errorf("got %d counts after pruning, want none", n)
	}
	f := must[storage.Fact](t, "pinned fact")(s.Fact(t.Context(), cited))
	want := storage.LogFact{CountKey: log.Counts[10].CountKey, N: 2, First: log.Counts[10].First, Last: log.Counts[10].Last, ReceivedAt: log.ReceivedAt, Template: log.Counts[10].Template, Sample: log.Counts[10].Sample}
	same(t, "pinned fact", f.Log, want)

	// Another incident takes a fact over in the same publication that retires
	// the first; a pin that is not named again is let go.
	publish(t, s, c, storage.Derived{Timeline: one, Retired: true}, storage.Derived{Timeline: two, Pins: []event.ID{cited, seen.ID}})
	prune(t, s, all)
	resolves("pinned by another incident", true, cited, seen.ID)
	resolves("let go", false, other, firing.ID())
	publish(t, s, c, storage.Derived{Timeline: two, Pins: []event.ID{cited}})
	prune(t, s, all)
	resolves("still pinned", true, cited)
	resolves("let go by publishing again", false, seen.ID)
	publish(t, s, c, storage.Derived{Timeline: two, Retired: true})
	resolves("let go by retiring", false, cited)
}
