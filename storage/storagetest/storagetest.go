// Package storagetest holds the one suite of tests that every storage backend
// passes. It knows the storage contract and nothing of any backend; the tests of
// each backend run it. It is never part of hindcast's binary.
package storagetest

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Open opens the store whose data is named by dir, a folder that is empty at
// first. Opening it again after Close gives the same data. It fails the test
// when it cannot, and need not close the store.
type Open func(t *testing.T, dir string) storage.Store

// TestStore runs the suite.
func TestStore(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, Open){
		"Events":          testEvents,
		"Observations":    testObservations,
		"Merging":         testMerging,
		"Idempotency":     testIdempotency,
		"Asides":          testAsides,
		"Feed":            testFeed,
		"FeedConcurrent":  testFeedConcurrent,
		"Window":          testWindow,
		"Counts":          testCounts,
		"LogFacts":        testLogFacts,
		"Lines":           testLines,
		"LinePages":       testLinePages,
		"Claims":          testClaims,
		"Lease":           testLease,
		"Timelines":       testTimelines,
		"Redirects":       testRedirects,
		"Published":       testPublished,
		"Incidents":       testIncidents,
		"IncidentPages":   testIncidentPages,
		"Prune":           testPrune,
		"Pins":            testPins,
		"Restart":         testRestart,
		"Closed":          testClosed,
		"Cancelled":       testCancelled,
		"Repeats":         testRepeats,
		"MergingAtRandom": testMergingAtRandom,
		"Extremes":        testExtremes,
		"OddTexts":        testOddTexts,
		"Export":          testExport,
		"ExportResumed":   testExportResumed,
		"ExportPruned":    testExportPruned,
	} {
		t.Run(name, func(t *testing.T) { test(t, open) })
	}
}

// openStore opens a new store that is closed when the test ends.
func openStore(t *testing.T, open Open) storage.Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func appendBatch(t *testing.T, s storage.Store, b event.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// drain reads the feed from a cursor to its end.
func drain(t *testing.T, s storage.Store, cursor storage.Cursor, limit int) (storage.FactPage, storage.Cursor) {
	t.Helper()
	var all storage.FactPage
	for {
		page, next, err := s.Since(t.Context(), cursor, limit)
		if err != nil {
			t.Fatalf("since %q: %v", cursor, err)
		}
		if page.Len() == 0 {
			if next != cursor {
				t.Fatalf("since %q: an empty page came with cursor %q", cursor, next)
			}
			return all, cursor
		}
		all.Events = append(all.Events, page.Events...)
		all.Observations = append(all.Observations, page.Observations...)
		all.Counts = append(all.Counts, page.Counts...)
		cursor = next
	}
}

// window collects a window's pages and checks that their order is ascending.
func window(t *testing.T, s storage.Store, q storage.CountQuery) storage.FactPage {
	t.Helper()
	var all storage.FactPage
	var last event.ID
	err := s.Window(context.Background(), q.From, q.To, func(p storage.FactPage) error {
		greatest := last
		check := func(id event.ID) {
			if id.Compare(last) <= 0 && !last.IsZero() {
				t.Errorf("window: ID %s comes in a page behind one with %s", id, last)
			}
			if id.Compare(greatest) > 0 {
				greatest = id
			}
		}
		for i, e := range p.Events {
			check(e.ID)
			if i > 0 && e.ID.Compare(p.Events[i-1].ID) <= 0 {
				t.Errorf("window: events are not in ascending order of ID")
			}
		}
		for i, o := range p.Observations {
			check(o.ID())
			if i > 0 && o.ID().Compare(p.Observations[i-1].ID()) <= 0 {
				t.Errorf("window: observations are not in ascending order of ID")
			}
		}
		if p.Len() == 0 {
			t.Errorf("window: an empty page")
		}
		last = greatest
		all.Events = append(all.Events, p.Events...)
		all.Observations = append(all.Observations, p.Observations...)
		return nil
	})
	if err != nil {
		t.Fatalf("window: %v", err)
	}
	return all
}

// same fails the test when the JSON of two values differs.
func same(t *testing.T, what string, got, want any) {
	t.Helper()
	g, w := asJSON(t, got), asJSON(t, want)
	if g != w {
		t.Errorf("%s:\n got %s\nwant %s", what, g, w)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatalf("encode %T: %v", v, err)
	}
	return string(b)
}

func wantErr(t *testing.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		t.Errorf("%s: got error %v, want %v", what, got, want)
	}
}

func must[T any](t *testing.T, what string) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return v
	}
}
