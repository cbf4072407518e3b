package correlate

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// wantEpisode is what is expected of an episode, in minutes.
type wantEpisode struct {
	start  float64
	ending ending
	end    float64 // 0 with endFiring
	n      int     // observations
}

func TestFormEpisodes(t *testing.T) {
	const who = "Errors@payments"
	for _, test := range []struct {
		name string
		now  float64
		of   []fact
		want []wantEpisode
	}{
		{"one that fires", 5, facts(alert(who, 0, still)), []wantEpisode{{0, endFiring, 0, 1}}},
		{"one that ended", 20, facts(alert(who, 0, 10)), []wantEpisode{{0, endResolved, 10, 1}}},
		{"two apart", 60, facts(alert(who, 0, 10), alert(who, 30, 40)), []wantEpisode{{0, endResolved, 10, 1}, {30, endResolved, 40, 1}}},
		{"one that begins as the other ends", 60, facts(alert(who, 0, 10), alert(who, 10, 20)), []wantEpisode{{0, endResolved, 10, 1}, {10, endResolved, 20, 1}}},
		{"a redundant pair that starts at different times", 30,
			facts(alert(who, 0, 10, keptAlive(9)), alert(who, 0.4, 10.4, keptAlive(9.5))), []wantEpisode{{0, endResolved, 10.4, 2}}},
		{"a pair of which one still fires", 30,
			facts(alert(who, 0, 10), alert(who, 0.4, still, seenFiring(12), keptAlive(40))), []wantEpisode{{0, endFiring, 0, 2}}},
		{"a start that Alertmanager moved", 30,
			facts(alert(who, 1, still, seenFiring(5)), alert(who, 0, 10, seenFiring(8))), []wantEpisode{{0, endResolved, 10, 2}}},
		{"a moved start, told by webhooks alone", 30,
			facts(alert(who, 0, still, seenFiring(8)), alert(who, 1, 12, seenFiring(9))), []wantEpisode{{0, endResolved, 12, 2}}},
		{"a restart of Prometheus within the keep-alive", 30,
			facts(alert(who, 0, still, seenFiring(5), keptAlive(9)), alert(who, 7, 20, keptAlive(18))), []wantEpisode{{0, endResolved, 20, 2}}},
		{"a restart that took longer than the keep-alive", 30,
			facts(alert(who, 0, still, seenFiring(5), keptAlive(9)), alert(who, 12, 20)), []wantEpisode{{0, endExpired, 9, 1}, {12, endResolved, 20, 1}}},
		{"a webhook that fires again with a new start", 60,
			facts(alert(who, 0, still), alert(who, 30, still, seenFiring(31))), []wantEpisode{{0, endFiring, 0, 1}, {30, endFiring, 0, 1}}},
		{"an end that equals the announced one is an expiry", 30, facts(alert(who, 0, 9, keptAlive(9))), []wantEpisode{{0, endExpired, 9, 1}}},
		{"an end before the announced one is an end", 30, facts(alert(who, 0, 8, keptAlive(9))), []wantEpisode{{0, endResolved, 8, 1}}},
		{"an end after the announced one is an end", 30, facts(alert(who, 0, 12, keptAlive(9))), []wantEpisode{{0, endResolved, 12, 1}}},
		{"a webhook that says firing a moment after the end", 30, facts(alert(who, 0, 10), alert(who, 0.5, still, seenFiring(10.02))), []wantEpisode{{0, endResolved, 10, 2}}},
		{"one that was seen to fire well after the end", 30, facts(alert(who, 0, 10), alert(who, 0.5, still, seenFiring(12))), []wantEpisode{{0, endFiring, 0, 2}}},
		{"the same sighting says both: the end counts", 30, facts(alert(who, 0, 10, seenFiring(11))), []wantEpisode{{0, endResolved, 10, 1}}},
		{"kept alive until later", 5, facts(alert(who, 0, still, keptAlive(9))), []wantEpisode{{0, endFiring, 0, 1}}},
		{"the keep-alive elapses as of now", 9, facts(alert(who, 0, still, keptAlive(9))), []wantEpisode{{0, endExpired, 9, 1}}},
		{"gone from a poll", 30, facts(alert(who, 0, still, seenFiring(6), goneBy(8))), []wantEpisode{{0, endGone, 8, 1}}},
		{"gone from a poll before its keep-alive elapsed", 30, facts(alert(who, 0, still, seenFiring(6), goneBy(8), keptAlive(9))), []wantEpisode{{0, endGone, 8, 1}}},
		{"seen again after it was gone", 30, facts(alert(who, 0, still, seenFiring(9), goneBy(8))), []wantEpisode{{0, endFiring, 0, 1}}},
		{"gone, and then the end was told", 30, facts(alert(who, 0, 7.5, seenFiring(6), goneBy(8))), []wantEpisode{{0, endResolved, 7.5, 1}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var observations []*event.Observation
			for _, f := range test.of {
				observations = append(observations, f.observation)
			}
			slices.SortFunc(observations, func(a, b *event.Observation) int { return a.StartsAt.Compare(b.StartsAt) })
			got := formEpisodes(observations, at(test.now))
			if len(got) != len(test.want) {
				t.Fatalf("%d episodes, want %d", len(got), len(test.want))
			}
			for i, w := range test.want {
				g := got[i]
				var end time.Time
				if w.ending != endFiring {
					end = at(w.end)
				}
				if !g.start.Equal(at(w.start)) || g.ending != w.ending || !g.end.Equal(end) || len(g.observations) != w.n {
					t.Errorf("episode %d: from %s, ending %d at %s, of %d observations; want from %s, %d at %s, of %d", i, g.start, g.ending, g.end, len(g.observations), at(w.start), w.ending, end, w.n)
				}
				if len(g.ids) != w.n || g.ids[0] != g.observations[0].ID() {
					t.Errorf("episode %d is named by %v, want its first observation", i, g.ids)
				}
			}
		})
	}
}

