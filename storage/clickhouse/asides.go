package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultAsides = 100
	maxAsides     = 1000
)

// Asides implements [storage.Facts]. A page holds 1,000 at most.
func (s *Store) Asides(ctx context.Context, place string, limit int) (storage.AsidePage, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	defer end()
	page, err := s.asides(ctx, place, limit)
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	return page, nil
}

func (s *Store) asides(ctx context.Context, place string, limit int) (page storage.AsidePage, err error) {
	if limit <= 0 {
		limit = defaultAsides
	}
	limit = min(limit, maxAsides)
	before := "true"
	if place != "" {
		fields, err := s.parseListCursor(cursorAsides, 8+16, place)
		if err != nil {
			return page, err
		}
		at, id := nanoLiteral(cursor.Int64(fields)), idLiteral(event.ID(fields[8:]))
		before = fmt.Sprintf("(received_at < %[1]s OR received_at = %[1]s AND id < %[2]s)", at, id)
	}
	err = s.rows(ctx, asidesQuery(before, limit+1), func(r driver.Rows) error {
		a, err := scanAside(r)
		page.Asides = append(page.Asides, a)
		return err
	})
	if err != nil {
		return page, err
	}
	if len(page.Asides) > limit {
		page.Asides = page.Asides[:limit]
		last := page.Asides[limit-1]
		page.Next = s.listCursor(cursorAsides, append(cursor.PutInt64(nil, nanos(last.ReceivedAt)), last.ID[:]...))
	}
	return page, nil
}

// asidesQuery chooses by the narrow columns and reads the wide ones of what was
// chosen.
func asidesQuery(before string, limit int) string {
	return fmt.Sprintf(`SELECT %s FROM asides FINAL
		WHERE id IN (SELECT id FROM asides FINAL WHERE %s ORDER BY received_at DESC, id DESC LIMIT %d)
		ORDER BY received_at DESC, id DESC`, asideFields, before, limit) + finalByPartition
}

// asideFields are what scanAside reads.
const asideFields = "id, toUnixTimestamp64Nano(received_at), road, class, reason, raw"

func scanAside(r driver.Rows) (a event.Aside, err error) {
	var id []byte
	var receivedAt int64
	var road, raw string
	if err := r.Scan(&id, &receivedAt, &road, &a.Class, &a.Reason, &raw); err != nil {
		return a, fmt.Errorf("read aside: %w", err)
	}
	a.ID, a.ReceivedAt, a.Road, a.Raw = event.ID(id), timeOf(receivedAt), event.Road(road), payload(raw)
	return a, nil
}
