package eval

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

var zero = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time { return zero.Add(time.Duration(seconds * float64(time.Second))) }

// trueSeconds are when the milestones of the sample case were reached.
var trueSeconds = map[timeline.MilestoneName]float64{
	timeline.Onset: 0, timeline.Detected: 5, timeline.Alerted: 8, timeline.Acknowledged: 28, timeline.Mitigated: 51, timeline.Restored: 62,
}

func sampleCase() Case {
	inc := TrueIncident{
		Name: "A", Services: []string{"checkout", "payments"}, Milestones: map[timeline.MilestoneName]TrueMoment{},
		Cause: &TrueCause{Service: "payments", Version: "2.0.0"}, Participants: []string{"dana"},
	}
	for name, s := range trueSeconds {
		inc.Milestones[name] = TrueMoment{At: at(s)}
	}
	return Case{Name: "sample", Truth: Truth{Scale: 1, Incidents: []TrueIncident{inc}, NotIncidents: []string{"Watchdog"}}}
}

// perfect is the timeline that meets all targets.
func perfect() timeline.Timeline {
	ended := at(62)
	t := timeline.Timeline{
		Incident: timeline.Incident{
			ID: event.NewID(zero, "1"), Title: "payments", Services: []string{"payments", "checkout"}, StartedAt: zero, EndedAt: &ended,
		},
		Changes: []timeline.Change{
			{Service: "payments", Version: "1.0.0", Verdict: timeline.VerdictRemedy, Score: 0.99},
			{Service: "payments", Version: "2.0.0", Verdict: timeline.VerdictSuspect, Score: 0.9},
			{Service: "search", Version: "7", Verdict: timeline.VerdictSuspect, Score: 0.5},
		},
		Participants: []timeline.Participant{{Name: "dana"}},
		Entries:      []timeline.Entry{{Kind: timeline.EntryAlertFired, Labels: event.Labels{"alertname": "ElevatedErrorRate"}}},
	}
	for _, name := range timeline.MilestoneNames {
		moment, earliest, latest := at(trueSeconds[name]), at(trueSeconds[name]-1), at(trueSeconds[name]+1)
		t.Milestones = append(t.Milestones, timeline.Milestone{Name: name, At: &moment, Earliest: &earliest, Latest: &latest, Confidence: 0.9, Rule: "r"})
	}
	return t
}

func TestJudgePerfect(t *testing.T) {
	s := Judge(sampleCase(), false, []timeline.Timeline{perfect()})
	if len(s.Missed) != 0 || len(s.Invented) != 0 || !s.Incidents[0].Found() {
		t.Fatalf("got missed %q, invented %v; want none", s.Missed, s.Invented)
	}
	r := Summarize([]Score{s})
	if !r.Met || r.Totals.MilestonesMet != 6 || r.Totals.CausesRight != 1 {
		t.Errorf("got %+v, want all targets met", r)
	}
}

func shift(seconds float64) *time.Time {
	t := at(seconds)
	return &t
}

