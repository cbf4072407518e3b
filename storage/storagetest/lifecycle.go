package storagetest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func testRestart(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	b := event.Batch{
		Events: everyKind(), Observations: []event.Observation{observation(1, at(0), at(time.Minute))},
		Chunks: []event.Chunk{chunk("a", wholeStart, 5, "payments")}, Asides: []event.Aside{{ID: signal(1), ReceivedAt: at(0), Reason: "r", Raw: []byte("x")}},
	}
	appendBatch(t, s, b)
	_, cursor := drain(t, s, "", 0)
	c := claim(t, s, "a")
	one, two := incident("one", 0), incident("two", time.Hour)
	publish(t, s, c, storage.Derived{Timeline: one, Signals: []event.ID{signal(5)}, Digest: "d"}, storage.Derived{Timeline: two})
	first := must[storage.IncidentPage](t, "incidents")(s.Incidents(t.Context(), storage.IncidentQuery{Limit: 1}))
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}

	s = open(t, dir)
	defer s.Close()
	for _, e := range b.Events {
		sameEvent(t, "event after a restart", findEvent(t, s, e.ID), e)
	}
	same(t, "observation after a restart", findObservation(t, s, b.Observations[0].ID()), b.Observations[0])
	page, _ := drain(t, s, "", 0)
	if len(page.Events) != len(b.Events) || len(page.Observations) != 1 || len(page.Counts) != len(b.Chunks[0].Counts) {
		t.Errorf("feed after a restart: got %d events, %d observations, %d counts", len(page.Events), len(page.Observations), len(page.Counts))
	}
	if page, _ := drain(t, s, cursor, 0); page.Len() != 0 {
		t.Errorf("feed after a restart, behind what was read before: got %d facts, want none", page.Len())
	}
	appendBatch(t, s, event.Batch{Events: []event.Event{message(7, at(0))}})
	if page, _ := drain(t, s, cursor, 0); len(page.Events) != 1 {
		t.Errorf("feed after a restart and one more event: got %d events, want 1", len(page.Events))
	}
	if got := len(allLines(t, s, storage.LineQuery{})); got != len(b.Chunks[0].Lines) {
		t.Errorf("got %d lines after a restart, want %d", got, len(b.Chunks[0].Lines))
	}
	if got := must[storage.AsidePage](t, "asides")(s.Asides(t.Context(), "", 0)); len(got.Asides) != 1 {
		t.Errorf("got %d asides after a restart, want 1", len(got.Asides))
	}
	same(t, "timeline after a restart", findTimeline(t, s, signal(5)), one)
	second := must[storage.IncidentPage](t, "incidents")(s.Incidents(t.Context(), storage.IncidentQuery{Limit: 1, Cursor: first.Next}))
	same(t, "second page after a restart", idsOf(second.Incidents), []event.ID{one.Incident.ID})
	if again := claim(t, s, "b"); again.Epoch <= c.Epoch {
		t.Errorf("claim after a restart: got epoch %d, want more than %d", again.Epoch, c.Epoch)
	}
	wantErr(t, "publish with a claim from before", s.Publish(t.Context(), c, []storage.Derived{{Timeline: one}}), storage.ErrFenced)
}

// testClosed closes a store under load: every Append has an answer, and what
// was answered with nil is there.
func testClosed(t *testing.T, open Open) {
	dir := t.TempDir()
	s := open(t, dir)
	var mu sync.Mutex
	var stored []event.ID
	var wg sync.WaitGroup
	begun := make(chan struct{}, 1000)
	for w := range 8 {
		wg.Go(func() {
			for i := range 1000 {
				e := message(w*1000+i, at(time.Duration(w*1000+i)*time.Second))
				err := s.Append(context.Background(), event.Batch{Events: []event.Event{e}})
				if errors.Is(err, storage.ErrUnavailable) {
					return
				}
				if err != nil {
					t.Errorf("append while closing: got error %v, want %v", err, storage.ErrUnavailable)
					return
				}
				mu.Lock()
				stored = append(stored, e.ID)
				mu.Unlock()
				select {
				case begun <- struct{}{}:
				default:
				}
			}
		})
	}
	for range 50 {
		<-begun
	}
	if err := s.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	wantErr(t, "append after close", s.Append(t.Context(), event.Batch{Events: []event.Event{message(1, at(0))}}), storage.ErrUnavailable)
	_, err := s.Fact(t.Context(), signal(1))
	wantErr(t, "fact after close", err, storage.ErrUnavailable)
	_, err = s.Claim(t.Context(), "a")
	wantErr(t, "claim after close", err, storage.ErrUnavailable)

	s = open(t, dir)
	defer s.Close()
	for _, id := range stored {
		if _, err := s.Fact(t.Context(), id); err != nil {
			t.Fatalf("event that was acknowledged while closing: %v", err)
		}
	}
}

// testCancelled gives up waiting: the batch may be stored or not, and others
// are not touched.
func testCancelled(t *testing.T, open Open) {
	s := openStore(t, open)
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			ctx, cancel := context.WithCancel(context.Background())
			if i%2 == 0 {
				go cancel()
			}
			err := s.Append(ctx, event.Batch{Events: []event.Event{message(i, at(time.Duration(i)*time.Second))}})
			if err != nil && (i%2 == 1 || !errors.Is(err, context.Canceled)) {
				t.Errorf("append %d: %v", i, err)
			}
			cancel()
		})
	}
	wg.Wait()
	for i := 1; i < 50; i += 2 {
		e := message(i, at(time.Duration(i)*time.Second))
		if _, err := s.Fact(t.Context(), e.ID); err != nil {
			t.Errorf("event %d, whose caller waited: %v", i, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := s.Fact(ctx, signal(1))
	wantErr(t, "fact with a cancelled context", err, context.Canceled)
}
