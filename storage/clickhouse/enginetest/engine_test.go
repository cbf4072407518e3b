package enginetest_test

import (
	"testing"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestSharedAnswers(t *testing.T) {
	e := enginetest.Shared(t)
	dsn := e.Database(t)
	t.Log(dsn)
	if rows := e.Query(t, "SELECT 1, NULL, 'x'"); len(rows) != 1 || rows[0][0] != "1" || rows[0][1] != "NULL" || rows[0][2] != "x" {
		t.Errorf("rows %q", rows)
	}
}

func TestKillRestart(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	addr := e.Addr()
	e.Exec(t, "CREATE DATABASE kept")
	e.Exec(t, "CREATE TABLE kept.t (a UInt64) ENGINE = MergeTree ORDER BY a SETTINGS fsync_after_insert = 1")
	e.Exec(t, "INSERT INTO kept.t VALUES (1), (2)")
	e.Restart(t)
	if e.Addr() != addr {
		t.Errorf("it listens on %s after the restart, on %s before", e.Addr(), addr)
	}
	if rows := e.Query(t, "SELECT sum(a) FROM kept.t"); rows[0][0] != "3" {
		t.Errorf("the sum is %s, want 3", rows[0][0])
	}
	now, most := e.RSS()
	t.Log(now>>20, most>>20)
}
