package enginetest_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// BenchmarkInsert is what a bare clickhouse-go inserts: the measure that a
// store's own rate is held against. One operation is a batch of 100,000 rows.
func BenchmarkInsert(b *testing.B) {
	for _, method := range []clickhouse.CompressionMethod{clickhouse.CompressionNone, clickhouse.CompressionLZ4} {
		b.Run(method.String(), func(b *testing.B) {
			conn := connect(b, enginetest.Shared(b).Database(b), func(o *clickhouse.Options) {
				o.Compression = &clickhouse.Compression{Method: method}
			})
			must(b, conn, "CREATE TABLE t (service LowCardinality(String), at DateTime64(9), line String) ENGINE = MergeTree ORDER BY (service, at)")
			const rows = 100_000
			lines := make([]string, 1000)
			for i := range lines {
				lines[i] = fmt.Sprintf("level=info msg=%q request=%08x path=/api/v1/things status=200", strings.Repeat("done ", 8), i*7919)
			}
			for b.Loop() {
				insertLines(b, conn, rows, lines)
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			now, most := enginetest.Shared(b).RSS()
			b.ReportMetric(float64(now>>20), "MB")
			b.ReportMetric(float64(most>>20), "MB-most")
		})
	}
}

func insertLines(b *testing.B, conn driver.Conn, rows int, lines []string) {
	b.Helper()
	batch, err := conn.PrepareBatch(b.Context(), "INSERT INTO t (service, at, line)")
	if err != nil {
		b.Fatal(err)
	}
	defer batch.Close()
	at := time.Now()
	for i := range rows {
		if err := batch.Append("payments", at.Add(time.Duration(i)), lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
	if err := batch.Send(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkQuery is the least that a query costs.
func BenchmarkQuery(b *testing.B) {
	conn := connect(b, enginetest.Shared(b).Database(b))
	must(b, conn,
		"CREATE TABLE t (id String, value String) ENGINE = MergeTree ORDER BY id",
		"INSERT INTO t SELECT toString(number), repeat('x', 100) FROM numbers(1000000)",
	)
	b.Run("SELECT 1", func(b *testing.B) {
		for b.Loop() {
			var n uint8
			if err := conn.QueryRow(b.Context(), "SELECT 1").Scan(&n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("by key", func(b *testing.B) {
		for b.Loop() {
			var value string
			if err := conn.QueryRow(b.Context(), "SELECT value FROM t WHERE id = {id:String}", clickhouse.Named("id", "777777")).Scan(&value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkStart is how long an engine takes until it answers, with its stop.
func BenchmarkStart(b *testing.B) {
	enginetest.Shared(b) // skips where there is none
	for b.Loop() {
		e, err := enginetest.Run(b.Context(), enginetest.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := e.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
