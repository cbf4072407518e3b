package correlate

import (
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestOnset: the first burst of new trouble that led to the first alert, which
// fires at minute 0.
func TestOnset(t *testing.T) {
	calls := label("upstream", "db")
	const none = 999
	for _, test := range []struct {
		name string
		of   []fact
		want float64 // none: only a latest
		// confidence that is wanted.
		sure float64
	}{
		{"no log", nil, none, 0.3},
		{"a log without trouble", facts(chatter("web", -200, 20)), none, 0.3},
		{"many new errors", facts(chatter("web", -200, 20), errorsOn("web", -2, 10)), -2, 0.95},
		{"a few new errors", facts(chatter("web", -200, 20), lines("web", "boom", event.LevelError, -2, 1, 30)), -2, 0.85},
		{"new warnings", facts(chatter("web", -200, 20), lines("web", "slow", event.LevelWarn, -2, 10, 2)), -2, 0.75},
		{"a pattern that rose", facts(lines("web", "boom", event.LevelError, -200, -2, 120), lines("web", "boom", event.LevelError, -2, 10, 1)), -2, 0.65},
		{"a pattern that rose less than fourfold", facts(lines("web", "boom", event.LevelError, -200, -2, 10), lines("web", "boom", event.LevelError, -2, 10, 4)), none, 0.3},
		{"info lines that rose", facts(lines("web", "served", event.LevelInfo, -2, 10, 1)), none, 0.3},
		{"two lines are chance", facts(chatter("web", -200, 20), lines("web", "boom", event.LevelError, -1, -0.9, 5)), none, 0.3},
		{"errors that began after the alert", facts(chatter("web", -200, 20), errorsOn("web", 0.5, 10)), none, 0.3},
		{"errors of another service", facts(chatter("web", -200, 20), errorsOn("search", -2, 10)), none, 0.3},
		{"errors of a called service", facts(chatter("web", -200, 20), errorsOn("db", -3, 10)), -3, 0.95},
		{"a blip long before does not count", facts(chatter("web", -200, 20), lines("web", "blip", event.LevelError, -90, -89, 2), errorsOn("web", -2, 10)), -2, 0.95},
		{"a blip alone does not count", facts(chatter("web", -200, 20), lines("web", "blip", event.LevelError, -90, -89, 2)), none, 0.3},
		{"errors of all day are normal", facts(lines("web", "boom", event.LevelError, -200, 20, 5)), none, 0.3},
		{"a trickle that grew into it is its beginning", facts(chatter("web", -200, 20), lines("web", "boom", event.LevelError, -10, -2, 15), lines("web", "boom", event.LevelError, -2, 10, 1)), -10, 0.95},
		{"a trickle of any day is not", facts(chatter("web", -200, 20), lines("web", "boom", event.LevelError, -170, -2, 170), lines("web", "boom", event.LevelError, -2, 10, 1)), -2, 0.65},
		{"its very first lines come before the burst", facts(chatter("web", -200, 20), lines("web", "boom", event.LevelError, -2.05, -2.02, 5), lines("web", "boom", event.LevelError, -2, 10, 1)), -2.05, 0.95},
		{"of two, the first", facts(chatter("web", -200, 20), errorsOn("web", -2, 10), lines("web", "other", event.LevelError, -4, 10, 2)), -4, 0.95},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := theOne(t, 60, alert("A@web", 0, 10, calls), test.of)
			m := tl.Milestone(timeline.Onset)
			if m == nil {
				t.Fatal("onset is absent, want at least its latest")
			}
			if m.Confidence != test.sure {
				t.Errorf("confidence %v, want %v: %s", m.Confidence, test.sure, m.Explanation)
			}
			if test.want == none {
				if m.At != nil || m.Earliest != nil || m.Latest == nil || !m.Latest.Equal(at(0)) || m.Rule != "before_first_alert" {
					t.Errorf("onset %v within %v … %v by %s (%s), want only the latest, the first alert", m.At, m.Earliest, m.Latest, m.Rule, m.Explanation)
				}
				if _, ok := tl.Durations[timeline.TimeToDetect]; ok {
					t.Error("there is a time to detect without an onset")
				}
				if !tl.Incident.StartedAt.Equal(at(0)) {
					t.Errorf("the incident starts at %s, want when it was detected", tl.Incident.StartedAt)
				}
				return
			}
			wantAt(t, tl, timeline.Onset, test.want, "error_burst")
			if a := lost(t, m, "first_alert"); !a.At.Equal(at(0)) {
				t.Errorf("the first alert stands among the losers at %s, want minute 0", a.At)
			}
			if !tl.Incident.StartedAt.Equal(*m.At) {
				t.Errorf("the incident starts at %s, want at its onset", tl.Incident.StartedAt)
			}
			if m.Latest.After(at(0)) {
				t.Errorf("onset is at the latest %s, after the first alert", m.Latest)
			}
		})
	}
}

