package clickhouse

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/tally"
)

// Counts implements [storage.Feed]. They come in ascending order of second,
// then of the rest of their keys.
func (s *Store) Counts(ctx context.Context, q storage.CountQuery) ([]event.Count, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	defer end()
	query, ok := countsQuery(q)
	if !ok {
		return nil, nil
	}
	counts, err := s.countsWhere(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("counts: %w", err)
	}
	return counts, nil
}

// countsWhere reads the counts of a query for countFields, those of the same
// lines once.
func (s *Store) countsWhere(ctx context.Context, query string) ([]event.Count, error) {
	set := tally.NewSet()
	err := s.rows(ctx, query, func(r driver.Rows) error {
		c, _, err := scanCount(r)
		if err != nil {
			return err
		}
		set.Add(&c)
		return nil
	})
	return set.Sorted(), err
}

// countsQuery is the query for counts; not ok when it asks for no time at all.
func countsQuery(q storage.CountQuery) (query string, ok bool) {
	where := []string{shown}
	first, end := int64(math.MinInt64), int64(math.MaxInt64)
	if !q.From.IsZero() {
		first = ceilSecond(q.From)
		where = append(where, fmt.Sprintf("minute >= %d AND second >= %s", floorMinute(first), secondLiteral(first)))
	}
	if !q.To.IsZero() {
		end = ceilSecond(q.To)
		where = append(where, fmt.Sprintf("minute <= %d AND second < %s", floorMinute(end), secondLiteral(end)))
	}
	if len(q.Services) > 0 {
		where = append(where, "service IN "+inList(q.Services, bytesLiteral))
	}
	if q.MinLevel > event.LevelUnknown {
		where = append(where, "level >= "+quoteText(q.MinLevel.String()))
	}
	return "SELECT " + countFields + " FROM counts WHERE " + strings.Join(where, " AND "), first < end
}

// ceilSecond is the first second that begins at a time or after it, within what
// the store can hold.
func ceilSecond(t time.Time) int64 {
	n := nanos(t)
	sec := n / int64(time.Second)
	if n > sec*int64(time.Second) {
		sec++
	}
	return sec
}

func floorMinute(second int64) int64 {
	if second < 0 {
		second -= 59
	}
	return second / 60
}

// secondLiteral is a second since 1970 in SQL.
func secondLiteral(second int64) string { return fmt.Sprintf("toDateTime64(%d, 0, 'UTC')", second) }

// minuteSpan is minutes since 1970, until exclusive.
type minuteSpan struct{ from, until int32 }

// mostSpans is how many spans of time a query names, at most.
const mostSpans = 64

// joinSpans is the spans in order, those that touch as one. When there are too
// many it joins those that are nearest to each other.
func joinSpans(spans []minuteSpan) []minuteSpan {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b minuteSpan) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.until, b.until)) })
	for gap := int64(0); ; gap = 2*gap + 1 {
		joined := spans[:0]
		for _, m := range spans {
			if last := len(joined) - 1; last >= 0 && int64(m.from)-int64(joined[last].until) <= gap {
				joined[last].until = max(joined[last].until, m.until)
				continue
			}
			joined = append(joined, m)
		}
		if spans = joined; len(spans) <= mostSpans {
			return spans
		}
	}
}

// inMinutes selects the counts in spans that are in order. The seconds say which
// partitions to look at.
func inMinutes(spans []minuteSpan) string {
	var b strings.Builder
	fmt.Fprintf(&b, "second >= %s AND second < %s AND (", secondLiteral(60*int64(spans[0].from)), secondLiteral(60*int64(spans[len(spans)-1].until)))
	for i, m := range spans {
		if i > 0 {
			b.WriteString(" OR ")
		}
		fmt.Fprintf(&b, "minute >= %d AND minute < %d", m.from, m.until)
	}
	b.WriteByte(')')
	return b.String()
}
