package correlate

import (
	"slices"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestMinor: what says that something suffered, one thing at a time.
func TestMinor(t *testing.T) {
	warn := severity("warning")
	w := alert("W@web", 0, 20, warn)
	calls := DefaultConfig()
	calls.Topology = []Dependency{{Service: "web", Calls: []string{"db"}}}
	for _, test := range []struct {
		name  string
		now   float64
		of    []fact
		minor bool
	}{
		{"a warning alone", 60, facts(w), true},
		{"an unknown severity", 60, facts(alert("W@web", 0, 20, severity("strange"))), true},
		{"no severity", 60, facts(alert("W@web", 0, 20, severity(""))), true},
		{"two warnings of one service", 60, facts(w, alert("V@web", 1, 20, warn)), true},
		{"a critical alert", 60, facts(alert("C@web", 0, 20)), false},
		{"sev2, in capitals", 60, facts(alert("C@web", 0, 20, severity("SEV2"))), false},
		{"a warning beside a critical alert", 60, facts(w, alert("C@web", 1, 20)), false},
		{"delivered to a pager", 60, facts(w, notify("pager", 1, w)), false},
		{"delivered to a chat", 60, facts(w, notify("slack", 1, w)), true},
		{"an error burst began near its start", 60, facts(w, chatter("web", -100, 30), errorsOn("web", -2, 10)), false},
		{"an error burst of another service", 60, facts(w, errorsOn("search", -2, 10)), true},
		{"two services", 60, facts(w, alert("V@db", 1, 20, warn)), false},
		{"somebody acknowledged it", 60, facts(w, acked("dana", 2, w)), false},
		{"somebody silenced it", 60, facts(w, silence("s", "dana", "web", 2, 60)), false},
		{"somebody claimed it", 60, facts(w, say("dana", "looking at web", 2)), false},
		{"somebody said something", 60, facts(w, say("dana", "web is fun", 2)), true},
		{"one flapping alert that pages", 60, func() []fact {
			var out []fact
			for i := range 4 {
				out = append(out, alert("C@web", 5*float64(i), 5*float64(i)+2))
			}
			return out
		}(), true},
		{"a flapping one beside another that pages", 60, facts(alert("C@web", 0, 30), flapping("W@web", 1, 4)), false},
		{"one that pages and is on for ever", 400, facts(alert("C@web", 0, still, seenFiring(390), keptAlive(410))), true},
		{"one that pages, for five hours", 300, facts(alert("C@web", 0, still, seenFiring(290), keptAlive(310))), false},
		{"one that is on for ever, and somebody took it", 400, facts(alert("C@web", 0, still, seenFiring(390), keptAlive(410)), say("dana", "on it", 5)), false},
		{"one that is on for ever, with errors from its start", 400, facts(alert("C@web", 0, still, seenFiring(390), keptAlive(410)), chatter("web", -100, 30), errorsOn("web", -2, 30)), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := timelinesWith(t, calls, nil, test.now, test.of)
			if len(got) != 1 {
				t.Fatalf("%s, want one incident", titles(got))
			}
			if got[0].Incident.Minor != test.minor {
				t.Errorf("minor: %v, want %v", got[0].Incident.Minor, test.minor)
			}
		})
	}
}

