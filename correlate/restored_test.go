package correlate

import (
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestMitigated: what ended the trouble of an alert that fired from minute 0
// to 20, with errors from minute -2 on.
func TestMitigated(t *testing.T) {
	a, b := alert("A@web", 0, 20), alert("B@web", 1, 21)
	failed := facts(changeReport(event.ChangeRollback, event.ChangeStarted, "web", "1.0", "dana", 14), changeReport(event.ChangeRollback, event.ChangeFailed, "web", "1.0", "dana", 15))
	calm := func(minute float64) []fact { return facts(chatter("web", -100, 60), errorsOn("web", -2, minute)) }
	for _, test := range []struct {
		name  string
		of    []fact
		want  float64 // 0: absent
		rule  string
		sure  float64
		actor string
	}{
		{"an end alone", facts(a), 20, "first_end", 0.5, ""},
		{"the first of two ends", facts(a, b), 20, "first_end", 0.5, ""},
		{"no end", facts(alert("A@web", 0, still)), 0, "", 0, ""},
		{"no end, and the errors go on", facts(alert("A@web", 0, still), errorsOn("web", -2, 120)), 0, "", 0, ""},
		{"the errors subsided", facts(a, calm(16)), 16, "errors_subsided", 0.7, ""},
		{"a rollback, and the errors subsided", facts(a, calm(16), rollback("web", "1.0", "dana", 15)), 16, "remedy", 0.9, "dana"},
		{"a rollback, and no log shows the recovery", facts(a, rollback("web", "1.0", "dana", 15)), 16, "remedy", 0.75, "dana"},
		{"a restart", facts(a, calm(16), changed(event.ChangeRestart, "web", "", "dana", 15, 16)), 16, "remedy", 0.9, "dana"},
		{"a flag", facts(a, calm(16), changed(event.ChangeFlag, "web", "off", "dana", 15, 15.5)), 15.5, "remedy", 0.9, "dana"},
		{"a rollback that failed", facts(a, failed), 20, "first_end", 0.5, ""},
		{"a rollback of another service", facts(a, rollback("search", "1.0", "dana", 15)), 20, "first_end", 0.5, ""},
		{"a deploy before the trouble", facts(a, calm(16), deploy("web", "2.0", "mira", -10)), 16, "errors_subsided", 0.7, ""},
		{"a rollback long before the recovery", facts(a, rollback("web", "1.0", "dana", 2)), 20, "first_end", 0.5, ""},
		{"a rollback after the recovery", facts(a, calm(8), rollback("web", "1.0", "dana", 12)), 8, "errors_subsided", 0.7, ""},
		{"the second rollback helped", facts(a, calm(16), rollback("web", "1.5", "dana", 8), rollback("web", "1.0", "dana", 15)), 16, "remedy", 0.9, "dana"},
		{"a rollback that is only told of", facts(a, calm(16), say("dana", "rolled back web", 15)), 16 - 2.0/60, "remedy_told", 0.7, "dana"},
		{"a message about a rollback that was reported", facts(a, calm(16), rollback("web", "1.0", "dana", 15), say("dana", "rolling back web", 14.9)), 16, "remedy", 0.9, "dana"},
		{"an end that fired again is none", facts(alert("A@web", 0, 5), alert("A@web", 8, 20)), 20, "first_end", 0.5, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := theOne(t, 60, test.of)
			if test.rule == "" {
				wantAbsent(t, tl, timeline.Mitigated)
				return
			}
			m := tl.Milestone(timeline.Mitigated)
			if m == nil || m.At == nil {
				t.Fatalf("mitigated is absent, want it by %s", test.rule)
			}
			if d := m.At.Sub(at(test.want)).Abs().Seconds(); d > 2 || m.Rule != test.rule {
				t.Errorf("mitigated at minute %.2f by %s (%s), want minute %.2f by %s", m.At.Sub(noon).Minutes(), m.Rule, m.Explanation, test.want, test.rule)
			}
			if m.Confidence != test.sure || m.Actor != test.actor {
				t.Errorf("confidence %v by %q, want %v by %q", m.Confidence, m.Actor, test.sure, test.actor)
			}
			if m.Earliest.After(*m.At) || m.Latest.Before(*m.At) {
				t.Errorf("mitigated at %s lies outside of %s … %s", m.At, m.Earliest, m.Latest)
			}
			if _, ended := m, test.rule != "first_end"; ended && len(m.Evidence) == 0 {
				t.Error("mitigated cites no evidence")
			}
		})
	}
	tl := theOne(t, 60, a, calm(16), rollback("web", "1.0", "dana", 15))
	if e := lost(t, tl.Milestone(timeline.Mitigated), "first_end"); !e.At.Equal(at(20)) {
		t.Errorf("the first end stands among the losers at %s, want minute 20", e.At)
	}
}

