package storagetest

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// sameEvent compares payloads byte for byte, and the rest as JSON.
func sameEvent(t *testing.T, what string, got, want event.Event) {
	t.Helper()
	if !bytes.Equal(got.Raw, want.Raw) {
		t.Errorf("%s: the payload differs: got %d bytes, want %d", what, len(got.Raw), len(want.Raw))
	}
	got.Raw, want.Raw = nil, nil
	same(t, what, got, want)
}

func findEvent(t *testing.T, s storage.Store, id event.ID) event.Event {
	t.Helper()
	f := must[storage.Fact](t, "fact "+id.String())(s.Fact(t.Context(), id))
	if f.Event == nil || f.Observation != nil || f.Log != nil {
		t.Fatalf("fact %s: got %+v, want an event alone", id, f)
	}
	return *f.Event
}

func findObservation(t *testing.T, s storage.Store, id event.ID) event.Observation {
	t.Helper()
	f := must[storage.Fact](t, "fact "+id.String())(s.Fact(t.Context(), id))
	if f.Observation == nil || f.Event != nil || f.Log != nil {
		t.Fatalf("fact %s: got %+v, want an observation alone", id, f)
	}
	return *f.Observation
}

func testEvents(t *testing.T, open Open) {
	s := openStore(t, open)
	want := everyKind()
	appendBatch(t, s, event.Batch{Events: want})
	for _, w := range want {
		sameEvent(t, "event of kind "+string(w.Kind), findEvent(t, s, w.ID), w)
	}
	page, _ := drain(t, s, "", 5)
	if len(page.Events) != len(want) {
		t.Fatalf("feed: got %d events, want %d", len(page.Events), len(want))
	}
	for _, got := range page.Events {
		i := slices.IndexFunc(want, func(w event.Event) bool { return w.ID == got.ID })
		if i < 0 {
			t.Errorf("feed: event %s was never appended", got.ID)
			continue
		}
		w := want[i]
		w.Raw = nil // the feed leaves payloads out
		sameEvent(t, "feed: event of kind "+string(w.Kind), got, w)
	}
	_, err := s.Fact(t.Context(), event.NewID(start, "never"))
	wantErr(t, "fact that nobody appended", err, storage.ErrNotFound)
}

func testObservations(t *testing.T, open Open) {
	s := openStore(t, open)
	want := observation(1, at(0), at(time.Minute))
	want.EndedAt, want.GoneBy, want.ClockSuspect = at(time.Hour), at(2*time.Hour), true
	appendBatch(t, s, event.Batch{Observations: []event.Observation{want}})
	same(t, "observation", findObservation(t, s, want.ID()), want)
	page, _ := drain(t, s, "", 0)
	if len(page.Observations) != 1 {
		t.Fatalf("feed: got %d observations, want 1", len(page.Observations))
	}
	want.Raw = nil
	same(t, "feed: observation", page.Observations[0], want)
}

// testMerging appends sightings of one alert in several orders and batches.
func testMerging(t *testing.T, open Open) {
	sightings := []event.Observation{observation(1, at(0), at(time.Minute)), observation(1, at(0), at(2*time.Minute)), observation(1, at(0), at(3*time.Minute)), observation(1, at(0), at(time.Minute))}
	sightings[1].Roads, sightings[1].Groups = []event.Road{event.RoadWebhook}, []string{"{}:{a}", "{}:{b}"}
	sightings[2].EndedAt, sightings[2].FiringSeenAt, sightings[2].Instances = at(3*time.Minute), time.Time{}, []string{"am-0"}
	sightings[3].Raw, sightings[3].GoneBy = []byte(`{"another": "payload", "same": "time"}`), at(5*time.Minute)
	want := sightings[0]
	for _, o := range sightings[1:] {
		want = want.Merge(o)
	}
	for i, order := range [][][]int{{{0}, {1}, {2}, {3}}, {{3}, {2}, {1}, {0}}, {{2, 0}, {3, 1}}, {{0, 1, 2, 3}}, {{1}, {3, 3, 1}, {0, 2}, {0}, {1}}} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			s := openStore(t, open)
			for _, batch := range order {
				var b event.Batch
				for _, n := range batch {
					b.Observations = append(b.Observations, sightings[n])
				}
				appendBatch(t, s, b)
			}
			same(t, "merged observation", findObservation(t, s, want.ID()), want)
			page, cursor := drain(t, s, "", 0)
			bare := want
			bare.Raw = nil
			for _, o := range page.Observations {
				same(t, "feed: merged observation", o, bare)
			}
			if len(page.Observations) == 0 {
				t.Error("feed: no observation")
			}
			// A new sighting shows up behind the cursor, merged with all others.
			later := observation(1, at(0), at(9*time.Minute))
			appendBatch(t, s, event.Batch{Observations: []event.Observation{later}})
			page, _ = drain(t, s, cursor, 0)
			if len(page.Observations) != 1 {
				t.Fatalf("feed after another sighting: got %d observations, want 1", len(page.Observations))
			}
			bare = want.Merge(later)
			bare.Raw = nil
			same(t, "feed after another sighting", page.Observations[0], bare)
		})
	}
}

