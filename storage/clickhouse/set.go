package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// insertSet is what waiting batches become together: facts that are told of
// twice are joined, and of the chunks with one ID the last one counts.
type insertSet struct {
	events       []eventRow
	observations []event.Observation
	asides       []event.Aside
	chunks       []*chunkRows
}

func newInsertSet(batches []*encodedBatch) *insertSet {
	var set insertSet
	last := make(map[event.ChunkID]int)
	for _, b := range batches {
		set.events = append(set.events, b.events...)
		set.observations = append(set.observations, b.observations...)
		set.asides = append(set.asides, b.asides...)
		for _, c := range b.chunks {
			if i, known := last[c.id]; known {
				set.chunks[i] = c
				continue
			}
			last[c.id] = len(set.chunks)
			set.chunks = append(set.chunks, c)
		}
	}
	set.events, set.observations = joinEvents(set.events), facts.JoinObservations(set.observations)
	return &set
}

// writeSet inserts a set, in an order that makes it right to stop anywhere and
// to append it again, or to append its chunks with other content: the chunks'
// names come first, so that rows of a source that never became whole are found
// and hidden, then the rows, and last the journal, which shows them to the feed.
// All of it can be repeated: rows that are equal in their key merge.
func (s *Store) writeSet(ctx context.Context, set *insertSet) error {
	replaced, err := s.replacements(ctx, set.chunks)
	if err != nil {
		return err
	}
	var list []tableInsert
	if len(set.chunks) > 0 {
		list = append(list, chunkInsert(set.chunks))
	}
	list = append(list, set.logInserts()...)
	list = append(list, replaced...)
	list = append(list, eventInserts(set.events)...)
	list = append(list, observationInserts(set.observations)...)
	list = append(list, asideInserts(set.asides)...)
	if rows := journalOf(set.events, set.observations, set.chunks); len(rows) > 0 {
		list = append(list, journalInsert(rows))
	}
	// The token is new with every set: what is appended again must not be taken
	// for a repetition, because it may have been deleted since.
	token := newToken()
	for i, t := range list {
		if err := s.insert(ctx, fmt.Sprintf("%s-%s-%d", token, t.table, i), t); err != nil {
			return err
		}
	}
	return nil
}

// logInserts are the inserts of lines and counts.
func (set *insertSet) logInserts() []tableInsert {
	var lines, counts []block
	for _, c := range set.chunks {
		lines, counts = append(lines, c.lines...), append(counts, c.counts...)
	}
	return append(inserts("lines", linesTable, lines), inserts("counts", countsTable, counts)...)
}

// replacements hides the other sources that the chunks' IDs ever had, and shows
// those that they have now, if they were hidden.
func (s *Store) replacements(ctx context.Context, chunks []*chunkRows) ([]tableInsert, error) {
	if len(chunks) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	before, err := s.sourcesOf(ctx, chunks)
	if err != nil {
		return nil, fmt.Errorf("find known chunks: %w", err)
	}
	if len(before) == 0 {
		return nil, nil
	}
	var all []uint64
	for _, sources := range before {
		all = append(all, sources...)
	}
	hidden, err := s.hiddenOf(ctx, all)
	if err != nil {
		return nil, fmt.Errorf("find hidden chunks: %w", err)
	}
	var hide, show []uint64
	for _, c := range chunks {
		for _, source := range before[c.id] {
			switch {
			case source == c.source && hidden[source]:
				show = append(show, source)
			case source != c.source && !hidden[source]:
				hide = append(hide, source)
			}
		}
	}
	if len(hide)+len(show) == 0 {
		return nil, nil
	}
	return []tableInsert{replacedInsert(hide, show)}, nil
}

// sourcesOf finds all sources of those chunks that are known.
func (s *Store) sourcesOf(ctx context.Context, chunks []*chunkRows) (map[event.ChunkID][]uint64, error) {
	ids := make([]event.ID, len(chunks))
	for i, c := range chunks {
		ids[i] = event.ID(c.id)
	}
	known := make(map[event.ChunkID][]uint64)
	err := s.rows(ctx, "SELECT DISTINCT chunk, source FROM chunks WHERE chunk IN "+idList(ids), func(r driver.Rows) error {
		var id []byte
		var source uint64
		if err := r.Scan(&id, &source); err != nil {
			return err
		}
		known[event.ChunkID(id)] = append(known[event.ChunkID(id)], source)
		return nil
	})
	return known, err
}

// hiddenOf finds those of the sources that are hidden.
func (s *Store) hiddenOf(ctx context.Context, sources []uint64) (map[uint64]bool, error) {
	var list strings.Builder
	for i, source := range sources {
		if i > 0 {
			list.WriteByte(',')
		}
		fmt.Fprint(&list, source)
	}
	hidden := make(map[uint64]bool)
	err := s.rows(ctx, "SELECT source FROM replaced FINAL WHERE hidden AND source IN ("+list.String()+")", func(r driver.Rows) error {
		var source uint64
		err := r.Scan(&source)
		hidden[source] = true
		return err
	})
	return hidden, err
}

// newToken is a token that was never used.
func newToken() string {
	var b [12]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