// TestJudgeMissed breaks one thing at a time.
func TestJudgeMissed(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(c *Case, t *timeline.Timeline)
		want  string
	}{
		"onset off": {func(_ *Case, t *timeline.Timeline) {
			m := t.Milestone(timeline.Onset)
			m.At, m.Latest = shift(3.1), shift(4)
		}, "A: onset is off by +3.100 s, more than 3s"},
		"restored off": {func(_ *Case, t *timeline.Timeline) { t.Milestone(timeline.Restored).At = shift(60.9) }, "A: restored is off by -1.100 s"},
		"outside":      {func(_ *Case, t *timeline.Timeline) { t.Milestone(timeline.Detected).Earliest = shift(5.1) }, "A: detected: the truth lies outside"},
		"too wide":     {func(_ *Case, t *timeline.Timeline) { t.Milestone(timeline.Mitigated).Latest = shift(81) }, "the interval of mitigated is 31.0 s wide, more than 30s"},
		"open":         {func(_ *Case, t *timeline.Timeline) { t.Milestone(timeline.Alerted).Latest = nil }, "alerted has an interval without end"},
		"no time":      {func(_ *Case, t *timeline.Timeline) { t.Milestone(timeline.Onset).At = nil }, "onset has bounds and no time"},
		"absent":       {func(_ *Case, t *timeline.Timeline) { t.Milestones = t.Milestones[1:] }, "onset is absent"},
		"wrong cause":  {func(_ *Case, t *timeline.Timeline) { t.Changes[2].Score = 0.95 }, "cause wrong: want payments 2.0.0, named search 7"},
		"no cause":     {func(_ *Case, t *timeline.Timeline) { t.Changes = nil }, "cause none: want payments 2.0.0, named none"},
		"blamed":       {func(c *Case, _ *timeline.Timeline) { c.Truth.Incidents[0].Cause = nil }, "cause wrong: want none, named payments 2.0.0"},
		"background": {func(_ *Case, t *timeline.Timeline) { t.Entries[0].Labels = event.Labels{"alertname": "Watchdog"} },
			"background alerts among the members: Watchdog"},
		"missing person": {func(_ *Case, t *timeline.Timeline) { t.Participants = nil }, "participants missing: dana"},
		"extra person": {func(_ *Case, t *timeline.Timeline) {
			t.Participants = append(t.Participants, timeline.Participant{Name: "bot"})
		}, "participants who did not act: bot"},
		"failed remedy missed":   {func(c *Case, _ *timeline.Timeline) { c.Truth.Incidents[0].FailedRemedy = true }, "failed remedy: got false, want true"},
		"failed remedy invented": {func(_ *Case, t *timeline.Timeline) { t.Changes[0].Verdict = timeline.VerdictFailedRemedy }, "failed remedy: got true, want false"},
		"minor":                  {func(_ *Case, t *timeline.Timeline) { t.Incident.Minor = true }, "the incident was not found"},
		"other services":         {func(_ *Case, t *timeline.Timeline) { t.Incident.Services = []string{"search"} }, `invented the incident "payments"`},
		"other time":             {func(_ *Case, t *timeline.Timeline) { t.Incident.StartedAt = at(100) }, "the incident was not found"},
		"ended before":           {func(_ *Case, t *timeline.Timeline) { t.Incident.EndedAt = shift(-31) }, "the incident was not found"},
	} {
		t.Run(name, func(t *testing.T) {
			kase, derived := sampleCase(), perfect()
			c.spoil(&kase, &derived)
			s := Judge(kase, false, []timeline.Timeline{derived})
			if !slices.ContainsFunc(s.Missed, func(m string) bool { return strings.Contains(m, c.want) }) {
				t.Errorf("missed: got %q, want one with %q", s.Missed, c.want)
			}
			if Summarize([]Score{s}).Met {
				t.Error("the report says that targets were met")
			}
		})
	}
}

func TestJudgeSplitIncidentIsInvented(t *testing.T) {
	part := perfect()
	part.Incident.Services = []string{"checkout"}
	s := Judge(sampleCase(), false, []timeline.Timeline{part, perfect()})
	if !s.Incidents[0].Found() || len(s.Invented) != 1 || s.Invented[0].Services[0] != "checkout" {
		t.Errorf("got invented %+v, want the part that covers less", s.Invented)
	}
	minor := perfect()
	minor.Incident.Minor = true
	if s := Judge(sampleCase(), false, []timeline.Timeline{perfect(), minor}); len(s.Invented) != 0 || s.Minor != 1 {
		t.Errorf("a minor incident was counted as invented: %+v", s.Invented)
	}
}

func TestJudgeRealPaceWidensWhatIsInferred(t *testing.T) {
	kase, derived := sampleCase(), perfect()
	kase.Truth.Scale = 8
	onset := derived.Milestone(timeline.Onset)
	onset.At, onset.Earliest, onset.Latest = shift(23), shift(-60), shift(59)
	if s := Judge(kase, false, []timeline.Timeline{derived}); len(s.Missed) != 0 {
		t.Errorf("onset within 24 s and 120 s wide missed its target: %q", s.Missed)
	}
	derived.Milestone(timeline.Detected).At = shift(6.5)
	if s := Judge(kase, false, []timeline.Timeline{derived}); len(s.Missed) != 1 {
		t.Errorf("detected 1.5 s off: got missed %q, want it", s.Missed)
	}
}

func TestJudgeWebhookOnly(t *testing.T) {
	derived := perfect()
	restored := derived.Milestone(timeline.Restored)
	restored.At, restored.Earliest, restored.Latest = shift(71), shift(40), nil
	if s := Judge(sampleCase(), true, []timeline.Timeline{derived}); len(s.Missed) != 2 {
		t.Errorf("got missed %q, want the confidence and the gap", s.Missed)
	}
	restored.Confidence = 0.7
	derived.Gaps = []timeline.Gap{{Kind: timeline.GapSilencedEndUnseen}}
	if s := Judge(sampleCase(), true, []timeline.Timeline{derived}); len(s.Missed) != 0 {
		t.Errorf("got missed %q, want none", s.Missed)
	}
}

