package storagetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func testFeed(t *testing.T, open Open) {
	s := openStore(t, open)
	page, cursor, err := s.Since(t.Context(), "", 10)
	if err != nil || page.Len() != 0 || cursor != "" {
		t.Fatalf("feed of an empty store: got %d facts, cursor %q and error %v; want none of them", page.Len(), cursor, err)
	}
	tip := must[storage.Cursor](t, "tip")(s.Tip(t.Context()))
	var b event.Batch
	for i := range 57 {
		b.Events = append(b.Events, message(i, at(time.Duration(i)*time.Second)))
		b.Observations = append(b.Observations, observation(i, at(0), at(time.Duration(i)*time.Second)))
	}
	for i := range 5 {
		b.Chunks = append(b.Chunks, chunk(fmt.Sprint(i), at(time.Duration(i)*time.Hour), 2, "payments", "checkout"))
	}
	appendBatch(t, s, b)
	counts := 5 * len(b.Chunks[0].Counts)
	for _, from := range []storage.Cursor{"", tip} {
		for _, limit := range []int{1, 7, 50, 10_000} {
			got, _ := drain(t, s, from, limit)
			if len(got.Events) != 57 || len(got.Observations) != 57 || len(got.Counts) != counts {
				t.Errorf("feed from %q by %d: got %d events, %d observations, %d counts; want 57, 57, %d", from, limit, len(got.Events), len(got.Observations), len(got.Counts), counts)
			}
		}
	}
	got, _ := drain(t, s, "", 100)
	want := make(map[event.CountKey]event.Count)
	for _, c := range b.Chunks {
		for _, n := range c.Counts {
			want[n.CountKey] = n
		}
	}
	for _, n := range got.Counts {
		same(t, "feed: count", n, want[n.CountKey])
	}

	tip = must[storage.Cursor](t, "tip")(s.Tip(t.Context()))
	if page, _, err := s.Since(t.Context(), tip, 10); err != nil || page.Len() != 0 {
		t.Errorf("feed from the tip: got %d facts and error %v, want none", page.Len(), err)
	}
	last := message(1000, at(-time.Hour))
	appendBatch(t, s, event.Batch{Events: []event.Event{last}})
	page, _ = drain(t, s, tip, 10)
	if page.Len() != 1 || len(page.Events) != 1 || page.Events[0].ID != last.ID {
		t.Errorf("feed from the tip after one more: got %d facts, want that one", page.Len())
	}
	for _, bad := range []storage.Cursor{"x", "1", "\x00", "AAAAAAAA"} {
		_, _, err := s.Since(t.Context(), bad, 10)
		wantErr(t, fmt.Sprintf("since %q", bad), err, storage.ErrBadCursor)
	}
}

// testFeedConcurrent follows the feed while several writers append, and misses
// nothing.
func testFeedConcurrent(t *testing.T, open Open) {
	s := openStore(t, open)
	const writers, batches = 4, 40
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range batches {
				n := w*batches + i
				b := event.Batch{Events: []event.Event{message(n, at(time.Duration(n)*time.Millisecond))}}
				// All writers see the same alert.
				b.Observations = []event.Observation{observation(1, at(0), at(time.Duration(n)*time.Second))}
				if i%4 == 0 {
					b.Chunks = []event.Chunk{chunk(fmt.Sprint(n), at(time.Duration(n)*time.Minute), 1, "payments")}
				}
				if err := s.Append(t.Context(), b); err != nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	finished := make(chan struct{})
	go func() { wg.Wait(); close(finished) }()

	events := make(map[event.ID]bool)
	counts := make(map[event.CountKey]bool)
	var last event.Observation
	var cursor storage.Cursor
	for done := false; ; {
		select {
		case <-finished:
			done = true
		default:
		}
		page, next, err := s.Since(t.Context(), cursor, 10)
		if err != nil {
			t.Fatalf("since: %v", err)
		}
		for _, e := range page.Events {
			events[e.ID] = true
		}
		for _, c := range page.Counts {
			counts[c.CountKey] = true
		}
		for _, o := range page.Observations {
			last = o
		}
		if done && page.Len() == 0 {
			break
		}
		cursor = next
	}
	if len(events) != writers*batches {
		t.Errorf("got %d events, want %d", len(events), writers*batches)
	}
	if want := writers * batches / 4 * 6; len(counts) != want {
		t.Errorf("got %d counts, want %d", len(counts), want)
	}
	if want := at((writers*batches - 1) * time.Second); !last.LastReceivedAt.Equal(want) {
		t.Errorf("the observation was last seen with receipt %s, want %s", last.LastReceivedAt, want)
	}
}

func testWindow(t *testing.T, open Open) {
	s := openStore(t, open)
	var b event.Batch
	for i := range 1300 {
		e := message(i, at(time.Duration(i)*time.Second))
		if i%100 == 0 {
			// An ID need not begin with the time of the event.
			e.ID = event.NewID(at(-time.Hour), "stray", fmt.Sprint(i))
		}
		b.Events = append(b.Events, e)
	}
	// Seen from its start, at i minutes, for ten minutes.
	for i := range 700 {
		o := observation(i, at(time.Duration(i)*time.Minute), at(time.Duration(i+10)*time.Minute))
		b.Observations = append(b.Observations, o)
	}
	// Many alerts at once, before all these.
	for i := range 700 {
		starts := at(-30*time.Minute + time.Duration(i)*time.Millisecond)
		b.Observations = append(b.Observations, observation(1000+i, starts, starts.Add(time.Minute)))
	}
	appendBatch(t, s, b)
	for _, span := range []struct{ from, to time.Time }{
		{at(0), at(1300 * time.Second)},
		{at(10 * time.Second), at(20 * time.Second)},
		{at(100 * time.Second), at(100*time.Second + 1)},
		{at(101*time.Second + 1), at(102 * time.Second)},
		{at(10 * time.Minute), at(300 * time.Minute)},
		{time.Time{}, time.Time{}},
		{at(-1000 * time.Hour), at(-999 * time.Hour)},
		{at(time.Second), at(time.Second)},
	} {
		var events, observations int
		for _, e := range b.Events {
			if !e.OccurredAt.Before(span.from) && (span.to.IsZero() || e.OccurredAt.Before(span.to)) {
				events++
			}
		}
		for _, o := range b.Observations {
			if (span.to.IsZero() || o.StartsAt.Before(span.to)) && !storage.LastSighting(o).Before(span.from) && (!span.to.Equal(span.from) || span.to.IsZero()) {
				observations++
			}
		}
		got := window(t, s, storage.CountQuery{From: span.from, To: span.to})
		if len(got.Events) != events || len(got.Observations) != observations {
			t.Errorf("window %s to %s: got %d events and %d observations, want %d and %d", span.from, span.to, len(got.Events), len(got.Observations), events, observations)
		}
		for _, e := range got.Events {
			if e.Raw != nil {
				t.Errorf("window: event %s comes with its payload", e.ID)
			}
		}
	}
	stop := fmt.Errorf("enough")
	pages := 0
	err := s.Window(t.Context(), time.Time{}, time.Time{}, func(storage.FactPage) error { pages++; return stop })
	wantErr(t, "window that is stopped", err, stop)
	if pages != 1 {
		t.Errorf("window that is stopped: got %d pages, want 1", pages)
	}
}
