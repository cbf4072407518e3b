package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// effective is the time from which a change can do harm: its start, where that
// was reported.
func effective(c *change) time.Time {
	if !c.startedAt.IsZero() {
		return c.startedAt
	}
	return c.finishedAt
}

// afterOnset: what came after the trouble began cannot have caused it.
func (sc *scene) afterOnset(c *change) (string, bool) {
	after := effective(c).Sub(sc.onset)
	if after <= reportSlack {
		return "", false
	}
	if !sc.onsetKnown {
		return fmt.Sprintf("came %s after the first alert: cannot have caused it", spoken(after)), true
	}
	return fmt.Sprintf("came %s after onset: cannot have caused it", spoken(after)), true
}

// inTime: the sooner trouble followed, the likelier, unless something had to
// fill up or run out first.
func (sc *scene) inTime(c *change, told *content) clue {
	lag := max(sc.onset.Sub(c.at()), 0)
	points := pointsLongAgo
	switch {
	case lag <= atOnce:
		points = pointsAtOnce
	case lag <= 10*time.Minute:
		points = pointsWithinTen
	case lag <= 30*time.Minute:
		points = pointsWithinHalf
	case lag <= 2*time.Hour:
		points = pointsWithinTwo
	case lag <= 6*time.Hour:
		points = pointsWithinSix
	}
	if told.slow && lag <= slowWithin {
		points = max(points, pointsSlowBurn)
	}
	before := "onset"
	if !sc.onsetKnown {
		before = "the first alert"
		points = min(points, pointsWithinTen)
	}
	if lag == 0 {
		return clue{points, "went live as the trouble began"}
	}
	return clue{points, fmt.Sprintf("went live %s before %s", spoken(lag), before)}
}

// inPlace: a change breaks the service that it changes, and then its callers.
func (sc *scene) inPlace(c *change) clue {
	switch {
	case sc.alerted[c.service]:
		return clue{pointsSameService, fmt.Sprintf("is on %s, the service that alerts", c.service)}
	case sc.member[c.service] || sc.failing[c.service] && sc.related(c.service):
		return clue{pointsMember, fmt.Sprintf("is on %s, one of the failing services", c.service)}
	}
	if caller := sc.callerOf(c.service); caller != "" {
		return clue{pointsUpstream, fmt.Sprintf("is on %s, which %s calls", c.service, caller)}
	}
	for _, callee := range sc.calls[c.service] {
		if sc.failing[callee] {
			return clue{pointsDownstream, fmt.Sprintf("is on %s, which only calls the failing %s", c.service, callee)}
		}
	}
	return clue{pointsElsewhere, fmt.Sprintf("is on %s, which is not known to have to do with the failing services", c.service)}
}

// related reports whether a service is a neighbour of a member.
func (sc *scene) related(service string) bool {
	for _, callee := range sc.calls[service] {
		if sc.member[callee] || sc.alerted[callee] {
			return true
		}
	}
	return sc.callerOf(service) != ""
}

// callerOf finds a failing service that calls this one, over at most one
// service between.
func (sc *scene) callerOf(service string) string {
	for _, caller := range slices.Sorted(keys(sc.failing)) {
		callees := sc.calls[caller]
		if slices.Contains(callees, service) {
			return caller
		}
		for _, between := range callees {
			if slices.Contains(sc.calls[between], service) {
				return caller
			}
		}
	}
	return ""
}

// onVictim: errors there name another failing service as their reason.
// That says little of a change which the errors speak of: load and bad requests
// hurt those that are called.
func (sc *scene) onVictim(c *change, told *content) clue {
	if of := sc.victim[c.service]; of != "" && !told.tied {
		return clue{pointsVictim, fmt.Sprintf("is on %s, whose errors point to %s", c.service, of)}
	}
	return clue{}
}

