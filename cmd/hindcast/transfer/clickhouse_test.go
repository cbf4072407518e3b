package transfer

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
	"github.com/hindcast/hindcast/storage/storagetest"
)

func openClickHouse(t *testing.T, dsn string) *clickhouse.Store {
	t.Helper()
	s, err := clickhouse.Open(t.Context(), dsn, clickhouse.Options{})
	return opened(t, s, err)
}

func TestThroughClickHouse(t *testing.T) {
	engine := enginetest.Shared(t)
	a, want := filled(t)
	b, c := openClickHouse(t, engine.Database(t)), newSQLite(t)
	copyAll(t, ofStore(t, a), ofStore(t, b))
	storagetest.SameContents(t, "in ClickHouse", storagetest.Contents(t, b), want)
	copyAll(t, ofStore(t, b), ofStore(t, c))
	storagetest.SameContents(t, "back in SQLite", storagetest.Contents(t, c), want)
	if sum := copyAll(t, ofStore(t, c), ofStore(t, b)); sum.Published != 0 {
		t.Errorf("copied again: %d timelines were published", sum.Published)
	}
	storagetest.SameContents(t, "in ClickHouse, copied again", storagetest.Contents(t, b), want)

	// A backup of ClickHouse that breaks off and goes on.
	path, file := filepath.Join(t.TempDir(), "b.ndjson.zst"), filepath.Join(t.TempDir(), "checkpoint")
	for done := false; !done; {
		state, err := Load(file, "from", "to")
		if err != nil {
			t.Fatal(err)
		}
		to := createBackup(t, path, state.Mark)
		_, err = Copy(t.Context(), &breaking{ofStore(t, b), 2}, to, state, Options{From: "from", To: "to", Checkpoint: file, Every: -1})
		if done = err == nil; !done && !errors.Is(err, errBroken) {
			t.Fatalf("backup: %v", err)
		}
		to.Close()
	}
	d := newSQLite(t)
	copyAll(t, openBackup(t, path), ofStore(t, d))
	storagetest.SameContents(t, "restored from a backup of ClickHouse", storagetest.Contents(t, d), factsOf(want))
}

func TestResumedIntoClickHouse(t *testing.T) {
	engine := enginetest.Shared(t)
	a, want := filled(t)
	for _, n := range []int{2, 5, 10} {
		b, file := openClickHouse(t, engine.Database(t)), filepath.Join(t.TempDir(), "checkpoint")
		left := n
		if _, err := copyOnce(t, ofStore(t, a), failing{ofStore(t, b), &left, n%2 == 0}, file); !errors.Is(err, errBroken) {
			t.Fatalf("copy that breaks at step %d: got error %v", n, err)
		}
		if _, err := copyOnce(t, ofStore(t, a), ofStore(t, b), file); err != nil {
			t.Fatalf("resumed at step %d: %v", n, err)
		}
		storagetest.SameContents(t, fmt.Sprintf("resumed at step %d", n), storagetest.Contents(t, b), want)
	}
}

// TestEngineKilled kills the engine in the middle of a copy and starts it again:
// the copy waits for it.
func TestEngineKilled(t *testing.T) {
	engine := enginetest.Start(t, enginetest.Options{})
	a, want := filled(t)
	b := openClickHouse(t, engine.Database(t))
	var once sync.Once
	killed := make(chan struct{})
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		<-killed
		time.Sleep(300 * time.Millisecond)
		engine.Restart(t)
	}()
	notices := 0
	var mu sync.Mutex
	state, _ := Load("", "from", "to")
	_, err := Copy(t.Context(), ofStore(t, a), ofStore(t, b), state, Options{From: "from", To: "to", RetryFor: time.Minute,
		Progress: func(p Progress) {
			if p.Part == "alerts" {
				once.Do(func() { engine.Kill(t); close(killed) })
			}
		},
		Notice: func(string) { mu.Lock(); notices++; mu.Unlock() },
	})
	if err != nil {
		t.Fatalf("copy: %v", err)
	}
	<-restarted
	if notices == 0 {
		t.Error("nobody was told that the engine was away")
	}
	storagetest.SameContents(t, "copy over a killed engine", storagetest.Contents(t, b), want)
}
