package correlate

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// restorations find when everything was over: the last member's end that no
// firing follows. While a member fires there is none. A member whose end
// nobody stated is inferred from its siblings' ends and calm logs; that is
// never more than likely.
func (s *story) restorations() []candidate {
	last, unseen, open := s.ends()
	if open {
		return nil
	}
	if len(unseen) == 0 {
		return s.restoredByEnds(last)
	}
	return s.restoredByInference(last, unseen)
}

// ends is the last stated end among the members that count, those whose end
// is unknown, and whether one of them certainly still fires.
func (s *story) ends() (last *signal, unseen []*signal, open bool) {
	for _, m := range s.members {
		if s.refired(m) {
			continue
		}
		switch m.ending {
		case endResolved:
			if last == nil || m.end.After(last.end) {
				last = m
			}
		case endFiring:
			if s.endUnknown(m) {
				unseen = append(unseen, m)
			} else {
				open = true
			}
		case endExpired, endGone:
			unseen = append(unseen, m)
		}
	}
	return last, unseen, open
}

// endUnknown reports whether a member that nobody ended may have ended unseen:
// no road that keeps it alive told of it, it was not seen since, and a quiet
// period ago its siblings ended, or the errors stopped in a log that goes on.
func (s *story) endUnknown(m *signal) bool {
	if !m.changesAt.IsZero() {
		return false
	}
	end, ok := s.lastEnd()
	if !ok && (s.calm.IsZero() || !s.calmLasts() || !s.logsAlive()) {
		return false
	}
	after := latest(end, s.calm)
	return !m.lastSeen.After(after.Add(stampSlack)) && s.now.Sub(after) >= s.cfg.QuietPeriod
}

// lastEnd is the last stated end of any member.
func (s *story) lastEnd() (time.Time, bool) {
	var last *signal
	for _, m := range s.members {
		if m.ending == endResolved && !s.refired(m) && (last == nil || m.end.After(last.end)) {
			last = m
		}
	}
	if last == nil {
		return time.Time{}, false
	}
	return last.end, true
}

func (s *story) restoredByEnds(last *signal) []candidate {
	if last == nil {
		return nil
	}
	c := measured(last.end)
	c.rule, c.confidence, c.evidence = "last_end", 0.95, last.ids
	c.explanation = fmt.Sprintf("%s on %s was the last alert to end, and none fired again", last.name(), orUnknown(last.service))
	c.earliest = s.noEarlierThanTrouble(c.earliest)
	return []candidate{c}
}

// noEarlierThanTrouble moves the lower bound of the end to the last error: a
// rule's window delays the end of its alert.
func (s *story) noEarlierThanTrouble(at time.Time) time.Time {
	if !s.calm.IsZero() && s.calm.Before(at) {
		return s.calm
	}
	return at
}

// restoredByInference takes the siblings' last end, when the logs are calm.
func (s *story) restoredByInference(last *signal, unseen []*signal) []candidate {
	var names []string
	var ids []event.ID
	for _, m := range unseen {
		names = append(names, fmt.Sprintf("%s on %s", m.name(), orUnknown(m.service)))
		ids = append(ids, m.id)
	}
	c := candidate{evidence: ids, confidence: 0.4}
	who := oneLine(strings.Join(names, ", "), 200)
	late := 2 * time.Second
	switch {
	case last != nil && !s.calm.IsZero() && !s.calm.After(last.end.Add(stampSlack)):
		c.at, c.confidence, c.rule = last.end, 0.7, "siblings_ended"
		c.explanation = fmt.Sprintf("the end of %s was not seen; the alerts beside it ended and the logs are calm", who)
	case last != nil && s.calm.IsZero():
		c.at, c.confidence, c.rule = last.end, 0.5, "siblings_ended"
		c.explanation = fmt.Sprintf("the end of %s was not seen; the alerts beside it ended", who)
	case !s.calm.IsZero() && s.calmLasts() && s.logsAlive():
		c.at, c.confidence, c.rule = latest(s.calm, s.lastGone(unseen)), 0.5, "errors_subsided"
		c.explanation = fmt.Sprintf("the end of %s was not seen; the errors stopped", who)
		if s.first != nil {
			// An alert ends about as long after the errors as it came after them.
			late = min(max(late, 2*s.detected.Sub(s.first.at)), 10*time.Minute)
		}
	default:
		return s.restoredByPoll(unseen)
	}
	c.earliest, c.latest = s.noEarlierThanTrouble(c.at.Add(-time.Second)), c.at.Add(late)
	if last != nil {
		c.evidence = append(c.evidence, last.id)
		c.latest = latest(c.latest, last.end.Add(stampSlack))
	}
	for _, m := range unseen {
		if m.ending == endGone {
			c.latest = latest(c.latest, m.end)
		}
	}
	return []candidate{c}
}

// restoredByPoll uses what polls bound, when there is nothing else.
func (s *story) restoredByPoll(unseen []*signal) []candidate {
	var last *signal
	for _, m := range unseen {
		if m.ending != endGone {
			return nil
		}
		if last == nil || m.end.After(last.end) {
			last = m
		}
	}
	if last == nil {
		return nil
	}
	return []candidate{{
		at: last.end, earliest: last.endEarliest, latest: last.end, rule: "gone_from_alertmanager", confidence: 0.6,
		explanation: fmt.Sprintf("%s on %s was no longer in Alertmanager when it was asked", last.name(), orUnknown(last.service)),
		evidence:    last.ids,
	}}
}

// logsAlive reports whether the incident's services still logged after they
// were calm: a log that stopped proves no recovery.
func (s *story) logsAlive() bool {
	from, to := s.calm.Add(time.Second), s.calm.Add(s.cfg.QuietPeriod)
	return slices.ContainsFunc(s.services, func(service string) bool {
		return slices.ContainsFunc(s.logs.of(service), func(l *series) bool { return len(l.between(from, to)) > 0 })
	})
}

// lastGone is the latest lower bound of the ends that polls found.
func (s *story) lastGone(unseen []*signal) time.Time {
	var at time.Time
	for _, m := range unseen {
		if m.ending == endGone {
			at = latest(at, m.endEarliest)
		}
	}
	return at
}
