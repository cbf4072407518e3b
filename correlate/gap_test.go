package correlate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestGaps: for every kind of gap, when it appears and when it does not. The
// incident that all variants start from is alert A on web, from 0 to 20.
func TestGaps(t *testing.T) {
	a := alert("A@web", 0, 20)
	told := notify("pager", 1, a)
	warned := alert("A@web", 0, 20, severity("warning"))
	persons := DefaultConfig()
	persons.Receivers = []ReceiverClass{{Name: "p1", Class: classPage, Person: "dana"}, {Name: "p2", Class: classChat, Person: "dana"}}
	storm := func(n int, every float64, receivers ...string) []fact {
		var out []fact
		for i := range n {
			out = append(out, notify(receivers[i%len(receivers)], 1+every*float64(i), a))
		}
		return out
	}
	truncated := notify("pager", 1, a)
	truncated.event.Notification.Truncated = 7
	clamped := alert("A@web", 0, 20)
	clamped.observation.ClockSuspect = true
	clampedMessage := say("dana", "on it", 2)
	clampedMessage.event.ClockSuspect = true
	silenced := silence("s", "omar", "web", 3, 60)
	short := silence("s", "omar", "web", 3, 15)
	expired := silence("s", "omar", "web", 3, 60)
	expired.event.Silence.Action = event.SilenceExpired
	expired.event.OccurredAt, expired.event.ID = at(10), event.NewID(at(10), "expired")
	many := func(n int) []fact {
		var out []fact
		for i := range n {
			out = append(out, alert(fmt.Sprintf("A%d@web", i), float64(i)/60, 20))
		}
		return out
	}
	late := say("dana", "on it", 2).late(10 * 24 * 60)

	for _, test := range []struct {
		kind    timeline.GapKind
		appears bool
		name    string
		now     float64
		of      []fact
		says    string
		cfg     *Config
	}{
		{timeline.GapLateDetection, true, "six minutes", 60, facts(a, errorsOn("web", -6, 10), chatter("web", -100, 30)), "6 min", nil},
		{timeline.GapLateDetection, false, "four minutes", 60, facts(a, errorsOn("web", -4, 10), chatter("web", -100, 30)), "", nil},
		{timeline.GapLateDetection, false, "no onset", 60, facts(a), "", nil},

		{timeline.GapNotNotified, true, "no delivery", 60, facts(a), "No delivery", nil},
		{timeline.GapNotNotified, true, "only to hindcast", 60, facts(a, webhook("hindcast", 1, a)), "event recorder", nil},
		{timeline.GapNotNotified, true, "one of two was told", 60, facts(a, told, alert("B@web", 1, 20)), "B on web", nil},
		{timeline.GapNotNotified, true, "one was inhibited", 60, facts(a, told, alert("B@web", 1, 20), inhibited(alert("B@web", 1, 20), a, 2)), "inhibited", nil},
		{timeline.GapNotNotified, false, "all were told", 60, facts(a, told), "", nil},
		{timeline.GapNotNotified, false, "it is too early to say", 1, facts(alert("A@web", 0, still, keptAlive(9))), "", nil},
		{timeline.GapNotNotified, false, "the other one was on for a moment", 60, facts(a, told, alert("B@web", 1, 2)), "", nil},

		{timeline.GapNotifiedLate, true, "three minutes", 60, facts(a, notify("pager", 3, a)), "3 min", nil},
		{timeline.GapNotifiedLate, false, "two minutes", 60, facts(a, notify("pager", 2, a)), "", nil},
		{timeline.GapNotifiedLate, false, "never", 60, facts(a), "", nil},

		{timeline.GapNoAcknowledgement, true, "over, and nobody took it", 60, facts(a, told), "Nobody", nil},
		{timeline.GapNoAcknowledgement, true, "it lasts for long", 30, facts(alert("A@web", 0, still, keptAlive(40)), told), "Nobody", nil},
		{timeline.GapNoAcknowledgement, false, "it lasts, and it is early", 10, facts(alert("A@web", 0, still, keptAlive(40)), told), "", nil},
		{timeline.GapNoAcknowledgement, false, "somebody took it", 60, facts(a, told, say("dana", "on it", 2)), "", nil},
		{timeline.GapNoAcknowledgement, false, "nobody was told", 60, facts(a), "", nil},
		{timeline.GapNoAcknowledgement, false, "a short warning that only went to a chat", 60, facts(alert("A@web", 0, 10, severity("warning")), notify("slack", 1, warned)), "", nil},

		{timeline.GapNoRunbook, true, "none", 60, facts(alert("A@web", 0, 20, without("runbook_url"))), "A", nil},
		{timeline.GapNoRunbook, false, "in the annotations", 60, facts(a), "", nil},
		{timeline.GapNoRunbook, false, "in the labels", 60, facts(alert("A@web", 0, 20, without("runbook_url"), label("runbook", "https://x.example"))), "", nil},
		{timeline.GapNoRunbook, false, "of a warning", 60, facts(alert("A@web", 0, 20, without("runbook_url"), severity("warning"))), "", nil},

		{timeline.GapFlapping, true, "four firings in an hour", 60, flapping("A@web", 0, 4), "4 times", nil},
		{timeline.GapFlapping, false, "three", 60, flapping("A@web", 0, 3), "", nil},

		{timeline.GapAlwaysFiring, true, "for six hours", 420, facts(alert("A@web", 0, still, seenFiring(400), keptAlive(430))), "", nil},
		{timeline.GapAlwaysFiring, false, "for five", 300, facts(alert("A@web", 0, still, seenFiring(290), keptAlive(310))), "", nil},

		{timeline.GapMutedAtRestore, true, "silenced at its end", 60, facts(a, silenced), "silenced when it ended", nil},
		{timeline.GapMutedAtRestore, false, "not silenced", 60, facts(a), "", nil},
		{timeline.GapMutedAtRestore, false, "the silence had ended", 60, facts(a, short), "", nil},
		{timeline.GapMutedAtRestore, false, "the silence was deleted", 60, facts(a, silenced, expired), "", nil},
		{timeline.GapMutedAtRestore, false, "another service is silenced", 60, facts(a, silence("s", "omar", "search", 3, 60)), "", nil},

		{timeline.GapSilencedEndUnseen, true, "a webhook's alert whose end never came", 60, facts(a, alert("B@web", 1, still)), "B on web", nil},
		{timeline.GapSilencedEndUnseen, false, "all ended", 60, facts(a, alert("B@web", 1, 20)), "", nil},
		{timeline.GapSilencedEndUnseen, false, "it fires", 60, facts(a, alert("B@web", 1, still, keptAlive(70))), "", nil},

		{timeline.GapSilentSource, true, "a keep-alive elapsed", 60, facts(alert("A@web", 0, still, keptAlive(20))), "stopped renewing", nil},
		{timeline.GapSilentSource, true, "an end that was announced", 60, facts(alert("A@web", 0, 20, keptAlive(20))), "A on web", nil},
		{timeline.GapSilentSource, false, "it ended", 60, facts(alert("A@web", 0, 20, keptAlive(22))), "", nil},

		{timeline.GapRecorderGap, true, "away in the middle", 60, facts(a, sourceSays("stopped", 5), sourceSays("started", 7)), "away for 2 min", nil},
		{timeline.GapRecorderGap, true, "away from before it on", 60, facts(a, sourceSays("stopped", -5), sourceSays("started", 7)), "away for 12 min", nil},
		{timeline.GapRecorderGap, true, "unreachable by the poll", 60, facts(a, sourceSays("unreachable", 5), sourceSays("reachable", 7)), "away", nil},
		{timeline.GapRecorderGap, true, "started, and never said that it stopped", 60, facts(a, sourceSays("started", 5)), "never said", nil},
		{timeline.GapRecorderGap, true, "not seen again", 60, facts(a, sourceSays("stopped", 5)), "not seen again", nil},
		{timeline.GapRecorderGap, false, "away before it", 60, facts(a, sourceSays("stopped", -9), sourceSays("started", -7)), "", nil},
		{timeline.GapRecorderGap, false, "away after it", 60, facts(a, sourceSays("stopped", 25), sourceSays("started", 27)), "", nil},

		{timeline.GapFailedRollback, true, "it failed", 60, facts(a, changeReport(event.ChangeRollback, event.ChangeFailed, "web", "1.0", "dana", 5)), "failed", nil},
		{timeline.GapFailedRollback, false, "a deploy failed", 60, facts(a, changeReport(event.ChangeDeploy, event.ChangeFailed, "web", "1.0", "dana", 5)), "", nil},

		{timeline.GapAlertStorm, true, "thirty to one receiver", 60, facts(a, storm(30, 0.3, "pager")), `receiver "pager" got 30`, nil},
		{timeline.GapAlertStorm, false, "twenty-nine", 60, facts(a, storm(29, 0.3, "pager")), "", nil},
		{timeline.GapAlertStorm, false, "thirty, slowly", 60, facts(a, storm(30, 0.6, "pager")), "", nil},
		{timeline.GapAlertStorm, false, "thirty to two receivers", 60, facts(a, storm(30, 0.3, "p1", "p2")), "", nil},
		{timeline.GapAlertStorm, true, "thirty to two receivers of one person", 60, facts(a, storm(30, 0.3, "p1", "p2")), "Dana got 30", &persons},

		{timeline.GapClockSuspect, true, "a time out of range", 60, facts(clamped), "1970", nil},
		{timeline.GapClockSuspect, true, "a message's time out of range", 60, facts(a, clampedMessage), "1970", nil},
		{timeline.GapClockSuspect, true, "received before it began", 60, facts(alert("A@web", 0, 20, receivedAt(-1))), "ahead", nil},
		{timeline.GapClockSuspect, false, "a second off", 60, facts(alert("A@web", 0, 20, receivedAt(-1.0/60))), "", nil},

		{timeline.GapOverMerged, true, "more than a day", 25*60 + 30, facts(alert("A@web", 0, still, seenFiring(25*60), keptAlive(26*60))), "several", nil},
		{timeline.GapOverMerged, true, "more than 200 alerts", 60, many(201), "201 alerts", nil},
		{timeline.GapOverMerged, false, "200 alerts for less than a day", 60, many(200), "", nil},

		{timeline.GapArrivedAfterSeal, true, "a message ten days later", 11 * 24 * 60, facts(a, late), "1 facts", nil},
		{timeline.GapArrivedAfterSeal, false, "a message five days later", 11 * 24 * 60, facts(a, say("dana", "on it", 2).late(5*24*60)), "", nil},

		{timeline.GapNegativeDuration, true, "acknowledged before people were told", 60, facts(a, notify("pager", 5, a), say("dana", "on it", 2)), "time_to_acknowledge", nil},
		{timeline.GapNegativeDuration, false, "in order", 60, facts(a, told, say("dana", "on it", 2)), "", nil},

		{timeline.GapTruncatedAlerts, true, "seven were left out", 60, facts(a, truncated), "7 alerts", nil},
		{timeline.GapTruncatedAlerts, false, "none were", 60, facts(a, told), "", nil},
	} {
		t.Run(fmt.Sprintf("%s/%s", test.kind, test.name), func(t *testing.T) {
			cfg := DefaultConfig()
			if test.cfg != nil {
				cfg = *test.cfg
			}
			tl := theOneWith(t, cfg, test.now, test.of)
			g := gapOf(tl, test.kind)
			switch {
			case g == nil && test.appears:
				t.Errorf("the gap is missing among %v", tl.Gaps)
			case g != nil && !test.appears:
				t.Errorf("the gap is reported: %s", g.Explanation)
			case g != nil && !strings.Contains(g.Explanation, test.says):
				t.Errorf("the gap says %q, want %q in it", g.Explanation, test.says)
			case g != nil && len(g.Evidence) == 0 && test.kind != timeline.GapNegativeDuration:
				t.Error("the gap cites no evidence")
			}
		})
	}
}
