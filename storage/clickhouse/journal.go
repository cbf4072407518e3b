package clickhouse

import (
	"crypto/rand"
	"encoding/binary"

	"github.com/hindcast/hindcast/ingest/event"
)

var journalTable = []insertColumn{
	{"batch", "UInt64"}, {"events", "Array(FixedString(16))"}, {"observations", "Array(FixedString(16))"}, {"sources", "Array(UInt64)"},
	{"from_minute", "Int32"}, {"until_minute", "Int32"}, {"counts", "UInt32"},
}

// journalFacts is about how many facts a row of the journal names. The feed
// reads whole rows.
const journalFacts = 5000

// journalRow names facts that became visible together.
type journalRow struct {
	events, observations []string
	sources              []uint64
	// fromMinute and untilMinute bound the counts of the sources; untilMinute is
	// exclusive.
	fromMinute, untilMinute int32
	counts                  int
}

func (r *journalRow) len() int { return len(r.events) + len(r.observations) + r.counts }

// journalOf names all facts of a set that the feed shows. Chunks without counts
// are not among them.
func journalOf(events []eventRow, observations []event.Observation, chunks []*chunkRows) []journalRow {
	var rows []journalRow
	// last is the row with room for n more facts.
	last := func(n int) *journalRow {
		if len(rows) == 0 || (rows[len(rows)-1].len() > 0 && rows[len(rows)-1].len()+n > journalFacts) {
			rows = append(rows, journalRow{})
		}
		return &rows[len(rows)-1]
	}
	for i := range events {
		r := last(1)
		r.events = append(r.events, string(events[i].event.ID[:]))
	}
	for i := range observations {
		id := observations[i].ID()
		r := last(1)
		r.observations = append(r.observations, string(id[:]))
	}
	for _, c := range chunks {
		if c.countNumber == 0 {
			continue
		}
		r := last(c.countNumber)
		if len(r.sources) == 0 {
			r.fromMinute, r.untilMinute = c.fromMinute, c.untilMinute
		}
		r.fromMinute, r.untilMinute = min(r.fromMinute, c.fromMinute), max(r.untilMinute, c.untilMinute)
		r.sources = append(r.sources, c.source)
		r.counts += c.countNumber
	}
	return rows
}

// journalInsert is one insert of all rows: they become visible at once.
func journalInsert(rows []journalRow) tableInsert {
	var (
		batches, events, observations, sources = make([]uint64, len(rows)), make([][]string, len(rows)), make([][]string, len(rows)), make([][]uint64, len(rows))
		from, until, counts                    = make([]int32, len(rows)), make([]int32, len(rows)), make([]uint32, len(rows))
	)
	for i := range rows {
		r := &rows[i]
		batches[i] = randomNumber()
		events[i], observations[i], sources[i] = r.events, r.observations, r.sources
		from[i], until[i], counts[i] = r.fromMinute, r.untilMinute, uint32(r.counts)
	}
	return tableInsert{"journal", journalTable, [][]any{{batches, events, observations, sources, from, until, counts}}}
}

func randomNumber() uint64 {
	var b [8]byte
	rand.Read(b[:])
	return binary.BigEndian.Uint64(b[:])
}