// TestEpisodeBounds: an end that only polls bound has both bounds, and an
// alert that is kept alive says when it will look different.
func TestEpisodeBounds(t *testing.T) {
	gone := formEpisodes([]*event.Observation{alert("E@a", 0, still, seenFiring(6), goneBy(8)).observation}, at(30))[0]
	if !gone.endEarliest.Equal(at(6)) || !gone.end.Equal(at(8)) {
		t.Errorf("gone within %s … %s, want minutes 6 and 8", gone.endEarliest, gone.end)
	}
	kept := formEpisodes([]*event.Observation{alert("E@a", 0, still, keptAlive(9)).observation}, at(5))[0]
	if !kept.changesAt.Equal(at(9)) {
		t.Errorf("an alert that is kept alive until minute 9 changes at %s", kept.changesAt)
	}
	if !kept.until().Equal(event.MaxTime) {
		t.Errorf("an alert that fires is on until %s", kept.until())
	}
	if over := formEpisodes([]*event.Observation{alert("E@a", 0, 3).observation}, at(5))[0]; !over.changesAt.IsZero() || !over.until().Equal(at(3)) {
		t.Errorf("an alert that ended changes at %s and is on until %s", over.changesAt, over.until())
	}
}

// TestKeepAliveElapsesWithoutFacts: that an alert was not renewed shows when
// the time comes, with no new fact.
func TestKeepAliveElapsesWithoutFacts(t *testing.T) {
	e := engineWith(t, DefaultConfig())
	observeFacts(e, facts(alert("E@a", 0, still, keptAlive(9))))
	if got := inOrder(e.Derive(at(5))); len(got) != 1 || gapOf(&got[0], "silent_source") != nil {
		t.Fatalf("while it is kept alive: %d timelines, gaps %v", len(got), got[0].Gaps)
	}
	if got := inOrder(e.Derive(at(8))); len(got) != 0 {
		t.Errorf("nothing happened, and %d timelines were derived", len(got))
	}
	got := inOrder(e.Derive(at(9.5)))
	if len(got) != 1 || gapOf(&got[0], "silent_source") == nil {
		t.Errorf("the keep-alive elapsed, and no timeline says so: %s", titles(got))
	}
}

// TestEpisodesInAnyOrder: sightings of one alert by several roads, in any
// order, are one firing with the same end.
func TestEpisodesInAnyOrder(t *testing.T) {
	sightings := facts(
		alert("E@a", 0, still, keptAlive(4)), alert("E@a", 0, still, seenFiring(3), keptAlive(7)), alert("E@a", 0.2, still, keptAlive(5)),
		alert("E@a", 0, 10), alert("E@a", 0.2, 10.2), alert("E@a", 40, 50),
	)
	want := ""
	for i := range 30 {
		order := slices.Clone(sightings)
		for j := range order {
			k := (j*7 + i*5) % len(order)
			order[j], order[k] = order[k], order[j]
		}
		e := engineWith(t, DefaultConfig())
		observeFacts(e, order)
		got := ""
		for _, s := range e.formSignals(e.memory.alerts[sightings[0].observation.Fingerprint]).signals {
			got += fmt.Sprintln(s.id, s.start, s.end, s.ending, s.lastSeen)
		}
		if want == "" {
			want = got
		}
		if got != want {
			t.Fatalf("order %d gives\n%swant\n%s", i, got, want)
		}
	}
}
