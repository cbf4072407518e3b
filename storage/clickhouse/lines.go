package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultLines = 100
	maxLines     = 10_000
	// maxLinesBytes bounds the text of a page, in bytes, but for its first line.
	maxLinesBytes = 64 << 20
)

// Lines implements [storage.Facts]. A page holds 10,000 lines and 64 MiB of text
// at most.
func (s *Store) Lines(ctx context.Context, q storage.LineQuery) (storage.LinePage, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.LinePage{}, fmt.Errorf("lines: %w", err)
	}
	defer end()
	page, err := s.lines(ctx, q)
	if err != nil {
		return storage.LinePage{}, fmt.Errorf("lines: %w", err)
	}
	return page, nil
}

func (s *Store) lines(ctx context.Context, q storage.LineQuery) (storage.LinePage, error) {
	r := lineReader{s: s, q: q, limit: q.Limit, budget: maxLinesBytes, from: leastTime.UnixNano(), to: greatestTime.UnixNano()}
	if r.limit <= 0 {
		r.limit = defaultLines
	}
	r.limit = min(r.limit, maxLines)
	if !q.From.IsZero() {
		r.from = nanos(q.From)
	}
	if !q.To.IsZero() {
		r.to = nanos(q.To)
	}
	if q.Cursor != "" {
		fields, err := s.cursors().Decode(cursor.Lines, linePlaceSize, q.Cursor)
		if err != nil {
			return storage.LinePage{}, err
		}
		place := decodeLinePlace(fields)
		r.after, r.from = &place, max(r.from, place.at)
	}
	if err := r.run(ctx); err != nil {
		return storage.LinePage{}, err
	}
	return r.page(), nil
}

// linePlace is a line's place in the order of all lines: by time, and among
// equal times by its chunk and its place in there. The time is in nanoseconds
// since 1970.
type linePlace struct {
	at     int64
	source uint64
	n      uint32
}

const linePlaceSize = 3 * 8

func (p linePlace) encode() []byte {
	return cursor.PutInt64(cursor.PutInt64(cursor.PutInt64(nil, p.at), int64(p.source)), int64(p.n))
}

func decodeLinePlace(b []byte) linePlace {
	return linePlace{cursor.Int64(b), uint64(cursor.Int64(b[8:])), uint32(cursor.Int64(b[16:]))}
}

// lineReader answers one query. It looks at windows of time, from the oldest on,
// until it has one line more than the page: the order of the table is that of
// services, and of time only within one.
type lineReader struct {
	s        *Store
	q        storage.LineQuery
	limit    int
	budget   int // of text, in bytes
	from, to int64
	after    *linePlace
	decoder  lineDecoder
	lines    []storage.StoredLine
	places   []linePlace
	bytes    int
}

const (
	// firstWindow is how long the first window is; of one service it may be longer,
	// whose lines lie in the order of time. The windows behind it grow while they
	// are read in less than quickWindow.
	firstWindow   = time.Second
	serviceWindow = time.Minute
	quickWindow   = 100 * time.Millisecond
	growth        = 8
)

func (r *lineReader) run(ctx context.Context) error {
	// Where the first line lies is not known: there may be nothing for years.
	blind := r.q.From.IsZero() && r.after == nil
	narrowed, length := false, int64(firstWindow)
	if r.q.Service != "" {
		length = int64(serviceWindow)
	}
	for r.from < r.to && !r.full() {
		if blind && !narrowed {
			if err := r.narrow(ctx); err != nil {
				return err
			}
			narrowed = true
			continue
		}
		until := r.to
		if r.to-r.from > length {
			until = r.from + length
		}
		begun, before := time.Now(), len(r.lines)
		if err := r.read(ctx, r.from, until); err != nil {
			return err
		}
		if time.Since(begun) < quickWindow {
			length = min(growth*length, int64(greatestTime.Sub(leastTime)))
		}
		blind = len(r.lines) == before
		r.from = until
	}
	return nil
}

// narrow cuts off the time before the first line that is stored and after the
// last one. The engine knows both without reading rows.
func (r *lineReader) narrow(ctx context.Context) error {
	var n uint64
	var first, last int64
	if err := r.s.row(ctx, "SELECT count(), toUnixTimestamp64Nano(min(at)), toUnixTimestamp64Nano(max(at)) FROM lines", &n, &first, &last); err != nil {
		return fmt.Errorf("find the time of lines: %w", err)
	}
	if n == 0 {
		r.to = r.from
		return nil
	}
	r.from, r.to = max(r.from, first), min(r.to, last+1)
	return nil
}

// full reports whether there is a page and one line more.
func (r *lineReader) full() bool {
	return len(r.lines) > r.limit || r.bytes > r.budget && len(r.lines) > 1
}

var errFull = errors.New("the page is full")

// read takes the lines in a window. A chunk that was appended twice may have two
// rows of a line, one behind the other; when they fill an answer there is another.
func (r *lineReader) read(ctx context.Context, from, until int64) error {
	for {
		most, n := r.limit+1-len(r.lines), 0
		err := r.s.rows(ctx, r.query(from, until, most), func(rows driver.Rows) error {
			n++
			line, place, err := r.decoder.scan(rows)
			if err != nil || r.after != nil && *r.after == place {
				return err
			}
			r.lines, r.places, r.after = append(r.lines, line), append(r.places, place), &place
			r.bytes += len(line.Text)
			if r.full() {
				return errFull
			}
			return nil
		})
		if err != nil && !errors.Is(err, errFull) {
			return err
		}
		if r.full() || n < most {
			return nil
		}
	}
}

// query lists the lines of a window behind the last one that was seen.
func (r *lineReader) query(from, until int64, limit int) string {
	var where []string
	if r.q.Service != "" {
		where = append(where, "service = "+bytesLiteral(r.q.Service))
	}
	if r.after != nil && r.after.at >= from {
		from = r.after.at
		where = append(where, fmt.Sprintf("(at > %s OR source > %d OR source = %d AND n > %d)", nanoLiteral(from), r.after.source, r.after.source, r.after.n))
	}
	where = append(where, fmt.Sprintf("at >= %s AND at < %s", nanoLiteral(from), nanoLiteral(until)))
	if r.q.MinLevel > event.LevelUnknown {
		where = append(where, "level >= "+quoteText(r.q.MinLevel.String()))
	}
	if r.q.Pattern != 0 {
		where = append(where, fmt.Sprintf("pattern = %d", uint64(r.q.Pattern)))
	}
	if r.q.Contains != "" {
		where = append(where, "position(text, "+bytesLiteral(r.q.Contains)+") > 0")
	}
	where = append(where, shown)
	return fmt.Sprintf("SELECT %s FROM lines WHERE %s ORDER BY at, source, n LIMIT %d", lineFields, strings.Join(where, " AND "), limit)
}

func nanoLiteral(nanos int64) string {
	return fmt.Sprintf("fromUnixTimestamp64Nano(%d, 'UTC')", nanos)
}

func (r *lineReader) page() storage.LinePage {
	if !r.full() {
		return storage.LinePage{Lines: r.lines}
	}
	last := len(r.lines) - 1
	return storage.LinePage{Lines: r.lines[:last], Next: r.s.cursors().Encode(cursor.Lines, r.places[last-1].encode())}
}
