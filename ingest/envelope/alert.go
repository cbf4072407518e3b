package envelope

import (
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// observation is the sighting of an alert that an envelope carries. Its
// identity is computed here, whatever fingerprint was sent.
func observation(r *reader, c common, a *hindcastv1.Alert) event.Observation {
	labels := r.labels("alert.labels", a.GetLabels())
	if len(labels) == 0 && !r.restore {
		r.fail("alert.labels", body.ClassMissing, "required")
	}
	occurredAt := r.time("occurred_at", c.env.GetOccurredAt())
	o := event.Observation{
		Fingerprint:      labels.Fingerprint(),
		StartsAt:         r.time("alert.starts_at", a.GetStartsAt()),
		Labels:           labels,
		Annotations:      r.labels("alert.annotations", a.GetAnnotations()),
		GeneratorURL:     r.url("alert.generator_url", a.GetGeneratorUrl()),
		KeepAliveUntil:   r.end("alert.keep_alive_until", a.GetKeepAliveUntil()),
		EndedAt:          r.end("alert.ended_at", a.GetEndedAt()),
		FiringSeenAt:     r.end("alert.firing_seen_at", a.GetFiringSeenAt()),
		GoneBy:           r.end("alert.gone_by", a.GetGoneBy()),
		FirstReceivedAt:  c.receivedAt,
		LastReceivedAt:   r.time("alert.last_received_at", a.GetLastReceivedAt()),
		SentFingerprints: set(r.fingerprints("alert.sent_fingerprints", a.GetSentFingerprints())),
		Groups:           set(slices.Clone(a.GetGroups())),
		Instances:        set(slices.Clone(a.GetInstances())),
	}
	for _, road := range a.GetRoads() {
		o.Roads = append(o.Roads, event.Road(road))
	}
	o.Roads = set(o.Roads)
	if o.StartsAt.IsZero() {
		o.StartsAt = occurredAt
	}
	if o.StartsAt.IsZero() {
		r.fail("alert.starts_at", body.ClassMissing, "required")
	}
	if o.LastReceivedAt.IsZero() {
		o.LastReceivedAt = o.FirstReceivedAt
	}
	if r.own {
		complete(&o, c)
		if o.FiringSeenAt.IsZero() && o.EndedAt.IsZero() {
			o.FiringSeenAt = occurredAt
			if occurredAt.IsZero() {
				o.FiringSeenAt = c.receivedAt
			}
		}
	} else {
		o.Fingerprint = keptFingerprint(&o, c.env.GetId())
	}
	o.ClockSuspect = r.suspect
	return o
}

// keptFingerprint is the fingerprint that an alert's ID tells of. It is not that
// of its labels where it was given some beside its sender's, and then it is
// among those that were sent.
func keptFingerprint(o *event.Observation, id string) event.Fingerprint {
	for _, f := range o.SentFingerprints {
		kept := event.Observation{Fingerprint: f, StartsAt: o.StartsAt}
		if kept.ID().String() == id {
			return f
		}
	}
	return o.Fingerprint
}

// complete fills in what a producer's envelope says of all facts.
func complete(o *event.Observation, c common) {
	if len(o.Roads) == 0 {
		o.Roads = []event.Road{c.road}
	}
	if instance := c.env.GetInstance(); len(o.Instances) == 0 && instance != "" {
		o.Instances = []string{instance}
	}
}

// maxSet bounds the sets of an observation, as merging it with another does.
const maxSet = 32

// set sorts a list and drops what is twice in it, and what is too many.
func set[T ~string | ~uint64](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	slices.Sort(list)
	list = slices.Compact(list)
	return list[:min(len(list), maxSet)]
}

// alertOf is an observation in an envelope.
func alertOf(o event.Observation) *hindcastv1.Envelope {
	a := &hindcastv1.Alert{
		Labels:         texts(o.Labels),
		Annotations:    texts(o.Annotations),
		StartsAt:       timestamp(o.StartsAt),
		GeneratorUrl:   o.GeneratorURL,
		KeepAliveUntil: timestamp(o.KeepAliveUntil),
		EndedAt:        timestamp(o.EndedAt),
		FiringSeenAt:   timestamp(o.FiringSeenAt),
		GoneBy:         timestamp(o.GoneBy),
		LastReceivedAt: timestamp(o.LastReceivedAt),
		Groups:         slices.Clone(o.Groups),
		Instances:      slices.Clone(o.Instances),
	}
	for _, road := range o.Roads {
		a.Roads = append(a.Roads, string(road))
	}
	for _, f := range o.SentFingerprints {
		a.SentFingerprints = append(a.SentFingerprints, f.String())
	}
	return &hindcastv1.Envelope{
		Id:           o.ID().String(),
		ReceivedAt:   timestamp(o.FirstReceivedAt),
		ClockSuspect: o.ClockSuspect,
		Raw:          o.Raw,
		Fact:         &hindcastv1.Envelope_Alert{Alert: a},
	}
}