// errorVersions: from which versions of its service the errors come.
func (sc *scene) errorVersions(c *change) clue {
	// The version of a flag, a setting or a migration is none that lines carry.
	if c.version == "" || isSwitch(c) {
		return clue{}
	}
	var firstError, firstLine time.Time
	other, othersFine := "", false
	failing := map[string]bool{}
	for _, p := range sc.symptoms {
		if p.service != c.service || p.version == "" {
			continue
		}
		failing[p.version] = true
		if p.version != c.version {
			other = max(other, p.version)
		} else if firstError.IsZero() || p.first.Before(firstError) {
			firstError = p.first
		}
	}
	for i := range sc.patterns {
		p := &sc.patterns[i]
		if p.service != c.service || p.version == "" || isTrouble(p) {
			continue
		}
		if p.version == c.version && (firstLine.IsZero() || p.first.Before(firstLine)) {
			firstLine = p.first
		}
		if p.version != c.version && !failing[p.version] && p.last.After(firstError) && p.count > 0 && p.first.Before(sc.onset) {
			othersFine = true
		}
	}
	switch {
	case firstError.IsZero() && other != "":
		return clue{pointsVersionOther, fmt.Sprintf("the errors come from version %s, not from %s", other, c.version)}
	case firstError.IsZero() || other != "":
		return clue{}
	case othersFine:
		return clue{pointsVersionOnly, fmt.Sprintf("only lines of version %s have the errors, while another version ran on without", c.version)}
	case firstLine.IsZero() || firstError.Sub(firstLine) <= time.Minute:
		return clue{pointsVersionAtOnce, fmt.Sprintf("version %s has the errors from its first lines on, and no other version has them", c.version)}
	}
	return clue{}
}

// newLines: since the change its service's log has lines that it never had,
// and they recur.
func (sc *scene) newLines(c *change) clue {
	for i := range sc.patterns {
		p := &sc.patterns[i]
		since := p.first.Sub(effective(c))
		if p.service != c.service || isTrouble(p) || !p.first.Before(sc.onset) || since < 0 || since > newLinesWithin ||
			p.baseline+p.count < newLinesCount || p.last.Sub(p.first) < newLinesWithin || !sc.unseenBefore(p) {
			continue
		}
		return clue{pointsNewLines, fmt.Sprintf("its service's log says something new since it: “%s”", clipText(textsOf(p)[0], 80))}
	}
	return clue{}
}

// unseenBefore reports whether no other version of the service logged the same.
func (sc *scene) unseenBefore(p *patternText) bool {
	for i := range sc.patterns {
		o := &sc.patterns[i]
		if o != p && o.service == p.service && o.template == p.template && o.first.Before(p.first) {
			return false
		}
	}
	return true
}

// errorsBefore: all the errors of its service were there before it.
func (sc *scene) errorsBefore(c *change) clue {
	seen := false
	for _, p := range sc.symptoms {
		if p.service != c.service {
			continue
		}
		seen = true
		if p.isNew || p.surged || !p.first.Before(effective(c)) {
			return clue{}
		}
	}
	if !seen {
		return clue{}
	}
	return clue{pointsErrorBefore, "the same errors were there before it"}
}

// ranElsewhere: another service carries the same commits and has no trouble.
func (sc *scene) ranElsewhere(c *change) clue {
	for _, o := range sc.changes {
		if o == c || o.service == c.service || len(c.commits) == 0 || !sc.near[o.service] || sc.failing[o.service] || effective(o).After(sc.onset) {
			continue
		}
		if sameCommits(c, o) {
			return clue{pointsRanWithout, fmt.Sprintf("%s runs the same commits without trouble", o.service)}
		}
	}
	return clue{}
}

func sameCommits(a, b *change) bool {
	for _, x := range a.commits {
		if !slices.ContainsFunc(b.commits, func(y event.Commit) bool { return sameSHA(x.SHA, y.SHA) }) {
			return false
		}
	}
	return true
}

// tookEffect: a change that failed or was cancelled is seldom in effect, unless
// the trouble lasted for just as long as it was under way.
func (sc *scene) tookEffect(c *change) clue {
	if c.status == event.ChangeFailed || c.status == event.ChangeCancelled {
		if sc.endedWith(c) {
			return clue{}
		}
		return clue{pointsNotInEffect, fmt.Sprintf("it %s", c.status)}
	}
	return clue{}
}

// spoken writes a duration as people say it.
func spoken(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return strings.TrimSuffix(fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60), " 0 s")
	}
	return strings.TrimSuffix(fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60), " 0 min")
}

func clipText(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}
