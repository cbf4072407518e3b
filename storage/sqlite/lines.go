package sqlite

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultLines = 100
	maxLines     = 10_000
)

// Lines implements [storage.Facts]. A page holds 10,000 lines at most.
func (s *Store) Lines(ctx context.Context, q storage.LineQuery) (storage.LinePage, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.LinePage{}, fmt.Errorf("lines: %w", err)
	}
	defer leave()
	r := lineReader{s: s, q: q, limit: q.Limit}
	if r.limit <= 0 {
		r.limit = defaultLines
	}
	r.limit = min(r.limit, maxLines)
	r.from, r.to = span(q.From, q.To)
	if q.Cursor != "" {
		fields, err := s.cursors().Decode(cursor.Lines, linePositionSize, q.Cursor)
		if err != nil {
			return storage.LinePage{}, fmt.Errorf("lines: %w", err)
		}
		r.after = decodeLinePosition(fields)
		r.from = max(r.from, r.after.at)
	}
	if err := r.run(ctx); err != nil {
		return storage.LinePage{}, fmt.Errorf("lines: %w", err)
	}
	return r.page(), nil
}

// linePosition is a line's place in the order of all lines: by time, and among
// equal times by where the line lies.
type linePosition struct {
	at    int64
	chunk event.ChunkID
	piece int64
	index int64
}

const linePositionSize = 8 + 16 + 8 + 8

func (p linePosition) compare(o linePosition) int {
	return cmp.Or(cmp.Compare(p.at, o.at), bytes.Compare(p.chunk[:], o.chunk[:]), cmp.Compare(p.piece, o.piece), cmp.Compare(p.index, o.index))
}

func (p linePosition) encode() []byte {
	b := append(cursor.PutInt64(nil, p.at), p.chunk[:]...)
	return cursor.PutInt64(cursor.PutInt64(b, p.piece), p.index)
}

func decodeLinePosition(b []byte) linePosition {
	return linePosition{at: cursor.Int64(b), chunk: event.ChunkID(b[8:24]), piece: cursor.Int64(b[24:]), index: cursor.Int64(b[32:])}
}

// lineReader answers one query. It goes through the directory in ascending
// order of time and keeps the first limit+1 lines that it meets; it may stop
// when the next segment begins behind them.
type lineReader struct {
	s        *Store
	q        storage.LineQuery
	limit    int
	from, to int64
	after    linePosition
	found    []foundLine
	blob     []byte
}

type foundLine struct {
	linePosition
	line storage.StoredLine
}

func (r *lineReader) run(ctx context.Context) error {
	if r.from >= r.to {
		return nil
	}
	after := lineSegment{from: minuteOf(floorDiv(r.from, second)), seq: -1}
	for size := 64; ; size = min(2*size, 1024) {
		segments, err := r.segments(ctx, after, size)
		if err != nil {
			return err
		}
		for _, g := range segments {
			if g.skip {
				continue
			}
			if r.full(g.from) {
				return nil
			}
			if err := r.read(ctx, g.seq, minuteOf(g.from)); err != nil {
				return err
			}
		}
		if len(segments) < size {
			r.trim()
			return nil
		}
		after = segments[len(segments)-1]
	}
}

// lineSegment is a place in the directory; skip says that the lines that are
// asked for are not there.
type lineSegment struct {
	from, seq int64
	skip      bool
}

// segments is the next part of the directory. It is read to its end before the
// pieces are, because a reader that waits for a second connection while it
// holds one may wait for ever.
func (r *lineReader) segments(ctx context.Context, after lineSegment, size int) ([]lineSegment, error) {
	key := int64(allServices)
	if r.q.Service != "" {
		key = serviceKey(r.q.Service)
	}
	rows, err := r.s.rows(ctx, `SELECT g.from_sec, g.seq, g.patterns FROM segments g JOIN lines l ON l.seq = g.seq
		WHERE g.service = ? AND (g.from_sec, g.seq) > (?, ?) AND g.from_sec < ? AND g.to_sec >= ? AND g.levels & ? != 0
		ORDER BY g.from_sec, g.seq LIMIT ?`,
		key, after.from, after.seq, ceilDiv(r.to, second), floorDiv(r.from, second), levelsFrom(r.q.MinLevel), size)
	if err != nil {
		return nil, err
	}
	list := make([]lineSegment, 0, size)
	err = each(rows, func(rows *sql.Rows) error {
		var g lineSegment
		var patterns sql.RawBytes
		if err := rows.Scan(&g.from, &g.seq, &patterns); err != nil {
			return err
		}
		g.skip = r.q.Pattern != 0 && !bloomHas(patterns, r.q.Pattern)
		list = append(list, g)
		return nil
	})
	return list, classify(err)
}