// TestOnsetOtherEnvironment: errors of another environment date nothing.
func TestOnsetOtherEnvironment(t *testing.T) {
	burst := errorsOn("web", -2, 10)
	for i := range burst.counts {
		burst.counts[i].Environment = "test"
	}
	tl := theOne(t, 60, alert("A@web", 0, 10, label("env", "prod")), chatter("web", -100, 20), burst)
	if m := tl.Milestone(timeline.Onset); m.At != nil {
		t.Errorf("onset %s is read from the log of another environment", m.At)
	}
}

func TestDetected(t *testing.T) {
	first, second := alert("A@web", 0, 10), alert("B@web", 2, 10)
	tl := theOne(t, 60, first, second)
	if m := wantAt(t, tl, timeline.Detected, 0, "first_alert"); m.Evidence[0] != first.id() {
		t.Errorf("detected by %v, want by the first alert", m.Evidence)
	}

	tl = theOne(t, 60, first, say("sue", "users can't log in to web", -4))
	m := wantAt(t, tl, timeline.Detected, -4, "report")
	if m.Actor != "sue" || m.Confidence >= 0.8 {
		t.Errorf("reported by %q with confidence %v, want by sue and less sure than an alert", m.Actor, m.Confidence)
	}
	lost(t, m, "first_alert")

	for name, message := range map[string]fact{
		"a report after the alert":      say("sue", "users can't log in to web", 1),
		"a report long before":          say("sue", "users can't log in to web", -16),
		"no report":                     say("sue", "is anyone at lunch, web team?", -4),
		"a report of another service":   say("sue", "search seems down", -4),
		"a claim is no report":          say("sue", "looking at web", -4),
		"a report that names nothing":   say("sue", "users can't log in", -4),
		"a report of what is no longer": say("sue", "web is not down", -4),
	} {
		tl := theOne(t, 60, first, message, chatter("search", -10, 10))
		if m := tl.Milestone(timeline.Detected); m.Rule != "first_alert" {
			t.Errorf("%s: detected by %s (%s)", name, m.Rule, m.Explanation)
		}
	}
}

