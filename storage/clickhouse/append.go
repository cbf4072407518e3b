package clickhouse

import (
	"context"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
)

// Append implements [storage.Facts]. Encoding is done here, by the caller; the
// writer joins the batches that wait. When too much waits Append waits as well,
// until ctx ends. When ctx ends while the batch is being stored, it may be
// stored or not.
func (s *Store) Append(ctx context.Context, batch event.Batch) error {
	return s.life.During("append", func() error { return s.writer.append(ctx, &batch) })
}

// rowOverhead is about what a row takes in memory beside its texts, in bytes.
const rowOverhead = 200

// sizeOf is about how many rows and bytes a batch becomes.
func sizeOf(b *event.Batch) (rows int, bytes int64) {
	texts := 0
	for i := range b.Events {
		texts += 1000 + len(b.Events[i].Raw)
	}
	for i := range b.Observations {
		texts += 1000 + len(b.Observations[i].Raw)
	}
	for i := range b.Asides {
		texts += len(b.Asides[i].Raw) + len(b.Asides[i].Reason)
	}
	rows = len(b.Events) + len(b.Observations) + len(b.Asides) + len(b.Chunks)
	for i := range b.Chunks {
		c := &b.Chunks[i]
		rows += len(c.Lines) + len(c.Counts)
		for j := range c.Lines {
			texts += len(c.Lines[j].Text) + 32*len(c.Lines[j].Metadata)
		}
		for j := range c.Counts {
			texts += len(c.Counts[j].Template) + len(c.Counts[j].Sample)
		}
	}
	return rows, int64(texts) + int64(rows)*rowOverhead
}

// encodedBatch is a batch that is ready to be joined with others and inserted.
type encodedBatch struct {
	events       []eventRow
	observations []event.Observation
	asides       []event.Aside
	chunks       []*chunkRows
}

func encodeBatch(b *event.Batch) (*encodedBatch, error) {
	e := &encodedBatch{observations: b.Observations, asides: b.Asides}
	for i := range b.Events {
		row, err := encodeEvent(&b.Events[i])
		if err != nil {
			return nil, err
		}
		e.events = append(e.events, row)
	}
	for i := range b.Chunks {
		c := &b.Chunks[i]
		for j := range c.Lines {
			if s := c.Lines[j].Stream; s < 0 || s >= len(c.Streams) {
				return nil, fmt.Errorf("chunk %s: line %d is of stream %d of %d", c.ID, j, s, len(c.Streams))
			}
		}
		e.chunks = append(e.chunks, encodeChunk(c))
	}
	return e, nil
}
