package correlate

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// weigh judges every candidate: whether it caused the trouble, was meant to
// mend it, or has nothing to do with it, and why. The best candidate is a
// suspect if the evidence reaches the bar and no other comes near it; else
// there is none, for blaming an innocent change is worse than blaming nobody.
// The result is in descending order of score, then time, then ID.
func weigh(s suspicion) []timeline.Change {
	sc := newScene(&s)
	remedies := map[event.ID]remedyText{}
	candidates := slices.Clone(s.changes)
	for _, r := range s.remedies {
		if r.change != nil {
			remedies[r.change.id] = r
			candidates = append(candidates, r.change)
		}
	}
	slices.SortFunc(candidates, compareChanges)
	candidates = slices.CompactFunc(candidates, func(a, b *change) bool { return a.id == b.id })

	weighed := make([]weighedChange, 0, len(candidates))
	for _, c := range candidates {
		if r, ok := remedies[c.id]; ok {
			weighed = append(weighed, sc.weighRemedy(r))
		} else {
			weighed = append(weighed, sc.weighCause(c))
		}
	}
	pickSuspect(weighed)
	slices.SortFunc(weighed, func(a, b weighedChange) int {
		return cmp.Or(-cmp.Compare(a.out.Score, b.out.Score), -a.out.At.Compare(b.out.At), a.out.ID.Compare(b.out.ID))
	})
	out := make([]timeline.Change, len(weighed))
	for i := range weighed {
		out[i] = weighed[i].out
	}
	return out
}

// weighedChange is a change with the points that it got as a cause.
type weighedChange struct {
	out    timeline.Change
	points float64
	// candidate says that it can have been the cause at all.
	candidate bool
}

// pickSuspect makes the best candidate the suspect, if it is good enough and
// ahead of all others.
func pickSuspect(weighed []weighedChange) {
	best, second := -1, -1
	for i := range weighed {
		switch {
		case !weighed[i].candidate:
		case best < 0 || weighed[i].points > weighed[best].points:
			best, second = i, best
		case second < 0 || weighed[i].points > weighed[second].points:
			second = i
		}
	}
	if best < 0 || weighed[best].points < suspectBar {
		return
	}
	if second >= 0 && weighed[best].points-weighed[second].points < suspectLead {
		for _, i := range []int{best, second} {
			other := &weighed[best+second-i].out
			weighed[i].out.Reasons = append(weighed[i].out.Reasons, fmt.Sprintf("cannot be told apart from the %s of %s %s", other.Kind, other.Service, other.Version))
		}
		return
	}
	weighed[best].out.Verdict = timeline.VerdictSuspect
}

// weighRemedy judges a change that was made to mend the trouble.
func (sc *scene) weighRemedy(r remedyText) weighedChange {
	verdict, reason := remedyVerdict(r, sc.onsetName())
	out := present(r.change)
	out.Verdict, out.Reasons = verdict, []string{reason}
	for i := range out.Commits {
		out.Commits[i].Reasons = []string{}
	}
	return weighedChange{out: out}
}

func (sc *scene) onsetName() string {
	if sc.onsetKnown {
		return "onset"
	}
	return "the first alert"
}

// weighCause judges a change as a cause.
func (sc *scene) weighCause(c *change) weighedChange {
	out := present(c)
	w := weighedChange{}
	told := sc.weighContent(c, &out)
	if reason, never := sc.never(c); never {
		out.Verdict, out.Reasons = timeline.VerdictExonerated, []string{reason}
		w.out = out
		return w
	}
	clues := []clue{sc.inTime(c, &told), sc.inPlace(c), sc.onVictim(c, &told)}
	ties := []clue{sc.unknownContent(c, &told), sc.errorVersions(c), sc.whatUndoingDid(c)}
	clues = append(clues, ties...)
	clues = append(clues, sc.newLines(c), sc.errorsBefore(c), sc.ranElsewhere(c), sc.tookEffect(c), sc.operationalCause(c, &told))
	w.points = told.points
	if ties[2].points >= pointsUndone {
		// What was taken back and ended the trouble did it, whatever it seems to do.
		w.points = max(w.points, 0)
	}
	for _, k := range clues {
		w.points += k.points
	}
	tied := told.tied || slices.ContainsFunc(ties, func(k clue) bool { return k.points > pointsReplaced })
	if !tied {
		w.points = min(w.points, untiedMost)
	}
	// What the change does is told after where and when it was done.
	for _, k := range slices.Insert(clues, 3, told.clues...) {
		if k.reason != "" {
			out.Reasons = append(out.Reasons, k.reason)
		}
	}
	w.candidate = true
	out.Verdict = timeline.VerdictUnlikely
	if told.harmless && w.points < suspectBar/2 {
		out.Verdict = timeline.VerdictExonerated
	}
	out.Score = score(w.points)
	w.out = out
	return w
}

// never finds what rules a change out whatever else speaks for it.
func (sc *scene) never(c *change) (string, bool) {
	if reason, after := sc.afterOnset(c); after {
		return reason, true
	}
	return sc.undoneBefore(c)
}

// score brings points into 0 to 1.
func score(points float64) float64 {
	return math.Round(1000*max(0, min(1, points/fullScore))) / 1000
}

