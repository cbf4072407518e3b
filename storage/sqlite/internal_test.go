package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func openTest(t *testing.T, opts Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), filepath.Join(t.TempDir(), "hindcast.db"), opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func testMessage(n int) event.Event {
	at := time.Date(2026, 3, 14, 9, 0, n, 0, time.UTC)
	return event.Event{ID: event.NewID(at, fmt.Sprint(n)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at, Message: &event.Message{Text: strings.Repeat("words ", 50)}}
}

// TestSettingsInForce asks the connections that are really used what is in
// force on them: durability hangs on it, and no kill -9 would show its lack.
func TestSettingsInForce(t *testing.T) {
	s := openTest(t, Options{ReaderConns: 2})
	ask := func(what, name, want string, row func(string) scanner) {
		t.Helper()
		var got string
		if err := row("PRAGMA " + name).Scan(&got); err != nil {
			t.Errorf("%s: PRAGMA %s: %v", what, name, err)
		} else if got != want {
			t.Errorf("%s: PRAGMA %s: got %s, want %s", what, name, got, want)
		}
	}
	writer := func(when string) {
		t.Helper()
		err := s.write(t.Context(), func(tx *tx) error {
			for name, want := range map[string]string{
				"journal_mode": "wal", "synchronous": "2", "fullfsync": "1", "busy_timeout": "5000", "query_only": "0", "mmap_size": "0", "page_size": "8192", "wal_autocheckpoint": "0",
			} {
				ask("writer "+when, name, want, func(q string) scanner { return tx.row(q) })
			}
			return nil
		})
		if err != nil {
			t.Fatalf("ask the writer: %v", err)
		}
	}
	writer("at first")
	// A connection that replaces a broken one has them too.
	if err := s.write(t.Context(), func(*tx) error { s.writer.broken = true; return nil }); err != nil {
		t.Fatalf("break the connection: %v", err)
	}
	if err := s.Append(t.Context(), event.Batch{Events: []event.Event{testMessage(1)}}); err != nil {
		t.Fatalf("append with a broken connection: %v", err)
	}
	writer("renewed")

	for i := range 2 {
		conn, err := s.readers.Conn(t.Context())
		if err != nil {
			t.Fatalf("reader: %v", err)
		}
		defer conn.Close()
		for name, want := range map[string]string{"journal_mode": "wal", "query_only": "1", "busy_timeout": "5000", "mmap_size": "0"} {
			ask(fmt.Sprintf("reader %d", i), name, want, func(q string) scanner { return conn.QueryRowContext(t.Context(), q) })
		}
		if _, err := conn.ExecContext(t.Context(), "DELETE FROM events"); err == nil {
			t.Error("a reader could delete")
		}
	}
}

// TestFullDisk fills the file up to a limit: appends fail with
// ErrUnavailable, reading goes on, and when there is room again all is well.
func TestFullDisk(t *testing.T) {
	s := openTest(t, Options{})
	limit := func(pages int) {
		t.Helper()
		if err := s.write(t.Context(), func(tx *tx) error {
			var now int
			return tx.row(fmt.Sprintf("PRAGMA max_page_count = %d", pages)).Scan(&now)
		}); err != nil {
			t.Fatalf("limit the file: %v", err)
		}
	}
	limit(60)
	var stored []event.ID
	var err error
	for i := range 10_000 {
		e := testMessage(i)
		if err = s.Append(t.Context(), event.Batch{Events: []event.Event{e}}); err != nil {
			break
		}
		stored = append(stored, e.ID)
	}
	if !errors.Is(err, storage.ErrUnavailable) {
		t.Fatalf("append to a full disk: got error %v, want %v", err, storage.ErrUnavailable)
	}
	if _, err := s.Claim(t.Context(), "a"); err != nil && !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("claim on a full disk: got error %v, want none or %v", err, storage.ErrUnavailable)
	}
	if _, err := s.Fact(t.Context(), stored[0]); err != nil {
		t.Errorf("read from a full disk: %v", err)
	}
	limit(1 << 30)
	last := testMessage(20_000)
	if err := s.Append(t.Context(), event.Batch{Events: []event.Event{last}}); err != nil {
		t.Fatalf("append when there is room again: %v", err)
	}
	page, _, err := s.Since(t.Context(), "", 100_000)
	if err != nil || len(page.Events) != len(stored)+1 {
		t.Errorf("got %d events and error %v, want the %d that were acknowledged", len(page.Events), err, len(stored)+1)
	}
}

// TestWriterOutlivesItsConnection closes the connection under the writer.
func TestWriterOutlivesItsConnection(t *testing.T) {
	s := openTest(t, Options{})
	if err := s.write(t.Context(), func(tx *tx) error { return tx.conn.Close() }); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a transaction whose connection is gone: got error %v, want %v", err, storage.ErrUnavailable)
	}
	if err := s.Append(t.Context(), event.Batch{Events: []event.Event{testMessage(1)}}); err != nil {
		t.Errorf("append afterwards: %v", err)
	}
}

