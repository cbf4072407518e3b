package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/exporting"
)

var _ storage.Exporter = (*Store)(nil)

// A batch of an export has at most this many facts of one kind, and ends with
// the one that makes it larger than this many bytes.
const (
	exportFacts = 1000
	exportBytes = 4 << 20
)

// Identity implements [storage.Exporter].
func (s *Store) Identity() string { return fmt.Sprintf("%016x", s.identity) }

// ExportSize implements [storage.Exporter]. Rows that are not merged yet are
// counted apart.
func (s *Store) ExportSize(ctx context.Context) (storage.ExportSize, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.ExportSize{}, fmt.Errorf("size of an export: %w", err)
	}
	defer leave()
	ctx = patient(ctx)
	var n storage.ExportSize
	for _, part := range []struct {
		to    *int64
		query string
	}{
		{&n.Events, "SELECT toInt64(uniqExact(id)) FROM events"},
		{&n.Observations, "SELECT toInt64(uniqExact(id)) FROM observations"},
		{&n.Asides, "SELECT toInt64(uniqExact(id)) FROM asides"},
		{&n.Chunks, "SELECT toInt64(uniqExact(chunk)) FROM chunks WHERE lines + counts > 0 AND " + shown},
		{&n.Incidents, "SELECT toInt64(count()) FROM (" + s.schema.latest(ofLatest("retired")+" AS was_retired", "1", "NOT was_retired") + ")"},
	} {
		if err := s.row(ctx, part.query, part.to); err != nil {
			return storage.ExportSize{}, fmt.Errorf("size of an export: %w", err)
		}
	}
	return n, nil
}

// Export implements [storage.Exporter]. Facts come in the order of their IDs,
// chunks in that of their first second: what lies near in time is read together,
// and written together where it goes.
func (s *Store) Export(ctx context.Context, position string, yield func(event.Batch, string) error) error {
	return s.life.During("export", func() error { return s.export(ctx, position, yield) })
}

func (s *Store) export(ctx context.Context, position string, yield func(event.Batch, string) error) error {
	parts := []exporting.Part{
		{Name: "events", Run: s.paged(s.exportEvents)},
		{Name: "observations", Run: s.paged(s.exportObservations)},
		{Name: "asides", Run: s.paged(s.exportAsides)},
		{Name: "chunks", Run: s.exportChunks},
		{Name: "orphans", Run: s.exportOrphans},
		{Name: "pinned", Run: s.paged(s.exportPinned)},
	}
	return exporting.Export(ctx, &s.life, s.Identity(), parts, position, yield)
}

// paged makes a part of a function that fills a batch with what comes after an
// ID and returns the last; the zero ID when there is none.
func (s *Store) paged(load func(context.Context, event.ID, *event.Batch) (event.ID, error)) func(context.Context, string, func(event.Batch, string) error) error {
	return func(ctx context.Context, place string, yield func(event.Batch, string) error) error {
		after, err := parsePlace(place)
		if err != nil {
			return err
		}
		for {
			var b event.Batch
			last, err := load(patient(ctx), after, &b)
			if err != nil || last.IsZero() {
				return err
			}
			if err := yield(b, hex.EncodeToString(last[:])); err != nil {
				return err
			}
			after = last
		}
	}
}

func parsePlace(place string) (id event.ID, err error) {
	b, err := hex.DecodeString(place)
	if err != nil || (len(b) != 0 && len(b) != len(id)) {
		return id, storage.ErrBadCursor
	}
	copy(id[:], b)
	return id, nil
}

// factsAfter visits the merged rows of a table behind an ID in its order, a
// bounded number of them: visit says how many bytes a row has. The IDs are
// looked up first, so that only their rows are merged.
func (s *Store) factsAfter(ctx context.Context, table, fields string, after event.ID, visit func(driver.Rows) (event.ID, int, error)) (last event.ID, err error) {
	var ids []event.ID
	err = s.rows(ctx, fmt.Sprintf("SELECT DISTINCT id FROM %s WHERE id > %s ORDER BY id LIMIT %d", table, idLiteral(after), exportFacts), func(r driver.Rows) error {
		id, err := scanID(r)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return last, err
	}
	size := 0
	err = s.rows(ctx, fmt.Sprintf("SELECT %s FROM %s FINAL WHERE id >= %s AND id <= %s ORDER BY id", fields, table, idLiteral(ids[0]), idLiteral(ids[len(ids)-1]))+finalByPartition,
		func(r driver.Rows) error {
			id, n, err := visit(r)
			if err != nil {
				return err
			}
			last = id
			if size += n; size > exportBytes {
				return errFull
			}
			return nil
		})
	if errors.Is(err, errFull) {
		return last, nil
	}
	if err == nil {
		last = ids[len(ids)-1] // it may have been pruned meanwhile
	}
	return last, err
}

func (s *Store) exportEvents(ctx context.Context, after event.ID, b *event.Batch) (event.ID, error) {
	return s.factsAfter(ctx, "events", eventFields+eventRaw, after, func(r driver.Rows) (event.ID, int, error) {
		var raw string
		e, err := scanEvent(r, &raw)
		e.Raw = payload(raw)
		b.Events = append(b.Events, e)
		return e.ID, len(raw) + 500, err
	})
}

func (s *Store) exportObservations(ctx context.Context, after event.ID, b *event.Batch) (event.ID, error) {
	return s.factsAfter(ctx, "observations", observationFields+observationRaw, after, func(r driver.Rows) (event.ID, int, error) {
		var raw string
		o, err := scanObservation(r, &raw)
		o.Raw = payload(raw)
		b.Observations = append(b.Observations, o)
		return o.ID(), len(raw) + 500, err
	})
}

func (s *Store) exportAsides(ctx context.Context, after event.ID, b *event.Batch) (event.ID, error) {
	return s.factsAfter(ctx, "asides", asideFields, after, func(r driver.Rows) (event.ID, int, error) {
		a, err := scanAside(r)
		b.Asides = append(b.Asides, a)
		return a.ID, len(a.Raw) + len(a.Reason), err
	})
}