// TestCauseSet judges cases about the cause alone together.
func TestCauseSet(t *testing.T) {
	judged := func(right, unnamed, wrong, blamed int) Report {
		var scores []Score
		add := func(n int, verdict CauseVerdict, blamed bool) {
			for range n {
				scores = append(scores, Score{Kind: "deployed", Incidents: []IncidentScore{{ID: "x", Cause: CauseScore{Verdict: verdict, BlamedForNone: blamed}}}})
			}
		}
		add(right, CauseRight, false)
		add(unnamed, CauseUnnamed, false)
		add(wrong, CauseWrong, false)
		add(blamed, CauseWrong, true)
		scores = append(scores, Score{Kind: kindCarried, Incidents: []IncidentScore{{ID: "x", Cause: CauseScore{Verdict: CauseWrong}}}})
		return Summarize(scores)
	}
	for _, c := range []struct {
		right, unnamed, wrong, blamed int
		want                          bool
	}{
		{8, 2, 1, 0, true}, {11, 0, 0, 0, true}, {7, 4, 0, 0, false}, {9, 0, 2, 0, false}, {10, 0, 0, 1, false},
	} {
		r := judged(c.right, c.unnamed, c.wrong, c.blamed)
		if r.Met != c.want || r.Totals.CauseSet.Judged != 11 {
			t.Errorf("%d right, %d none, %d wrong, %d blamed for none: got met %t of %d judged, want %t of 11",
				c.right, c.unnamed, c.wrong, c.blamed, r.Met, r.Totals.CauseSet.Judged, c.want)
		}
	}
}

func TestJudgeCauseCommit(t *testing.T) {
	suspect := []timeline.Change{{
		Service: "dashboard", Version: "3", Verdict: timeline.VerdictSuspect, Score: 0.8,
		Commits: []timeline.Commit{{SHA: "aaaaaaaaaa", Score: 0.1}, {SHA: "bbbbbbbbbb", Score: 0.7}},
	}}
	for _, c := range []struct {
		truth           TrueCause
		verdict, commit CauseVerdict
	}{
		{TrueCause{Service: "dashboard", Version: "3", Commit: "bbbbbbbbbb"}, CauseRight, CauseRight},
		{TrueCause{Service: "dashboard", Version: "3", Commit: "aaaaaaaaaa"}, CauseRight, CauseWrong},
		{TrueCause{Commit: "bbbbbbbbbb"}, CauseRight, CauseRight},
		{TrueCause{Commit: "cccccccccc"}, CauseWrong, CauseWrong},
		{TrueCause{Service: "dashboard", Version: "4"}, CauseWrong, ""},
	} {
		if got := judgeCause(&c.truth, suspect); got.Verdict != c.verdict || got.Commit != c.commit {
			t.Errorf("truth %+v: got %s, commit %q; want %s, commit %q", c.truth, got.Verdict, got.Commit, c.verdict, c.commit)
		}
	}
	if got := judgeCause(nil, nil); got.Verdict != CauseRight || got.BlamedForNone {
		t.Errorf("no change did it and none was named: got %+v, want right", got)
	}
}

func TestWriteText(t *testing.T) {
	broken := perfect()
	broken.Milestone(timeline.Onset).At = nil
	broken.Milestone(timeline.Restored).At = shift(70)
	scores := []Score{
		Judge(sampleCase(), false, []timeline.Timeline{perfect()}),
		Judge(sampleCase(), false, []timeline.Timeline{broken}),
		Judge(sampleCase(), false, nil),
	}
	var out bytes.Buffer
	report := Summarize(scores)
	if err := report.WriteText(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"case    found  invented  onset", "sample  yes    0         +0.000 [2.0]", "no time [2.0] !", "+8.000 [2.0] !",
		"sample  no !   0", "missed  sample: A: the incident was not found",
		"incidents found 2 of 3, invented 0; milestones on target 10 of 18; causes right 2, none 1, wrong 0", "result  TARGETS MISSED",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the report lacks %q:\n%s", want, out.String())
		}
	}
}