// full reports whether enough lines were found before a second.
func (r *lineReader) full(sec int64) bool {
	if len(r.found) <= r.limit {
		return false
	}
	r.trim()
	return r.found[r.limit].at < sec*second
}

// trim sorts what was found and drops what no page can need.
func (r *lineReader) trim() {
	slices.SortFunc(r.found, func(a, b foundLine) int { return a.compare(b.linePosition) })
	if len(r.found) > r.limit+1 {
		clear(r.found[r.limit+1:])
		r.found = r.found[:r.limit+1]
	}
}

// read takes the lines of one minute from a piece.
func (r *lineReader) read(ctx context.Context, seq, minuteFrom int64) error {
	var pos linePosition
	var chunk, body []byte
	err := r.s.row(ctx, "SELECT p.chunk, p.piece, l.body FROM lines l JOIN pieces p USING (seq) WHERE seq = ?", []any{seq}, &chunk, &pos.piece, &body)
	if err != nil {
		return ignoreGone(err)
	}
	pos.chunk = event.ChunkID(chunk)
	r.blob, err = decompress(body, r.blob)
	if err != nil {
		return fmt.Errorf("piece %d: %w", seq, err)
	}
	from, to := max(r.from, minuteFrom*second), min(r.to, (minuteFrom+minute)*second)
	contains := []byte(r.q.Contains)
	// The last line that the page can need, as far as is known.
	var bound *foundLine
	if len(r.found) > r.limit {
		bound = &r.found[r.limit]
	}
	var taken []foundLine
	err = eachLine(r.blob, func(l *encodedLine) bool {
		if l.at < from || l.level < r.q.MinLevel || (r.q.Pattern != 0 && l.pattern != r.q.Pattern) ||
			(r.q.Service != "" && l.stream.Service != r.q.Service) {
			return true
		}
		pos.at, pos.index = l.at, int64(l.index)
		if l.at >= to || len(taken) > r.limit || (bound != nil && pos.compare(bound.linePosition) > 0) {
			return false
		}
		if r.q.Cursor != "" && pos.compare(r.after) <= 0 {
			return true
		}
		if !bytes.Contains(l.text, contains) {
			return true
		}
		taken = append(taken, foundLine{pos, l.stored()})
		return true
	})
	if err != nil {
		return fmt.Errorf("piece %d: %w", seq, err)
	}
	if len(taken) > 0 {
		r.found = append(r.found, taken...)
		if len(r.found) > r.limit {
			r.trim()
		}
	}
	return nil
}

func (l *encodedLine) stored() storage.StoredLine {
	labels := l.stream.Labels
	if len(l.metadata) > 0 {
		d := decoder{b: l.metadata}
		merged := maps.Clone(labels)
		if merged == nil {
			merged = make(event.Labels)
		}
		maps.Copy(merged, d.labels())
		labels = merged
	}
	return storage.StoredLine{
		At: timeOf(l.at), Service: l.stream.Service, Environment: l.stream.Environment, Level: l.level,
		Pattern: l.pattern, Version: l.version, Trace: string(l.trace), Labels: labels, Text: string(l.text),
	}
}

func (r *lineReader) page() storage.LinePage {
	var page storage.LinePage
	for i, f := range r.found {
		if i == r.limit {
			page.Next = r.s.cursors().Encode(cursor.Lines, r.found[i-1].encode())
			break
		}
		page.Lines = append(page.Lines, f.line)
	}
	return page
}
