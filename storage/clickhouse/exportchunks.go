package clickhouse

import (
	"context"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Chunks are listed a page at a time and read in groups, which are near in time
// and not large: a group is two queries.
const (
	exportHeads    = 5000
	groupChunks    = 1000
	groupRows      = 20_000
	groupSpan      = int64(time.Hour / time.Second)
	exportAllLines = "SELECT " + exportLineFields + " FROM lines WHERE at >= %s AND at < %s AND source IN %s ORDER BY source, n LIMIT 1 BY source, n"
	exportAllCount = "SELECT " + countFields + ", source FROM counts WHERE minute >= %d AND minute < %d AND second >= %s AND second < %s AND source IN %s" +
		" ORDER BY source, second, service, environment, version, level, pattern, digest" +
		" LIMIT 1 BY source, second, service, environment, version, level, pattern, digest"
)

// chunkHead is a chunk without what it holds.
type chunkHead struct {
	chunk  event.Chunk
	source uint64
	// from and until bound its seconds; until is exclusive.
	from, until int64
	rows        int64
}

func (s *Store) exportChunks(ctx context.Context, place string, yield func(event.Batch, string) error) error {
	after, err := parseChunkPlace(place)
	if err != nil {
		return err
	}
	for {
		heads, err := s.chunkHeads(ctx, after)
		if err != nil || len(heads) == 0 {
			return err
		}
		for rest := heads; len(rest) > 0; {
			n := groupOf(rest)
			b, err := s.wholeChunks(ctx, rest[:n])
			if err != nil {
				return err
			}
			after = rest[n-1].place()
			if err := yield(b, after.String()); err != nil {
				return err
			}
			rest = rest[n:]
		}
	}
}

// chunkPlace is a place in the order of chunks.
type chunkPlace struct {
	from   int64
	chunk  event.ChunkID
	source uint64
}

func (h *chunkHead) place() *chunkPlace { return &chunkPlace{h.from, h.chunk.ID, h.source} }

func (p *chunkPlace) String() string { return fmt.Sprintf("%d_%s_%d", p.from, p.chunk, p.source) }

// parseChunkPlace is nil for the start.
func parseChunkPlace(text string) (*chunkPlace, error) {
	if text == "" {
		return nil, nil
	}
	fields := strings.Split(text, "_")
	if len(fields) != 3 {
		return nil, storage.ErrBadCursor
	}
	from, err1 := strconv.ParseInt(fields[0], 10, 64)
	chunk, err2 := hex.DecodeString(fields[1])
	source, err3 := strconv.ParseUint(fields[2], 10, 64)
	if err1 != nil || err2 != nil || err3 != nil || len(chunk) != len(event.ChunkID{}) {
		return nil, storage.ErrBadCursor
	}
	return &chunkPlace{from, event.ChunkID(chunk), source}, nil
}

// chunkHeads lists the chunks behind a place. The table is small beside what it
// names, and is read whole for every page.
func (s *Store) chunkHeads(ctx context.Context, after *chunkPlace) ([]chunkHead, error) {
	ctx = patient(ctx)
	where := shown
	if after != nil {
		where += fmt.Sprintf(" AND from_second >= %d AND (from_second > %[1]d OR (chunk, source) > (%s, %d))", after.from, idLiteral(event.ID(after.chunk)), after.source)
	}
	var heads []chunkHead
	err := s.rows(ctx, fmt.Sprintf("SELECT chunk, source, toUnixTimestamp64Nano(received_at), road, from_second, until_second, toInt64(lines) + counts FROM chunks FINAL"+
		" WHERE %s ORDER BY from_second, chunk, source LIMIT %d", where, exportHeads), func(r driver.Rows) error {
		var h chunkHead
		var id []byte
		var receivedAt int64
		var road string
		if err := r.Scan(&id, &h.source, &receivedAt, &road, &h.from, &h.until, &h.rows); err != nil {
			return fmt.Errorf("read chunk: %w", err)
		}
		h.chunk = event.Chunk{ID: event.ChunkID(id), ReceivedAt: timeOf(receivedAt), Road: event.Road(road)}
		heads = append(heads, h)
		return nil
	})
	return heads, err
}

// groupOf is how many of the chunks are read together: one at least.
func groupOf(heads []chunkHead) int {
	n, rows, until := 0, int64(0), heads[0].until
	for n < len(heads) && n < groupChunks {
		h := &heads[n]
		rows += h.rows
		until = max(until, h.until)
		if n > 0 && (rows > groupRows || until-heads[0].from > groupSpan) {
			break
		}
		n++
	}
	return n
}

// wholeChunks reads what a group of chunks holds. Those of which nothing is left
// are left out.
func (s *Store) wholeChunks(ctx context.Context, heads []chunkHead) (b event.Batch, err error) {
	from, until := heads[0].from, heads[0].until
	sources := make([]uint64, len(heads))
	fill := newFiller(len(heads))
	for i := range heads {
		h := &heads[i]
		from, until = min(from, h.from), max(until, h.until)
		sources[i] = h.source
		fill.add(h.source, &h.chunk)
	}
	if err := s.fill(ctx, fill, from, until, sources); err != nil {
		return b, err
	}
	for i := range heads {
		if c := &heads[i].chunk; len(c.Lines)+len(c.Counts) > 0 {
			b.Chunks = append(b.Chunks, *c)
		}
	}
	return b, nil
}

// fill reads the lines and counts of sources between two seconds.
func (s *Store) fill(ctx context.Context, f *filler, from, until int64, sources []uint64) error {
	ctx = patient(ctx)
	list := inList(sources, number)
	first, end := secondLiteral(from), secondLiteral(until)
	err := s.rows(ctx, fmt.Sprintf(exportAllLines, timeLiteral(time.Unix(from, 0)), timeLiteral(time.Unix(until, 0)), list), f.line)
	if err != nil {
		return fmt.Errorf("read lines: %w", err)
	}
	if err := s.rows(ctx, fmt.Sprintf(exportAllCount, minuteOf(from), minuteOf(until-1)+1, first, end, list), f.count); err != nil {
		return fmt.Errorf("read counts: %w", err)
	}
	return nil
}

// exportLineFields are what filler.line reads.
const exportLineFields = "source, toUnixTimestamp64Nano(at), service, environment, toUInt8(level), pattern, version, trace, labels, metadata, text"

// filler puts lines and counts into their chunks.
type filler struct {
	chunks   map[uint64]*event.Chunk
	streams  map[streamKey]int
	receipts map[uint64]time.Time
}

type streamKey struct {
	source                       uint64
	service, environment, labels string
}

func newFiller(n int) *filler {
	return &filler{chunks: make(map[uint64]*event.Chunk, n), streams: make(map[streamKey]int), receipts: make(map[uint64]time.Time)}
}

func (f *filler) add(source uint64, c *event.Chunk) { f.chunks[source] = c }

func (f *filler) line(r driver.Rows) error {
	var l event.Line
	var level uint8
	var pattern uint64
	var at int64
	var metadata string
	var k streamKey
	if err := r.Scan(&k.source, &at, &k.service, &k.environment, &level, &pattern, &l.Version, &l.Trace, &k.labels, &metadata, &l.Text); err != nil {
		return fmt.Errorf("read line: %w", err)
	}
	c := f.chunks[k.source]
	if c == nil {
		return nil
	}
	stream, ok := f.streams[k]
	if !ok {
		s := event.Stream{Service: k.service, Environment: k.environment}
		if err := decodeLabels(k.labels, &s.Labels); err != nil {
			return err
		}
		stream = len(c.Streams)
		c.Streams, f.streams[k] = append(c.Streams, s), stream
	}
	l.Stream, l.At, l.Level, l.Pattern = stream, instant(at), event.Level(level), event.PatternID(pattern)
	if err := decodeLabels(metadata, &l.Metadata); err != nil {
		return err
	}
	c.Lines = append(c.Lines, l)
	return nil
}

func (f *filler) count(r driver.Rows) error {
	var source uint64
	n, receivedAt, err := scanCount(r, &source)
	if err != nil {
		return err
	}
	c := f.chunks[source]
	if c == nil {
		return nil
	}
	if first, ok := f.receipts[source]; !ok || receivedAt.Before(first) {
		f.receipts[source] = receivedAt
	}
	c.Counts = append(c.Counts, n)
	return nil
}
