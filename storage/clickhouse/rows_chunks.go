package clickhouse

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var chunksTable = []insertColumn{
	{"chunk", "FixedString(16)"}, {"source", "UInt64"}, {"received_at", "DateTime64(9, 'UTC')"}, {"road", "LowCardinality(String)"},
	{"from_second", "Int64"}, {"until_second", "Int64"}, {"lines", "UInt32"}, {"counts", "UInt32"},
}

var replacedTable = []insertColumn{{"source", "UInt64"}, {"hidden", "Bool"}}

// chunkRows is a chunk as it is stored.
type chunkRows struct {
	id         event.ChunkID
	source     uint64
	receivedAt time.Time
	road       event.Road
	// lines and counts are nil where there are none.
	lines, counts           []block
	lineNumber, countNumber int
	// from and until bound the seconds of its lines and counts; until is
	// exclusive. Those of an empty chunk are of its receipt.
	from, until int64
	// fromMinute and untilMinute bound the minutes of its counts; untilMinute
	// is exclusive.
	fromMinute, untilMinute int32
}

func encodeChunk(c *event.Chunk) *chunkRows {
	r := &chunkRows{
		id: c.ID, source: sourceOf(c), receivedAt: inRange(c.ReceivedAt), road: c.Road,
		lineNumber: len(c.Lines), countNumber: len(c.Counts),
	}
	r.lines, r.counts = encodeLines(c, r.source), encodeCounts(c, r.source)
	span := func(second int64) {
		if r.until == r.from {
			r.from, r.until = second, second+1
		}
		r.from, r.until = min(r.from, second), max(r.until, second+1)
	}
	for i := range c.Counts {
		span(c.Counts[i].Second)
	}
	if len(c.Counts) > 0 {
		r.fromMinute, r.untilMinute = minuteOf(r.from), minuteOf(r.until-1)+1
	}
	for i := range c.Lines {
		span(inRange(c.Lines[i].At).Unix())
	}
	if r.until == r.from {
		span(r.receivedAt.Unix())
	}
	return r
}

// chunkInsert is the rows of the table of chunks.
func chunkInsert(chunks []*chunkRows) tableInsert {
	var (
		ids              [][]byte
		sources          []uint64
		received         []time.Time
		roads            []string
		from, until      []int64
		lineNos, countNo []uint32
	)
	for _, c := range chunks {
		ids = append(ids, c.id[:])
		sources = append(sources, c.source)
		received = append(received, c.receivedAt)
		roads = append(roads, string(c.road))
		from, until = append(from, c.from), append(until, c.until)
		lineNos, countNo = append(lineNos, uint32(c.lineNumber)), append(countNo, uint32(c.countNumber))
	}
	return tableInsert{"chunks", chunksTable, [][]any{{ids, sources, received, roads, from, until, lineNos, countNo}}}
}

// replacedInsert hides the sources of one list and shows those of the other.
func replacedInsert(hide, show []uint64) tableInsert {
	hidden := make([]bool, len(hide)+len(show))
	for i := range hide {
		hidden[i] = true
	}
	return tableInsert{"replaced", replacedTable, [][]any{{append(hide[:len(hide):len(hide)], show...), hidden}}}
}
