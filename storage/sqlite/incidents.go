package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultIncidents = 50
	maxIncidents     = 1000
)

// Published implements [storage.Derivations].
func (s *Store) Published(ctx context.Context, since time.Time) ([]storage.Published, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return nil, fmt.Errorf("published: %w", err)
	}
	defer leave()
	list, err := s.published(ctx, nanos(since))
	if err != nil {
		return nil, fmt.Errorf("published: %w", err)
	}
	return list, nil
}

func (s *Store) published(ctx context.Context, since int64) ([]storage.Published, error) {
	rows, err := s.rows(ctx, `SELECT summary, digest FROM incidents
		WHERE published_at >= ?1 OR ended_at >= ?1 OR (ended_at IS NULL AND sealed = 0) ORDER BY started_at, id`, since)
	if err != nil {
		return nil, err
	}
	var list []storage.Published
	err = each(rows, func(r *sql.Rows) error {
		var p storage.Published
		var summary []byte
		if err := r.Scan(&summary, &p.Digest); err != nil {
			return err
		}
		list = append(list, p)
		return json.Unmarshal(summary, &list[len(list)-1].Incident)
	})
	if err != nil {
		return nil, classify(err)
	}
	for i := range list {
		if list[i].Signals, err = s.signals(ctx, list[i].Incident.ID); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func (s *Store) signals(ctx context.Context, incident event.ID) ([]event.ID, error) {
	return s.ids(ctx, "SELECT id FROM signals WHERE incident = ? AND alias = 0 ORDER BY id", incident[:])
}

// ids runs a query for IDs.
func (s *Store) ids(ctx context.Context, query string, args ...any) ([]event.ID, error) {
	rows, err := s.rows(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var ids []event.ID
	err = each(rows, func(r *sql.Rows) error {
		var id sql.RawBytes
		if err := r.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, event.ID(id))
		return nil
	})
	return ids, classify(err)
}

// Incidents implements [storage.Derivations]. A page holds 1,000 at most.
//
// A cursor names the first page's seq beside the last place that was shown: the
// following pages show the list as it was then, so an incident whose start
// moves is neither skipped nor shown twice.
func (s *Store) Incidents(ctx context.Context, q storage.IncidentQuery) (storage.IncidentPage, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", err)
	}
	defer leave()
	page, err := s.incidents(ctx, q)
	if err != nil {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", err)
	}
	return page, nil
}

func (s *Store) incidents(ctx context.Context, q storage.IncidentQuery) (page storage.IncidentPage, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultIncidents
	}
	limit = min(limit, maxIncidents)
	before, beforeID := int64(math.MaxInt64), []byte{0xff}
	var asOf int64
	if q.Cursor != "" {
		fields, err := s.cursors().Decode(cursor.Incidents, 8+8+16, q.Cursor)
		if err != nil {
			return page, err
		}
		asOf, before, beforeID = cursor.Int64(fields), cursor.Int64(fields[8:]), fields[16:]
	} else if asOf, err = s.tip(ctx); err != nil {
		return page, err
	}
	from, to := span(q.From, q.To)
	rows, err := s.rows(ctx, `SELECT i.summary, p.started_at, p.id FROM positions p JOIN incidents i ON i.id = p.id
		WHERE (p.started_at, p.id) < (?, ?) AND p.since <= ? AND (p.until IS NULL OR p.until > ?)
			AND i.started_at < ? AND (i.ended_at IS NULL OR i.ended_at >= ?)
			AND (? = '' OR i.status = ?) AND (? OR NOT i.minor)
			AND (? = '' OR EXISTS (SELECT 1 FROM json_each(i.services) WHERE value = ?))
		ORDER BY p.started_at DESC, p.id DESC LIMIT ?`,
		before, beforeID, asOf, asOf, to, from, string(q.Status), string(q.Status), q.Minor, q.Service, q.Service, limit+1)
	if err != nil {
		return page, err
	}
	var last []byte
	err = each(rows, func(r *sql.Rows) error {
		if len(page.Incidents) == limit {
			page.Next = s.cursors().Encode(cursor.Incidents, append(cursor.PutInt64(nil, asOf), last...))
			return nil
		}
		var summary, id []byte
		var startedAt int64
		if err := r.Scan(&summary, &startedAt, &id); err != nil {
			return err
		}
		last = append(cursor.PutInt64(nil, startedAt), id...)
		var i timeline.Incident
		err := json.Unmarshal(summary, &i)
		page.Incidents = append(page.Incidents, i)
		return err
	})
	return page, classify(err)
}
