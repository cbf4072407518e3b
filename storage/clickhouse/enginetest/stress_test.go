package enginetest_test

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestStress inserts, reads, merges, and makes and drops tables, all at once,
// and counts at the end. HINDCAST_TEST_STRESS says for how long.
func TestStress(t *testing.T) {
	if testing.Short() {
		t.Skip("short")
	}
	length := 3 * time.Second
	if v := os.Getenv("HINDCAST_TEST_STRESS"); v != "" {
		var err error
		if length, err = time.ParseDuration(v); err != nil {
			t.Fatal(err)
		}
	}
	e := enginetest.Shared(t)
	conn := connect(t, e.Database(t))
	must(t, conn, "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = ReplacingMergeTree ORDER BY (batch, row) SETTINGS fsync_after_insert = 1")
	var (
		all              sync.WaitGroup
		inserted, others atomic.Uint64
		end              = time.Now().Add(length)
	)
	repeat := func(what func(i uint64) error) {
		all.Go(func() {
			for i := uint64(0); time.Now().Before(end); i++ {
				if err := what(i); err != nil {
					t.Error(err)
					return
				}
				others.Add(1)
			}
		})
	}
	const rows = 2000
	for worker := range uint64(3) {
		repeat(func(i uint64) error {
			if err := insertBatch(t.Context(), conn, worker<<32|i, rows); err != nil {
				return fmt.Errorf("insert: %w", err)
			}
			inserted.Add(rows)
			return nil
		})
	}
	for range 3 {
		repeat(func(uint64) error {
			least := inserted.Load()
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT count() FROM t FINAL").Scan(&n); err != nil {
				return fmt.Errorf("count: %w", err)
			}
			if n < least {
				return fmt.Errorf("%d rows are there, %d were answered before", n, least)
			}
			return nil
		})
	}
	for _, statements := range [][]string{
		{"CREATE TABLE {side} (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO {side} VALUES (1)", "ALTER TABLE {side} ADD COLUMN b String", "DROP TABLE {side} SYNC"},
		{"OPTIMIZE TABLE t FINAL", "SELECT sum(row) FROM t GROUP BY batch FORMAT Null", "SELECT * FROM nosuch"},
	} {
		repeat(func(i uint64) error {
			for _, sql := range statements {
				sql = strings.ReplaceAll(sql, "{side}", fmt.Sprint("side", i))
				if err := conn.Exec(t.Context(), sql); err != nil && sql != "SELECT * FROM nosuch" {
					return fmt.Errorf("%s: %w", sql, err)
				}
			}
			return nil
		})
	}
	all.Wait()
	if n := count(t, conn, "SELECT count() FROM t FINAL"); n != inserted.Load() {
		t.Errorf("%d rows, want %d", n, inserted.Load())
	}
	now, most := e.RSS()
	t.Logf("%d rows and %d rounds in %v; memory %d MB, at most %d MB", inserted.Load(), others.Load(), length, now>>20, most>>20)
}