// queued waits until so many jobs wait for the writer.
func queued(s *Store, jobs int) {
	for {
		if n, _ := s.QueueDepth(); n == jobs {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// TestPoisonedBatch puts a job that fails into a transaction with others: they
// are stored nevertheless. It comes last: the first job of a transaction would
// fail alone.
func TestPoisonedBatch(t *testing.T) {
	s := openTest(t, Options{})
	poison := errors.New("poison")
	hold, held := make(chan struct{}), make(chan struct{})
	results := make(chan error, 10)
	go func() {
		results <- s.writer.do(context.Background(), &job{class: urgent, alone: true, apply: func(*tx) error { close(held); <-hold; return nil }})
	}()
	<-held
	for i := range 3 {
		go func() { results <- s.Append(context.Background(), event.Batch{Events: []event.Event{testMessage(i)}}) }()
	}
	queued(s, 3)
	poisoned := make(chan error, 1)
	go func() {
		poisoned <- s.writer.do(context.Background(), &job{class: urgent, bytes: 1, apply: func(t *tx) error {
			if _, err := t.exec("DELETE FROM events"); err != nil {
				return err
			}
			return poison
		}})
	}()
	queued(s, 4)
	close(hold)
	for range 4 {
		if err := <-results; err != nil {
			t.Errorf("append beside a poisoned batch: %v", err)
		}
	}
	if err := <-poisoned; !errors.Is(err, poison) {
		t.Errorf("poisoned batch: got error %v, want its own", err)
	}
	page, _, err := s.Since(t.Context(), "", 10)
	if err != nil || len(page.Events) != 3 {
		t.Errorf("got %d events and error %v, want 3", len(page.Events), err)
	}
}

// TestWriteAheadLogComesHome appends several times what the log may hold: it
// must start over and not grow with what was ever written.
func TestWriteAheadLogComesHome(t *testing.T) {
	s := openTest(t, Options{})
	const batches, each = 8, 4 << 20
	body := strings.Repeat("x", each/8)
	for n := range batches {
		var b event.Batch
		for i := range 8 {
			e := testMessage(8*n + i)
			e.Message.Text = body
			b.Events = append(b.Events, e)
		}
		if err := s.Append(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	fi, err := os.Stat(s.path + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if fi.Size() > 3*checkpointSoon {
		t.Errorf("after %d bytes the write-ahead log has %d, want at most %d", batches*each, fi.Size(), 3*checkpointSoon)
	}
}

// TestGroupCommit shows that callers who wait together share a transaction.
func TestGroupCommit(t *testing.T) {
	commits := make(chan Commit, 100)
	s := openTest(t, Options{OnCommit: func(c Commit) { commits <- c }})
	hold, held := make(chan struct{}), make(chan struct{})
	results := make(chan error, 100)
	go func() {
		results <- s.writer.do(context.Background(), &job{class: urgent, alone: true, apply: func(*tx) error { close(held); <-hold; return nil }})
	}()
	<-held
	for i := range 20 {
		go func() { results <- s.Append(context.Background(), event.Batch{Events: []event.Event{testMessage(i)}}) }()
	}
	queued(s, 20)
	close(hold)
	for range 21 {
		if err := <-results; err != nil {
			t.Errorf("append: %v", err)
		}
	}
	close(commits)
	batches, transactions := 0, 0
	for c := range commits {
		batches += c.Batches
		transactions++
		if c.Err != nil || c.Bytes == 0 || c.Took <= 0 {
			t.Errorf("a commit was reported as %+v", c)
		}
	}
	if batches != 20 || transactions == 20 {
		t.Errorf("got %d batches in %d transactions, want 20 in fewer", batches, transactions)
	}
}

// TestOneReaderConnection asks many things at once of a store with one reader
// connection: nobody holds it while waiting for another.
func TestOneReaderConnection(t *testing.T) {
	s := openTest(t, Options{ReaderConns: 1})
	at := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	b := event.Batch{Events: []event.Event{testMessage(1)}}
	for i := range 100 {
		c := event.Chunk{ID: event.ChunkID{byte(i)}, Streams: []event.Stream{{Service: "payments"}}, Lines: []event.Line{{At: at.Add(time.Duration(i) * time.Second), Text: "x"}}}
		c.Counts = []event.Count{{CountKey: event.CountKey{Service: "payments", Second: at.Unix() + int64(i)}, N: 1}}
		b.Chunks = append(b.Chunks, c)
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	claim, err := s.Claim(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	incident := storage.Derived{Pins: []event.ID{b.Chunks[0].Counts[0].ID(), b.Chunks[50].Counts[0].ID()}}
	incident.Timeline.Incident.ID = b.Events[0].ID
	incident.Signals = []event.ID{b.Events[0].ID}
	ctx := t.Context()
	var wg sync.WaitGroup
	for name, ask := range map[string]func() error{
		"lines":     func() error { _, err := s.Lines(ctx, storage.LineQuery{}); return err },
		"counts":    func() error { _, err := s.Counts(ctx, storage.CountQuery{}); return err },
		"since":     func() error { _, _, err := s.Since(ctx, "", 50); return err },
		"fact":      func() error { _, err := s.Fact(ctx, incident.Pins[1]); return err },
		"publish":   func() error { return s.Publish(ctx, claim, []storage.Derived{incident}) },
		"published": func() error { _, err := s.Published(ctx, time.Time{}); return err },
		"incidents": func() error { _, err := s.Incidents(ctx, storage.IncidentQuery{Minor: true}); return err },
		"window": func() error {
			return s.Window(ctx, time.Time{}, time.Time{}, func(p storage.FactPage) error {
				_, err := s.Fact(ctx, p.Events[0].ID) // the caller may ask on
				return err
			})
		},
		"prune": func() error {
			return s.Prune(ctx, storage.Retention{LinesBefore: at, CountsBefore: at.Add(time.Second), EventsBefore: at})
		},
	} {
		for range 4 {
			wg.Go(func() {
				if err := ask(); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	wg.Wait()
}
