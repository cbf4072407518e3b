package correlate

import (
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// tooLate reports whether an event came when the incident was sealed: more
// than the seal's age after it happened, and after the incident's last sign.
// Where the members themselves came late nothing is too late: a site loads its
// past.
func (s *story) tooLate(e *event.Event) bool {
	if s.members[0].received.Sub(signEnd(s.members[0])) > s.cfg.SealAfter {
		return false
	}
	return e.ReceivedAt.Sub(latest(e.OccurredAt, s.lastSign)) > s.cfg.SealAfter
}

// setLateAside takes out of the story what came too late for it.
func (s *story) setLateAside() {
	for _, m := range s.component.late {
		s.late = append(s.late, m.id)
	}
	for _, list := range []*[]*event.Event{&s.notifications, &s.mutes, &s.silences, &s.acks} {
		*list = slices.DeleteFunc(*list, func(e *event.Event) bool {
			if !s.tooLate(e) {
				return false
			}
			s.late = append(s.late, e.ID)
			return true
		})
	}
	s.messages = slices.DeleteFunc(slices.Clone(s.messages), func(r *reading) bool {
		if !s.tooLate(r.Event) {
			return false
		}
		s.late = append(s.late, r.ID)
		return true
	})
	slices.SortFunc(s.late, event.ID.Compare)
}