func testIdempotency(t *testing.T, open Open) {
	s := openStore(t, open)
	first := message(1, at(0))
	b := event.Batch{
		Events:       []event.Event{first, message(2, at(time.Second))},
		Observations: []event.Observation{observation(1, at(0), at(time.Minute))},
		Chunks:       []event.Chunk{chunk("a", at(0), 2, "payments")},
		Asides:       []event.Aside{{ID: event.NewID(at(0), "aside"), ReceivedAt: at(0), Road: event.RoadLoki, Reason: "r", Class: "c", Raw: []byte("x")}},
	}
	appendBatch(t, s, b)
	before, cursor := drain(t, s, "", 0)
	again := func() {
		t.Helper()
		after, _ := drain(t, s, "", 0)
		if len(after.Events) != len(before.Events) || len(after.Observations) != len(before.Observations) || len(after.Counts) != len(before.Counts) {
			t.Errorf("got %d events, %d observations and %d counts; want %d, %d and %d",
				len(after.Events), len(after.Observations), len(after.Counts), len(before.Events), len(before.Observations), len(before.Counts))
		}
		lines := must[storage.LinePage](t, "lines")(s.Lines(t.Context(), storage.LineQuery{Limit: 1000}))
		if len(lines.Lines) != len(b.Chunks[0].Lines) {
			t.Errorf("got %d lines, want %d", len(lines.Lines), len(b.Chunks[0].Lines))
		}
		asides := must[storage.AsidePage](t, "asides")(s.Asides(t.Context(), "", 0))
		if len(asides.Asides) != 1 {
			t.Errorf("got %d asides, want 1", len(asides.Asides))
		}
	}
	again()
	appendBatch(t, s, b)
	again()
	appendBatch(t, s, event.Batch{Events: b.Events[1:], Chunks: b.Chunks})
	again()

	// A known event keeps its content and takes the smaller time of receipt.
	late, early := first, first
	late.ReceivedAt, late.Service, late.Message = first.ReceivedAt.Add(time.Hour), "other", &event.Message{Text: "other"}
	early.ReceivedAt, early.Raw = first.ReceivedAt.Add(-time.Millisecond), []byte(`{}`)
	appendBatch(t, s, event.Batch{Events: []event.Event{late}})
	sameEvent(t, "event after a later copy", findEvent(t, s, first.ID), first)
	_, cursor = drain(t, s, cursor, 0)
	appendBatch(t, s, event.Batch{Events: []event.Event{early}})
	first.ReceivedAt = early.ReceivedAt
	sameEvent(t, "event after an earlier copy", findEvent(t, s, first.ID), first)
	page, _ := drain(t, s, cursor, 0)
	if len(page.Events) != 1 || !page.Events[0].ReceivedAt.Equal(early.ReceivedAt) {
		t.Errorf("feed after an earlier copy: got %s, want the event with its earlier time", asJSON(t, page.Events))
	}
	again()
	appendBatch(t, s, event.Batch{})
}

func testAsides(t *testing.T, open Open) {
	s := openStore(t, open)
	var want []event.Aside
	for i := range 25 {
		// Some arrive at the same time.
		received := at(time.Duration(i/3) * time.Second)
		want = append(want, event.Aside{
			ID: event.NewID(received, "aside", fmt.Sprint(i)), ReceivedAt: received, Road: event.RoadRecorder,
			Reason: fmt.Sprintf("alerts[%d].startsAt: not a time", i), Class: "time", Raw: []byte("\xff\x00 entry"),
		})
	}
	appendBatch(t, s, event.Batch{Asides: want[10:]})
	appendBatch(t, s, event.Batch{Asides: want[:12]})
	slices.SortFunc(want, func(a, b event.Aside) int {
		if c := b.ReceivedAt.Compare(a.ReceivedAt); c != 0 {
			return c
		}
		return b.ID.Compare(a.ID)
	})
	var got []event.Aside
	cursor := ""
	for pages := 0; ; pages++ {
		page := must[storage.AsidePage](t, "asides")(s.Asides(t.Context(), cursor, 7))
		got = append(got, page.Asides...)
		if cursor = page.Next; cursor == "" {
			break
		}
		if len(page.Asides) != 7 || pages > 10 {
			t.Fatalf("page %d has %d asides, want 7", pages, len(page.Asides))
		}
		// What is put aside meanwhile is newer than all pages to come.
		newer := event.Aside{ID: event.NewID(at(time.Hour), "newer", cursor), ReceivedAt: at(time.Hour), Road: event.RoadLoki, Raw: []byte{}}
		appendBatch(t, s, event.Batch{Asides: []event.Aside{newer}})
	}
	same(t, "asides, the newest first", got, want)
	for _, bad := range []string{"x", "AAAA", "ÿ"} {
		_, err := s.Asides(t.Context(), bad, 0)
		wantErr(t, "asides with cursor "+bad, err, storage.ErrBadCursor)
	}
}