// TestStatuses follows one incident through its life. Nothing but time passes
// between most of the steps: the engine must wake by itself.
func TestStatuses(t *testing.T) {
	e := engineWith(t, DefaultConfig())
	day := 24.0 * 60
	var last timeline.Timeline
	for _, step := range []struct {
		now    float64
		what   string
		of     []fact
		status timeline.Status
		sealed bool
	}{
		{1, "it fires", facts(alert("A@web", 0, still), alert("B@web", 0, still)), timeline.StatusOpen, false},
		{11, "one of two ended", facts(alert("A@web", 0, 10)), timeline.StatusMitigated, false},
		{21, "both ended", facts(alert("B@web", 0, 20)), timeline.StatusRestored, false},
		{29.9, "not quiet for long enough", nil, timeline.StatusRestored, false},
		{25, "it fires again within the quiet period (the clock is set back)", facts(alert("A@web", 24, still)), timeline.StatusMitigated, false},
		{31, "it ends again", facts(alert("A@web", 24, 30)), timeline.StatusRestored, false},
		{40, "quiet for ten minutes", nil, timeline.StatusClosed, false},
		{5 * day, "five days later", nil, timeline.StatusClosed, false},
		{6*day + 31, "six days later", nil, timeline.StatusClosed, true},
	} {
		observeFacts(e, step.of)
		got := inOrder(e.Derive(at(step.now)))
		if len(got) > 1 {
			t.Fatalf("%s: %s", step.what, titles(got))
		}
		if len(got) == 1 {
			last = got[0]
		}
		if last.Incident.Status != step.status || last.Incident.Sealed != step.sealed {
			t.Errorf("minute %v, %s: %s, sealed %v; want %s, sealed %v", step.now, step.what, last.Incident.Status, last.Incident.Sealed, step.status, step.sealed)
		}
	}
}

// TestSilentIsClosed: an alert of which nobody tells any more is closed, and
// not restored.
func TestSilentIsClosed(t *testing.T) {
	tl := theOne(t, 60, alert("A@web", 0, still, keptAlive(20)))
	if tl.Incident.Status != timeline.StatusClosed || tl.Incident.EndedAt != nil {
		t.Errorf("%s, ended %v; want closed without an end", tl.Incident.Status, tl.Incident.EndedAt)
	}
	wantAbsent(t, tl, timeline.Restored)
}

func TestIncidentHead(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Topology = []Dependency{{Service: "web", Calls: []string{"db", "search", "mail", "auth"}}}
	got := timelinesWith(t, cfg, nil, 60,
		alert("Slow@web", 0, 20, severity("warning"), label("env", "prod")), alert("Down@db", 1, 20), alert("Errors@search", 2, 20, severity("high")))
	if len(got) != 1 {
		t.Fatalf("%s, want one", titles(got))
	}
	in := got[0].Incident
	if in.Severity != "critical" || in.Title != "Down on db, with search, web" || in.Environment != "prod" || !slices.Equal(in.Services, []string{"db", "search", "web"}) {
		t.Errorf("severity %q, title %q, environment %q, services %q", in.Severity, in.Title, in.Environment, in.Services)
	}
	bare := theOne(t, 60, alert("Lonely", 0, 20))
	if bare.Incident.Services == nil || bare.Incident.Title != "Lonely" {
		t.Errorf("services %#v, title %q; want an empty list and the alert's name", bare.Incident.Services, bare.Incident.Title)
	}
	nameless := alert("", 0, 20)
	delete(nameless.observation.Labels, "alertname")
	nameless.observation.Fingerprint = nameless.observation.Labels.Fingerprint()
	if title := theOne(t, 60, nameless).Incident.Title; title != "alert "+nameless.observation.Fingerprint.String() {
		t.Errorf("an alert without a name has the title %q", title)
	}
}

// TestAfterTheSeal: what comes when the incident is sealed is listed and
// changes nothing else.
func TestAfterTheSeal(t *testing.T) {
	const later = 10 * 24 * 60
	a := alert("A@web", 0, 20)
	before := theOne(t, later+60, a, notify("pager", 1, a))
	for name, late := range map[string]fact{
		"a message":           say("dana", "on it", 2).late(later),
		"a notification":      notify("slack", 0.5, a).late(later),
		"a silence":           silence("s", "omar", "web", 3, 60).late(later),
		"an acknowledgement":  acked("dana", 2, a).late(later),
		"a change":            changeReport(event.ChangeRollback, event.ChangeSucceeded, "web", "1.0", "dana", 10).late(later),
		"another alert of it": alert("B@web", 1, 30, receivedAt(later)),
		"an earlier alert":    alert("B@web", -5, 30, receivedAt(later)),
		"a mute":              inhibited(a, alert("X@web", 0, 20), 2).late(later),
	} {
		t.Run(name, func(t *testing.T) {
			tl := theOne(t, later+60, a, notify("pager", 1, a), late)
			g := gapOf(tl, timeline.GapArrivedAfterSeal)
			if g == nil || !slices.Equal(g.Evidence, []event.ID{late.id()}) {
				t.Errorf("gap %+v, want one that lists %s", g, late.id())
			}
			tl.Gaps = slices.DeleteFunc(tl.Gaps, func(g timeline.Gap) bool { return g.Kind == timeline.GapArrivedAfterSeal })
			if digestOf(tl) != digestOf(before) {
				t.Errorf("the timeline changed beyond the gap: its context is %+v, was %+v", tl.Context, before.Context)
			}
		})
	}
}

