package enginetest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
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

// Unavailable says why there is no engine on this machine, and how to get one.
type Unavailable struct{ why string }

func (u *Unavailable) Error() string { return "no ClickHouse engine: " + u.why }

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
	if root, err := moduleRoot(); err == nil {
		cache := filepath.Join(root, ".cache")
		if c.binary == "" {
			c.binary = filepath.Join(cache, "bin", "chdb-server")
		}
		if c.library == "" {
			c.library = filepath.Join(cache, "chdb", "node_modules", "@chdb", "lib-linux-x64-gnu", "libchdb.so")
		}
	}
	for _, file := range []string{c.binary, c.library} {
		if _, err := os.Stat(file); err != nil {
			return c, &Unavailable{fmt.Sprintf(
				"HINDCAST_TEST_CLICKHOUSE names no server, there is no clickhouse on the PATH, and %q is missing; `make components` gets it", file)}
		}
	}
	return c, nil
}

// moduleRoot is the nearest folder above with a go.mod: tests run in the folder
// of their package.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
