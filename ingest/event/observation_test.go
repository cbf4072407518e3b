package event_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 123_000_000, time.UTC)

// sighting draws a sighting of one alert. Values come from small ranges, so
// that equal ones are common.
func sighting(t *rapid.T) event.Observation {
	moment := func(name string) time.Time {
		n := rapid.IntRange(0, 4).Draw(t, name)
		if n == 0 {
			return time.Time{}
		}
		return began.Add(time.Duration(n) * time.Minute)
	}
	labels := func(name string) event.Labels {
		return rapid.MapOfN(rapid.SampledFrom([]string{"a", "b"}), rapid.SampledFrom([]string{"1", "2"}), 1, 2).Draw(t, name)
	}
	o := event.Observation{
		Fingerprint: 42,
		// Some senders cut off what is below a millisecond.
		StartsAt: began.Add(time.Duration(rapid.IntRange(0, 2).Draw(t, "start"))), Labels: labels("labels"), Annotations: labels("annotations"),
		GeneratorURL:    rapid.SampledFrom([]string{"", "http://p", "http://q"}).Draw(t, "url"),
		KeepAliveUntil:  moment("keep alive"),
		EndedAt:         moment("ended"),
		FiringSeenAt:    moment("firing"),
		GoneBy:          moment("gone"),
		FirstReceivedAt: moment("first"),
		ClockSuspect:    rapid.Bool().Draw(t, "suspect"),
		Raw:             json.RawMessage(rapid.SampledFrom([]string{"1", "2", "3"}).Draw(t, "raw")),
	}
	o.LastReceivedAt = o.FirstReceivedAt.Add(time.Duration(rapid.IntRange(0, 3).Draw(t, "last")) * time.Minute)
	o.Roads = set(t, "roads", event.RoadWebhook, event.RoadPrometheus, event.RoadPoll)
	o.SentFingerprints = set(t, "fingerprints", event.Fingerprint(1), event.Fingerprint(2))
	groups := make([]string, 60)
	for i := range groups {
		groups[i] = fmt.Sprintf("group %02d", i)
	}
	o.Groups = set(t, "groups", groups...)
	if len(o.Groups) > 32 {
		o.Groups = o.Groups[:32]
	}
	o.Instances = set(t, "instances", "am-0", "am-1")
	return o
}

func set[T ~string | ~uint64](t *rapid.T, name string, values ...T) []T {
	drawn := rapid.SliceOfNDistinct(rapid.SampledFrom(values), 0, len(values), rapid.ID).Draw(t, name)
	if len(drawn) == 0 {
		return nil
	}
	slices.Sort(drawn)
	return drawn
}

func text(t *rapid.T, o event.Observation) string {
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	return string(b)
}

func TestMergeIsASemilattice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := sighting(t), sighting(t), sighting(t)
		equal := func(law string, got, want event.Observation) {
			if g, w := text(t, got), text(t, want); g != w {
				t.Fatalf("%s:\n got %s\nwant %s", law, g, w)
			}
		}
		equal("a+b = b+a", a.Merge(b), b.Merge(a))
		equal("(a+b)+c = a+(b+c)", a.Merge(b).Merge(c), a.Merge(b.Merge(c)))
		equal("a+a = a", a.Merge(a), a)
		equal("a+b+b = a+b", a.Merge(b).Merge(b), a.Merge(b))
		if ab := a.Merge(b); ab.ID() != a.ID() || ab.ID() != b.ID() {
			t.Fatalf("the merged observation has another ID")
		}
	})
}

// A store's feed leaves payloads out, and its reader merges what comes: that
// must give what the store has, whatever the payloads were.
func TestMergeDoesNotNeedPayloads(t *testing.T) {
	without := func(o event.Observation) event.Observation {
		o.Raw = nil
		return o
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := sighting(t), sighting(t)
		if g, w := text(t, without(a).Merge(without(b))), text(t, without(a.Merge(b))); g != w {
			t.Fatalf("without payloads:\n got %s\nwant %s", g, w)
		}
	})
}

// The recorder does not tell the URL, and which of a redundant pair is heard
// first is chance: the link of an alert must depend on neither.
func TestMergeKeepsTheLeastURL(t *testing.T) {
	sighting := func(url string, minute int) event.Observation {
		return event.Observation{StartsAt: began, GeneratorURL: url, FirstReceivedAt: began.Add(time.Duration(minute) * time.Minute)}
	}
	for _, list := range [][]event.Observation{
		{sighting("", 1), sighting("http://b", 2), sighting("http://a", 3)},
		{sighting("http://b", 1), sighting("http://a", 2), sighting("", 3)},
		{sighting("http://a", 1), sighting("", 2), sighting("http://b", 3)},
	} {
		if got := list[0].Merge(list[1]).Merge(list[2]).GeneratorURL; got != "http://a" {
			t.Errorf("%q, %q, %q merge to %q, want the least, http://a", list[0].GeneratorURL, list[1].GeneratorURL, list[2].GeneratorURL, got)
		}
	}
}

func TestMergeOrderOfManyDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Custom(sighting), 1, 8).Draw(t, "sightings")
		shuffled := rapid.Permutation(list).Draw(t, "order")
		shuffled = append(shuffled, shuffled[0])
		fold := func(list []event.Observation) event.Observation {
			m := list[0]
			for _, o := range list[1:] {
				m = m.Merge(o)
			}
			return m
		}
		if g, w := text(t, fold(shuffled)), text(t, fold(list)); g != w {
			t.Fatalf("in another order:\n got %s\nwant %s", g, w)
		}
	})
}

func TestMerge(t *testing.T) {
	minute := func(n int) time.Time { return began.Add(time.Duration(n) * time.Minute) }
	a := event.Observation{
		StartsAt: began, Labels: event.Labels{"a": "1"}, Raw: json.RawMessage(`"first"`),
		KeepAliveUntil: minute(5), FiringSeenAt: minute(1), FirstReceivedAt: minute(1), LastReceivedAt: minute(1),
		Roads: []event.Road{event.RoadPrometheus},
	}
	b := event.Observation{
		StartsAt: began.Add(456), Labels: event.Labels{"a": "1"}, Raw: json.RawMessage(`"second"`),
		EndedAt: minute(5), GoneBy: minute(7), FirstReceivedAt: minute(2), LastReceivedAt: minute(6),
		Roads: []event.Road{event.RoadWebhook}, ClockSuspect: true,
	}
	got := a.Merge(b)
	want := event.Observation{
		StartsAt: began.Add(456), Labels: event.Labels{"a": "1"}, Raw: json.RawMessage(`"first"`),
		KeepAliveUntil: minute(5), EndedAt: minute(5), FiringSeenAt: minute(1), GoneBy: minute(7), FirstReceivedAt: minute(1), LastReceivedAt: minute(6),
		Roads: []event.Road{event.RoadWebhook, event.RoadPrometheus}, ClockSuspect: true,
	}
	slices.Sort(want.Roads)
	g, _ := json.Marshal(got)
	w, _ := json.Marshal(want)
	if string(g) != string(w) {
		t.Errorf("merged:\n got %s\nwant %s", g, w)
	}
	if !got.Expired() {
		t.Error("an end that equals the last announced one: got not expired, want expired")
	}
	if a.Expired() {
		t.Error("without an end: got expired, want not")
	}
}
