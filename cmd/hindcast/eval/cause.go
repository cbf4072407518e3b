package eval

import (
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// CauseScore says whether the change that did it was named.
type CauseScore struct {
	Verdict CauseVerdict `json:"verdict"`
	// True and Named are the changes in words; "none" for no change.
	True  string `json:"true"`
	Named string `json:"named"`
	// Commit says the same of the commit within the change; "" when the truth
	// tells of none.
	Commit CauseVerdict `json:"commit,omitempty"`
	// BlamedForNone says that a change was named where none did it.
	BlamedForNone bool `json:"blamed_for_none,omitempty"`
}

// CauseVerdict is right, none or wrong.
type CauseVerdict string

// The verdicts. Saying rightly that no change did it is right.
const (
	CauseRight   CauseVerdict = "right"
	CauseUnnamed CauseVerdict = "none"
	CauseWrong   CauseVerdict = "wrong"
)

// judgeCause looks at the suspect with the highest score.
func judgeCause(truth *TrueCause, changes []timeline.Change) CauseScore {
	suspect := topSuspect(changes)
	score := CauseScore{True: "none", Named: "none"}
	if suspect != nil {
		score.Named = strings.TrimSpace(suspect.Service + " " + suspect.Version)
	}
	if truth == nil {
		score.Verdict, score.BlamedForNone = CauseRight, suspect != nil
		if suspect != nil {
			score.Verdict = CauseWrong
		}
		return score
	}
	score.True = strings.TrimSpace(truth.Service + " " + truth.Version)
	if score.True == "" {
		score.True = "commit " + short(truth.Commit)
	}
	if suspect == nil {
		score.Verdict = CauseUnnamed
		if truth.Commit != "" {
			score.Commit = CauseUnnamed
		}
		return score
	}
	if truth.Commit != "" {
		score.Commit = judgeCommit(truth.Commit, suspect)
	}
	switch {
	case truth.Service == "" && truth.Version == "":
		score.Verdict = score.Commit
	case (truth.Service == "" || truth.Service == suspect.Service) && (truth.Version == "" || truth.Version == suspect.Version):
		score.Verdict = CauseRight
	default:
		score.Verdict = CauseWrong
	}
	return score
}

func topSuspect(changes []timeline.Change) *timeline.Change {
	var top *timeline.Change
	for i := range changes {
		if c := &changes[i]; c.Verdict == timeline.VerdictSuspect && (top == nil || c.Score > top.Score) {
			top = c
		}
	}
	return top
}

// judgeCommit looks at the commit of a change that has the highest score.
func judgeCommit(sha string, change *timeline.Change) CauseVerdict {
	var top *timeline.Commit
	for i := range change.Commits {
		if c := &change.Commits[i]; top == nil || c.Score > top.Score {
			top = c
		}
	}
	switch {
	case top == nil:
		return CauseUnnamed
	case strings.HasPrefix(sha, top.SHA) && len(top.SHA) >= 7, strings.HasPrefix(top.SHA, sha):
		return CauseRight
	}
	return CauseWrong
}

func short(sha string) string { return sha[:min(len(sha), 8)] }
