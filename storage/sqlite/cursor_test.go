package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// TestMovedIncident pages while an incident's start moves from behind the
// cursor to before it, and another's the other way.
func TestMovedIncident(t *testing.T) {
	s := openTest(t, Options{})
	claim, err := s.Claim(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	at := func(h int) time.Time { return time.Date(2026, 3, 14, h, 0, 0, 0, time.UTC) }
	put := func(n, h int) {
		t.Helper()
		var d storage.Derived
		d.Timeline.Incident.ID, d.Timeline.Incident.StartedAt = event.NewID(at(0), fmt.Sprint(n)), at(h)
		d.Timeline.Incident.Title = fmt.Sprint(n)
		if err := s.Publish(t.Context(), claim, []storage.Derived{d}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 6 {
		put(n, 10+n)
	}
	var got []string
	list := func(cursor string) string {
		t.Helper()
		page, err := s.Incidents(t.Context(), storage.IncidentQuery{Limit: 2, Cursor: cursor})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Incidents {
			got = append(got, i.Title)
		}
		return page.Next
	}
	next := list("")
	put(5, 1)  // was shown
	put(0, 20) // was not
	put(2, 21)
	put(2, 9)
	if err := s.Prune(t.Context(), storage.Retention{}); err != nil {
		t.Fatal(err)
	}
	for next != "" {
		next = list(next)
	}
	if want := "5 4 3 2 1 0"; strings.Join(got, " ") != want {
		t.Errorf("incidents while they move: got %v, want %s", got, want)
	}
	got = nil
	for next := list(""); next != ""; {
		next = list(next)
	}
	if want := "0 4 3 1 2 5"; strings.Join(got, " ") != want {
		t.Errorf("incidents after they moved: got %v, want %s", got, want)
	}
}

func TestCursorsOfAnotherStore(t *testing.T) {
	a, b := openTest(t, Options{}), openTest(t, Options{})
	for i := range 3 {
		e := event.Aside{ID: event.NewID(time.Unix(int64(i), 0)), Raw: []byte{}}
		if err := errors.Join(a.Append(t.Context(), event.Batch{Asides: []event.Aside{e}}), b.Append(t.Context(), event.Batch{Asides: []event.Aside{e}})); err != nil {
			t.Fatal(err)
		}
	}
	page, err := a.Asides(t.Context(), "", 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Asides(t.Context(), page.Next, 1); !errors.Is(err, storage.ErrBadCursor) {
		t.Errorf("asides with another store's cursor: got error %v, want %v", err, storage.ErrBadCursor)
	}
	if _, err := a.Lines(t.Context(), storage.LineQuery{Cursor: page.Next}); !errors.Is(err, storage.ErrBadCursor) {
		t.Errorf("lines with the cursor of asides: got error %v, want %v", err, storage.ErrBadCursor)
	}
	tip, err := a.Tip(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := b.Since(t.Context(), tip, 1); !errors.Is(err, storage.ErrBadCursor) {
		t.Errorf("feed with another store's cursor: got error %v, want %v", err, storage.ErrBadCursor)
	}
	// A cursor from before a backup was restored.
	if _, _, err := a.Since(t.Context(), a.feedCursor(1_000_000), 1); !errors.Is(err, storage.ErrBadCursor) {
		t.Errorf("feed from beyond the tip: got error %v, want %v", err, storage.ErrBadCursor)
	}
}

func TestForeignAndNewerFiles(t *testing.T) {
	ctx := context.Background()
	write := func(path, statement string) {
		t.Helper()
		db, err := sql.Open("sqlite", path)
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		if _, err := db.ExecContext(ctx, statement); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "a.db")
	s, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	write(path, "PRAGMA user_version = 999")
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, storage.ErrNewerSchema) {
		t.Errorf("open of a newer schema: got error %v, want %v", err, storage.ErrNewerSchema)
	}
	path = filepath.Join(t.TempDir(), "b.db")
	write(path, "CREATE TABLE customers (name TEXT)")
	if _, err := Open(ctx, path, Options{}); err == nil || !strings.Contains(err.Error(), "another application") {
		t.Errorf("open of another application's database: got error %v", err)
	}
}
