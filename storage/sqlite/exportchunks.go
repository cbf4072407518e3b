package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// exportPieces is how many pieces a look ahead lists.
const exportPieces = 64

// exportChunks adds whole chunks until there are enough. The place behind a
// chunk is the seq of its last piece.
func (s *Store) exportChunks(ctx context.Context, after int64, b *event.Batch) (int64, error) {
	type head struct {
		seq   int64
		chunk event.ChunkID
	}
	var heads []head
	rows, err := s.rows(ctx, "SELECT seq, chunk FROM pieces WHERE seq > ? ORDER BY seq LIMIT ?", after, exportPieces)
	if err != nil {
		return after, err
	}
	err = each(rows, func(r *sql.Rows) error {
		var h head
		var chunk sql.RawBytes
		if err := r.Scan(&h.seq, &chunk); err != nil {
			return err
		}
		h.chunk = event.ChunkID(chunk)
		heads = append(heads, h)
		return nil
	})
	if err != nil {
		return after, classify(err)
	}
	lines, bytes := 0, 0
	for _, h := range heads {
		if h.seq <= after {
			continue // a further piece of a chunk that is in the batch
		}
		c, size, last, err := s.wholeChunk(ctx, h.chunk, h.seq)
		if err != nil {
			return after, fmt.Errorf("chunk %s: %w", h.chunk, err)
		}
		after = max(h.seq, last)
		if last == 0 || len(c.Lines)+len(c.Counts) == 0 {
			continue
		}
		b.Chunks = append(b.Chunks, c)
		lines, bytes = lines+len(c.Lines), bytes+size
		if lines >= exportLines || bytes > exportBytes {
			break
		}
	}
	return after, nil
}

// wholeChunk joins a chunk's pieces. Last is the seq of its last piece; 0 when
// none of its pieces has the seq any more that was seen: then it was pruned, or
// replaced and comes later.
func (s *Store) wholeChunk(ctx context.Context, id event.ChunkID, seen int64) (c event.Chunk, size int, last int64, err error) {
	rows, err := s.rows(ctx, `SELECT p.seq, p.received_at, p.road, p.grave, p.mild, l.body
		FROM pieces p LEFT JOIN lines l USING (seq) WHERE p.chunk = ? ORDER BY p.piece`, id[:])
	if err != nil {
		return c, 0, 0, err
	}
	j := joiner{chunk: event.Chunk{ID: id}, streams: make(map[string]int)}
	there := false
	err = each(rows, func(r *sql.Rows) error {
		var receivedAt int64
		var grave, mild, lines []byte
		if err := r.Scan(&last, &receivedAt, &j.chunk.Road, &grave, &mild, &lines); err != nil {
			return err
		}
		there = there || last == seen
		j.chunk.ReceivedAt = timeOf(receivedAt)
		return j.add(grave, mild, lines)
	})
	if err != nil {
		return c, 0, 0, classify(err)
	}
	if !there {
		return c, 0, 0, nil
	}
	return j.chunk, j.size, last, nil
}

// joiner makes a chunk of its pieces.
type joiner struct {
	chunk event.Chunk
	// streams are the indexes of the chunk's streams by what they say.
	streams map[string]int
	size    int
}

func (j *joiner) add(grave, mild, lines []byte) error {
	for _, blob := range [][]byte{grave, mild} {
		if err := readCounts(blob, anyCount, func(c *event.Count) {
			j.chunk.Counts = append(j.chunk.Counts, *c)
			j.size += len(c.Sample) + len(c.Template) + rowOverhead
		}); err != nil {
			return err
		}
	}
	if lines == nil {
		return nil
	}
	blob, err := decompress(lines, nil)
	if err != nil {
		return err
	}
	known := make(map[*event.Stream]int)
	var bad error
	err = eachLine(blob, func(l *encodedLine) bool {
		i, ok := known[l.stream]
		if !ok {
			i = j.stream(l.stream)
			known[l.stream] = i
		}
		metadata := decoder{b: l.metadata}
		line := event.Line{
			Stream: i, At: timeOf(l.at), Level: l.level, Pattern: l.pattern, Version: l.version,
			Trace: string(l.trace), Text: string(l.text),
		}
		if len(l.metadata) > 0 {
			line.Metadata = metadata.labels()
			bad = metadata.err
		}
		j.chunk.Lines = append(j.chunk.Lines, line)
		j.size += len(l.text) + len(l.metadata)
		return bad == nil
	})
	if err == nil {
		err = bad
	}
	return err
}

func (j *joiner) stream(s *event.Stream) int {
	key := string(putLabels(putString(putString(nil, s.Service), s.Environment), s.Labels))
	i, ok := j.streams[key]
	if !ok {
		i = len(j.chunk.Streams)
		j.chunk.Streams = append(j.chunk.Streams, *s)
		j.streams[key] = i
	}
	return i
}

// Held implements [storage.Exporter].
func (s *Store) Held(ctx context.Context, chunks []event.ChunkID) (map[event.ChunkID]storage.Held, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return nil, fmt.Errorf("find chunks: %w", err)
	}
	defer leave()
	all := make(map[event.ChunkID]storage.Held)
	for _, id := range chunks {
		held, there, err := s.held(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("find chunk %s: %w", id, err)
		}
		if there {
			all[id] = held
		}
	}
	return all, nil
}

func (s *Store) held(ctx context.Context, id event.ChunkID) (held storage.Held, there bool, err error) {
	rows, err := s.rows(ctx, "SELECT p.grave, p.mild, l.body FROM pieces p LEFT JOIN lines l USING (seq) WHERE p.chunk = ?", id[:])
	if err != nil {
		return held, false, err
	}
	err = each(rows, func(r *sql.Rows) error {
		there = true
		var grave, mild, lines []byte
		if err := r.Scan(&grave, &mild, &lines); err != nil {
			return err
		}
		for _, blob := range [][]byte{grave, mild} {
			if err := readCounts(blob, func(*event.CountKey) bool { held.Counts++; return false }, nil); err != nil {
				return err
			}
		}
		if lines == nil {
			return nil
		}
		blob, err := decompress(lines, nil)
		if err != nil {
			return err
		}
		return eachLine(blob, func(*encodedLine) bool { held.Lines++; return true })
	})
	return held, there, classify(err)
}