// TestRestored: when everything was over, an hour after it began.
func TestRestored(t *testing.T) {
	a := alert("A@web", 0, 20)
	open := func(with ...func(*event.Observation)) fact { return alert("B@web", 1, still, with...) }
	calm := facts(chatter("web", -100, 60), errorsOn("web", -2, 18))
	const absent = 0
	for _, test := range []struct {
		name string
		now  float64
		of   []fact
		want float64
		rule string
		sure float64 // the most
		gap  timeline.GapKind
	}{
		{"the last end", 60, facts(a, alert("B@web", 1, 25)), 25, "last_end", 0.95, ""},
		{"the last end, right then", 25, facts(a, alert("B@web", 1, 25)), 25, "last_end", 0.95, ""},
		{"one fires and is kept alive", 60, facts(a, open(keptAlive(62))), absent, "", 0, ""},
		{"one was seen to fire since", 60, facts(a, open(seenFiring(30))), absent, "", 0, ""},
		{"one fires, and the others ended just now", 25, facts(a, open()), absent, "", 0, ""},
		{"a re-fire that goes on", 35, facts(a, alert("A@web", 25, still, keptAlive(40))), absent, "", 0, ""},
		{"a re-fire that ended", 60, facts(a, alert("A@web", 25, 30)), 30, "last_end", 0.95, ""},
		{"an end that nobody stated, with calm logs", 60, facts(a, open(), calm), 20, "siblings_ended", 0.7, timeline.GapSilencedEndUnseen},
		{"an end that nobody stated, without logs", 60, facts(a, open()), 20, "siblings_ended", 0.5, timeline.GapSilencedEndUnseen},
		{"no end at all, and the errors stopped while the service logs", 60, facts(alert("A@web", 0, still, keptAlive(20)), calm), 18, "errors_subsided", 0.5, timeline.GapSilentSource},
		{"no end at all, and the log stopped", 60, facts(alert("A@web", 0, still, keptAlive(20)), chatter("web", -100, 18), errorsOn("web", -2, 18)), absent, "", 0, timeline.GapSilentSource},
		{"an expiry proves nothing", 60, facts(alert("A@web", 0, 20, keptAlive(20))), absent, "", 0, timeline.GapSilentSource},
		{"an expiry beside an end", 60, facts(a, alert("B@web", 1, 21, keptAlive(21))), 20, "siblings_ended", 0.5, timeline.GapSilentSource},
		{"an expiry while the errors go on", 60, facts(alert("A@web", 0, 20, keptAlive(20)), errorsOn("web", -2, 60)), absent, "", 0, timeline.GapSilentSource},
		{"gone from a poll", 60, facts(alert("A@web", 0, still, seenFiring(18), goneBy(19))), 19, "gone_from_alertmanager", 0.6, timeline.GapSilencedEndUnseen},
		{"nothing but a webhook's firing", 60, facts(alert("A@web", 0, still)), absent, "", 0, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := theOne(t, test.now, test.of)
			if test.gap != "" && gapOf(tl, test.gap) == nil {
				t.Errorf("no gap %s says why: %v", test.gap, tl.Gaps)
			}
			if test.rule == "" {
				wantAbsent(t, tl, timeline.Restored)
				if tl.Incident.EndedAt != nil {
					t.Errorf("the incident ended at %s without being restored", tl.Incident.EndedAt)
				}
				return
			}
			m := tl.Milestone(timeline.Restored)
			if m == nil || m.At == nil {
				t.Fatalf("restored is absent, want it by %s", test.rule)
			}
			if d := m.At.Sub(at(test.want)).Abs().Seconds(); d > 2 || m.Rule != test.rule || m.Confidence > test.sure {
				t.Errorf("restored at minute %.2f by %s with confidence %v (%s), want minute %.2f by %s, at most %v", m.At.Sub(noon).Minutes(), m.Rule, m.Confidence, m.Explanation, test.want, test.rule, test.sure)
			}
			if m.Earliest.After(*m.At) || m.Latest.Before(*m.At) || len(m.Evidence) == 0 {
				t.Errorf("restored at %s of %s … %s by evidence %v", m.At, m.Earliest, m.Latest, m.Evidence)
			}
			if tl.Incident.EndedAt == nil || !tl.Incident.EndedAt.Equal(*m.At) {
				t.Errorf("the incident ended at %v, want when it was restored", tl.Incident.EndedAt)
			}
		})
	}
}

