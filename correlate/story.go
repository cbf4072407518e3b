package correlate

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// story is a component with everything that happened around it: what
// milestones, changes, participants, entries and gaps are read from. It is
// gathered once; nothing changes it afterwards but the parts that are derived
// in turn (see derive.go).
type story struct {
	cfg *Config
	now time.Time
	*component
	topology *topology
	logs     *logs
	// byPrint are the members of each alert, in order.
	byPrint map[event.Fingerprint][]*signal

	// services are the members' services; nearby those that they call or that
	// call them, in the incident's window.
	services, nearby []string
	environment      string
	// detected is the first member's start; lastSign the last thing that any
	// member told.
	detected, lastSign time.Time

	notifications []*event.Event
	mutes         []*event.Event
	silences      []*event.Event
	messages      []*reading
	acks          []*event.Event
	// endedAt is when it was restored; zero while it is not.
	endedAt time.Time
	// late are facts that came when the incident was sealed.
	late []event.ID
	// rivals are the incidents for which people acted; see rivals.
	rivals  []*stretch
	sources []*event.Event
	// changes are the candidates, causes and remedies alike.
	changes []*change
	commits []event.Commit

	// bursts are the patterns of trouble that led to the detection or came
	// with it, in the members' services and in those that they call.
	bursts []burst
	// first is the burst that began the trouble; nil when none is known.
	first *burst
	// calm is when the bursts were over; zero when there were none, or they
	// last.
	calm time.Time
	// remedies are the changes that were meant to mend it; remedy is the one
	// that did, nil when none did or none is known.
	remedies []*remedy
	remedy   *remedy
}

// How far a story looks around its members. Onset is searched for two hours
// back, and an hour before that is what is normal.
const (
	onsetWithin   = 2 * time.Hour
	baselineSpan  = time.Hour
	afterwards    = 15 * time.Minute
	reportedEarly = 15 * time.Minute
)

// window is the time around the members in which the logs are read.
func (s *story) window() (from, to time.Time) {
	return s.detected.Add(-onsetWithin), s.lastSign.Add(afterwards)
}

// gather collects the story of a component.
func (e *Engine) gather(c *component, t *topology, letters []*reading) *story {
	s := &story{cfg: &e.cfg, now: e.now, component: c, topology: t, logs: &e.memory.logs}
	for _, l := range letters {
		if l.Acknowledgement != nil {
			s.acks = append(s.acks, l.Event)
		} else {
			s.messages = append(s.messages, l)
		}
	}
	s.detected = c.members[0].start
	s.byPrint = make(map[event.Fingerprint][]*signal, len(c.members))
	for _, m := range c.members {
		s.byPrint[m.fingerprint] = append(s.byPrint[m.fingerprint], m)
		if m.service != "" && !slices.Contains(s.services, m.service) {
			s.services = append(s.services, m.service)
		}
		if s.environment == "" {
			s.environment = m.environment
		}
		s.lastSign = latest(s.lastSign, signEnd(m))
	}
	slices.Sort(s.services)
	s.findNearby()
	s.gatherNotifications(e.memory)
	s.gatherSilences(e.memory)
	from, to := s.detected.Add(-reportedEarly), s.lastSign.Add(afterwards)
	for _, a := range e.memory.shelf(event.KindAcknowledgement).between(from, to) {
		if slices.ContainsFunc(a.Acknowledgement.Alerts, s.refersTo) {
			s.acks = append(s.acks, a)
		}
	}
	s.sources = e.memory.shelf(event.KindSource).between(from, to)
	return s
}

// signEnd is the last time that a member tells something of: its end, or the
// last time it was seen while nobody stated an end.
func signEnd(m *signal) time.Time {
	if m.ending == endFiring && m.changesAt.IsZero() {
		return latest(m.start, m.lastSeen).Add(repeatInterval)
	}
	return latest(latest(m.start, m.lastSeen), m.end)
}

// repeatInterval is how long an alert that only notifications tell of may fire
// without another one: Alertmanager's default repeat_interval.
const repeatInterval = 4 * time.Hour

// findNearby finds the services one hop from the members'.
func (s *story) findNearby() {
	from, to := s.detected.Add(-s.cfg.LinkWithin), s.lastSign.Add(s.cfg.LinkWithin)
	for _, own := range s.services {
		for _, other := range s.topology.near[own] {
			if !slices.Contains(s.services, other) && !slices.Contains(s.nearby, other) && s.topology.adjacent(own, other, from, to) {
				s.nearby = append(s.nearby, other)
			}
		}
	}
	slices.Sort(s.nearby)
}

