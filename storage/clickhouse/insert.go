package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// tableInsert is one insert into a table: rows as columns, in blocks that go
// together. Columns that are left out get their defaults. Its rows must not lie
// in more than [maxPartitions] partitions.
type tableInsert struct {
	table   string
	columns []insertColumn
	// blocks hold one typed slice a column, in the order of columns: what
	// clickhouse-go's batch.Column(i).Append takes, such as []string, []time.Time,
	// []*time.Time for Nullable, [][]byte for FixedString, [][]string for arrays.
	// A tuple is a []any whose elements are []any.
	blocks [][]any
}

// insertColumn is a column's name and its type as the table has it.
type insertColumn struct{ name, kind string }

// insert sends an insert and returns when it is durable. When the connection
// breaks it is sent once more: a pooled one may have died long ago, with the
// engine that it led to. Both carry the token, and the engine drops the second
// if the first arrived. The token must be new for each insert: the engine would
// drop rows whose token it knows, also when they were deleted since. An insert
// without rows does nothing. Errors are [storage.ErrUnavailable], or the
// caller's cancellation.
func (s *Store) insert(ctx context.Context, token string, t tableInsert) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	err := inTurn(ctx, func() error { return s.insertOnce(ctx, token, &t) })
	if err != nil && ctx.Err() == nil && connectionBroke(err) {
		s.log.Debug("an insert is sent again", "table", t.table, "error", err)
		err = s.insertOnce(ctx, token, &t)
	}
	if err != nil {
		return fmt.Errorf("insert into %s: %w", t.table, classify(ctx, err))
	}
	return nil
}

func (s *Store) insertOnce(ctx context.Context, token string, t *tableInsert) error {
	kinds := make([]clickhouse.ColumnNameAndType, len(t.columns))
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		kinds[i], names[i] = clickhouse.ColumnNameAndType{Name: c.name, Type: c.kind}, c.name
	}
	// With the types at hand no DESCRIBE goes before each insert.
	ctx = clickhouse.Context(withToken(ctx, token), clickhouse.WithColumnNamesAndTypes(kinds))
	batch, err := s.conn.PrepareBatch(ctx, "INSERT INTO "+t.table+" ("+strings.Join(names, ", ")+")")
	if err != nil {
		return err
	}
	defer batch.Close()
	for _, block := range t.blocks {
		for i, values := range block {
			if err := batch.Column(i).Append(values); err != nil {
				return fmt.Errorf("column %s: %w", t.columns[i].name, err)
			}
		}
	}
	if batch.Rows() == 0 {
		return nil
	}
	return batch.Send()
}

// connectionBroke reports whether an insert failed on its way, so that nobody
// knows whether it arrived: the engine itself said nothing.
func connectionBroke(err error) bool {
	var exception *clickhouse.Exception
	var answered *clickhouse.HTTPError
	return !errors.As(err, &exception) && !errors.As(err, &answered) && !errors.Is(err, clickhouse.ErrBatchInvalid)
}
