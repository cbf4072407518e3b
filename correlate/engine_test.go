package correlate_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

var t0 = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world draws facts about a few services over an hour.
type world struct {
	events       []event.Event
	observations []event.Observation
	counts       []event.Count
}

func (w *world) len() int { return len(w.events) + len(w.observations) + len(w.counts) }

// slice gives the facts whose index, over all three lists, lies in [lo, hi).
func (w *world) observe(e *correlate.Engine, i int) {
	switch {
	case i < len(w.events):
		e.Observe(w.events[i:i+1], nil, nil)
	case i < len(w.events)+len(w.observations):
		i -= len(w.events)
		e.Observe(nil, w.observations[i:i+1], nil)
	default:
		i -= len(w.events) + len(w.observations)
		e.Observe(nil, nil, w.counts[i:i+1])
	}
}

func drawTime(t *rapid.T, name string) time.Time {
	return t0.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, name)) * time.Second)
}

func drawWorld(t *rapid.T) *world {
	services := []string{"checkout", "payments", "search", "mail"}
	service := rapid.SampledFrom(services)
	w := &world{}
	for range rapid.IntRange(1, 12).Draw(t, "alerts") {
		s := service.Draw(t, "service")
		labels := event.Labels{
			"alertname": rapid.SampledFrom([]string{"HighErrorRate", "Lag", "Watchdog"}).Draw(t, "alertname"),
			"service":   s, "severity": rapid.SampledFrom([]string{"critical", "warning"}).Draw(t, "severity"),
		}
		start := drawTime(t, "start")
		o := event.Observation{
			Fingerprint: labels.Fingerprint(), StartsAt: start, Labels: labels, Roads: []event.Road{event.RoadPrometheus},
			FirstReceivedAt: start.Add(time.Second), LastReceivedAt: start.Add(time.Second), FiringSeenAt: start.Add(time.Second),
		}
		sightings := rapid.IntRange(1, 3).Draw(t, "sightings")
		for i := range sightings {
			seen := o
			seen.FiringSeenAt = start.Add(time.Duration(i) * time.Minute)
			seen.FirstReceivedAt, seen.LastReceivedAt = seen.FiringSeenAt, seen.FiringSeenAt
			if rapid.Bool().Draw(t, "keepalive") {
				seen.KeepAliveUntil = seen.FiringSeenAt.Add(4 * time.Minute)
			}
			if i == sightings-1 && rapid.Bool().Draw(t, "ends") {
				seen.EndedAt = seen.FiringSeenAt.Add(time.Duration(rapid.IntRange(1, 900).Draw(t, "end")) * time.Second)
			}
			w.observations = append(w.observations, seen)
		}
		if rapid.Bool().Draw(t, "notified") {
			at := start.Add(30 * time.Second)
			w.events = append(w.events, event.Event{
				ID: event.NewID(at, "n", s, labels.String()), Kind: event.KindNotification, OccurredAt: at, ReceivedAt: at, Road: event.RoadRecorder,
				Notification: &event.Notification{Receiver: "pager", GroupKey: "{}:{service=\"" + s + "\"}", Firing: []event.AlertRef{{Fingerprint: labels.Fingerprint(), StartsAt: start}}},
			})
		}
		if rapid.Bool().Draw(t, "burst") {
			for i := range 8 {
				at := start.Add(time.Duration(i*2-10) * time.Second)
				c := event.Count{
					CountKey: event.CountKey{Service: s, Level: event.LevelError, Pattern: 7, Second: at.Unix()},
					N:        3, First: at, Last: at, Digest: uint64(at.UnixNano()), Template: "upstream call failed", Sample: "upstream call failed",
				}
				if s == "checkout" {
					c.Upstreams = []string{"payments"}
				}
				w.counts = append(w.counts, c)
			}
		}
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "changes") {
		s, at := service.Draw(t, "changed"), drawTime(t, "changed at")
		w.events = append(w.events, event.Event{
			ID: event.NewID(at, "c", s, fmt.Sprint(i)), Kind: event.KindChange, OccurredAt: at, ReceivedAt: at, Road: event.RoadDeploys, Service: s,
			Change: &event.Change{
				Kind: rapid.SampledFrom([]event.ChangeKind{event.ChangeDeploy, event.ChangeRollback}).Draw(t, "kind"), Version: fmt.Sprint("v", i), Actor: "mira",
				Status: rapid.SampledFrom([]event.ChangeStatus{event.ChangeStarted, event.ChangeSucceeded, event.ChangeFailed}).Draw(t, "status"),
			},
		})
	}
	for i := range rapid.IntRange(0, 4).Draw(t, "messages") {
		at := drawTime(t, "written at")
		w.events = append(w.events, event.Event{
			ID: event.NewID(at, "m", fmt.Sprint(i)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at, Road: event.RoadMessages,
			Message: &event.Message{Author: "dana", Text: rapid.SampledFrom([]string{"ack", "looking at payments", "rolling back checkout", "lunch?", "customers cannot pay"}).Draw(t, "text")},
		})
	}
	for i := range rapid.IntRange(0, 3).Draw(t, "silences") {
		at := drawTime(t, "silenced at")
		w.events = append(w.events, event.Event{
			ID: event.NewID(at, "s", fmt.Sprint(i)), Kind: event.KindSilence, OccurredAt: at, ReceivedAt: at, Road: event.RoadRecorder,
			Silence: &event.Silence{ID: fmt.Sprint(i), Action: event.SilenceCreated, StartsAt: at, EndsAt: at.Add(time.Hour), UpdatedAt: at, CreatedBy: "omar",
				MatcherSets: [][]event.Matcher{{{Name: "service", Op: "=", Value: service.Draw(t, "silenced")}}}},
		})
	}
	return w
}

// take applies what Derive gave to a set of timelines.
func take(into map[event.ID]timeline.Timeline, derived []correlate.Derived) {
	for _, d := range derived {
		if d.Retired {
			delete(into, d.Timeline.Incident.ID)
			continue
		}
		into[d.Timeline.Incident.ID] = d.Timeline
	}
}

func asJSON(t *rapid.T, m map[event.ID]timeline.Timeline) string {
	var out []timeline.Timeline
	for _, id := range slices.SortedFunc(keys(m), event.ID.Compare) {
		out = append(out, m[id])
	}
	b, err := json.MarshalIndent(out, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// atOnce are the timelines of an engine that is given all of the world before it
// derives for the first time.
func (w *world) atOnce(t *rapid.T, now time.Time) map[event.ID]timeline.Timeline {
	whole := newRapidEngine(t)
	whole.Observe(w.events, w.observations, w.counts)
	all := map[event.ID]timeline.Timeline{}
	take(all, whole.Derive(now))
	return all
}

func wantTimelines(t *rapid.T, when string, got, want map[event.ID]timeline.Timeline) {
	t.Helper()
	if g, w := asJSON(t, got), asJSON(t, want); g != w {
		t.Fatalf("timelines differ %s: %s", when, firstDifference(g, w))
	}
}

// TestSameFactsSameTimelines is the promise of the engine: the same facts give
// the same timelines all at once, one by one with derivations between, in any
// order, some of them twice, and after a restart anywhere.
func TestSameFactsSameTimelines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawWorld(t)
		now := t0.Add(time.Duration(rapid.IntRange(0, 48*60).Draw(t, "now")) * time.Minute)

		want := w.atOnce(t, now)

		order := rapid.Permutation(numbers(w.len())).Draw(t, "order")
		engine := newRapidEngine(t)
		got := map[event.ID]timeline.Timeline{}
		restart := rapid.IntRange(0, len(order)).Draw(t, "restart after")
		clock := t0
		for i, n := range order {
			if i == restart {
				// A new engine reads the facts again; what was published stays.
				engine = newRapidEngine(t)
				for _, m := range order[:i] {
					w.observe(engine, m)
				}
				got = map[event.ID]timeline.Timeline{}
			}
			w.observe(engine, n)
			if rapid.IntRange(0, 3).Draw(t, "again") == 0 {
				w.observe(engine, order[rapid.IntRange(0, i).Draw(t, "which")])
			}
			if rapid.Bool().Draw(t, "derive") {
				// Time goes on between derivations, to now at the most.
				clock = clock.Add(now.Sub(clock) / 4)
				if clock.After(now) {
					clock = now
				}
				take(got, engine.Derive(clock))
			}
		}
		take(got, engine.Derive(now))
		wantTimelines(t, "at the end", got, want)
	})
}

func numbers(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func newRapidEngine(t *rapid.T) *correlate.Engine {
	e, err := correlate.New(correlate.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	return e
}
