package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// Observation is what is known of one alert that started at one time: one per
// (fingerprint, start). Every sighting of the alert, by any road, is an
// Observation; sightings of the same alert are merged by [Observation.Merge].
type Observation struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	// StartsAt is when the sender says the alert began to fire: after the
	// rule's "for" has passed.
	StartsAt    time.Time `json:"starts_at"`
	Labels      Labels    `json:"labels"`
	Annotations Labels    `json:"annotations,omitempty"`
	// GeneratorURL leads to the rule at its sender. Not every road tells it, and
	// the members of a redundant pair tell their own: of several it is the least.
	GeneratorURL string `json:"generator_url,omitempty"`
	// KeepAliveUntil is the greatest end in the future that a sender announced
	// while the alert fired. Zero: none.
	KeepAliveUntil time.Time `json:"keep_alive_until,omitzero"`
	// EndedAt is the latest end that a sender stated as past. Zero: none.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// FiringSeenAt is the latest time at which a sender said that it fires.
	// Zero: no sighting of it firing.
	FiringSeenAt time.Time `json:"firing_seen_at,omitzero"`
	// GoneBy is the earliest time at which a poll of the Alertmanager no longer
	// showed it, after one that did: a bound of its end and no date. Zero: none.
	GoneBy time.Time `json:"gone_by,omitzero"`
	// FirstReceivedAt and LastReceivedAt bound the receipts.
	FirstReceivedAt time.Time `json:"first_received_at"`
	LastReceivedAt  time.Time `json:"last_received_at"`
	// Roads, SentFingerprints, Groups and Instances are sorted sets: how it
	// came, the fingerprints as they were sent, the group keys it was in, and
	// the senders' names.
	Roads            []Road        `json:"roads"`
	SentFingerprints []Fingerprint `json:"sent_fingerprints,omitempty"`
	Groups           []string      `json:"groups,omitempty"`
	Instances        []string      `json:"instances,omitempty"`
	ClockSuspect     bool          `json:"clock_suspect,omitempty"`
	// Raw is the payload of the first sighting. Labels, annotations and URL are
	// the least of all that were sent.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// maxSet bounds the sets of an observation. An alert in more groups than that
// keeps the first in order, which is the same whatever came first.
const maxSet = 32

// ID is the observation's identity: its start and its fingerprint.
func (o Observation) ID() ID { return NewID(o.StartsAt, "alert", o.Fingerprint.String()) }

// Expired reports whether the end that was stated is the one that was
// announced beforehand: then nobody said that the alert resolved, its sender
// stopped renewing it.
func (o Observation) Expired() bool {
	return !o.EndedAt.IsZero() && o.EndedAt.Equal(o.KeepAliveUntil)
}

// Merge joins two sightings of one alert. It is commutative, associative and
// idempotent, so the order and number of deliveries do not matter. Both must
// have the same fingerprint and, to the millisecond, the same start: some
// senders cut the rest off, so the later one is the more exact.
func (o Observation) Merge(p Observation) Observation {
	m := o
	m.StartsAt = latest(o.StartsAt, p.StartsAt)
	if firstSighting(p, o) {
		m.Raw, m.FirstReceivedAt = p.Raw, p.FirstReceivedAt
	}
	// What an alert says does not hang on which road was the faster: a change
	// of receipt times must not change a timeline.
	m.Labels = lesserLabels(o.Labels, p.Labels)
	m.Annotations = lesserLabels(o.Annotations, p.Annotations)
	m.GeneratorURL = lesserText(o.GeneratorURL, p.GeneratorURL)
	m.LastReceivedAt = latest(o.LastReceivedAt, p.LastReceivedAt)
	m.KeepAliveUntil = latest(o.KeepAliveUntil, p.KeepAliveUntil)
	m.EndedAt = latest(o.EndedAt, p.EndedAt)
	m.FiringSeenAt = latest(o.FiringSeenAt, p.FiringSeenAt)
	m.GoneBy = earliest(o.GoneBy, p.GoneBy)
	m.Roads = union(o.Roads, p.Roads)
	m.SentFingerprints = union(o.SentFingerprints, p.SentFingerprints)
	m.Groups = union(o.Groups, p.Groups)
	m.Instances = union(o.Instances, p.Instances)
	m.ClockSuspect = o.ClockSuspect || p.ClockSuspect
	return m
}

// firstSighting orders two sightings of one alert: by receipt, and where that
// is equal by their payload, so that the order is total.
func firstSighting(p, o Observation) bool {
	if c := p.FirstReceivedAt.Compare(o.FirstReceivedAt); c != 0 {
		return c < 0
	}
	return bytes.Compare(p.Raw, o.Raw) < 0
}

// lesserLabels is the lesser of two sets, and of one that is empty the other.
func lesserLabels(a, b Labels) Labels {
	if len(a) == 0 || len(b) > 0 && compareLabels(b, a) < 0 {
		return b
	}
	return a
}

// lesserText is likewise for texts.
func lesserText(a, b string) string {
	if a == "" || b != "" && b < a {
		return b
	}
	return a
}

func compareLabels(a, b Labels) int {
	return slices.Compare(pairs(a), pairs(b))
}

func pairs(l Labels) []string {
	out := make([]string, 0, 2*len(l))
	for _, n := range l.Names() {
		out = append(out, n, l[n])
	}
	return out
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

func union[T ~string | ~uint64](a, b []T) []T {
	if len(a) == 0 && len(b) == 0 {
		return nil
	}
	if slices.Equal(a, b) && slices.IsSorted(a) && len(a) <= maxSet {
		return a
	}
	u := slices.Concat(a, b)
	slices.Sort(u)
	u = slices.Compact(u)
	return u[:min(len(u), maxSet)]
}