// TestRestoredBounds: a rule's window delays the end of its alert, so the
// earliest is the last error; a poll bounds an end by its two looks.
func TestRestoredBounds(t *testing.T) {
	tl := theOne(t, 60, alert("A@web", 0, 20), chatter("web", -100, 60), errorsOn("web", -2, 18))
	if m := tl.Milestone(timeline.Restored); m.Earliest.Sub(at(18)).Abs().Seconds() > 3 {
		t.Errorf("restored at the earliest %s, want the last error at minute 18", m.Earliest)
	}
	tl = theOne(t, 60, alert("A@web", 0, still, seenFiring(18), goneBy(19)))
	if m := tl.Milestone(timeline.Restored); !m.Earliest.Equal(at(18)) || !m.Latest.Equal(at(19)) {
		t.Errorf("restored within %s … %s, want between the two polls", m.Earliest, m.Latest)
	}
}

// TestFailedRemedies: what was tried in vain is seen as that.
func TestFailedRemedies(t *testing.T) {
	a := alert("A@web", 0, 20)
	calm := facts(chatter("web", -100, 60), errorsOn("web", -2, 16))
	failed := func(status event.ChangeStatus) []fact {
		return facts(changeReport(event.ChangeRollback, event.ChangeStarted, "web", "1.5", "dana", 6), changeReport(event.ChangeRollback, status, "web", "1.5", "dana", 7))
	}
	for _, test := range []struct {
		name string
		of   []fact
		gap  string
	}{
		{"a rollback that failed", facts(a, calm, failed(event.ChangeFailed)), "failed"},
		{"a rollback that was cancelled", facts(a, calm, failed(event.ChangeCancelled)), "cancelled"},
		{"a rollback that changed nothing, and one that did", facts(a, calm, rollback("web", "1.5", "dana", 6), rollback("web", "1.0", "dana", 15)), "the trouble went on"},
		{"a rollback that worked", facts(a, calm, rollback("web", "1.0", "dana", 15)), ""},
		{"a deploy that changed nothing", facts(a, calm, deploy("web", "2.1", "dana", 6), rollback("web", "1.0", "dana", 15)), ""},
		{"a restart that changed nothing", facts(a, calm, changed(event.ChangeRestart, "web", "", "dana", 6, 7), rollback("web", "1.0", "dana", 15)), ""},
		{"a failed rollback before the trouble", facts(a, calm, changeReport(event.ChangeRollback, event.ChangeFailed, "web", "1.0", "dana", -30)), ""},
		{"a failed rollback of another service", facts(a, calm, changeReport(event.ChangeRollback, event.ChangeFailed, "search", "1.0", "dana", 6)), ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := theOne(t, 60, test.of)
			g := gapOf(tl, timeline.GapFailedRollback)
			switch {
			case test.gap == "" && g != nil:
				t.Errorf("a failed rollback is reported: %s", g.Explanation)
			case test.gap != "" && (g == nil || !strings.Contains(g.Explanation, test.gap) || len(g.Evidence) == 0):
				t.Errorf("gap %+v, want one that says %q", g, test.gap)
			}
			verdict := slices.ContainsFunc(tl.Changes, func(c timeline.Change) bool { return c.Verdict == timeline.VerdictFailedRemedy })
			if verdict != (test.gap != "") {
				t.Errorf("a change is called a failed remedy: %v, want %v", verdict, test.gap != "")
			}
		})
	}
}
