package correlate

import (
	"fmt"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// undoes reports whether the remedy takes the change back.
func undoes(remedy, c *change) bool {
	if remedy.service != c.service || remedy.environment != c.environment {
		return false
	}
	switch {
	case c.kind == event.ChangeFlag:
		return remedy.kind == event.ChangeFlag && flagName(remedy.version) == flagName(c.version)
	case c.kind == event.ChangeConfig:
		return remedy.kind == event.ChangeRollback || remedy.kind == event.ChangeConfig
	case remedy.kind == event.ChangeRollback:
		return remedy.previousVersion == "" || remedy.previousVersion == c.version
	}
	return false
}

// replaces reports whether the remedy puts something newer in the change's
// place.
func replaces(remedy, c *change) bool {
	return remedy.service == c.service && remedy.environment == c.environment &&
		remedy.kind == event.ChangeDeploy && c.kind != event.ChangeFlag
}

// whatUndoingDid: the best test of a suspicion is what happened when the change
// was taken back.
func (sc *scene) whatUndoingDid(c *change) clue {
	if sc.endedWith(c) {
		return clue{pointsUndone, fmt.Sprintf("trouble lasted from its start until it %s", c.status)}
	}
	var otherEnded *change
	for _, r := range sc.remedies {
		if r.change == nil || r.change == c {
			continue
		}
		switch undone, replaced := undoes(r.change, c), replaces(r.change, c); {
		case undone && r.worked:
			return clue{pointsUndone, "trouble ended when it was rolled back"}
		case undone && r.failed && succeeded(r.change):
			return clue{pointsUndoneInVain, "it was rolled back, and the trouble went on"}
		case replaced && r.worked:
			return clue{pointsReplaced, fmt.Sprintf("trouble ended when %s got version %s", c.service, r.change.version)}
		case r.worked && sc.undoesAny(r.change):
			otherEnded = r.change
		}
	}
	if otherEnded != nil {
		return clue{pointsOtherUndone, fmt.Sprintf("trouble ended when another change, on %s, was taken back", otherEnded.service)}
	}
	return clue{}
}

// endedWith reports whether a change that did not come to its end began right
// before the trouble, which was over as soon as the change was stopped.
func (sc *scene) endedWith(c *change) bool {
	if succeeded(c) || c.startedAt.IsZero() || c.finishedAt.IsZero() || sc.calm.IsZero() || !c.finishedAt.After(sc.onset) {
		return false
	}
	return sc.onset.Sub(c.startedAt) <= atOnce && sc.calm.Sub(c.finishedAt).Abs() <= reportSlack
}

// undoesAny reports whether a remedy takes back any of the candidates, and not
// only came before the end.
func (sc *scene) undoesAny(remedy *change) bool {
	for _, c := range sc.changes {
		if c != remedy && compareChanges(c, remedy) < 0 && undoes(remedy, c) {
			return true
		}
	}
	return false
}

// undoneBefore finds that a change was taken back before the trouble began.
func (sc *scene) undoneBefore(c *change) (string, bool) {
	for _, o := range sc.changes {
		if o != c && o.previousVersion != "" && undoes(o, c) && succeeded(o) && compareChanges(c, o) < 0 && o.at().Before(sc.onset) {
			return fmt.Sprintf("had been rolled back %s before onset", spoken(sc.onset.Sub(o.at()))), true
		}
	}
	return "", false
}

// remedyVerdict is the verdict on a change that was made to mend the trouble.
func remedyVerdict(r remedyText, onset string) (timeline.Verdict, string) {
	switch {
	case r.worked:
		return timeline.VerdictRemedy, "was made after " + onset + ", and the trouble ended"
	case r.failed && !succeeded(r.change):
		return timeline.VerdictFailedRemedy, fmt.Sprintf("was made after %s to mend it, and %s", onset, r.change.status)
	case r.failed:
		return timeline.VerdictFailedRemedy, "was made after " + onset + " to mend it, and the trouble went on"
	}
	return timeline.VerdictUnlikely, "was made after " + onset + " to mend it; what it did is not known yet"
}
