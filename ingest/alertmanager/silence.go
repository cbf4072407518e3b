package alertmanager

import (
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// NewSilenceEvent makes the event that a silence was created, updated or has
// expired, from a silence whose times are in the accepted range and in
// milliseconds; UpdatedAt is set. The recorder's decoder and the poll both make theirs with it,
// and for one change of a silence they make the same event: its ID comes from
// the silence's ID, its updatedAt and the action. It does not name the
// instance that told it, because a silence belongs to the whole cluster.
func NewSilenceEvent(s event.Silence, road event.Road, receivedAt time.Time, raw []byte) event.Event {
	at := s.UpdatedAt
	if s.Action == event.SilenceExpired && !s.EndsAt.IsZero() {
		at = s.EndsAt
	}
	return event.Event{
		ID:         event.NewID(at, "silence", s.ID, strconv.FormatInt(s.UpdatedAt.UnixMilli(), 10), string(s.Action)),
		Kind:       event.KindSilence,
		OccurredAt: at,
		ReceivedAt: receivedAt,
		Road:       road,
		Silence:    &s,
		Raw:        raw,
	}
}

// SilenceActionOf tells from a silence that has not expired whether its last
// change was its creation. Alertmanager never creates one that begins in the
// past: one that began before it was updated was there already. (One that was
// updated before it began looks created.)
func SilenceActionOf(s event.Silence) event.SilenceAction {
	if s.StartsAt.Before(s.UpdatedAt) {
		return event.SilenceUpdated
	}
	return event.SilenceCreated
}

// takeSilence reads a silence as the recorder or the API writes it. Its
// Action is left open. state is the API's word on it.
func (r *reading) takeSilence(c *cursor) (s event.Silence, state string, suspect bool, first *fault) {
	if !c.enter('{') {
		return s, "", false, &fault{"", classType, "must be an object"}
	}
	note := func(f *fault) {
		if first == nil {
			first = f
		}
	}
	instant := func(field string) time.Time {
		t, f := r.instant(c, field)
		note(f)
		t, f = r.accept(t, &suspect)
		note(f.in(field))
		return t
	}
	var matchers []event.Matcher
	for c.more('}') {
		switch string(c.key()) {
		case "id":
			var f *fault
			s.ID, f = r.name(c, "id")
			note(f)
		case "matchers":
			matchers = r.takeMatchers(c)
		case "matcherSets", "matcher_sets":
			s.MatcherSets = nil
			if !c.enter('[') {
				continue
			}
			for c.more(']') {
				if !c.enter('{') {
					continue
				}
				for c.more('}') {
					if string(c.key()) == "matchers" {
						s.MatcherSets = append(s.MatcherSets, r.takeMatchers(c))
					} else {
						c.skip()
					}
				}
			}
		case "startsAt", "starts_at":
			s.StartsAt = instant("startsAt")
		case "endsAt", "ends_at":
			s.EndsAt = instant("endsAt")
		case "updatedAt", "updated_at":
			s.UpdatedAt = instant("updatedAt")
		case "createdBy", "created_by":
			s.CreatedBy = r.prose(c)
		case "comment":
			s.Comment = r.prose(c)
		case "status":
			if !c.enter('{') {
				continue
			}
			for c.more('}') {
				if string(c.key()) == "state" {
					state = r.prose(c)
				} else {
					c.skip()
				}
			}
		default:
			c.skip()
		}
	}
	if len(s.MatcherSets) == 0 && len(matchers) > 0 {
		s.MatcherSets = [][]event.Matcher{matchers}
	}
	if s.ID == "" {
		note(&fault{"id", classMissing, "is missing"})
	}
	return s, state, suspect, first
}

// takeMatchers reads matchers: the recorder's have a type and a pattern, the
// API's a value and two flags.
func (r *reading) takeMatchers(c *cursor) []event.Matcher {
	if !c.enter('[') {
		return nil
	}
	var all []event.Matcher
	for c.more(']') {
		if !c.enter('{') {
			continue
		}
		var m event.Matcher
		regex, equal := false, true
		for c.more('}') {
			switch string(c.key()) {
			case "name":
				m.Name = r.prose(c)
			case "pattern", "value":
				m.Value = r.prose(c)
			case "type":
				m.Op = matcherOp(r.prose(c))
			case "isRegex":
				regex = r.flag(c)
			case "isEqual":
				equal = c.peek() == 'n' || c.peek() == 't'
				c.skip()
			default:
				c.skip()
			}
		}
		if m.Op == "" {
			m.Op = apiOp(regex, equal)
		}
		all = append(all, m)
	}
	return all
}

// matcherOp is the operator that the recorder's enum stands for, by name or by
// number; "" for an unknown one.
func matcherOp(enum string) string {
	switch enum {
	case "TYPE_EQUAL", "1":
		return "="
	case "TYPE_REGEXP", "2":
		return "=~"
	case "TYPE_NOT_EQUAL", "3":
		return "!="
	case "TYPE_NOT_REGEXP", "4":
		return "!~"
	}
	return ""
}

func apiOp(regex, equal bool) string {
	switch {
	case regex && equal:
		return "=~"
	case regex:
		return "!~"
	case equal:
		return "="
	}
	return "!="
}
