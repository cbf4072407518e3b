package correlate

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// labRollout is a trouble that began with a deploy of which nothing is known.
func labRollout() *lab {
	l := newLab("billing").alert("billing errors").says("billing", fault, "invoice could not be closed")
	return l.add(2, event.Change{Version: "7.0", PreviousVersion: "6.9", Commit: "00c0ffee00c0ffee"}, "billing")
}

func verdictOf(t *testing.T, weighed []timeline.Change, version string) timeline.Change {
	t.Helper()
	for _, c := range weighed {
		if c.Version == version {
			return c
		}
	}
	t.Fatalf("no change to %s among %+v", version, weighed)
	return timeline.Change{}
}

func TestWeighRemedies(t *testing.T) {
	remedy := func(l *lab, e event.Change, worked bool) *lab {
		l.add(-20, e, "billing")
		r := l.changes[len(l.changes)-1]
		l.changes = l.changes[:len(l.changes)-1]
		l.remedies = append(l.remedies, remedyText{change: r, worked: worked, failed: !worked})
		return l
	}
	back := event.Change{Kind: event.ChangeRollback, Version: "6.9", PreviousVersion: "7.0"}
	without := verdictOf(t, weigh(labRollout().suspicion), "7.0")
	for _, test := range []struct {
		name          string
		remedy        event.Change
		worked        bool
		verdict       timeline.Verdict
		suspect       timeline.Verdict
		more          float64 // score against that without a remedy
		reasonOfCause string
	}{
		{"rolled back, and well again", back, true, timeline.VerdictRemedy, timeline.VerdictSuspect, +1, "ended when it was rolled back"},
		{"rolled back in vain", back, false, timeline.VerdictFailedRemedy, timeline.VerdictUnlikely, -1, "the trouble went on"},
		{"a rollback that failed says nothing", event.Change{Kind: event.ChangeRollback, Version: "6.9", PreviousVersion: "7.0", Status: event.ChangeFailed}, false,
			timeline.VerdictFailedRemedy, timeline.VerdictSuspect, 0, ""},
		{"a newer version helped", event.Change{Version: "7.1"}, true, timeline.VerdictRemedy, timeline.VerdictSuspect, +1, "got version 7.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := weigh(remedy(labRollout(), test.remedy, test.worked).suspicion)
			cause, mended := verdictOf(t, got, "7.0"), verdictOf(t, got, test.remedy.Version)
			if mended.Verdict != test.verdict || cause.Verdict != test.suspect {
				t.Errorf("remedy %s, cause %s; want %s and %s\n%s", mended.Verdict, cause.Verdict, test.verdict, test.suspect, describe(got))
			}
			if d := cause.Score - without.Score; d*test.more < 0 || d == 0 != (test.more == 0) {
				t.Errorf("score went from %v to %v", without.Score, cause.Score)
			}
			if !strings.Contains(strings.Join(cause.Reasons, "\n"), test.reasonOfCause) {
				t.Errorf("reasons %q lack %q", cause.Reasons, test.reasonOfCause)
			}
		})
	}
}

func TestWeighRulesOut(t *testing.T) {
	for _, test := range []struct {
		name    string
		lab     *lab
		version string
		reason  string
	}{
		{"what came after onset", newLab("a").alert("a fails").says("a", fault, "broken_thing").deploy(-1, "a", "2", "touch it", "a.go", "-broken_thing()\n+x()"),
			"2", "1 min after onset: cannot have caused it"},
		{"what was taken back before", newLab("a").alert("a fails").says("a", fault, "broken_thing").
			add(30, event.Change{Version: "2", PreviousVersion: "1"}, "a").
			add(20, event.Change{Kind: event.ChangeRollback, Version: "1", PreviousVersion: "2"}, "a"), "2", "rolled back 20 min before onset"},
		{"what can break nothing", newLab("a").alert("a fails").says("a", fault, "broken_thing").deploy(1, "a", "2", "docs", "docs/a.md", "+broken_thing"),
			"2", "only documentation, tests or tooling"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := weigh(test.lab.suspicion)
			c := verdictOf(t, got, test.version)
			if c.Verdict != timeline.VerdictExonerated || !strings.Contains(strings.Join(c.Reasons, "\n"), test.reason) {
				t.Errorf("%s: %q, want exonerated because %q", c.Verdict, c.Reasons, test.reason)
			}
		})
	}
}

// Two changes that nothing tells apart: nobody is blamed.
func TestWeighCannotTellApart(t *testing.T) {
	l := labRollout()
	l.add(2.5, event.Change{Version: "8.0", Commit: "11c0ffee11c0ffee"}, "billing")
	got := weigh(l.suspicion)
	if s := suspectOf(got); s != nil {
		t.Errorf("blamed %s %s", s.Service, s.Version)
	}
	if !strings.Contains(strings.Join(got[0].Reasons, "\n"), "cannot be told apart") {
		t.Errorf("reasons %q do not say why nobody is blamed", got[0].Reasons)
	}
}

// When only the first alert is known, a change before it is no more than near.
func TestWeighWithoutOnset(t *testing.T) {
	l := labRollout()
	l.onsetKnown, l.onset = false, l.detected
	got := weigh(l.suspicion)
	if reasons := strings.Join(got[0].Reasons, "\n"); !strings.Contains(reasons, "before the first alert") {
		t.Errorf("reasons %q name an onset that is not known", got[0].Reasons)
	}
}

// The same suspicion gives the same verdicts, and nothing is needed to give
// some: no field of a suspicion must be set.
func TestWeighIsDeterministic(t *testing.T) {
	for _, c := range kindCases {
		want := weigh(c.lab.suspicion)
		for range 5 {
			if got := weigh(c.lab.suspicion); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: another run gives\n%swant\n%s", c.name, describe(got), describe(want))
			}
		}
		if !slices.IsSortedFunc(want, func(a, b timeline.Change) int { return -int(1000 * (a.Score - b.Score)) }) {
			t.Errorf("%s: changes are not sorted by score\n%s", c.name, describe(want))
		}
	}
	if got := weigh(suspicion{}); len(got) != 0 {
		t.Errorf("nothing gives %+v", got)
	}
	bare := &change{finishedAt: time.Unix(0, 0), commits: []event.Commit{{}}}
	if got := weigh(suspicion{changes: []*change{bare}, remedies: []remedyText{{}}}); len(got) != 1 {
		t.Errorf("one bare change gives %+v", got)
	}
}
