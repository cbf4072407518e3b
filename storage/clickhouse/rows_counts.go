package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var countsTable = []insertColumn{
	{"minute", "Int32"}, {"service", "LowCardinality(String)"}, {"level", levelKind}, {"pattern", "UInt64"},
	{"second", "DateTime64(0, 'UTC')"}, {"environment", "LowCardinality(String)"}, {"version", "LowCardinality(String)"}, {"source", "UInt64"},
	{"n", "UInt64"}, {"first", "DateTime64(9, 'UTC')"}, {"last", "DateTime64(9, 'UTC')"}, {"digest", "UInt64"},
	{"received_at", "DateTime64(9, 'UTC')"}, {"template", "LowCardinality(String)"}, {"sample", "String"}, {"upstreams", "Array(LowCardinality(String))"},
}

// countRows builds columns of counts.
type countRows struct {
	service, environment, version, template, sample []string
	second, first, last, receivedAt                 []time.Time
	source, pattern, n, digest                      []uint64
	minute                                          []int32
	level                                           []int8
	upstreams                                       [][]string
}

func (r *countRows) columns() []any {
	return []any{
		r.minute, r.service, r.level, r.pattern, r.second, r.environment, r.version, r.source,
		r.n, r.first, r.last, r.digest, r.receivedAt, r.template, r.sample, r.upstreams,
	}
}

// encodeCounts makes a chunk's rows of counts.
func encodeCounts(c *event.Chunk, source uint64) []block {
	var rows dealer[countRows]
	var day days
	receivedAt := inRange(c.ReceivedAt)
	for i := range c.Counts {
		n := &c.Counts[i]
		second := time.Unix(n.Second, 0).UTC()
		r := rows.builder(day.of(second))
		r.minute = append(r.minute, minuteOf(n.Second))
		r.service = append(r.service, n.Service)
		r.level = append(r.level, levelOf(n.Level))
		r.pattern = append(r.pattern, uint64(n.Pattern))
		r.second = append(r.second, second)
		r.environment = append(r.environment, n.Environment)
		r.version = append(r.version, n.Version)
		r.source = append(r.source, source)
		r.n = append(r.n, uint64(max(n.N, 0)))
		r.first = append(r.first, inRange(n.First))
		r.last = append(r.last, inRange(n.Last))
		r.digest = append(r.digest, n.Digest)
		r.receivedAt = append(r.receivedAt, receivedAt)
		r.template = append(r.template, n.Template)
		r.sample = append(r.sample, n.Sample)
		r.upstreams = append(r.upstreams, n.Upstreams)
	}
	return rows.blocks((*countRows).columns)
}

// minuteOf is the minute, since 1970, that a second lies in.
func minuteOf(second int64) int32 {
	if second < 0 {
		second -= 59
	}
	return int32(second / 60)
}
