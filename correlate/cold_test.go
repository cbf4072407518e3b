package correlate_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// lendAndDerive derives as the runner does: what waits is derived again with
// what is missing of the stored logs lent, a stretch at a time.
func lendAndDerive(e *correlate.Engine, stored []event.Count, now time.Time) []correlate.Derived {
	out := e.Derive(now)
	for turn := 0; e.Waits() > 0 && turn < 100; turn++ {
		missing := e.Missing(now, 5*time.Hour)
		if len(missing) == 0 {
			break
		}
		var of []event.Count
		for _, c := range stored {
			if at := time.Unix(c.Second, 0); !at.Before(missing[0].From) && at.Before(missing[0].To) {
				of = append(of, c)
			}
		}
		e.Lend(of)
		e.Lent(missing[0])
		out = append(out, e.Derive(now)...)
		e.Return()
	}
	return out
}

// coldWorld is a world whose events from firstLate on may come late.
type coldWorld struct {
	*world
	firstLate int
}

// drawColdWorld draws a world, its changes first, without messages that name a
// service of which only logs tell: what is forgotten of logs may hold its name.
func drawColdWorld(t *rapid.T) *coldWorld {
	w := &coldWorld{world: drawWorld(t)}
	told := map[string]bool{}
	for _, o := range w.observations {
		told[o.Labels["service"]] = told[o.Labels["service"]] || o.Labels["alertname"] != "Watchdog"
	}
	for _, e := range w.events {
		told[e.Service] = told[e.Service] || e.Kind == event.KindChange
	}
	w.events = slices.DeleteFunc(w.events, func(e event.Event) bool {
		return e.Kind == event.KindMessage && slices.ContainsFunc([]string{"checkout", "payments"}, func(service string) bool {
			return !told[service] && strings.Contains(e.Message.Text, service)
		})
	})
	changes, others := []event.Event{}, []event.Event{}
	for _, e := range w.events {
		if e.Kind == event.KindChange {
			changes = append(changes, e)
		} else {
			others = append(others, e)
		}
	}
	w.events, w.firstLate = append(changes, others...), len(changes)
	return w
}

// TestForgottenLogsAreLent: an engine that holds no old logs, and is lent them
// when it derives, gives the timelines of one that holds all. Alerts and events
// may come after the logs were forgotten.
func TestForgottenLogsAreLent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawColdWorld(t)
		now := t0.Add(time.Duration(rapid.IntRange(2*60, 48*60).Draw(t, "now")) * time.Minute)
		want := w.atOnce(t, now)

		e := newRapidEngine(t)
		got := map[event.ID]timeline.Timeline{}
		e.Observe(nil, nil, w.counts)
		early := rapid.IntRange(w.firstLate, len(w.events)).Draw(t, "events before")
		e.Observe(w.events[:early], w.observations, nil)
		if rapid.Bool().Draw(t, "derived before") {
			take(got, e.Derive(now.Add(-time.Hour)))
		}
		e.ForgetLogs(t0.Add(time.Duration(rapid.IntRange(-60, 48*60).Draw(t, "forget before")) * time.Minute))
		e.Observe(w.events[early:], nil, nil)
		take(got, lendAndDerive(e, w.counts, now))
		wantTimelines(t, "at the end", got, want)
	})
}

// TestRestartAdopts: an engine that is told what was derived before it was
// made, and holds only the latest logs, derives nothing again as long as
// nothing comes; and then what the whole one does.
func TestRestartAdopts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawColdWorld(t)
		now := t0.Add(time.Duration(rapid.IntRange(2*60, 48*60).Draw(t, "now")) * time.Minute)
		kept := rapid.IntRange(w.firstLate, len(w.events)).Draw(t, "events before the restart")

		before := newRapidEngine(t)
		before.Observe(w.events[:kept], w.observations, w.counts)
		published := before.Derive(now)
		got := map[event.ID]timeline.Timeline{}
		take(got, published)

		hot := t0.Add(time.Duration(rapid.IntRange(-120, 48*60).Draw(t, "hot from")) * time.Minute)
		e := newRapidEngine(t)
		e.HoldLogs(hot)
		e.Observe(w.events[:kept], w.observations, slices.DeleteFunc(slices.Clone(w.counts), func(c event.Count) bool { return time.Unix(c.Second, 0).Before(hot) }))
		for _, d := range published {
			e.Adopt(d.Timeline.Incident.ID, d.Signals, d.Digest, time.Time{})
		}
		again := slices.DeleteFunc(lendAndDerive(e, w.counts, now), func(d correlate.Derived) bool {
			// What was apart only while its logs were missing was never published.
			_, known := got[d.Timeline.Incident.ID]
			return d.Retired && !known
		})
		if len(again) != 0 {
			t.Fatalf("nothing came, and %d timelines are derived anew, the first of %q (retired %v)", len(again), again[0].Timeline.Incident.Title, again[0].Retired)
		}

		want := w.atOnce(t, now)
		e.Observe(w.events[kept:], nil, nil)
		take(got, lendAndDerive(e, w.counts, now))
		wantTimelines(t, "after the restart", got, want)
	})
}

// TestColdIsAtRest: what was derived with lent logs is not derived again as
// long as nothing comes: the store would be read for it at every turn.
func TestColdIsAtRest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := drawColdWorld(t)
		now := t0.Add(time.Duration(rapid.IntRange(20*60, 48*60).Draw(t, "now")) * time.Minute)
		e := newRapidEngine(t)
		e.Observe(w.events, w.observations, w.counts)
		e.Derive(now.Add(-10 * time.Hour))
		e.ForgetLogs(now.Add(-4 * time.Hour))
		lendAndDerive(e, w.counts, now)
		if again := e.Missing(now, time.Hour); len(again) != 0 {
			t.Fatalf("nothing came, and the logs of %v are missing again", again)
		}
	})
}