// member finds the member that an alert of another fact is: the episode of its
// fingerprint that was on at the time, with some grace at the end, because
// notifications of an end come after it.
func (s *story) member(print event.Fingerprint, at time.Time) *signal {
	var found *signal
	for _, m := range s.byPrint[print] {
		if m.start.After(at.Add(stampSlack)) {
			continue
		}
		if until := m.until(); !until.Add(notifyGrace).Before(at) {
			found = m
		}
	}
	return found
}

// stampSlack is how far apart the clocks of senders on one network may be, and
// how far their time stamps are rounded.
const stampSlack = 50 * time.Millisecond

// notifyGrace is how long after an end a notification may still be about it:
// a group's interval, with retries.
const notifyGrace = 15 * time.Minute

func (s *story) refersTo(r event.AlertRef) bool {
	return len(s.byPrint[r.Fingerprint]) > 0
}

func (s *story) gatherNotifications(m *memory) {
	for _, n := range m.shelf(event.KindNotification).between(s.detected.Add(-stampSlack), s.lastSign.Add(notifyGrace)) {
		about := func(r event.AlertRef) bool { return s.member(r.Fingerprint, n.OccurredAt) != nil }
		if slices.ContainsFunc(n.Notification.Firing, about) || slices.ContainsFunc(n.Notification.Resolved, about) {
			s.notifications = append(s.notifications, n)
		}
	}
}

// gatherSilences collects the mutes of members, and the silences that muted
// one or whose matchers fit one that was on.
func (s *story) gatherSilences(m *memory) {
	from, to := s.detected.Add(-stampSlack), s.lastSign.Add(afterwards)
	muted := map[string]bool{}
	for _, e := range m.shelf(event.KindMute).between(from, to) {
		if s.member(e.Mute.Fingerprint, e.OccurredAt) != nil {
			s.mutes = append(s.mutes, e)
			if e.Mute.SilenceID != "" {
				muted[e.Mute.SilenceID] = true
			}
		}
	}
	for _, e := range m.shelf(event.KindSilence).between(from.Add(-s.cfg.SealAfter), to) {
		if muted[e.Silence.ID] || s.under(e, s.cfg.QuietPeriod) {
			s.silences = append(s.silences, e)
		}
	}
}

// findBursts looks for the trouble in the logs of the members' services and
// of those that they call.
func (s *story) findBursts() {
	from, to := s.window()
	// The first minute after the detection still tells how strong the trouble
	// was; after the first end it is over, and would blur it.
	until := s.detected.Add(time.Minute)
	for _, m := range s.members {
		if m.ending == endResolved {
			until = minTime(until, latest(m.end, s.detected.Add(time.Second)))
		}
	}
	services := s.burstServices()
	logged := s.logs.since(services, from, until)
	for _, service := range services {
		for _, p := range s.logs.patternsOf(service, s.environment, from.Add(-baselineSpan), to, true) {
			since := logged
			if p.points[0].first.Sub(logged) < time.Second {
				// The log begins with the trouble: its silence before was one.
				since = from
			}
			if b, ok := p.findBurst(since, until); ok {
				s.bursts = append(s.bursts, b)
			}
		}
	}
	slices.SortStableFunc(s.bursts, func(a, b burst) int {
		return cmp.Or(a.at.Compare(b.at), strings.Compare(a.service, b.service), cmp.Compare(b.level, a.level), strings.Compare(a.template, b.template))
	})
	for i := range s.bursts {
		b := &s.bursts[i]
		if b.at.After(s.detected.Add(stampSlack)) || !s.lastsUntilDetected(b) {
			continue
		}
		s.first = b
		break
	}
	if at, ok := subsides(s.bursts, from, to); ok {
		s.calm = at
	}
}

// burstServices are the members' services and those that they call.
func (s *story) burstServices() []string {
	from, to := s.detected.Add(-s.cfg.LinkWithin), s.lastSign.Add(s.cfg.LinkWithin)
	out := slices.Clone(s.services)
	for _, other := range s.nearby {
		if slices.ContainsFunc(s.services, func(own string) bool { return s.topology.calls(own, other, from, to) }) {
			out = append(out, other)
		}
	}
	return out
}

// lastsUntilDetected reports whether a burst went on until the detection,
// with no pause that would make it another story. A burst of warnings counts
// when errors do not say better.
func (s *story) lastsUntilDetected(b *burst) bool {
	var points []point
	for _, q := range b.points {
		if !q.first.Before(b.at) && q.first.Before(s.detected) {
			points = append(points, q)
		}
	}
	if len(points) == 0 {
		return !b.at.After(s.detected.Add(stampSlack))
	}
	mean := s.detected.Sub(points[0].first) / time.Duration(total(points))
	pause := min(max(5*mean, 2*time.Minute), 10*time.Minute)
	for i, q := range points {
		until := s.detected
		if i+1 < len(points) {
			until = points[i+1].first
		}
		if until.Sub(q.last) > pause {
			return false
		}
	}
	return true
}

func minTime(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}
