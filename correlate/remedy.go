package correlate

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// remedy is something that was done to mend an incident: a change, or what a
// message says was done.
type remedy struct {
	change  *change
	message *reading
	actor   string
	// started and done bound it; done is zero when it never came to an end.
	started, done  time.Time
	worked, failed bool
	evidence       []event.ID
}

func (r *remedy) began() time.Time {
	if !r.started.IsZero() {
		return r.started
	}
	return r.done
}

// recoverWithin is how long after a remedy its effect may show.
const recoverWithin = 10 * time.Minute

// findRemedies collects what was done after the trouble began, and finds the
// one that recovery followed.
func (s *story) findRemedies() {
	began := s.detected
	if s.first != nil {
		began = minTime(began, s.first.at)
	}
	for _, c := range s.changes {
		if !s.maySuitRemedy(c, began) {
			continue
		}
		r := &remedy{change: c, actor: c.actor, started: c.startedAt, evidence: c.events}
		switch c.status {
		case event.ChangeSucceeded:
			r.done = c.at()
		case event.ChangeFailed, event.ChangeCancelled:
			r.failed = true
		}
		s.remedies = append(s.remedies, r)
	}
	for _, m := range s.messages {
		if m.means == meansRemedies && !m.OccurredAt.Before(began) && !s.toldByChange(m) {
			s.remedies = append(s.remedies, &remedy{message: m, actor: m.Message.Author, done: m.OccurredAt, evidence: []event.ID{m.ID}})
		}
	}
	slices.SortStableFunc(s.remedies, func(a, b *remedy) int { return a.began().Compare(b.began()) })
	s.findCure()
}

// maySuitRemedy reports whether a change came after the trouble began, to a
// service of the incident or one next to it.
func (s *story) maySuitRemedy(c *change, began time.Time) bool {
	at := c.startedAt
	if at.IsZero() {
		// Only its end is known: it was under way some time before.
		at = c.at().Add(-rolloutTail)
	}
	if !at.After(began) || at.After(s.lastSign) {
		return false
	}
	if slices.ContainsFunc(s.rivals, func(r *stretch) bool { return r.overlaps(span{at, latest(at, c.at())}) }) {
		return false
	}
	return slices.Contains(s.services, c.service) || slices.Contains(s.nearby, c.service)
}

// meant reports whether a change was meant to mend the incident: what mended
// it, what was tried and failed, and what is made for nothing else. Another
// deploy of the service may be a coincidence.
func (r *remedy) meant() bool {
	return r.worked || r.failed || r.change.kind == event.ChangeRollback || r.change.kind == event.ChangeRestart
}

// toldByChange reports whether a message only announces a change that was
// reported by itself: by the same person, or for the same service.
func (s *story) toldByChange(m *reading) bool {
	return slices.ContainsFunc(s.remedies, func(r *remedy) bool {
		if r.change == nil {
			return false
		}
		apart := r.began().Sub(m.OccurredAt)
		return apart > -recoverWithin && apart < recoverWithin &&
			(r.actor == m.Message.Author || names(m.Message.Text, r.change.service))
	})
}

// findCure finds the remedy after which the trouble went: the last one that
// was done before the signs of recovery. Rollbacks that were done before it and
// changed nothing failed; another deploy may have been meant for something
// else, and a restart may have helped for a while.
func (s *story) findCure() {
	sign := s.recovered()
	for _, r := range s.remedies {
		if r.failed || r.done.IsZero() {
			continue
		}
		// The effect of a rollout may show before its end is reported, and of
		// many only the end is.
		early := r.began().Add(-2 * time.Second)
		if r.change != nil && r.started.IsZero() {
			early = r.done.Add(-rolloutTail)
		}
		if sign.IsZero() || sign.Before(early) || sign.Sub(r.done) > recoverWithin {
			continue
		}
		// A remedy that was done after the trouble was over did not end it.
		if sign.Before(r.done.Add(-recoverWithin / 5)) {
			continue
		}
		if s.remedy == nil || !r.done.After(sign.Add(rolloutTail)) {
			s.remedy = r
		}
	}
	if s.remedy == nil {
		return
	}
	s.remedy.worked = true
	for _, r := range s.remedies {
		if r == s.remedy || r.failed || r.done.IsZero() || !r.done.Before(s.remedy.began()) {
			continue
		}
		if r.change != nil && r.change.kind == event.ChangeRollback {
			r.failed = true
		}
	}
}

// rolloutTail is how long before its reported end a rollout may already have
// taken its effect on the last instance.
const rolloutTail = 15 * time.Second

// recovered is the first sign of recovery: errors back to what they were, else
// the first end that stayed. Zero: none yet.
func (s *story) recovered() time.Time {
	end, ok := s.firstLastingEnd()
	if !s.calm.IsZero() && (ok || s.calmLasts() && s.logsAlive()) {
		// Calm after the ends is some other trouble's.
		if !ok || !s.calm.After(end.Add(recoverWithin)) {
			return s.calm
		}
	}
	if ok {
		return end
	}
	return time.Time{}
}

// calmLasts reports whether the bursts have been over for so long that they
// may be called over.
func (s *story) calmLasts() bool {
	return s.now.Sub(s.calm) >= s.cfg.QuietPeriod
}

// firstLastingEnd is the earliest stated end of a member whose alert did not
// fire again.
func (s *story) firstLastingEnd() (time.Time, bool) {
	var first time.Time
	for _, m := range s.members {
		if m.ending == endResolved && !s.refired(m) {
			first = earliest(first, m.end)
		}
	}
	return first, !first.IsZero()
}

// refired reports whether a member's alert fired again within the incident.
func (s *story) refired(m *signal) bool {
	same := s.byPrint[m.fingerprint]
	return same[len(same)-1].start.After(m.start)
}