// TestPastIsLoaded: a site that loads an old outage gets its timeline whole.
func TestPastIsLoaded(t *testing.T) {
	const later = 30 * 24 * 60
	a := alert("A@web", 0, 20, receivedAt(later))
	var old []fact
	for _, f := range facts(notify("pager", 1, a), say("dana", "on it", 2), rollback("web", "1.0", "dana", 15)) {
		old = append(old, f.late(later))
	}
	tl := theOne(t, later+1, a, old, chatter("web", -100, 30), errorsOn("web", -2, 16))
	if g := gapOf(tl, timeline.GapArrivedAfterSeal); g != nil {
		t.Errorf("all came late, and it is held against it: %s", g.Explanation)
	}
	for name, minute := range map[timeline.MilestoneName]float64{
		timeline.Onset: -2, timeline.Detected: 0, timeline.Alerted: 1, timeline.Acknowledged: 2, timeline.Mitigated: 16, timeline.Restored: 20,
	} {
		if m := tl.Milestone(name); m == nil || m.At == nil || m.At.Sub(at(minute)).Abs().Seconds() > 2 {
			t.Errorf("%s is %+v, want minute %v", name, m, minute)
		}
	}
	if !tl.Incident.Sealed {
		t.Error("an outage of a month ago is not sealed")
	}
}

// TestLateButInTime: what comes late, and before the seal, is derived from.
func TestLateButInTime(t *testing.T) {
	e := engineWith(t, DefaultConfig())
	a := alert("A@web", 0, 20)
	observeFacts(e, facts(a, notify("pager", 1, a)))
	first := inOrder(e.Derive(at(24 * 60)))
	if len(first) != 1 || first[0].Incident.Status != timeline.StatusClosed {
		t.Fatalf("%s, want one closed incident", titles(first))
	}
	observeFacts(e, facts(say("dana", "on it", 2).late(24*60), rollback("web", "1.0", "dana", 15)))
	again := inOrder(e.Derive(at(24*60 + 1)))
	if len(again) != 1 {
		t.Fatalf("late facts derive %d timelines, want 1", len(again))
	}
	wantAt(t, &again[0], timeline.Acknowledged, 2, "claim")
	wantAt(t, &again[0], timeline.Mitigated, 16, "remedy")
}

// TestDerivesOnlyWhatChanged: a fact of one incident does not give another
// one's timeline again, and no fact gives none.
func TestDerivesOnlyWhatChanged(t *testing.T) {
	e := engineWith(t, DefaultConfig())
	a, b := alert("A@web", 0, 20), alert("B@search", 0, 20)
	observeFacts(e, facts(a, b))
	if got := len(e.Derive(at(30))); got != 2 {
		t.Fatalf("%d timelines, want 2", got)
	}
	if got := e.Derive(at(30)); len(got) != 0 {
		t.Errorf("nothing came, and %d timelines were given", len(got))
	}
	observeFacts(e, facts(a, b))
	if got := e.Derive(at(30)); len(got) != 0 {
		t.Errorf("only known facts came, and %d timelines were given", len(got))
	}
	observeFacts(e, facts(notify("pager", 1, a)))
	if got := e.Derive(at(30)); len(got) != 1 || got[0].Timeline.Incident.ID != a.id() {
		t.Errorf("a notification of A gives %d timelines, want A's", len(got))
	}
	observeFacts(e, facts(say("dana", "lunch?", 2)))
	if got := e.Derive(at(30)); len(got) != 0 {
		t.Errorf("a message that belongs to none gives %d timelines", len(got))
	}
}
