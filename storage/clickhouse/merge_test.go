package clickhouse

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// drawSighting draws a sighting of one alert. Values come from small ranges, so
// that equal ones are common.
func drawSighting(t *rapid.T, starts time.Time, fingerprint event.Fingerprint) event.Observation {
	moment := func(name string) time.Time {
		n := rapid.IntRange(0, 4).Draw(t, name)
		if n == 0 {
			return time.Time{}
		}
		return starts.Add(time.Duration(n)*time.Minute + time.Duration(n))
	}
	labels := func(name string) event.Labels {
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b", "ü"}), rapid.SampledFrom([]string{"", "1", "2", "\xff"}), 0, 2).Draw(t, name)
	}
	o := event.Observation{
		Fingerprint: fingerprint,
		// Some senders cut off what is below a millisecond.
		StartsAt: starts.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "start"))), Labels: labels("labels"), Annotations: labels("annotations"),
		GeneratorURL:   rapid.SampledFrom([]string{"", "http://p", "http://q"}).Draw(t, "url"),
		KeepAliveUntil: moment("keep alive"), EndedAt: moment("ended"), FiringSeenAt: moment("firing"), GoneBy: moment("gone"),
		FirstReceivedAt: starts.Add(time.Duration(rapid.IntRange(1, 4).Draw(t, "first")) * time.Minute),
		ClockSuspect:    rapid.Bool().Draw(t, "suspect"),
		Raw:             json.RawMessage(rapid.SampledFrom([]string{"1", "2", "\xff not UTF-8 \x00"}).Draw(t, "raw")),
	}
	o.LastReceivedAt = o.FirstReceivedAt.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "last")) * time.Minute)
	o.Roads = drawSet(t, "roads", event.RoadWebhook, event.RoadPrometheus, event.RoadPoll)
	o.SentFingerprints = drawSet(t, "fingerprints", event.Fingerprint(1), event.Fingerprint(1<<63))
	groups := make([]string, 60)
	for i := range groups {
		groups[i] = fmt.Sprintf("group %02d", i)
	}
	o.Groups = drawSet(t, "groups", groups...)
	o.Groups = o.Groups[:min(len(o.Groups), 32)]
	o.Instances = drawSet(t, "instances", "am-0", "am-1")
	return o
}

func drawSet[T ~string | ~uint64](t *rapid.T, name string, values ...T) []T {
	drawn := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, len(values), rapid.ID).Draw(t, name)
	if len(drawn) == 0 {
		return nil
	}
	slices.Sort(drawn)
	return drawn
}

// observationText is an observation for comparing: times in UTC, empty labels
// absent, the payload byte for byte.
func observationText(o event.Observation) string {
	raw := string(o.Raw)
	o.Raw = nil
	if len(o.Labels) == 0 {
		o.Labels = nil
	}
	if len(o.Annotations) == 0 {
		o.Annotations = nil
	}
	// %q keeps what is not UTF-8 apart, which JSON would not.
	return fmt.Sprintf("%q %q %q %+v", raw, o.Labels, o.Annotations, timesOf(o))
}

func timesOf(o event.Observation) []any {
	list := []any{o.Fingerprint, o.GeneratorURL, o.Roads, o.SentFingerprints, o.Groups, o.Instances, o.ClockSuspect}
	for _, at := range []time.Time{o.StartsAt, o.KeepAliveUntil, o.EndedAt, o.FiringSeenAt, o.GoneBy, o.FirstReceivedAt, o.LastReceivedAt} {
		list = append(list, at.UTC().Format(time.RFC3339Nano))
	}
	return list
}

// The merging engine's observation is event.Observation.Merge's, in any order
// and any batches, before and after the parts are merged.
func TestEngineMergesAsObservationsDo(t *testing.T) {
	s := openNew(t)
	want := make(map[event.ID]event.Observation)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		starts := appendTime.Add(time.Duration(n) * time.Hour).Truncate(time.Millisecond)
		list := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) event.Observation { return drawSighting(t, starts, event.Fingerprint(n)) }), 1, 6).Draw(rt, "sightings")
		merged := list[0]
		for _, o := range list[1:] {
			merged = merged.Merge(o)
		}
		shuffled := rapid.Permutation(list).Draw(rt, "order")
		shuffled = append(shuffled, shuffled[0])
		for len(shuffled) > 0 {
			size := rapid.IntRange(1, min(3, len(shuffled))).Draw(rt, "batch")
			for _, in := range observationInserts(facts.JoinObservations(shuffled[:size])) {
				if err := s.insert(t.Context(), newToken(), in); err != nil {
					rt.Fatal(err)
				}
			}
			shuffled = shuffled[size:]
		}
		checkObservation(rt, t, s, merged)
		want[merged.ID()] = merged
	})
	if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE "+s.schema.local("observations")+" FINAL"); err != nil {
		t.Fatal(err)
	}
	for _, o := range want {
		checkObservation(t, t, s, o)
	}
}

func checkObservation(fail interface{ Fatalf(string, ...any) }, t *testing.T, s *Store, want event.Observation) {
	f, err := s.Fact(t.Context(), want.ID())
	if err != nil || f.Observation == nil {
		fail.Fatalf("fact %s: got %+v and error %v, want an observation", want.ID(), f, err)
	}
	if g, w := observationText(*f.Observation), observationText(want); g != w {
		fail.Fatalf("observation:\n got %s\nwant %s", g, w)
	}
}

// Of events with one ID the first content stays, whatever parts hold them.
func TestEventsKeepTheirFirstContent(t *testing.T) {
	s := openNew(t)
	first := testEvent(1, appendTime)
	first.Raw, first.Instance = nil, ""
	want := first
	mustAppend(t, s, event.Batch{Events: []event.Event{first, testEvent(2, appendTime)}})
	for i := range 6 {
		later := testEvent(1, appendTime)
		later.Message = &event.Message{Text: fmt.Sprint("another ", i)}
		later.Instance, later.Raw = fmt.Sprint("am-", i), json.RawMessage(fmt.Sprint(i))
		later.ReceivedAt = first.ReceivedAt.Add(time.Duration(3-i) * time.Second)
		if later.ReceivedAt.Before(want.ReceivedAt) {
			want.ReceivedAt = later.ReceivedAt
		}
		b := event.Batch{Events: []event.Event{later, later}}
		b.Events[0].ReceivedAt = later.ReceivedAt.Add(time.Minute)
		mustAppend(t, s, b)
		if i%3 == 2 {
			// Parts are merged with others that come later.
			optimize(t, s)
		}
		for range 2 {
			checkEvent(t, s, want)
		}
	}
	optimize(t, s)
	checkEvent(t, s, want)
	if got := count(t, s, "events"); got != 2 {
		t.Errorf("after merging: got %d rows, want 2", got)
	}
}

func checkEvent(t *testing.T, s *Store, want event.Event) {
	t.Helper()
	f, err := s.Fact(t.Context(), want.ID)
	if err != nil || f.Event == nil {
		t.Fatalf("fact %s: got %+v and error %v, want an event", want.ID, f, err)
	}
	g, _ := json.Marshal(f.Event)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("event:\n got %s\nwant %s", g, w)
	}
}
