package logs

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Decoder decodes log pushes. It is immutable; its methods may be called
// concurrently. Make one with [New].
type Decoder struct {
	labels event.LabelMap
	limits Limits
	fields *fieldTable
	// defaults is what holds where neither stream nor line says anything.
	defaults source
}

// New makes a decoder that finds service, environment, version and level in
// the labels that the map names, in its order.
func New(labels event.LabelMap, limits Limits) *Decoder {
	return &Decoder{labels: labels, limits: limits.withDefaults(), fields: newFieldTable(labels)}
}

// WithDefaults is a decoder for lines that come from where labels are known that
// the sender need not write: service, environment, version and level hold for
// lines of which neither the stream nor the line itself says any; the other
// labels are those of every stream that lacks them. With none, it is d.
func (d *Decoder) WithDefaults(labels event.Labels) *Decoder {
	if len(labels) == 0 {
		return d
	}
	with := *d
	said := slices.Concat(d.labels.Service, d.labels.Environment, d.labels.Version, d.labels.Level)
	others := event.Labels{}
	for name, value := range labels {
		if value != "" && !slices.Contains(said, name) {
			others[name] = value
		}
	}
	with.defaults = d.source(labels)
	with.defaults.labels = others
	return &with
}

// DecodeLokiProto decodes the protobuf form of Loki's push, after snappy (see
// [Unsnappy]). The batch holds one chunk, or none when the push has no lines,
// and asides for what could not be taken. The error is an [event.Malformed]
// when nothing could be, and [ErrTooLarge] as well when the push is beyond a
// limit. The body may be reused afterwards.
func (d *Decoder) DecodeLokiProto(body []byte, receivedAt time.Time) (event.Batch, error) {
	b := newBuilder(d, event.RoadLoki, body, receivedAt)
	if err := b.lokiProto(b.body); err != nil {
		return event.Batch{}, err
	}
	return b.finish()
}

// DecodeLokiJSON decodes the JSON form of Loki's push as DecodeLokiProto does
// the other.
func (d *Decoder) DecodeLokiJSON(body []byte, receivedAt time.Time) (event.Batch, error) {
	b := newBuilder(d, event.RoadLoki, body, receivedAt)
	if err := b.lokiJSON(b.body); err != nil {
		return event.Batch{}, err
	}
	return b.finish()
}
