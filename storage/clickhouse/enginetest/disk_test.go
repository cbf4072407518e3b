package enginetest_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestFullDisk gives an engine a small disk in a mount namespace of its own: an
// insert that does not fit is an error, and the engine goes on.
func TestFullDisk(t *testing.T) {
	enginetest.Shared(t) // skips where there is none
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	onSmallDisk := []string{"unshare", "--mount", "sh", "-c", `mount -t tmpfs -o size=32m tmpfs "$0" && exec "$@"`, data}
	if runtime.GOOS != "linux" || exec.Command(onSmallDisk[0], append(onSmallDisk[1:], "true")...).Run() != nil {
		t.Skip("mounting a small disk needs Linux and root")
	}
	e := enginetest.Start(t, enginetest.Options{Dir: dir, Under: onSmallDisk})
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
