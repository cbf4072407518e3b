package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// Asides implements [storage.Facts]. A page holds 1,000 at most.
func (s *Store) Asides(ctx context.Context, place string, limit int) (storage.AsidePage, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	defer end()
	page, err := facts.Asides(s.cursors(), place, limit, nanos, func(behind *facts.AsidePlace, n int) ([]event.Aside, error) {
		return s.asides(ctx, behind, n)
	})
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	return page, nil
}

// asides reads the first of what was set aside behind a place, the latest first;
// nil is the start.
func (s *Store) asides(ctx context.Context, behind *facts.AsidePlace, limit int) (list []event.Aside, err error) {
	before := "true"
	if behind != nil {
		before = fmt.Sprintf("(received_at < %[1]s OR received_at = %[1]s AND id < %[2]s)", nanoLiteral(behind.At), idLiteral(behind.ID))
	}
	err = s.rows(ctx, asidesQuery(before, limit), func(r driver.Rows) error {
		a, err := scanAside(r)
		list = append(list, a)
		return err
	})
	return list, err
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
