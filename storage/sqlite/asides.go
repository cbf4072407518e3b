package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"math"

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
	leave, err := s.life.Enter()
	if err != nil {
		return storage.AsidePage{}, fmt.Errorf("asides: %w", err)
	}
	defer leave()
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
	before, beforeID := int64(math.MaxInt64), []byte{0xff}
	if place != "" {
		fields, err := s.parseListCursor(cursorAsides, 8+16, place)
		if err != nil {
			return page, err
		}
		before, beforeID = cursor.Int64(fields), fields[8:]
	}
	rows, err := s.rows(ctx, `SELECT id, received_at, road, class, reason, raw FROM asides
		WHERE (received_at, id) < (?, ?) ORDER BY received_at DESC, id DESC LIMIT ?`, before, beforeID, limit+1)
	if err != nil {
		return page, err
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
		page.Asides = append(page.Asides, a)
		return err
	})
	if err != nil {
		return page, classify(err)
	}
	if len(page.Asides) > limit {
		page.Asides = page.Asides[:limit]
		last := page.Asides[limit-1]
		page.Next = s.listCursor(cursorAsides, append(cursor.PutInt64(nil, nanos(last.ReceivedAt)), last.ID[:]...))
	}
	return page, nil
}
