package e2e

import (
	"log/slog"
	"testing"

	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// openStore opens the store of a hindcast that has ended, until done is called.
func openStore(t *testing.T, store string) (s storage.Store, done func()) {
	t.Helper()
	s, err := server.OpenStore(t.Context(), store, server.StoreOptions{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	return s, func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}
}

// readStore counts the facts of a store by the keys that the clients gave them.
// Facts are told apart by their IDs, since a feed may repeat them; lines are
// never repeated.
func readStore(t *testing.T, store string) map[string]int {
	t.Helper()
	s, done := openStore(t, store)
	defer done()
	found := make(map[string]int)
	seen := make(map[event.ID]bool)
	var cursor storage.Cursor
	for {
		page, next, err := s.Since(t.Context(), cursor, 10_000)
		if err != nil {
			t.Fatalf("read the facts: %v", err)
		}
		if page.Len() == 0 {
			break
		}
		cursor = next
		for _, e := range page.Events {
			if key := keyOf(e); key != "" && !seen[e.ID] {
				seen[e.ID] = true
				found[key]++
			}
		}
		for _, o := range page.Observations {
			if id := o.ID(); !seen[id] {
				seen[id] = true
				found[o.Labels["key"]]++
			}
		}
	}
	for q := (storage.LineQuery{Limit: 10_000}); ; {
		page, err := s.Lines(t.Context(), q)
		if err != nil {
			t.Fatalf("read the lines: %v", err)
		}
		for _, l := range page.Lines {
			found[l.Text]++
		}
		if q.Cursor = page.Next; page.Next == "" {
			return found
		}
	}
}

// keyOf is the key of an event; "" for those that no client asked for.
func keyOf(e event.Event) string {
	switch {
	case e.Message != nil:
		return e.Message.Text
	case e.Change != nil:
		return "deploy " + e.Change.Version
	case e.Silence != nil:
		return e.Silence.ID
	}
	return ""
}
