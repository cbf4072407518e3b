package enginetest_test

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestProxyFailures(t *testing.T) {
	e := enginetest.Shared(t)
	dsn := e.Database(t)
	p := enginetest.NewProxy(t, e)
	direct, conn := connect(t, dsn), connect(t, p.DSN(dsn))
	must(t, direct, "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY row")
	rows := func(want uint64, when string) {
		t.Helper()
		if n := count(t, direct, "SELECT count() FROM t"); n != want {
			t.Errorf("%s: %d rows, want %d", when, n, want)
		}
	}
	ctx := t.Context()

	p.RefuseNext(enginetest.Inserts("t"))
	if err := insertBatch(ctx, conn, 1, 1); err == nil {
		t.Error("a refused insert succeeded")
	}
	rows(0, "refused")

	p.DropAnswerNext(enginetest.Inserts("t"))
	if err := insertBatch(ctx, conn, 1, 1); err == nil {
		t.Error("an insert without an answer succeeded")
	}
	rows(1, "answer dropped")

	held, release := p.HoldNext(enginetest.Inserts("t"))
	inserted := make(chan error, 1)
	go func() { inserted <- insertBatch(ctx, conn, 2, 1) }()
	<-held
	if err := insertBatch(ctx, conn, 3, 1); err != nil {
		t.Errorf("an insert beside the held one: %v", err)
	}
	rows(2, "one held")
	release()
	if err := <-inserted; err != nil {
		t.Errorf("the held insert: %v", err)
	}
	rows(3, "released")

	p.Down(true)
	if err := conn.Exec(ctx, "SELECT 1"); err == nil {
		t.Error("a query succeeded while the proxy is down")
	}
	p.Down(false)
	must(t, conn, "SELECT 1")

	p.Delay(150 * time.Millisecond)
	started := time.Now()
	must(t, conn, "SELECT 1")
	if took := time.Since(started); took < 150*time.Millisecond {
		t.Errorf("a delayed answer took %v", took)
	}
	p.Delay(0)
}

func TestProxyReorders(t *testing.T) {
	e := enginetest.Shared(t)
	p := enginetest.NewProxy(t, e)
	conn := connect(t, p.DSN(e.Database(t)))
	must(t, conn, "SELECT 1")
	const queries = 5
	p.Reorder(7, queries)
	order := make(chan int, queries)
	for i := range queries {
		go func() {
			if err := conn.Exec(t.Context(), "SELECT 1"); err != nil {
				t.Error(err)
			}
			order <- i
		}()
		time.Sleep(30 * time.Millisecond) // they reach the engine one after the other
	}
	sorted := true
	for i := range queries {
		sorted = <-order == i && sorted
	}
	if sorted {
		t.Error("the answers came in the order of the queries")
	}
	p.Reorder(0, 0)
}
