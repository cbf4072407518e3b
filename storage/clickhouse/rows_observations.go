package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

var observationsTable = []insertColumn{
	{"id", "FixedString(16)"}, {"fingerprint", "SimpleAggregateFunction(any, UInt64)"},
	{"starts_at", "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))"}, {"seen_until", "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))"},
	{"first_received_at", "SimpleAggregateFunction(min, DateTime64(9, 'UTC'))"}, {"last_received_at", "SimpleAggregateFunction(max, DateTime64(9, 'UTC'))"},
	{"keep_alive_until", "SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC')))"}, {"ended_at", "SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC')))"},
	{"firing_seen_at", "SimpleAggregateFunction(max, Nullable(DateTime64(9, 'UTC')))"}, {"gone_by", "SimpleAggregateFunction(min, Nullable(DateTime64(9, 'UTC')))"},
	{"clock_suspect", "SimpleAggregateFunction(max, UInt8)"},
	{"labels", "SimpleAggregateFunction(min, Tuple(empty UInt8, pairs Array(String)))"},
	{"annotations", "SimpleAggregateFunction(min, Tuple(empty UInt8, pairs Array(String)))"},
	{"generator_url", "SimpleAggregateFunction(min, Tuple(empty UInt8, url String))"},
	{"roads", "SimpleAggregateFunction(groupUniqArrayArray, Array(String))"}, {"sent_fingerprints", "SimpleAggregateFunction(groupUniqArrayArray, Array(UInt64))"},
	{"groups", "SimpleAggregateFunction(groupUniqArrayArray, Array(String))"}, {"instances", "SimpleAggregateFunction(groupUniqArrayArray, Array(String))"},
	{"first", "SimpleAggregateFunction(min, Tuple(received_at DateTime64(9, 'UTC'), raw String))"},
}

// observationRows builds columns of observations.
type observationRows struct {
	id                                                 [][]byte
	fingerprint                                        []uint64
	startsAt, seenUntil, firstReceivedAt, lastReceived []time.Time
	keepAliveUntil, endedAt, firingSeenAt, goneBy      []*time.Time
	clockSuspect                                       []uint8
	labels, annotations, generatorURL, first           []any
	roads, groups, instances                           [][]string
	sentFingerprints                                   [][]uint64
}

func (r *observationRows) columns() []any {
	return []any{
		r.id, r.fingerprint, r.startsAt, r.seenUntil, r.firstReceivedAt, r.lastReceived, r.keepAliveUntil, r.endedAt, r.firingSeenAt, r.goneBy,
		r.clockSuspect, r.labels, r.annotations, r.generatorURL, r.roads, r.sentFingerprints, r.groups, r.instances, r.first,
	}
}

// observationInserts are the inserts of observations, each ID once.
func observationInserts(list []event.Observation) []tableInsert {
	var rows dealer[observationRows]
	for i := range list {
		o := &list[i]
		id := o.ID()
		r := rows.builder(monthOf(id))
		r.id = append(r.id, id[:])
		r.fingerprint = append(r.fingerprint, uint64(o.Fingerprint))
		r.startsAt = append(r.startsAt, inRange(o.StartsAt))
		r.seenUntil = append(r.seenUntil, inRange(storage.LastSighting(*o)))
		r.firstReceivedAt = append(r.firstReceivedAt, inRange(o.FirstReceivedAt))
		r.lastReceived = append(r.lastReceived, inRange(o.LastReceivedAt))
		r.keepAliveUntil = append(r.keepAliveUntil, orNull(o.KeepAliveUntil))
		r.endedAt = append(r.endedAt, orNull(o.EndedAt))
		r.firingSeenAt = append(r.firingSeenAt, orNull(o.FiringSeenAt))
		r.goneBy = append(r.goneBy, orNull(o.GoneBy))
		r.clockSuspect = append(r.clockSuspect, zeroOrOne(o.ClockSuspect))
		r.labels = append(r.labels, pairsOf(o.Labels))
		r.annotations = append(r.annotations, pairsOf(o.Annotations))
		r.generatorURL = append(r.generatorURL, []any{zeroOrOne(o.GeneratorURL == ""), o.GeneratorURL})
		r.roads = append(r.roads, roadNames(o.Roads))
		r.sentFingerprints = append(r.sentFingerprints, numbersOf(o.SentFingerprints))
		r.groups = append(r.groups, o.Groups)
		r.instances = append(r.instances, o.Instances)
		r.first = append(r.first, []any{inRange(o.FirstReceivedAt), string(o.Raw)})
	}
	return inserts("observations", observationsTable, rows.blocks((*observationRows).columns))
}

// pairsOf is a set of labels as a tuple: whether it is empty, and its names and
// values in turn.
func pairsOf(l event.Labels) []any {
	pairs := make([]string, 0, 2*len(l))
	for _, name := range l.Names() {
		pairs = append(pairs, name, l[name])
	}
	return []any{zeroOrOne(len(l) == 0), pairs}
}

func zeroOrOne(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}

func roadNames(list []event.Road) []string {
	names := make([]string, len(list))
	for i, road := range list {
		names[i] = string(road)
	}
	return names
}

func numbersOf(list []event.Fingerprint) []uint64 {
	numbers := make([]uint64, len(list))
	for i, f := range list {
		numbers[i] = uint64(f)
	}
	return numbers
}

// orNull is a time for a column in which it may be missing; the zero time is.
func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = inRange(t)
	return &t
}