func TestAlerted(t *testing.T) {
	cfg := DefaultConfig()
	cfg.Receivers = []ReceiverClass{{Name: "ops", Class: classOther}}
	a := alert("A@web", 0, 20)
	other := alert("Z@search", 0, 20)
	resolved := notify("pager", 2, a)
	resolved.event.Notification.Resolved, resolved.event.Notification.Firing = resolved.event.Notification.Firing, nil
	for _, test := range []struct {
		name string
		of   []fact
		want float64 // 0: absent
		rule string
		sure float64
	}{
		{"none", nil, 0, "", 0},
		{"to a pager", facts(notify("pager", 1, a)), 1, "notification", 0.95},
		{"to a chat", facts(notify("slack-web", 1, a)), 1, "notification", 0.9},
		{"to another", facts(notify("ops", 1, a)), 1, "notification", 0.6},
		{"to hindcast itself", facts(notify("hindcast", 1, a), webhook("hindcast", 1, a)), 0, "", 0},
		{"to a heartbeat", facts(notify("deadmanssnitch", 1, a)), 0, "", 0},
		{"to hindcast, then to a pager", facts(webhook("hindcast", 1, a), notify("pager", 1.5, a)), 1.5, "notification", 0.95},
		{"of another incident's alert", facts(notify("pager", 1, other)), 0, "", 0},
		{"of an end only", facts(resolved), 0, "", 0},
		{"before the alert fired", facts(notify("pager", -1, a)), 0, "", 0},
		{"of an alert that ended long before", facts(notify("pager", 36, a)), 0, "", 0},
		{"the first of several", facts(notify("pager", 5, a), notify("slack-web", 1, a)), 1, "notification", 0.9},
		{"a webhook's arrival", facts(webhook("slack-web", 1, a)), 1, "webhook_arrival", 0.8},
		{"an arrival and the record of it", facts(webhook("pager", 1, a), notify("pager", 1.01, a)), 1.01, "notification", 0.95},
		{"the record and then the arrival", facts(notify("pager", 1, a), webhook("pager", 1.01, a)), 1, "notification", 0.95},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := timelinesWith(t, cfg, nil, 120, a, test.of)[0]
			if test.rule == "" {
				wantAbsent(t, &tl, timeline.Alerted)
				return
			}
			if m := wantAt(t, &tl, timeline.Alerted, test.want, test.rule); m.Confidence != test.sure {
				t.Errorf("confidence %v, want %v", m.Confidence, test.sure)
			}
		})
	}
	// Both facts about one delivery are evidence, and neither is a loser.
	tl := theOne(t, 60, a, webhook("pager", 1, a), notify("pager", 1.01, a))
	if m := tl.Milestone(timeline.Alerted); len(m.Evidence) != 2 || len(m.Alternatives) != 0 {
		t.Errorf("an arrival and its record: evidence %v, losers %v", m.Evidence, m.Alternatives)
	}
	// The later delivery stands among the losers.
	tl = theOne(t, 60, a, notify("pager", 5, a), notify("slack", 1, a))
	if why := lost(t, tl.Milestone(timeline.Alerted), "notification").WhyNot; !strings.Contains(why, "later") {
		t.Errorf("the later delivery lost because %q", why)
	}
}

func TestAcknowledged(t *testing.T) {
	a := alert("A@web", 0, 20)
	mutedByOld := happened(event.KindMute, 1, event.Event{Mute: &event.Mute{Fingerprint: a.observation.Fingerprint, SilenceID: "old"}}, "old")
	byRegexp := silence("s", "omar", "", 3, 60)
	byRegexp.event.Silence.MatcherSets = [][]event.Matcher{{{Name: "service", Op: "=~", Value: "web|db"}}}
	updated := silence("s", "omar", "web", 3, 60)
	updated.event.Silence.Action = event.SilenceUpdated
	for _, test := range []struct {
		name  string
		of    []fact
		want  float64 // 0: absent
		rule  string
		actor string
	}{
		{"nobody", nil, 0, "", ""},
		{"in a paging system", facts(acked("dana", 2, a)), 2, "acknowledgement", "dana"},
		{"in a paging system, another alert", facts(acked("dana", 2, alert("Z@search", 0, 20))), 0, "", ""},
		{"a silence after the firing", facts(silence("s", "omar", "web", 3, 60)), 3, "silence", "omar"},
		{"a silence by an expression", facts(byRegexp), 3, "silence", "omar"},
		{"a silence of another service", facts(silence("s", "omar", "search", 3, 60)), 0, "", ""},
		{"a silence of a service whose name begins alike", facts(silence("s", "omar", "we", 3, 60)), 0, "", ""},
		{"a silence older than the firing is only a mute", facts(silence("old", "omar", "web", -30, 60), mutedByOld), 0, "", ""},
		{"a silence that was only changed", facts(updated), 0, "", ""},
		{"a silence made by a machine", facts(silence("s", "silence-bot", "web", 3, 60)), 0, "", ""},
		{"a silence long after the end", facts(silence("s", "omar", "web", 31, 60)), 0, "", ""},
		{"a claim", facts(say("dana", "on it", 2)), 2, "claim", "dana"},
		{"a claim before the alert", facts(say("dana", "looking at web", -2)), 0, "", ""},
		{"a claim by a machine", facts(say("pagerbot", "on it", 2)), 0, "", ""},
		{"a question", facts(say("dana", "is anyone on it?", 2)), 0, "", ""},
		{"told of a remedy", facts(say("dana", "restarting web", 2)), 2, "claim_of_remedy", "dana"},
		{"told of a remedy that failed", facts(say("dana", "the restart of web failed", 2)), 2, "claim_of_remedy", "dana"},
		{"a rollback was begun", facts(rollback("web", "1.0", "dana", 4)), 4, "remedy_started", "dana"},
		{"a rollback of another service", facts(rollback("search", "1.0", "dana", 4)), 0, "", ""},
		{"a rollback by a machine", facts(rollback("web", "1.0", "argocd", 4)), 0, "", ""},
		{"the first of all", facts(silence("s", "omar", "web", 3, 60), say("dana", "on it", 2), acked("lee", 5, a)), 2, "claim", "dana"},
	} {
		t.Run(test.name, func(t *testing.T) {
			tl := timelines(t, 120, a, test.of)[0]
			if test.rule == "" {
				wantAbsent(t, &tl, timeline.Acknowledged)
				return
			}
			if m := wantAt(t, &tl, timeline.Acknowledged, test.want, test.rule); m.Actor != test.actor {
				t.Errorf("taken by %q, want %q", m.Actor, test.actor)
			}
		})
	}
	tl := theOne(t, 120, a, silence("s", "omar", "web", 3, 60), say("dana", "on it", 2))
	lost(t, tl.Milestone(timeline.Acknowledged), "silence")
}

