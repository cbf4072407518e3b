package correlate

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// incident is the head of the timeline.
func (s *story) incident(t *timeline.Timeline) timeline.Incident {
	worst := s.members[0]
	for _, m := range s.members {
		if m.rank < worst.rank {
			worst = m
		}
	}
	in := timeline.Incident{
		ID: s.members[0].id, Aliases: t.Incident.Aliases, Title: s.title(worst),
		Severity: worst.severity, Services: s.services, Environment: s.environment,
		StartedAt: s.detected.UTC(), Minor: t.Incident.Minor,
	}
	if in.Services == nil {
		in.Services = []string{}
	}
	if on := t.Milestone(timeline.Onset); on != nil && on.At != nil {
		in.StartedAt = *on.At
	} else if d := t.Milestone(timeline.Detected); d != nil {
		in.StartedAt = *d.At
	}
	restored := t.Milestone(timeline.Restored)
	switch {
	case restored != nil:
		in.EndedAt, s.endedAt = restored.At, *restored.At
		in.Status = timeline.StatusRestored
		if s.now.Sub(*restored.At) >= s.cfg.QuietPeriod {
			in.Status = timeline.StatusClosed
		}
	case s.silentFor() >= s.cfg.QuietPeriod:
		// Nobody tells of it any more; that is no recovery, but nothing is on.
		in.Status = timeline.StatusClosed
	case t.Milestone(timeline.Mitigated) != nil:
		in.Status = timeline.StatusMitigated
	default:
		in.Status = timeline.StatusOpen
	}
	in.Sealed = in.Status == timeline.StatusClosed && s.now.Sub(s.lastSign) >= s.cfg.SealAfter
	return in
}

// silentFor is for how long no member has been on; zero while one is.
func (s *story) silentFor() time.Duration {
	for _, m := range s.members {
		if m.ending == endFiring && !s.refired(m) {
			return 0
		}
	}
	return s.now.Sub(s.lastSign)
}

// title names the worst alert and the services.
func (s *story) title(worst *signal) string {
	title := worst.name()
	if worst.service != "" {
		title += " on " + worst.service
	}
	var others []string
	for _, service := range s.services {
		if service != worst.service {
			others = append(others, service)
		}
	}
	switch n := len(others); {
	case n == 0:
	case n <= 3:
		title += ", with " + strings.Join(others, ", ")
	default:
		title += fmt.Sprintf(", with %s and %d more services", strings.Join(others[:2], ", "), n-2)
	}
	return title
}

// minor reports whether nothing says that anybody or anything suffered. One
// flapping alert alone is always minor, and so is one that is on for ever.
func (s *story) minor(t *timeline.Timeline) bool {
	one := !slices.ContainsFunc(s.members, func(m *signal) bool { return m.fingerprint != s.members[0].fingerprint })
	if one && s.members[0].flaps {
		return true
	}
	if one && s.age(s.members[0]) >= s.cfg.ChronicAfter && s.first == nil && t.Milestone(timeline.Acknowledged) == nil && !s.paged() {
		return true
	}
	return !slices.ContainsFunc(s.members, func(m *signal) bool { return m.paging }) &&
		!s.paged() && s.first == nil && len(s.services) <= 1 && t.Milestone(timeline.Acknowledged) == nil
}

// paged reports whether a member was delivered to a receiver that pages.
func (s *story) paged() bool {
	return slices.ContainsFunc(s.notifications, func(n *event.Event) bool {
		return s.tellsFiring(n) && s.cfg.receiverClass(n.Notification.Receiver, n.Notification.Integration) == classPage
	})
}

// wakeAt is when the timeline will look different with no new fact: when a
// keep-alive elapses, the quiet period is over, or it seals. Zero: never.
func (s *story) wakeAt() time.Time {
	var at time.Time
	soonest := func(t time.Time) {
		if t.After(s.now) {
			at = earliest(at, t)
		}
	}
	for _, m := range s.members {
		soonest(m.changesAt)
		soonest(m.start.Add(s.cfg.ChronicAfter))
		soonest(m.start.Add(s.cfg.NotifiedLate + time.Second))
	}
	end, _ := s.lastEnd()
	for _, t := range []time.Time{s.lastSign, s.calm, end, latest(end, s.calm), s.endedAt} {
		if !t.IsZero() {
			soonest(t.Add(s.cfg.QuietPeriod))
		}
	}
	soonest(s.lastSign.Add(s.cfg.SealAfter))
	for _, n := range s.notifications {
		soonest(n.OccurredAt.Add(s.cfg.NoAcknowledgement + time.Second))
	}
	return at
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
