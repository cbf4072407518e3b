package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
)

// The test binary runs itself as the process that is killed: with crashPath
// set it appends from crashFrom on and prints what was acknowledged.
const (
	crashPath = "HINDCAST_TEST_CRASH_PATH"
	crashFrom = "HINDCAST_TEST_CRASH_FROM"
)

// childMain reports whether this process is such a child, when it is done.
func childMain() bool {
	path := os.Getenv(crashPath)
	if path == "" {
		return false
	}
	if err := appendForever(path); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}

func appendForever(path string) error {
	from, err := strconv.ParseInt(os.Getenv(crashFrom), 10, 64)
	if err != nil {
		return err
	}
	s, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	if err != nil {
		return err
	}
	var next atomic.Int64
	next.Store(from)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for range 8 {
		wg.Go(func() {
			for {
				n := int(next.Add(1))
				if err := s.Append(context.Background(), crashBatch(n)); err != nil {
					errs <- err
					return
				}
				// One write, so that a line is whole or not there.
				if _, err := os.Stdout.WriteString(fmt.Sprintln(n)); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	wg.Wait()
	return <-errs
}

// crashBatch is batch n: an event, a sighting of one alert in ten, and a chunk
// of three lines in some.
func crashBatch(n int) event.Batch {
	at := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond)
	labels := event.Labels{"n": strconv.Itoa(n % 10)}
	b := event.Batch{
		Events: []event.Event{crashEvent(n)},
		Observations: []event.Observation{{
			Fingerprint: labels.Fingerprint(), Labels: labels, StartsAt: at.Truncate(time.Hour), FirstReceivedAt: at, LastReceivedAt: at, Groups: []string{},
		}},
	}
	if n%3 == 0 {
		id := event.NewID(at, "chunk", strconv.Itoa(n))
		c := event.Chunk{ID: event.ChunkID(id), ReceivedAt: at, Streams: []event.Stream{{Service: "payments"}}}
		for i := range 3 {
			c.Lines = append(c.Lines, event.Line{At: at, Text: fmt.Sprintf("line %d of chunk %d", i, n)})
		}
		c.Counts = []event.Count{{CountKey: event.CountKey{Service: "payments", Second: at.Unix()}, N: 3, First: at, Last: at, Digest: uint64(n)}}
		b.Chunks = append(b.Chunks, c)
	}
	if n%6 == 0 {
		b.Events, b.Observations = nil, nil // a batch of logs alone
	}
	return b
}

func crashEvent(n int) event.Event {
	at := time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC).Add(time.Duration(n) * time.Millisecond)
	return event.Event{ID: event.NewID(at, "crash", strconv.Itoa(n)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at, Message: &event.Message{Text: strconv.Itoa(n)}}
}

// TestKill kills a process that appends, many times, and finds all that it
// acknowledged, once. Each life begins a little before the last
// acknowledgement, as senders that retry do.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("kills many processes")
	}
	path := filepath.Join(t.TempDir(), "hindcast.db")
	acknowledged := make(map[int]bool)
	greatest := 0
	for life := range 15 {
		for _, n := range runAndKill(t, path, max(0, greatest-20), 5+rand.IntN(400)) {
			acknowledged[n] = true
			greatest = max(greatest, n)
		}
		if len(acknowledged) == 0 {
			t.Fatalf("life %d: nothing was acknowledged", life)
		}
		checkCrashed(t, path, acknowledged)
	}
	t.Logf("%d batches were acknowledged", len(acknowledged))
}

// runAndKill starts a child and kills it after it printed some lines.
func runAndKill(t *testing.T, path string, from, lines int) []int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path, fmt.Sprintf("%s=%d", crashFrom, from))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var numbers []int
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		n, err := strconv.Atoi(scanner.Text())
		if err != nil {
			t.Fatalf("the child printed %q", scanner.Text())
		}
		if numbers = append(numbers, n); len(numbers) == lines {
			// What it prints until it is dead is read as well.
			if err := cmd.Process.Kill(); err != nil {
				t.Fatalf("kill: %v", err)
			}
		}
	}
	if err := cmd.Wait(); len(numbers) < lines {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return numbers
}

func checkCrashed(t *testing.T, path string, acknowledged map[int]bool) {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatalf("open after a kill: %v", err)
	}
	defer s.Close()
	events := make(map[event.ID]int)
	var cursor storage.Cursor
	for {
		page, next, err := s.Since(t.Context(), cursor, 5000)
		if err != nil {
			t.Fatalf("since: %v", err)
		}
		if page.Len() == 0 {
			break
		}
		for _, e := range page.Events {
			events[e.ID]++
		}
		cursor = next
	}
	lines := make(map[string]int)
	q := storage.LineQuery{Limit: 10_000}
	for {
		page, err := s.Lines(t.Context(), q)
		if err != nil {
			t.Fatalf("lines: %v", err)
		}
		for _, l := range page.Lines {
			lines[l.Text]++
		}
		if q.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	for n := range acknowledged {
		b := crashBatch(n)
		for _, e := range b.Events {
			if events[e.ID] != 1 {
				t.Fatalf("event %d was acknowledged and is there %d times", n, events[e.ID])
			}
		}
		for _, o := range b.Observations {
			f, err := s.Fact(t.Context(), o.ID())
			if err != nil || f.Observation.LastReceivedAt.Before(o.LastReceivedAt) || f.Observation.FirstReceivedAt.After(o.FirstReceivedAt) {
				t.Fatalf("sighting %d was acknowledged and is not in its observation (error %v)", n, err)
			}
		}
		for _, c := range b.Chunks {
			for _, l := range c.Lines {
				if lines[l.Text] != 1 {
					t.Fatalf("%q was acknowledged and is there %d times", l.Text, lines[l.Text])
				}
			}
		}
	}
	for text, n := range lines {
		if n != 1 {
			t.Fatalf("%q is there %d times", text, n)
		}
	}
	counts, err := s.Counts(t.Context(), storage.CountQuery{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := int64(len(counts))*3, int64(len(lines)); got != want {
		t.Fatalf("counts are of %d lines, and %d are stored", got, want)
	}
}

// TestSecondProcess opens a file that another process has open.
func TestSecondProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hindcast.db")
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path, crashFrom+"=0")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "in use by another hindcast (process "+strconv.Itoa(os.Getpid())+")") {
		t.Errorf("second process: got error %v and output %q, want to hear who has the file", err, out)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
