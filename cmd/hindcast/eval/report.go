package eval

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// Report is the scores of several cases.
type Report struct {
	Cases  []Score `json:"cases"`
	Totals Totals  `json:"totals"`
	// Met says that all targets were met.
	Met bool `json:"met"`
}

// Totals sums scores.
type Totals struct {
	Incidents  int `json:"incidents"`
	Found      int `json:"found"`
	Invented   int `json:"invented"`
	Milestones int `json:"milestones"`
	// MilestonesMet counts those within all of their targets.
	MilestonesMet int `json:"milestones_met"`
	CausesRight   int `json:"causes_right"`
	CausesUnnamed int `json:"causes_none"`
	CausesWrong   int `json:"causes_wrong"`
	CommitsRight  int `json:"commits_right"`
	// CauseSet judges the cases that are about the cause alone.
	CauseSet CauseSet `json:"cause_set"`
	// CasesMissed counts cases with a missed target of their own.
	CasesMissed int `json:"cases_missed"`
}

// CauseSet is the cases about the cause alone whose culprit was deployed or is
// none. Those whose culprit came with another deploy are a bonus.
type CauseSet struct {
	Judged        int  `json:"judged"`
	Right         int  `json:"right"`
	Unnamed       int  `json:"none"`
	Wrong         int  `json:"wrong"`
	BlamedForNone int  `json:"blamed_for_none"`
	Bonus         int  `json:"bonus"`
	Met           bool `json:"met"`
}

// kindCarried is the truth's kind for a culprit that another service's deploy
// carried.
const kindCarried = "carried_by_other_deploy"

// Summarize sums scores and says whether the targets were met.
func Summarize(scores []Score) Report {
	r := Report{Cases: scores}
	for _, s := range scores {
		r.Totals.Invented += len(s.Invented)
		if len(s.Missed) > 0 {
			r.Totals.CasesMissed++
		}
		for _, inc := range s.Incidents {
			r.Totals.add(s.Kind, &inc)
		}
	}
	set := &r.Totals.CauseSet
	set.Met = causesMet(set.Judged, set.Right, set.Wrong, set.BlamedForNone)
	r.Met = r.Totals.CasesMissed == 0 && set.Met
	return r
}

func (t *Totals) add(kind string, inc *IncidentScore) {
	t.Incidents++
	if inc.Found() {
		t.Found++
	}
	for _, m := range inc.Milestones {
		t.Milestones++
		if m.Met {
			t.MilestonesMet++
		}
	}
	if inc.Cause.Commit == CauseRight {
		t.CommitsRight++
	}
	right, unnamed, wrong := &t.CausesRight, &t.CausesUnnamed, &t.CausesWrong
	count := func() {
		switch inc.Cause.Verdict {
		case CauseRight:
			*right++
		case CauseUnnamed:
			*unnamed++
		case CauseWrong:
			*wrong++
		}
	}
	count()
	switch {
	case kind == kindCarried && inc.Cause.Verdict == CauseRight:
		t.CauseSet.Bonus++
	case kind != "" && kind != kindCarried:
		t.CauseSet.Judged++
		if inc.Cause.BlamedForNone {
			t.CauseSet.BlamedForNone++
		}
		right, unnamed, wrong = &t.CauseSet.Right, &t.CauseSet.Unnamed, &t.CauseSet.Wrong
		count()
	}
}

// WriteText prints the report as tables for a terminal.
func (r *Report) WriteText(w io.Writer) error {
	var milestones, causes strings.Builder
	r.writeMilestones(&milestones)
	r.writeCauses(&causes)
	for _, table := range []string{milestones.String(), causes.String()} {
		if _, err := fmt.Fprintln(w, table); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	}
	for _, s := range r.Cases {
		for _, m := range s.Missed {
			fmt.Fprintf(w, "missed  %s: %s\n", s.Case, m)
		}
	}
	t := &r.Totals
	fmt.Fprintf(w, "total   incidents found %d of %d, invented %d; milestones on target %d of %d; causes right %d, none %d, wrong %d; commits right %d\n",
		t.Found, t.Incidents, t.Invented, t.MilestonesMet, t.Milestones, t.CausesRight, t.CausesUnnamed, t.CausesWrong, t.CommitsRight)
	if set := t.CauseSet; set.Judged > 0 {
		fmt.Fprintf(w, "causes  of %d judged together: right %d, none %d, wrong %d, blamed where it is none %d, bonus %d: %s\n",
			set.Judged, set.Right, set.Unnamed, set.Wrong, set.BlamedForNone, set.Bonus, passed(set.Met))
	}
	_, err := fmt.Fprintf(w, "result  %s\n", passed(r.Met))
	return err
}

