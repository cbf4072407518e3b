package clickhouse

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
)

// observationFields are what scanObservation reads, in its order; observationRaw
// comes behind them where the payload is wanted.
const (
	observationFields = `fingerprint, toUnixTimestamp64Nano(starts_at), toUnixTimestamp64Nano(first_received_at), toUnixTimestamp64Nano(last_received_at),
	toUnixTimestamp64Nano(keep_alive_until), toUnixTimestamp64Nano(ended_at), toUnixTimestamp64Nano(firing_seen_at), toUnixTimestamp64Nano(gone_by),
	clock_suspect, tupleElement(labels, 2), tupleElement(annotations, 2), tupleElement(generator_url, 2), roads, sent_fingerprints, groups, instances`
	observationRaw = ", tupleElement(first, 2)"
)

// mostOfSet is how many members a set of an observation has at most: that is
// [event.Observation.Merge]'s rule. The engine's sets have no order and no end.
const mostOfSet = 32

// scanObservation reads a row of observationFields; raw is where the payload
// goes that the row has behind them, or nothing.
func scanObservation(r driver.Rows, raw ...any) (event.Observation, error) {
	var (
		o                                event.Observation
		fingerprint                      uint64
		starts, firstReceived, last      int64
		keepAlive, ended, firing, goneBy *int64
		suspect                          uint8
		labels, annotations              []string
		roads, groups, instances         []string
		fingerprints                     []uint64
	)
	err := r.Scan(append([]any{&fingerprint, &starts, &firstReceived, &last, &keepAlive, &ended, &firing, &goneBy, &suspect,
		&labels, &annotations, &o.GeneratorURL, &roads, &fingerprints, &groups, &instances}, raw...)...)
	if err != nil {
		return o, fmt.Errorf("read observation: %w", err)
	}
	o.Fingerprint, o.StartsAt = event.Fingerprint(fingerprint), instant(starts)
	o.FirstReceivedAt, o.LastReceivedAt = timeOf(firstReceived), timeOf(last)
	o.KeepAliveUntil, o.EndedAt = instantOrNone(keepAlive), instantOrNone(ended)
	o.FiringSeenAt, o.GoneBy = instantOrNone(firing), instantOrNone(goneBy)
	o.ClockSuspect = suspect != 0
	o.Labels, o.Annotations = labelsOf(labels), labelsOf(annotations)
	o.Roads, o.SentFingerprints = setOf(roads, asRoad), setOf(fingerprints, asFingerprint)
	o.Groups, o.Instances = setOf(groups, asText), setOf(instances, asText)
	return o, nil
}

// instant is a time that is not missing, nanoseconds since 1970: 0 is 1970, which
// timeOf takes for none.
func instant(n int64) time.Time { return time.Unix(0, n).UTC() }

func instantOrNone(n *int64) time.Time {
	if n == nil {
		return time.Time{}
	}
	return instant(*n)
}

// labelsOf reads names and values in turn.
func labelsOf(pairs []string) event.Labels {
	if len(pairs) < 2 {
		return nil
	}
	l := make(event.Labels, len(pairs)/2)
	for i := 1; i < len(pairs); i += 2 {
		l[pairs[i-1]] = pairs[i]
	}
	return l
}

// setOf is a set in order, cut to what an observation keeps; nil when empty.
func setOf[T cmp.Ordered, S any](members []S, as func(S) T) []T {
	if len(members) == 0 {
		return nil
	}
	set := make([]T, len(members))
	for i, m := range members {
		set[i] = as(m)
	}
	slices.Sort(set)
	set = slices.Compact(set)
	return set[:min(len(set), mostOfSet)]
}

func asRoad(s string) event.Road               { return event.Road(s) }
func asFingerprint(n uint64) event.Fingerprint { return event.Fingerprint(n) }
func asText(s string) string                   { return s }
