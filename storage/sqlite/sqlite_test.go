package sqlite_test

import (
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
	goleak.VerifyTestMain(m)
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

func childMain() bool { return false }
