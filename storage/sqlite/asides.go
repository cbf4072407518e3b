package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// Asides implements [storage.Facts]. A page holds 1,000 at most.
func (s *Store) Asides(ctx context.Context, place string, limit int) (storage.AsidePage, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	defer leave()
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
	before, beforeID := int64(math.MaxInt64), []byte{0xff}
	if behind != nil {
		before, beforeID = behind.At, behind.ID[:]
	}
	rows, err := s.rows(ctx, `SELECT id, received_at, road, class, reason, raw FROM asides
		WHERE (received_at, id) < (?, ?) ORDER BY received_at DESC, id DESC LIMIT ?`, before, beforeID, limit)
	if err != nil {
		return nil, err
	}
	err = each(rows, func(r *sql.Rows) error {
		var a event.Aside
		var id, raw []byte
		var receivedAt int64
		if err := r.Scan(&id, &receivedAt, &a.Road, &a.Class, &a.Reason, &raw); err != nil {
			return err
		}
		a.ID, a.ReceivedAt = event.ID(id), timeOf(receivedAt)
		a.Raw, err = unpack(raw)
		list = append(list, a)
		return err
	})
	return list, classify(err)
}
