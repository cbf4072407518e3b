package transfer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
	"github.com/hindcast/hindcast/storage/sqlite"
	"github.com/hindcast/hindcast/storage/storagetest"
)

// slow is a source that lets a reader of the checkpoint keep up.
type slow struct{ *Store }

func (s slow) Export(ctx context.Context, position string, yield func(Piece) error) error {
	return s.Store.Export(ctx, position, func(p Piece) error {
		time.Sleep(20 * time.Millisecond)
		return yield(p)
	})
}

// TestMain is a copy by itself when it is told what to copy.
func TestMain(m *testing.M) {
	if from := os.Getenv("COPY_FROM"); from != "" {
		if err := copyAlone(from, os.Getenv("COPY_TO"), os.Getenv("COPY_CHECKPOINT")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	enginetest.Main(m)
}

func copyAlone(fromPath, toPath, checkpoint string) error {
	ctx := context.Background()
	a, err := sqlite.Open(ctx, fromPath, sqlite.Options{})
	if err != nil {
		return err
	}
	defer a.Close()
	from, err := NewStore(a, "copy")
	if err != nil {
		return err
	}
	state, err := Load(checkpoint, fromPath, toPath)
	if err != nil {
		return err
	}
	var to Target
	if strings.HasSuffix(toPath, ".db") {
		b, err := sqlite.Open(ctx, toPath, sqlite.Options{})
		if err != nil {
			return err
		}
		defer b.Close()
		if to, err = NewStore(b, "copy"); err != nil {
			return err
		}
	} else if to, err = CreateBackup(toPath, state.Mark); err != nil {
		return err
	}
	defer to.Close()
	_, err = Copy(ctx, slow{from}, to, state, Options{From: fromPath, To: toPath, Checkpoint: checkpoint, Every: -1})
	return err
}

// TestKilled kills a copying process again and again, when its checkpoint has
// changed once, twice or three times in turn; with HINDCAST_TEST_FULL each time
// that it has. What it leaves in the end is whole.
func TestKilled(t *testing.T) {
	dir := t.TempDir()
	source, want := filledFile(t)
	for _, name := range []string{"b.db", "b.ndjson", "b.ndjson.gz"} {
		t.Run(name, func(t *testing.T) {
			target, checkpoint := filepath.Join(dir, name), filepath.Join(dir, name+".copy.json")
			kills := 0
			for !copyUntilKilled(t, source, target, checkpoint, changesBefore(kills)) {
				kills++
			}
			if kills < 4 {
				t.Errorf("the copy was killed %d times only", kills)
			}
			if name == "b.db" {
				storagetest.SameContents(t, "after kills", storagetest.Contents(t, openSQLite(t, target)), want)
				return
			}
			b := newSQLite(t)
			copyAll(t, openBackup(t, target), ofStore(t, b))
			storagetest.SameContents(t, "restored after kills", storagetest.Contents(t, b), factsOf(want))
		})
	}
}

// changesBefore is how often the checkpoint changes before the next kill.
func changesBefore(kills int) int {
	if full() {
		return 1
	}
	return 1 + kills%3
}

// copyUntilKilled runs a copy, kills it when its checkpoint has changed that often,
// and reports whether it came to its end before.
func copyUntilKilled(t *testing.T, source, target, checkpoint string, changes int) bool {
	t.Helper()
	before, err := os.ReadFile(checkpoint)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	p := &child.Process{Name: "the copy", Command: []string{os.Args[0]}, Env: []string{"COPY_FROM=" + source, "COPY_TO=" + target, "COPY_CHECKPOINT=" + checkpoint}}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-p.Done():
			if !p.State().Success() {
				t.Fatalf("copy: %v\n%s", p.State(), p.Said())
			}
			return true
		case <-tick.C:
		}
		now, err := os.ReadFile(checkpoint)
		if err == nil && string(now) != string(before) {
			before = now
			changes--
		}
		if changes == 0 {
			if err := p.Kill(); err != nil {
				t.Fatal(err)
			}
			return p.State().Success()
		}
	}
}
