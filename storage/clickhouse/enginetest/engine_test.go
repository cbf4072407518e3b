package enginetest_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestQueryAnswersRowsAsText(t *testing.T) {
	e := enginetest.Shared(t)
	got := e.Query(t, "SELECT 1, NULL, 'x', [1, 2] UNION ALL SELECT 2, 'y', '', [] ORDER BY 1")
	want := [][]string{{"1", "NULL", "x", "[1,2]"}, {"2", "y", "", "[]"}}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("rows %q, want %q", got, want)
	}
}

func TestDatabasesAreApart(t *testing.T) {
	e := enginetest.Shared(t)
	a, b := connect(t, e.Database(t)), connect(t, e.Database(t))
	must(t, a, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a", "INSERT INTO t VALUES (1)")
	must(t, b, "CREATE TABLE t (a UInt8) ENGINE = MergeTree ORDER BY a")
	if n := count(t, b, "SELECT count() FROM t"); n != 0 {
		t.Errorf("%d rows of the other database are seen", n)
	}
	must(t, a, "DROP TABLE t SYNC")
}

// TestKilledEngineKeepsWhatItAnswered kills an engine while rows are inserted:
// all that was answered is there again, nothing is there in part.
func TestKilledEngineKeepsWhatItAnswered(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	address, dsn := e.Addr(), e.Database(t)
	conn := connect(t, dsn)
	must(t, conn, "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY (batch, row) SETTINGS fsync_after_insert = 1")
	const rows = 1000
	var answered []uint64
	stop, some := make(chan struct{}), make(chan struct{})
	begun := sync.OnceFunc(func() { close(some) })
	var done sync.WaitGroup
	done.Go(func() {
		defer begun()
		for batch := uint64(0); ; batch++ {
			select {
			case <-stop:
				return
			default:
			}
			if insertBatch(t.Context(), conn, batch, rows) != nil {
				return
			}
			answered = append(answered, batch)
			begun()
		}
	})
	<-some // a busy machine takes its time
	time.Sleep(300 * time.Millisecond)
	e.Kill(t)
	close(stop)
	done.Wait()
	e.Restart(t)
	if e.Addr() != address {
		t.Errorf("it listens on %s after the restart, on %s before", e.Addr(), address)
	}
	again := connect(t, dsn)
	for _, batch := range answered {
		if n := count(t, again, fmt.Sprintf("SELECT count() FROM t WHERE batch = %d", batch)); n != rows {
			t.Fatalf("batch %d of %d answered ones has %d rows after the kill, want %d", batch, len(answered), n, rows)
		}
	}
	if n := count(t, again, fmt.Sprintf("SELECT count() FROM (SELECT batch FROM t GROUP BY batch HAVING count() != %d)", rows)); n != 0 {
		t.Errorf("%d batches are there in part", n)
	}
	if len(answered) == 0 {
		t.Error("nothing was answered before the kill")
	}
}

func insertBatch(ctx context.Context, conn clickhouse.Conn, batch uint64, rows int) error {
	b, err := conn.PrepareBatch(ctx, "INSERT INTO t (batch, row)")
	if err != nil {
		return fmt.Errorf("prepare: %w", err)
	}
	defer b.Close()
	for row := range rows {
		if err := b.Append(batch, uint64(row)); err != nil {
			return fmt.Errorf("append: %w", err)
		}
	}
	return b.Send()
}

func TestFrozenEngineAnswersAfterThaw(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	conn := connect(t, e.DSN("default"))
	must(t, conn, "SELECT 1")
	e.Freeze(t)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := conn.Exec(ctx, "SELECT 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a frozen engine: %v, want the deadline", err)
	}
	e.Thaw(t)
	must(t, conn, "SELECT 1")
	if now, most := e.RSS(); now <= 0 || most < now {
		t.Errorf("memory %d, at most %d", now, most)
	}
}

// TestLongQueryDelaysNobody holds one session with a sleep and asks by another.
func TestLongQueryDelaysNobody(t *testing.T) {
	conn := connect(t, enginetest.Shared(t).Database(t))
	ctx, cancel := context.WithCancel(t.Context())
	slow := make(chan error, 1)
	go func() { slow <- conn.Exec(ctx, "SELECT sleep(2)") }()
	time.Sleep(200 * time.Millisecond)
	must(t, conn, "SELECT 1")
	select {
	case err := <-slow:
		t.Errorf("the long query had ended when the short one was answered: %v", err)
	default:
	}
	cancel()
	<-slow
}

func TestManyQueriesAtOnce(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	conn := connect(t, dsn, func(o *clickhouse.Options) { o.MaxOpenConns, o.DialTimeout = 200, time.Minute })
	must(t, conn, "CREATE TABLE t (batch UInt64, row UInt64) ENGINE = MergeTree ORDER BY batch")
	var all sync.WaitGroup
	for i := range uint64(200) {
		all.Go(func() {
			if i%4 == 0 {
				if err := insertBatch(t.Context(), conn, i, 10); err != nil {
					t.Errorf("insert %d: %v", i, err)
				}
				return
			}
			var n uint64
			if err := conn.QueryRow(t.Context(), "SELECT {n:UInt64} + 0 * count() FROM t", clickhouse.Named("n", fmt.Sprint(i))).Scan(&n); err != nil || n != i {
				t.Errorf("query %d: %d, %v", i, n, err)
			}
		})
	}
	all.Wait()
	if n := count(t, conn, "SELECT count() FROM t"); n != 500 {
		t.Errorf("%d rows, want 500", n)
	}
}

func TestNothingIsLeftBehind(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	e, err := enginetest.Run(t.Context(), enginetest.Options{})
	if unavailable := new(component.Unavailable); errors.As(err, &unavailable) {
		enginetest.Shared(t) // skips or fails, as is the rule
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Rows(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}
