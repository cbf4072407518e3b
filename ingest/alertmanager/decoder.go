// Package alertmanager decodes what Alertmanager and its kin send: webhook
// notifications (Grafana Alerting's variant too), the records of the event
// recorder, the alerts that Prometheus posts to /api/v2/alerts, and what
// Alertmanager's own API answers.
//
// The decoders are pure: bytes in, facts out, no I/O and no clock. In the flow
// they stand between what took the bytes (the receivers of package ingest, a
// Kafka consumer, a poll) and the batch that is appended.
//
// What they have in common:
//
//   - An error is an [*event.Malformed] and means that nothing of the body
//     could be taken. Otherwise the good entries are in the batch, and each bad
//     one is an [event.Aside] whose reason names the field.
//   - Unknown fields are ignored, null stands for an absent value, of two equal
//     keys the last one counts, and bytes that are no UTF-8 are read as U+FFFD,
//     as Alertmanager itself reads them.
//   - Times of alerts and silences are kept to the millisecond: Alertmanager's
//     API tells no more, and one alert that came by two roads would be two.
//   - Raw payloads point into the body; the caller must not write to it
//     afterwards.
package alertmanager

import (
	"cmp"
	"time"
)

// Decoder decodes bodies within limits. The zero Decoder has the default
// limits. Its methods may be called concurrently.
type Decoder struct {
	Limits Limits
	// ResolveTimeout is how long an alert without an end is taken to go on, as
	// Alertmanager's setting of this name. Zero: 5 minutes, its default.
	ResolveTimeout time.Duration
}

// Limits bounds what one body may hold. A zero field has its default.
type Limits struct {
	// Entries is how many alerts or events a body may hold; what is beyond is
	// put aside as one. Default 100,000.
	Entries int `yaml:"entries"`
	// Labels is how many labels an alert may have. Default 256.
	Labels int `yaml:"labels"`
	// LabelName and LabelValue bound a label's name and value, in bytes; the
	// latter bounds every other text as well. An alert with a longer label is
	// put aside; a longer annotation or comment is shortened. Default 1 KiB and
	// 64 KiB.
	LabelName  int `yaml:"label_name"`
	LabelValue int `yaml:"label_value"`
}

// DefaultLimits are the limits of the zero Decoder.
func DefaultLimits() Limits {
	return Limits{Entries: 100_000, Labels: 256, LabelName: 1 << 10, LabelValue: 64 << 10}
}

const defaultResolveTimeout = 5 * time.Minute

// withDefaults fills in what is zero.
func (d Decoder) withDefaults() Decoder {
	def := DefaultLimits()
	d.Limits.Entries = cmp.Or(d.Limits.Entries, def.Entries)
	d.Limits.Labels = cmp.Or(d.Limits.Labels, def.Labels)
	d.Limits.LabelName = cmp.Or(d.Limits.LabelName, def.LabelName)
	d.Limits.LabelValue = cmp.Or(d.Limits.LabelValue, def.LabelValue)
	d.ResolveTimeout = cmp.Or(d.ResolveTimeout, defaultResolveTimeout)
	return d
}
