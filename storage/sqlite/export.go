package sqlite

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/exporting"
)

var _ storage.Exporter = (*Store)(nil)

// A batch of an export has at most this many rows, and ends with the row that
// makes it larger than this many bytes, or brings it to this many lines.
const (
	exportRows  = 1000
	exportBytes = 4 << 20
	exportLines = 20_000
)

// Identity implements [storage.Exporter].
func (s *Store) Identity() string { return hex.EncodeToString(s.identity[:]) }

// ExportSize implements [storage.Exporter].
func (s *Store) ExportSize(ctx context.Context) (storage.ExportSize, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.ExportSize{}, fmt.Errorf("size of an export: %w", err)
	}
	defer leave()
	var n storage.ExportSize
	err = s.row(ctx, `SELECT (SELECT count(*) FROM events), (SELECT count(*) FROM observations), (SELECT count(*) FROM asides),
		(SELECT count(DISTINCT chunk) FROM pieces), (SELECT count(*) FROM incidents)`, nil,
		&n.Events, &n.Observations, &n.Asides, &n.Chunks, &n.Incidents)
	if err != nil {
		return storage.ExportSize{}, fmt.Errorf("size of an export: %w", err)
	}
	return n, nil
}

// Export implements [storage.Exporter]. Facts come in the order of their seq:
// one that changes meanwhile gets a new one, behind the others, so it is not
// missed. No transaction is held open between batches.
func (s *Store) Export(ctx context.Context, position string, yield func(event.Batch, string) error) error {
	return s.life.During("export", func() error { return s.export(ctx, position, yield) })
}

func (s *Store) export(ctx context.Context, position string, yield func(event.Batch, string) error) error {
	parts := []exporting.Part{
		{Name: "events", Run: bySeq(s.exportEvents)},
		{Name: "observations", Run: bySeq(s.exportObservations)},
		{Name: "asides", Run: bySeq(s.exportAsides)},
		{Name: "chunks", Run: bySeq(s.exportChunks)},
		{Name: "pinned", Run: paged(s.exportPinned)},
	}
	return exporting.Export(ctx, &s.life, s.Identity(), parts, position, yield)
}

// paged makes a part of a function that fills a batch with what comes after a
// place and returns the place behind it, or the one it was given when there is
// nothing more.
func paged(load func(context.Context, string, *event.Batch) (string, error)) func(context.Context, string, func(event.Batch, string) error) error {
	return func(ctx context.Context, after string, yield func(event.Batch, string) error) error {
		for {
			var b event.Batch
			next, err := load(ctx, after, &b)
			if err != nil || next == after {
				return err
			}
			if err := yield(b, next); err != nil {
				return err
			}
			after = next
		}
	}
}

// bySeq makes a part of a function like that whose places are numbers.
func bySeq(load func(context.Context, int64, *event.Batch) (int64, error)) func(context.Context, string, func(event.Batch, string) error) error {
	return paged(func(ctx context.Context, place string, b *event.Batch) (string, error) {
		after, err := parseSeq(place)
		if err != nil {
			return "", err
		}
		next, err := load(ctx, after, b)
		if err != nil || next == after {
			return place, err
		}
		return strconv.FormatInt(next, 10), nil
	})
}

func parseSeq(place string) (int64, error) {
	if place == "" {
		return 0, nil
	}
	seq, err := strconv.ParseInt(place, 10, 64)
	if err != nil || seq < 0 {
		return 0, storage.ErrBadCursor
	}
	return seq, nil
}

// errFull ends the reading of a page.
var errFull = errors.New("page is full")

// page visits the rows of a query until it is full: visit says how many bytes
// a row has. What visit returns with an error is that error.
func (s *Store) page(ctx context.Context, query string, args []any, visit func(*sql.Rows) (size int, err error)) error {
	rows, err := s.rows(ctx, query, args...)
	if err != nil {
		return err
	}
	var bytes int
	err = each(rows, func(r *sql.Rows) error {
		n, err := visit(r)
		if err != nil {
			return err
		}
		if bytes += n; bytes > exportBytes {
			return errFull
		}
		return nil
	})
	if errors.Is(err, errFull) {
		return nil
	}
	return classify(err)
}

func (s *Store) exportEvents(ctx context.Context, after int64, b *event.Batch) (int64, error) {
	err := s.page(ctx, "SELECT seq, received_at, body, raw FROM events WHERE seq > ? ORDER BY seq LIMIT ?", []any{after, exportRows},
		func(r *sql.Rows) (int, error) {
			var receivedAt int64
			var body, raw []byte
			if err := r.Scan(&after, &receivedAt, &body, &raw); err != nil {
				return 0, err
			}
			e, err := decodeEvent(body, receivedAt, raw)
			b.Events = append(b.Events, e)
			return len(body) + len(e.Raw), err
		})
	return after, err
}

func (s *Store) exportObservations(ctx context.Context, after int64, b *event.Batch) (int64, error) {
	err := s.page(ctx, "SELECT seq, body, raw FROM observations LEFT JOIN observation_raws USING (n) WHERE seq > ? ORDER BY seq LIMIT ?", []any{after, exportRows},
		func(r *sql.Rows) (int, error) {
			var body, raw []byte
			if err := r.Scan(&after, &body, &raw); err != nil {
				return 0, err
			}
			o, err := decodeObservation(body, raw)
			b.Observations = append(b.Observations, o)
			return len(body) + len(o.Raw), err
		})
	return after, err
}

func (s *Store) exportAsides(ctx context.Context, after int64, b *event.Batch) (int64, error) {
	err := s.page(ctx, "SELECT seq, id, received_at, road, class, reason, raw FROM asides WHERE seq > ? ORDER BY seq LIMIT ?", []any{after, exportRows},
		func(r *sql.Rows) (int, error) {
			var a event.Aside
			var id, raw []byte
			var receivedAt int64
			if err := r.Scan(&after, &id, &receivedAt, &a.Road, &a.Class, &a.Reason, &raw); err != nil {
				return 0, err
			}
			a.ID, a.ReceivedAt = event.ID(id), timeOf(receivedAt)
			var err error
			a.Raw, err = unpack(raw)
			b.Asides = append(b.Asides, a)
			return len(a.Raw) + len(a.Reason), err
		})
	return after, err
}

// exportPinned gives what is pinned of log facts whose counts are gone. Its
// places are IDs in hex.
func (s *Store) exportPinned(ctx context.Context, place string, b *event.Batch) (string, error) {
	after, err := hex.DecodeString(place)
	if err != nil || (len(after) != 0 && len(after) != 16) {
		return "", storage.ErrBadCursor
	}
	var ids []event.ID
	var kept []*storage.LogFact
	err = s.page(ctx, "SELECT id, received_at, body FROM pinned WHERE id > ? ORDER BY id LIMIT ?", []any{after, exportRows},
		func(r *sql.Rows) (int, error) {
			var id, body []byte
			var receivedAt int64
			if err := r.Scan(&id, &receivedAt, &body); err != nil {
				return 0, err
			}
			f, err := decodePinned(body, receivedAt)
			ids, kept = append(ids, event.ID(id)), append(kept, f)
			return len(body), err
		})
	if err != nil || len(ids) == 0 {
		return place, err
	}
	live, err := s.logFacts(ctx, ids)
	if err != nil {
		return "", err
	}
	for i, id := range ids {
		if rest, ok := storage.PinnedRest(*kept[i], live[id]); ok {
			b.Chunks = append(b.Chunks, rest)
		}
	}
	last := ids[len(ids)-1]
	return hex.EncodeToString(last[:]), nil
}