// present shows a change before it is judged.
func present(c *change) timeline.Change {
	out := timeline.Change{
		ID:              c.id,
		Events:          slices.Clone(c.events),
		At:              c.at(),
		Environment:     c.environment,
		Service:         c.service,
		Version:         c.version,
		PreviousVersion: c.previousVersion,
		Kind:            c.kind,
		Status:          c.status,
		Actor:           c.actor,
		URL:             c.url,
		Commits:         []timeline.Commit{},
		Reasons:         []string{},
	}
	if at := c.startedAt; !at.IsZero() {
		out.StartedAt = &at
	}
	if at := c.finishedAt; !at.IsZero() {
		out.FinishedAt = &at
	}
	for _, commit := range c.commits {
		out.Commits = append(out.Commits, presentCommit(commit))
	}
	return out
}

func presentCommit(c event.Commit) timeline.Commit {
	return timeline.Commit{SHA: c.SHA, Repository: c.Repository, Author: c.Author, Message: c.Message, URL: c.URL, Reasons: []string{}}
}

// weighContent weighs what a change does: its commits, those that it carries,
// and what it says of itself. The best of them counts. It fills in the
// commits' scores.
func (sc *scene) weighContent(c *change, out *timeline.Change) content {
	best := content{points: math.Inf(-1)}
	consider := func(told content) {
		if told.known != knowNothing && told.points > best.points {
			best = told
		}
	}
	seen := map[string]bool{}
	for i, commit := range c.commits {
		if f := sc.facts[commit.SHA]; f != nil {
			told := sc.weighCommit(f)
			consider(told)
			scoreCommit(&out.Commits[i], told)
			seen[commit.SHA] = true
		}
	}
	for _, f := range sc.carriedBy(c) {
		if told := sc.weighCommit(f); told.points > 0 && !seen[f.SHA] {
			seen[f.SHA] = true
			told.clues = append(told.clues, clue{0, fmt.Sprintf("it carries %s by raising a dependency", strings.TrimPrefix(shortSHA(f.SHA), "its "))})
			consider(told)
			carried := presentCommit(f.Commit)
			scoreCommit(&carried, told)
			out.Commits = append(out.Commits, carried)
		}
	}
	slices.SortStableFunc(out.Commits, func(a, b timeline.Commit) int { return -cmp.Compare(a.Score, b.Score) })
	if told, says := sc.weighWords(c); says {
		consider(told)
	}
	if math.IsInf(best.points, -1) {
		return content{}
	}
	return best
}

func scoreCommit(out *timeline.Commit, told content) {
	out.Score = math.Round(1000*max(0, min(1, told.points/capContent))) / 1000
	for _, reason := range told.reasons() {
		out.Reasons = append(out.Reasons, strings.TrimPrefix(reason, "its "))
	}
}

// weighWords weighs what a change says of itself: a flag's name, a
// configuration's message, a failed deploy's complaint.
func (sc *scene) weighWords(c *change) (content, bool) {
	text := c.message
	flagLike := isSwitch(c)
	if flagLike {
		text = c.version + "\n" + text
	}
	if strings.TrimSpace(text) == "" || !flagLike && len(c.commits) > 0 {
		return content{}, false
	}
	f := readCommit(event.Commit{Message: text})
	told := content{known: f.known, traits: f.traits}
	if c.kind == event.ChangeMigration {
		told.traits = append(told.traits, traitMigrates)
		f.traits = told.traits
	}
	if c.kind == event.ChangeConfig {
		f.traits = append(f.traits, traitConfiguration)
	}
	if flagLike {
		told.known = knowContent
		for word, w := range f.words {
			f.words[word] = max(w, inChanged)
		}
	}
	if name := flagName(c.version); c.kind == event.ChangeFlag && sc.named.names[strings.ToLower(name)] {
		told.add(clue{pointsFlagName, fmt.Sprintf("the errors name the flag %s", name)})
		told.direct = true
	}
	each, most := pointsWord, capWords
	if flagLike {
		each, most = pointsFlagWord, capFlagWords
	}
	words := sc.errorsShareWords(f, nil, each, most)
	told.add(words)
	told.tied = told.direct || flagLike && words.points >= pointsFlagWord*0.9
	sc.addNature(&told, f, words.points)
	told.points = min(told.points, capContent)
	if told.points <= 0 && flagLike {
		told.add(clue{pointsNothingNamed, "what it changes is not named by the errors"})
	}
	return told, true
}

// isSwitch reports whether a change says itself what it changes, in a few words.
func isSwitch(c *change) bool {
	return c.kind == event.ChangeFlag || c.kind == event.ChangeConfig || c.kind == event.ChangeMigration
}

// unknownContent: nothing is known of what a change does, and its service's
// errors are new right after it.
func (sc *scene) unknownContent(c *change, told *content) clue {
	if told.known != knowNothing || c.kind == event.ChangeRestart { // a restart changes nothing
		return clue{}
	}
	lag := sc.onset.Sub(c.at())
	for _, p := range sc.symptoms {
		if p.service == c.service && (p.isNew || p.surged) && sc.victim[c.service] == "" && lag <= atOnce {
			return clue{pointsUnknownContent, fmt.Sprintf("%s has errors that it did not have, or hardly, before it", c.service)}
		}
	}
	return clue{}
}
