package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

const levelKind = "Enum8('unknown' = 0, 'debug' = 1, 'info' = 2, 'warn' = 3, 'error' = 4, 'fatal' = 5)"

var linesTable = []insertColumn{
	{"service", "LowCardinality(String)"}, {"at", "DateTime64(9, 'UTC')"}, {"source", "UInt64"}, {"n", "UInt32"},
	{"environment", "LowCardinality(String)"}, {"level", levelKind}, {"pattern", "UInt64"}, {"version", "LowCardinality(String)"},
	{"trace", "String"}, {"labels", "LowCardinality(String)"}, {"metadata", "String"}, {"text", "String"},
}

// lineRows builds columns of lines.
type lineRows struct {
	service, environment, version, trace, labels, metadata, text []string
	at                                                           []time.Time
	source, pattern                                              []uint64
	n                                                            []uint32
	level                                                        []int8
}

func (r *lineRows) columns() []any {
	return []any{r.service, r.at, r.source, r.n, r.environment, r.level, r.pattern, r.version, r.trace, r.labels, r.metadata, r.text}
}

// grow makes room for n rows.
func (r *lineRows) grow(n int) {
	texts := make([]string, 7*n)
	for i, column := range []*[]string{&r.service, &r.environment, &r.version, &r.trace, &r.labels, &r.metadata, &r.text} {
		*column = texts[i*n : i*n : (i+1)*n]
	}
	numbers := make([]uint64, 2*n)
	r.source, r.pattern = numbers[:0:n], numbers[n:n:2*n]
	r.at, r.n, r.level = make([]time.Time, 0, n), make([]uint32, 0, n), make([]int8, 0, n)
}

// encodeLines makes a chunk's rows of lines.
func encodeLines(c *event.Chunk, source uint64) []block {
	if len(c.Lines) == 0 {
		return nil
	}
	labels := make([]string, len(c.Streams))
	for i := range c.Streams {
		labels[i] = labelsJSON(c.Streams[i].Labels)
	}
	var rows dealer[lineRows]
	var day days
	for i := range c.Lines {
		l := &c.Lines[i]
		at := inRange(l.At)
		r := rows.builder(day.of(at))
		if r.at == nil {
			r.grow(len(c.Lines))
		}
		stream := &c.Streams[l.Stream]
		r.service = append(r.service, stream.Service)
		r.at = append(r.at, at)
		r.source = append(r.source, source)
		r.n = append(r.n, uint32(i))
		r.environment = append(r.environment, stream.Environment)
		r.level = append(r.level, levelOf(l.Level))
		r.pattern = append(r.pattern, uint64(l.Pattern))
		r.version = append(r.version, l.Version)
		r.trace = append(r.trace, l.Trace)
		r.labels = append(r.labels, labels[l.Stream])
		r.metadata = append(r.metadata, labelsJSON(l.Metadata))
		r.text = append(r.text, l.Text)
	}
	return rows.blocks((*lineRows).columns)
}

// levelOf is a level as the column has it; one that does not exist is unknown.
func levelOf(l event.Level) int8 {
	if l > event.LevelFatal {
		return int8(event.LevelUnknown)
	}
	return int8(l)
}