func passed(met bool) string {
	if met {
		return "targets met"
	}
	return "TARGETS MISSED"
}

// writeMilestones prints how far each milestone is off.
func (r *Report) writeMilestones(w io.Writer) {
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprint(rows, "case\tfound\tinvented")
	for _, name := range timeline.MilestoneNames {
		fmt.Fprintf(rows, "\t%s", name)
	}
	fmt.Fprintln(rows)
	judged := false
	for _, s := range r.Cases {
		if len(s.Incidents) == 0 {
			fmt.Fprintf(rows, "%s\t·\t%d\n", s.Case, len(s.Invented))
		}
		for _, inc := range s.Incidents {
			if s.Kind != "" && inc.Found() && len(s.Invented) == 0 {
				continue
			}
			judged = true
			fmt.Fprintf(rows, "%s\t%s\t%d", rowName(s, inc), yes(inc.Found()), len(s.Invented))
			for _, name := range timeline.MilestoneNames {
				score, ok := inc.Milestones[name]
				fmt.Fprintf(rows, "\t%s", milestoneCell(score, ok))
			}
			fmt.Fprintln(rows)
		}
	}
	rows.Flush()
	if judged {
		fmt.Fprintln(w, "Seconds off the truth, and in brackets how wide the interval is. !: misses its target; out: the truth lies outside of the interval.")
	}
}

func milestoneCell(m MilestoneScore, judged bool) string {
	if !judged {
		return "·"
	}
	cell := "absent"
	if m.Off != nil {
		cell = fmt.Sprintf("%+.3f", *m.Off)
	} else if m.Rule != "" {
		cell = "no time"
	}
	switch {
	case m.Width != nil:
		cell += fmt.Sprintf(" [%.1f]", *m.Width)
	case m.Rule != "":
		cell += " [open]"
	}
	if m.Rule != "" && !m.Inside {
		cell += " out"
	}
	if !m.Met {
		cell += " !"
	}
	return cell
}

// writeCauses prints what was named as the cause, and who was seen to act.
func (r *Report) writeCauses(w io.Writer) {
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(rows, "case\tcause\tnamed\ttrue\tcommit\tfailed remedy\tparticipants\tbackground")
	for _, s := range r.Cases {
		for _, inc := range s.Incidents {
			remedy, people, background := "·", "·", "none"
			if s.Kind == "" {
				remedy, people = remedyCell(inc), peopleCell(inc)
			}
			if len(inc.Background) > 0 {
				background = strings.Join(inc.Background, ",") + " !"
			}
			commit := string(inc.Cause.Commit)
			if commit == "" {
				commit = "·"
			}
			verdict := string(inc.Cause.Verdict)
			if inc.Cause.Verdict != CauseRight && s.Kind != kindCarried {
				verdict += " !"
			}
			fmt.Fprintf(rows, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", rowName(s, inc), verdict, inc.Cause.Named, inc.Cause.True, commit, remedy, people, background)
		}
	}
	rows.Flush()
}

func rowName(s Score, inc IncidentScore) string {
	if len(s.Incidents) > 1 {
		return s.Case + "/" + inc.Name
	}
	return s.Case
}

func remedyCell(inc IncidentScore) string {
	switch {
	case inc.FailedRemedy && inc.TrueFailedRemedy:
		return "seen"
	case inc.FailedRemedy:
		return "invented !"
	case inc.TrueFailedRemedy:
		return "missed !"
	}
	return "none"
}

func peopleCell(inc IncidentScore) string {
	var parts []string
	for _, name := range inc.MissingParticipants {
		parts = append(parts, "-"+name)
	}
	for _, name := range inc.ExtraParticipants {
		parts = append(parts, "+"+name)
	}
	if len(parts) == 0 {
		return "exact"
	}
	return strings.Join(parts, " ") + " !"
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no !"
}
