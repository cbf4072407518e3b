package correlate

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// episode is one firing of an alert: all observations of one fingerprint that
// overlap. Redundant Prometheus servers, a restart, and an Alertmanager that
// moves the start give several observations of one firing.
type episode struct {
	observations []*event.Observation
	// ids are the observations' IDs; the first one is the episode's.
	ids   []event.ID
	start time.Time
	// end is when it ended, as ending says; zero while it fires.
	end    time.Time
	ending ending
	// endEarliest is the lower bound of an end that was not dated.
	endEarliest time.Time
	// lastSeen is the last time that anybody said it fires.
	lastSeen time.Time
	// changesAt is when the episode will look different with no new fact: when
	// its keep-alive elapses. Zero: never.
	changesAt time.Time
}

// ending is how an episode ended.
type ending int

const (
	// endFiring: it fires still, as far as anybody said.
	endFiring ending = iota
	// endResolved: its sender said that it is over.
	endResolved
	// endExpired: its sender stopped renewing it. This proves nothing.
	endExpired
	// endGone: a poll found it gone.
	endGone
)

func (e *episode) labels() event.Labels      { return e.observations[0].Labels }
func (e *episode) annotations() event.Labels { return e.observations[0].Annotations }

// name is the alert's name.
func (e *episode) name() string {
	if n := e.labels()["alertname"]; n != "" {
		return n
	}
	return "alert " + e.observations[0].Fingerprint.String()
}

// until is the end of the episode for questions of overlap: the end of time
// while it fires.
func (e *episode) until() time.Time {
	if e.ending == endFiring || e.end.IsZero() {
		return event.MaxTime
	}
	return e.end
}

// formEpisodes makes the episodes of one fingerprint from its observations,
// which are in order of their start.
func formEpisodes(observations []*event.Observation, now time.Time) []*episode {
	var out []*episode
	var reach time.Time
	for _, o := range observations {
		if n := len(out); n > 0 && !o.StartsAt.After(reach) {
			out[n-1].observations = append(out[n-1].observations, o)
			reach = latest(reach, reaches(o))
			continue
		}
		out = append(out, &episode{observations: []*event.Observation{o}, start: o.StartsAt})
		reach = reaches(o)
	}
	for _, e := range out {
		for _, o := range e.observations {
			e.ids = append(e.ids, o.ID())
		}
		e.settle(now)
	}
	return out
}

// reaches is how far an observation's interval goes: an observation of the
// same fingerprint that starts within it is of the same firing.
func reaches(o *event.Observation) time.Time {
	switch {
	case !o.EndedAt.IsZero():
		return o.EndedAt.Add(-time.Nanosecond)
	case !o.KeepAliveUntil.IsZero():
		return o.KeepAliveUntil
	}
	// Without a keep-alive a new start means that the old firing is over, unless
	// it was seen to fire after that start: then the start was moved.
	return latest(o.StartsAt, o.FiringSeenAt)
}

// supersedeSlack is how much later than the end a webhook that was sent before
// it may arrive and still say "firing".
const supersedeSlack = 2 * time.Second

// settle finds out how the episode ended. The latest stated end counts unless
// another observation of the same firing was seen to fire after it.
func (e *episode) settle(now time.Time) {
	var stated time.Time
	for _, o := range e.observations {
		e.lastSeen = latest(e.lastSeen, o.FiringSeenAt)
		if !o.EndedAt.IsZero() && !o.Expired() {
			stated = latest(stated, o.EndedAt)
		}
	}
	e.ending = endResolved
	e.end = stated
	for _, o := range e.observations {
		if !o.EndedAt.IsZero() && !o.Expired() {
			continue
		}
		if !stated.IsZero() && !o.FiringSeenAt.After(stated.Add(supersedeSlack)) {
			continue // The end was stated after this was last seen to fire.
		}
		e.outlive(o, now)
	}
	if e.ending == endFiring && !e.changesAt.IsZero() {
		e.lastSeen = seenMark(e.lastSeen)
	}
}

// outlive takes in an observation whose end nobody stated.
func (e *episode) outlive(o *event.Observation, now time.Time) {
	// A poll that no longer showed it says nothing once it was seen again.
	gone := !o.GoneBy.IsZero() && !o.FiringSeenAt.After(o.GoneBy)
	switch {
	case o.Expired() || (!o.KeepAliveUntil.IsZero() && !o.KeepAliveUntil.After(now) && !gone):
		e.prefer(endExpired, o.KeepAliveUntil, o.FiringSeenAt)
	case gone:
		e.prefer(endGone, o.GoneBy, o.FiringSeenAt)
	default:
		e.prefer(endFiring, time.Time{}, o.FiringSeenAt)
		if o.KeepAliveUntil.After(now) && (e.changesAt.IsZero() || o.KeepAliveUntil.Before(e.changesAt)) {
			e.changesAt = o.KeepAliveUntil
		}
	}
}

// prefer takes the weaker knowledge of the end: firing over gone over expired
// over resolved, and of the same kind the later.
func (e *episode) prefer(how ending, at, earliest time.Time) {
	rank := map[ending]int{endResolved: 0, endExpired: 1, endGone: 2, endFiring: 3}
	if rank[how] < rank[e.ending] || (how == e.ending && !at.After(e.end)) {
		return
	}
	e.ending, e.end, e.endEarliest = how, at, earliest
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// earliest ignores zero times.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || (!b.IsZero() && b.Before(a)) {
		return b
	}
	return a
}
