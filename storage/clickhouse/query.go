package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Values go into SQL as literals made by the functions below and by quoteText:
// an ID is 16 arbitrary bytes, and lists of them are long.

// idLiteral is an ID in SQL.
func idLiteral(id event.ID) string {
	return "toFixedString(unhex('" + hex.EncodeToString(id[:]) + "'), 16)"
}

// idList is a list of IDs in SQL, for IN. There must be one at least. IDs are
// plain literals: the engine takes five times as long to read as many calls.
func idList(ids []event.ID) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 2+67*len(ids))
	b = append(b, '(')
	for i := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '\'')
		for _, c := range ids[i] {
			b = append(b, '\\', 'x', digits[c>>4], digits[c&15])
		}
		b = append(b, '\'')
	}
	return string(append(b, ')'))
}

// timeLiteral is a time in SQL, to the nanosecond.
func timeLiteral(t time.Time) string {
	return fmt.Sprintf("fromUnixTimestamp64Nano(%d, 'UTC')", nanos(t))
}

// rows asks for rows and visits them, within [queryTimeout] or what [patient]
// says. What it returns is classified: see [classify].
func (s *Store) rows(ctx context.Context, query string, visit func(driver.Rows) error) error {
	limit := queryTimeout
	if ctx.Value(patience{}) != nil {
		limit = patientTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	rows, err := s.conn.Query(ctx, query)
	if err != nil {
		return classify(ctx, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := visit(rows); err != nil {
			return err
		}
	}
	return classify(ctx, rows.Err())
}

// patience is the key of what marks a context of [patient].
type patience struct{}

// patient is the context of queries that nobody waits for, and that may take
// long: some look at a whole day of lines. Each has [patientTimeout].
func patient(ctx context.Context) context.Context {
	return clickhouse.Context(context.WithValue(ctx, patience{}, true), clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": int(patientTimeout / time.Second)}))
}

// small is the context of queries that read a few granules: with more threads
// than one the engine does no more than wake them up.
func small(ctx context.Context) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_threads": 1}))
}

// row asks for the one row that there is; none is [storage.ErrNotFound].
func (s *Store) row(ctx context.Context, query string, dest ...any) error {
	found := false
	err := s.rows(ctx, query, func(r driver.Rows) error {
		found = true
		return r.Scan(dest...)
	})
	if err == nil && !found {
		return storage.ErrNotFound
	}
	return err
}

// classify puts an error of the engine or of the way to it into the contract's
// words. The caller's own cancellation stays what it is; everything else means
// that the store cannot do it now: what it is given is right by construction,
// and refusing it for good would lose it.
func classify(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.Is(err, storage.ErrUnavailable), errors.Is(err, storage.ErrNotFound):
		return err
	case ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled):
		return context.Cause(ctx)
	}
	return fmt.Errorf("%w: %w", storage.ErrUnavailable, concise(err))
}

// withToken makes the inserts under a context safe to repeat: the engine drops
// one whose token it knows.
func withToken(ctx context.Context, token string) context.Context {
	return clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"insert_deduplication_token": token}))
}
