package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/hindcast/hindcast/cmd/child/component"
)

// kind is what an engine is.
type kind int

const (
	kindGiven   kind = iota // a server that was there already
	kindServer              // a clickhouse binary that is started
	kindLibrary             // chdb-server over libchdb.so
)

// choice is the engine to use, with what is needed to start it.
type choice struct {
	kind    kind
	dsn     string // of a given server
	binary  string // clickhouse, or chdb-server
	library string // libchdb.so
}

// choose finds the engine: the server that HINDCAST_TEST_CLICKHOUSE names, else a
// clickhouse on the PATH, else what `make components` fetched and built.
func choose() (choice, error) {
	if dsn := os.Getenv("HINDCAST_TEST_CLICKHOUSE"); dsn != "" {
		return choice{kind: kindGiven, dsn: dsn}, nil
	}
	if binary, err := exec.LookPath("clickhouse"); err == nil {
		return choice{kind: kindServer, binary: binary}, nil
	}
	c := choice{
		kind:    kindLibrary,
		binary:  os.Getenv("HINDCAST_TEST_CHDB_SERVER"),
		library: os.Getenv("HINDCAST_TEST_LIBCHDB"),
	}
	if cache, err := component.Cached(); err == nil {
		if c.binary == "" {
			c.binary = filepath.Join(cache, "bin", "chdb-server")
		}
		if c.library == "" {
			c.library = filepath.Join(cache, "chdb", "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
		}
	}
	for _, file := range []string{c.binary, c.library} {
		if _, err := os.Stat(file); err != nil {
			return c, unavailable(fmt.Sprintf(
				"HINDCAST_TEST_CLICKHOUSE names no server, there is no clickhouse on the PATH, and %q is missing; `make components` gets it", file))
		}
	}
	return c, nil
}

func unavailable(why string) error {
	return &component.Unavailable{What: "ClickHouse engine", Why: why}
}
