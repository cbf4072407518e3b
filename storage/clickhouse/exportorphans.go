package clickhouse

import (
	"context"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// exportOrphans gives lines and counts whose chunk is forgotten: it is not known
// any more how they arrived together, so those of one source and day are a chunk
// of their own, with an ID that is made of both. Its places are a day and the
// last source that was given.
func (s *Store) exportOrphans(ctx context.Context, place string, yield func(event.Batch, string) error) error {
	afterDay, afterSource, err := parseOrphanPlace(place)
	if err != nil {
		return err
	}
	days, err := s.logDays(ctx)
	if err != nil {
		return err
	}
	for _, day := range days {
		if day < afterDay {
			continue
		}
		began, err := time.Parse("20060102", day)
		if err != nil {
			return fmt.Errorf("partition %q is no day: %w", day, err)
		}
		orphans, err := s.orphansOf(ctx, day)
		if err != nil {
			return err
		}
		sources := slices.Sorted(maps.Keys(orphans))
		if day == afterDay {
			sources = slices.DeleteFunc(sources, func(n uint64) bool { return n <= afterSource })
		}
		for len(sources) > 0 {
			n, rows := 0, uint64(0)
			for n < len(sources) && n < groupChunks && (n == 0 || rows+orphans[sources[n]] <= groupRows) {
				rows += orphans[sources[n]]
				n++
			}
			b, err := s.orphanChunks(ctx, day, began, sources[:n])
			if err != nil {
				return err
			}
			if err := yield(b, fmt.Sprintf("%s_%d", day, sources[n-1])); err != nil {
				return err
			}
			sources = sources[n:]
		}
	}
	return nil
}

func parseOrphanPlace(place string) (day string, source uint64, err error) {
	if place == "" {
		return "", 0, nil
	}
	day, number, ok := strings.Cut(place, "_")
	source, err = strconv.ParseUint(number, 10, 64)
	if !ok || err != nil || day == "" {
		return "", 0, storage.ErrBadCursor
	}
	return day, source, nil
}

// logDays are the days, as 20060102, of which there are lines or counts.
func (s *Store) logDays(ctx context.Context) ([]string, error) {
	ctx = patient(ctx)
	days := make(map[string]uint64)
	for _, table := range []string{"lines", "counts"} {
		found, err := s.countRows(ctx, table, "1")
		if err != nil {
			return nil, err
		}
		maps.Copy(days, found)
	}
	return slices.Sorted(maps.Keys(days)), nil
}

// orphansOf are the sources of a day that no chunk names, with how many rows
// each has.
func (s *Store) orphansOf(ctx context.Context, day string) (map[uint64]uint64, error) {
	ctx = patient(ctx)
	orphans := make(map[uint64]uint64)
	for _, table := range []string{"lines", "counts"} {
		err := s.rows(ctx, fmt.Sprintf("SELECT source, count() FROM %s WHERE _partition_id = %s AND source %s NOT IN (SELECT source FROM chunks) AND %s GROUP BY source",
			table, quoteText(day), s.schema.global(), shown), func(r driver.Rows) error {
			var source, n uint64
			err := r.Scan(&source, &n)
			orphans[source] += n
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("find %s whose chunk is forgotten: %w", table, err)
		}
	}
	return orphans, nil
}

func (s *Store) orphanChunks(ctx context.Context, day string, began time.Time, sources []uint64) (b event.Batch, err error) {
	fill := newFiller(len(sources))
	b.Chunks = make([]event.Chunk, len(sources))
	for i, source := range sources {
		sum := sha256.Sum256(fmt.Appendf(nil, "source %d of %s", source, day))
		b.Chunks[i] = event.Chunk{ID: event.ChunkID(sum[:16]), Road: event.RoadEnvelope}
		fill.add(source, &b.Chunks[i])
	}
	if err := s.fill(ctx, fill, began.Unix(), began.AddDate(0, 0, 1).Unix(), sources); err != nil {
		return b, err
	}
	for i, source := range sources {
		c := &b.Chunks[i]
		c.ReceivedAt = fill.receipts[source]
		for j := range c.Lines {
			// Counts say when they were received; lines were not before their time.
			if at := c.Lines[j].At; len(c.Counts) == 0 && at.After(c.ReceivedAt) {
				c.ReceivedAt = at
			}
		}
	}
	b.Chunks = slices.DeleteFunc(b.Chunks, func(c event.Chunk) bool { return len(c.Lines)+len(c.Counts) == 0 })
	return b, nil
}
