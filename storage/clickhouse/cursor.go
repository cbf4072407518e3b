package clickhouse

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

// cursors makes those of the feed, and those of lists, which hold the fields of
// the last row that was shown.
func (s *Store) cursors() cursor.Codec {
	return cursor.New(binary.BigEndian.AppendUint64(nil, s.identity))
}

// overlap is how far behind what it has seen the feed looks for rows of the
// journal that became visible late, and by how much the clocks of a cluster's
// nodes may differ. It is longer than an insert may take.
const overlap = 2 * time.Minute

// feedPosition is what a feed's reader has seen of the journal. Times are the
// engine's, in microseconds since 1970. The zero position is before everything.
//
// A row has been seen when it is older than low, when its batch is among seen,
// or when it is not newer than high and yet lies beyond the engine's clock by
// more than the overlap: then the clock was set back, no row is written there
// now, and what lies there is from before. When the clock comes there again, what
// it finds is seen once more: the feed may repeat, and misses nothing.
type feedPosition struct {
	low, high int64
	seen      map[uint64]bool
}

// feedCursorMost is the age of a position from which on the journal need not hold
// what follows it. It is shorter than the journal's TTL.
const feedCursorMost = 7 * 24 * time.Hour

func (s *Store) feedCursor(p feedPosition) storage.Cursor {
	batches := make([]uint64, 0, len(p.seen))
	for batch := range p.seen {
		batches = append(batches, batch)
	}
	slices.Sort(batches)
	b := make([]byte, 0, 16+8*len(batches))
	b = cursor.PutInt64(cursor.PutInt64(b, p.low), p.high)
	for _, batch := range batches {
		b = binary.BigEndian.AppendUint64(b, batch)
	}
	return storage.Cursor(s.cursors().Encode(cursor.Feed, b))
}

func (s *Store) parseFeedCursor(c storage.Cursor) (feedPosition, error) {
	if c == "" {
		return feedPosition{}, nil
	}
	b, err := s.cursors().Decode(cursor.Feed, cursor.Any, string(c))
	if err != nil {
		return feedPosition{}, err
	}
	if len(b) < 16 || len(b)%8 != 0 {
		return feedPosition{}, storage.ErrBadCursor
	}
	p := feedPosition{low: cursor.Int64(b), high: cursor.Int64(b[8:]), seen: make(map[uint64]bool, len(b)/8-2)}
	for b = b[16:]; len(b) > 0; b = b[8:] {
		p.seen[binary.BigEndian.Uint64(b)] = true
	}
	if time.Since(time.UnixMicro(p.low)) > feedCursorMost {
		return feedPosition{}, storage.ErrBadCursor
	}
	return p, nil
}