// TestSilenceForAnother: a silence that covers a chronic warning and, beside
// it, an incident in which something suffers, was made for the latter.
func TestSilenceForAnother(t *testing.T) {
	chronic := alert("Chronic@web", -400, still, severity("warning"), seenFiring(30))
	bad := alert("Bad@web", 0, 20)
	got := timelines(t, 60, chronic, bad, silence("s", "omar", "web", 3, 60), say("dana", "looking at web", 2))
	if len(got) != 2 {
		t.Fatalf("%s, want the chronic warning apart", titles(got))
	}
	wantAbsent(t, &got[0], timeline.Acknowledged)
	wantAt(t, &got[1], timeline.Acknowledged, 2, "claim")
	lost(t, got[1].Milestone(timeline.Acknowledged), "silence")
	// With no rival it is for the warning.
	alone := theOne(t, 60, alert("New@web", 0, 20, severity("warning")), silence("s", "omar", "web", 3, 60))
	wantAt(t, alone, timeline.Acknowledged, 3, "silence")
}

// TestChoose: the earliest credible candidate wins; a weaker earlier one says
// why it lost; nothing gives nothing.
func TestChoose(t *testing.T) {
	if _, ok := choose(timeline.Detected, nil); ok {
		t.Error("no candidates give a milestone")
	}
	c := func(minute, confidence float64, rule string) candidate {
		return candidate{at: at(minute), rule: rule, confidence: confidence}
	}
	m, _ := choose(timeline.Detected, []candidate{c(3, 0.95, "strong"), c(1, 0.4, "weak"), c(2, 0.5, "enough"), c(2, 0.9, "as early")})
	var order []string
	for _, a := range m.Alternatives {
		order = append(order, a.Rule)
	}
	if m.Rule != "as early" || !slices.Equal(order, []string{"enough", "strong", "weak"}) {
		t.Errorf("chose %s over %v, want the strongest of the earliest credible over enough, strong, weak", m.Rule, order)
	}
	if why := lost(t, &m, "weak").WhyNot; !strings.Contains(why, "weaker") {
		t.Errorf("the weak one lost because %q", why)
	}
	var many []candidate
	for i := range 50 {
		many = append(many, c(float64(i), 0.9, "x"))
	}
	if m, _ := choose(timeline.Detected, many); len(m.Alternatives) != maxAlternatives {
		t.Errorf("%d losers are listed, want %d", len(m.Alternatives), maxAlternatives)
	}
	if got := evidence([]event.ID{{1}, {}, {1}, {2}}); !slices.Equal(got, []event.ID{{1}, {2}}) {
		t.Errorf("evidence %v, want each once and no zero", got)
	}
}
