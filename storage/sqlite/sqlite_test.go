package sqlite_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
	"github.com/hindcast/hindcast/storage/storagetest"
)

func TestMain(m *testing.M) {
	if childMain() {
		return
	}
	code := m.Run()
	closeBench()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func TestStore(t *testing.T) {
	storagetest.TestStore(t, func(t *testing.T, dir string) storage.Store {
		s, err := sqlite.Open(t.Context(), filepath.Join(dir, "hindcast.db"), sqlite.Options{})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		return s
	})
}
