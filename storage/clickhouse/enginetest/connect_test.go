package enginetest_test

import (
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// connect opens a DSN with clickhouse-go. Changes are applied to its options.
func connect(tb testing.TB, dsn string, changes ...func(*clickhouse.Options)) driver.Conn {
	tb.Helper()
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		tb.Fatal(err)
	}
	for _, change := range changes {
		change(options)
	}
	conn, err := clickhouse.Open(options)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { conn.Close() })
	return conn
}

// must runs statements.
func must(tb testing.TB, conn driver.Conn, statements ...string) {
	tb.Helper()
	for _, sql := range statements {
		if err := conn.Exec(tb.Context(), sql); err != nil {
			tb.Fatalf("%s: %v", sql, err)
		}
	}
}

// count is the number that a query answers.
func count(tb testing.TB, conn driver.Conn, sql string) uint64 {
	tb.Helper()
	var n uint64
	if err := conn.QueryRow(tb.Context(), sql).Scan(&n); err != nil {
		tb.Fatalf("%s: %v", sql, err)
	}
	return n
}
