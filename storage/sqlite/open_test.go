package sqlite_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"plain.db", "new/folder/in it.db", "odd ?name=1&%20#frag'\".db", "größe.db"} {
		path := filepath.Join(dir, name)
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Errorf("open %s: %v", name, err)
			continue
		}
		if _, err := sqlite.Open(t.Context(), path, sqlite.Options{}); !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "in use") {
			t.Errorf("second open of %s: got error %v, want %v", name, err, storage.ErrUnavailable)
		}
		if err := s.Append(t.Context(), event.Batch{Events: []event.Event{crashEvent(1)}}); err != nil {
			t.Errorf("append to %s: %v", name, err)
		}
		for _, suffix := range []string{"", "-wal", ".lock"} {
			if fi, err := os.Stat(path + suffix); err != nil || fi.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s%s: got mode %v and error %v, want it readable for its owner only", name, suffix, fi, err)
			}
		}
		if err := s.Close(); err != nil {
			t.Errorf("close %s: %v", name, err)
		}
		if fi, err := os.Stat(path + "-wal"); err == nil && fi.Size() > 0 {
			t.Errorf("%s: %d bytes are left in the write-ahead log", name, fi.Size())
		}
		s, err = sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Errorf("open %s again: %v", name, err)
			continue
		}
		s.Close()
	}
	if fi, err := os.Stat(filepath.Join(dir, "new")); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("folder that was made: got %v and error %v, want mode 0700", fi, err)
	}
}

// One file that goes by two names is still one store.
func TestOpenByAnotherName(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	for link, target := range map[string]string{"folder": "real", "file.db": "real/h.db"} {
		if err := os.Symlink(filepath.Join(dir, target), filepath.Join(dir, link)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	s, err := sqlite.Open(t.Context(), filepath.Join(dir, "folder", "h.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, name := range []string{"real/h.db", "folder/h.db", "file.db"} {
		other, err := sqlite.Open(t.Context(), filepath.Join(dir, name), sqlite.Options{})
		if !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("open %s while it is open: got error %v, want %v", name, err, storage.ErrUnavailable)
		}
		if err == nil {
			other.Close()
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "notes.txt")
	if err := os.WriteFile(text, []byte(strings.Repeat("this is no database\n", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		text:                         "not a SQLite database",
		dir:                          "is a folder",
		"":                           "want the path of a file",
		":memory:":                   "want the path of a file",
		filepath.Join(text, "in.db"): "not a directory",
	} {
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open %q: got error %v, want one that says %q", path, err, want)
		}
	}
	if b, _ := os.ReadFile(text); !strings.HasPrefix(string(b), "this is no database") {
		t.Error("the file that is no database was changed")
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sqlite.Open(cancelled, filepath.Join(dir, "c.db"), sqlite.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("open with a cancelled context: got error %v", err)
	}
}

// TestStoreMergesAsMergeDoes appends drawn sightings in drawn batches: what is
// stored is what Merge makes of them.
func TestStoreMergesAsMergeDoes(t *testing.T) {
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hindcast.db"), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := 0
	began := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		run++
		labels := event.Labels{"run": fmt.Sprint(run)}
		draw := rapid.Custom(func(rt *rapid.T) event.Observation {
			at := began.Add(time.Duration(rapid.IntRange(0, 3).Draw(rt, "at")) * time.Minute)
			o := event.Observation{
				Fingerprint: labels.Fingerprint(), StartsAt: began.Add(time.Duration(rapid.IntRange(0, 1).Draw(rt, "start"))), Labels: labels,
				Annotations: event.Labels{"a": rapid.SampledFrom([]string{"1", "2"}).Draw(rt, "annotation")}, FirstReceivedAt: at, LastReceivedAt: at,
				Roads: []event.Road{rapid.SampledFrom([]event.Road{event.RoadPoll, event.RoadPrometheus}).Draw(rt, "road")},
				Raw:   []byte(rapid.SampledFrom([]string{"1", "2", strings.Repeat("3", 2000)}).Draw(rt, "raw")),
			}
			if rapid.Bool().Draw(rt, "ended") {
				o.EndedAt = at
			}
			return o
		})
		batches := rapid.SliceOfN(rapid.SliceOfN(draw, 1, 4), 1, 4).Draw(rt, "batches")
		want := batches[0][0]
		for _, b := range batches {
			for _, o := range b {
				want = want.Merge(o)
			}
			if err := s.Append(t.Context(), event.Batch{Observations: b}); err != nil {
				rt.Fatalf("append: %v", err)
			}
		}
		f, err := s.Fact(t.Context(), want.ID())
		if err != nil {
			rt.Fatalf("fact: %v", err)
		}
		if got, want := fmt.Sprintf("%+v", *f.Observation), fmt.Sprintf("%+v", want); got != want {
			rt.Fatalf("stored:\n got %s\nwant %s", got, want)
		}
	})
}
