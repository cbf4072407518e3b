package enginetest_test

import (
	"errors"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestFullDisk gives an engine a small disk in a mount namespace of its own: an
// insert that does not fit is an error, and the engine goes on.
func TestFullDisk(t *testing.T) {
	enginetest.Shared(t) // skips where there is none
	small, _ := enginetest.SmallDisk(t, 32)
	e := enginetest.Start(t, small)
	conn := connect(t, e.DSN("default"))
	must(t, conn, "CREATE TABLE t (line String CODEC(NONE)) ENGINE = MergeTree ORDER BY tuple()", "INSERT INTO t VALUES ('kept')")
	err := conn.Exec(t.Context(), "INSERT INTO t SELECT randomPrintableASCII(1000) FROM numbers(100000)")
	var exception *clickhouse.Exception
	if !errors.As(err, &exception) || exception.Code != 243 {
		t.Errorf("error %v, want code 243", err)
	}
	must(t, conn, "SELECT 1")
	if n := count(t, conn, "SELECT count() FROM t"); n != 1 {
		t.Errorf("%d rows, want the one that fitted", n)
	}
}
