package clickhouse

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
	"github.com/hindcast/hindcast/storage/storagetest"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

func TestStore(t *testing.T) {
	engine := enginetest.Shared(t)
	storagetest.TestStore(t, func(t *testing.T, dir string) storage.Store {
		return openAt(t, engine, dir)
	})
}

// openAt opens the store of a folder: the folder holds the name of a database
// that is made for it.
func openAt(t *testing.T, engine *enginetest.Engine, dir string) *Store {
	t.Helper()
	name := filepath.Join(dir, "dsn")
	dsn, err := os.ReadFile(name)
	if err != nil {
		dsn = []byte(engine.Database(t))
		if err := os.WriteFile(name, dsn, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(t.Context(), string(dsn), Options{})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	s.windowPage = 500 // so that the suite's windows have several
	return s
}
