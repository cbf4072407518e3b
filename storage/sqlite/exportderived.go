package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/exporting"
)

// exportIncidents is how many timelines a batch of an export has at most.
const exportIncidents = 50

// ExportDerived implements [storage.Exporter].
func (s *Store) ExportDerived(ctx context.Context, position string, yield func([]storage.Derived, string) error) error {
	return s.life.During("export timelines", func() error { return s.exportDerived(ctx, position, yield) })
}

func (s *Store) exportDerived(ctx context.Context, position string, yield func([]storage.Derived, string) error) error {
	place, err := exporting.ParseDerived(s.Identity(), position)
	if err != nil {
		return err
	}
	after, err := parseSeq(place)
	if err != nil {
		return err
	}
	list, err := s.publications(ctx, after)
	if err != nil {
		return err
	}
	var batch []storage.Derived
	bytes := 0
	for i, p := range list {
		d, size, err := s.derived(ctx, p.id)
		switch {
		case errors.Is(err, storage.ErrNotFound): // retired meanwhile
		case err != nil:
			return fmt.Errorf("incident %s: %w", p.id, err)
		default:
			batch, bytes = append(batch, d), bytes+size
		}
		if len(batch) == 0 || (len(batch) < exportIncidents && bytes < exportBytes && i < len(list)-1) {
			continue
		}
		if err := yield(batch, exporting.DerivedPosition(s.Identity(), strconv.FormatInt(p.seq, 10))); err != nil {
			return err
		}
		batch, bytes = nil, 0
	}
	return nil
}

type publishedAs struct {
	id  event.ID
	seq int64
}

// publications lists incidents in the order in which they were last published.
func (s *Store) publications(ctx context.Context, after int64) ([]publishedAs, error) {
	rows, err := s.rows(ctx, "SELECT id, seq FROM incidents WHERE seq > ? ORDER BY seq", after)
	if err != nil {
		return nil, err
	}
	var list []publishedAs
	err = each(rows, func(r *sql.Rows) error {
		var id sql.RawBytes
		var p publishedAs
		if err := r.Scan(&id, &p.seq); err != nil {
			return err
		}
		p.id = event.ID(id)
		list = append(list, p)
		return nil
	})
	return list, classify(err)
}

func (s *Store) derived(ctx context.Context, id event.ID) (d storage.Derived, size int, err error) {
	var packed []byte
	if err := s.row(ctx, "SELECT body, digest FROM incidents WHERE id = ?", []any{id[:]}, &packed, &d.Digest); err != nil {
		return d, 0, err
	}
	body, err := unpack(packed)
	if err != nil {
		return d, 0, err
	}
	if err := json.Unmarshal(body, &d.Timeline); err != nil {
		return d, 0, fmt.Errorf("decode: %w", err)
	}
	if d.Signals, err = s.signals(ctx, id); err != nil {
		return d, 0, err
	}
	d.Pins, err = s.ids(ctx, "SELECT fact FROM pins WHERE incident = ? ORDER BY fact", id[:])
	return d, len(body) + 16*(len(d.Signals)+len(d.Pins)), err
}
