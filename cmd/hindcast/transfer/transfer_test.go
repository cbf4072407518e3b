package transfer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
	"github.com/hindcast/hindcast/storage/storagetest"
)

func openSQLite(t *testing.T, path string) *sqlite.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
	return opened(t, s, err)
}

// opened closes a store that was opened when the test ends.
func opened[S io.Closer](t *testing.T, s S, err error) S {
	t.Helper()
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

func newSQLite(t *testing.T) *sqlite.Store {
	return openSQLite(t, filepath.Join(t.TempDir(), "test.db"))
}

// everything is facts of every kind that a backup can hold: events that say
// nothing exist in tests only.
func everything() event.Batch {
	b := storagetest.Everything()
	b.Events = slices.DeleteFunc(b.Events, func(e event.Event) bool {
		return e.Message == nil && e.Notification == nil && e.Mute == nil && e.Silence == nil && e.Change == nil && e.Commit == nil && e.Acknowledgement == nil && e.Source == nil
	})
	b.Events[0].Raw = []byte("\xff no JSON")
	return b
}

func at(d time.Duration) time.Time { return time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC).Add(d) }

func derived(n int, pins ...event.ID) storage.Derived {
	began := at(time.Duration(n) * time.Hour)
	id := event.NewID(began, "incident", fmt.Sprint(n))
	return storage.Derived{
		Timeline: timeline.Timeline{Incident: timeline.Incident{
			ID: id, Aliases: []event.ID{event.NewID(began, "alias", fmt.Sprint(n))}, Title: fmt.Sprint("incident ", n), Status: timeline.StatusClosed,
			Services: []string{"payments"}, StartedAt: began, Revision: 3,
		}},
		Signals: []event.ID{event.NewID(began, "signal", fmt.Sprint(n))}, Digest: fmt.Sprint(n), Pins: pins,
	}
}

// fill stores everything, and 120 timelines.
func fill(t *testing.T, s storage.Store) {
	t.Helper()
	b := everything()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("append: %v", err)
	}
	c, err := s.Claim(t.Context(), "test")
	if err != nil {
		t.Fatalf("claim: %v", err)
	}
	var list []storage.Derived
	for i := range 120 {
		list = append(list, derived(i, b.Events[i].ID, b.Chunks[1+i%100].Counts[0].CountKey.ID()))
	}
	if err := s.Publish(t.Context(), c, list); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

// filling is what every test that is given a filled store begins with: the file of
// one store, as it is after its close, and its contents. Nothing may change them.
var filling struct {
	once sync.Once
	file []byte
	want map[string]string
}

// filled gives a store of the test's own that everything is in, and its contents.
func filled(t *testing.T) (*sqlite.Store, map[string]string) {
	t.Helper()
	file, want := filledFile(t)
	return openSQLite(t, file), want
}

// filledFile is filled, not opened yet.
func filledFile(t *testing.T) (string, map[string]string) {
	t.Helper()
	filling.once.Do(func() {
		path := filepath.Join(t.TempDir(), "filled.db")
		s, err := sqlite.Open(t.Context(), path, sqlite.Options{})
		if err != nil {
			t.Fatalf("open: %v", err)
		}
		fill(t, s)
		want := storagetest.Contents(t, s)
		if err := s.Close(); err != nil {
			t.Fatalf("close: %v", err)
		}
		file, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		filling.file, filling.want = file, want
	})
	if filling.file == nil {
		t.Fatal("the store that all tests begin with could not be filled")
	}
	path := filepath.Join(t.TempDir(), "a.db")
	if err := os.WriteFile(path, filling.file, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, filling.want
}

func ofStore(t *testing.T, s storage.Store) *Store {
	t.Helper()
	out, err := NewStore(s, "copy")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() }) // its engine may have been killed
	return out
}

// copyAll copies with a checkpoint and fails the test when that fails.
func copyAll(t *testing.T, from Source, to Target) Summary {
	t.Helper()
	file := filepath.Join(t.TempDir(), "checkpoint")
	sum, err := copyOnce(t, from, to, file)
	if err != nil {
		t.Fatalf("copy: %v", err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the checkpoint is still there after the copy: error %v", err)
	}
	return sum
}

func copyOnce(t *testing.T, from Source, to Target, checkpoint string) (Summary, error) {
	t.Helper()
	state, err := Load(checkpoint, "from", "to")
	if err != nil {
		t.Fatalf("load: %v", err)
	}
	return Copy(t.Context(), from, to, state, Options{From: "from", To: "to", Checkpoint: checkpoint, Every: -1, RetryFor: time.Minute})
}

func factsOf(contents map[string]string) map[string]string {
	facts := maps.Clone(contents)
	maps.DeleteFunc(facts, func(name, _ string) bool { return strings.HasPrefix(name, "incident ") })
	return facts
}

func TestStoreToStore(t *testing.T) {
	a, want := filled(t)
	b := newSQLite(t)
	sum := copyAll(t, ofStore(t, a), ofStore(t, b))
	storagetest.SameContents(t, "copy", storagetest.Contents(t, b), want)
	if sum.Copied.Events != int64(len(everything().Events)) || sum.Copied.Timelines != 120 || sum.Published != 120 || sum.Wrong != 0 {
		t.Errorf("summary: got %+v", sum)
	}
	// Again: nothing changes, and nobody is fenced.
	claim, err := b.Claim(t.Context(), "owner")
	if err != nil {
		t.Fatal(err)
	}
	tip, err := b.Tip(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if sum := copyAll(t, ofStore(t, a), ofStore(t, b)); sum.Published != 0 || sum.Copied.Timelines != 120 {
		t.Errorf("second copy: got %+v, want no timeline published", sum)
	}
	storagetest.SameContents(t, "second copy", storagetest.Contents(t, b), want)
	if page, _, err := b.Since(t.Context(), tip, 10); err != nil || page.Len() != 0 {
		t.Errorf("second copy: the feed shows %d facts again, error %v", page.Len(), err)
	}
	if err := b.Publish(t.Context(), claim, []storage.Derived{derived(900)}); err != nil {
		t.Errorf("second copy: the owner of the timelines cannot publish any more: %v", err)
	}
}

func TestByBackup(t *testing.T) {
	a, all := filled(t)
	want := factsOf(all)
	for _, name := range []string{"backup.ndjson", "backup.ndjson.gz", "backup.ndjson.zst"} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), name)
			copyAll(t, ofStore(t, a), createBackup(t, path, ""))
			b := newSQLite(t)
			sum := copyAll(t, openBackup(t, path), ofStore(t, b))
			storagetest.SameContents(t, "restored", storagetest.Contents(t, b), want)
			if sum.Wrong != 0 {
				t.Errorf("lines that could not be read: %d: %v", sum.Wrong, sum.WrongLines)
			}
			// A backup of a backup is the same backup.
			if name == "backup.ndjson" {
				second := filepath.Join(t.TempDir(), "second.ndjson")
				copyAll(t, openBackup(t, path), createBackup(t, second, ""))
				first, err1 := os.ReadFile(path)
				again, err2 := os.ReadFile(second)
				if err := errors.Join(err1, err2); err != nil || !slices.Equal(sortedLines(first), sortedLines(again)) {
					t.Errorf("a backup of the backup differs: %d and %d bytes, error %v", len(first), len(again), err)
				}
			}
		})
	}
}

func sortedLines(text []byte) []string {
	lines := strings.Split(string(text), "\n")
	slices.Sort(lines)
	return lines
}

func createBackup(t *testing.T, path, mark string) *BackupFile {
	t.Helper()
	b, err := CreateBackup(path, mark)
	if err != nil {
		t.Fatalf("create backup: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func openBackup(t *testing.T, path string) *Backup {
	t.Helper()
	b, err := OpenBackup(path, nil)
	if err != nil {
		t.Fatalf("open backup: %v", err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// failing is a target that fails at the nth append: before, or after it was
// done.
type failing struct {
	*Store
	n     *int
	after bool
}

var errBroken = errors.New("broken")

func (f failing) Parallel() int { return 1 }

func (f failing) Append(ctx context.Context, b event.Batch) error {
	*f.n--
	if *f.n == 0 && !f.after {
		return errBroken
	}
	err := f.Store.Append(ctx, b)
	if *f.n == 0 {
		return errors.Join(err, errBroken)
	}
	return err
}

func (f failing) Publish(ctx context.Context, list []storage.Derived) (int, error) {
	*f.n--
	if *f.n == 0 && !f.after {
		return 0, errBroken
	}
	n, err := f.Store.Publish(ctx, list)
	if *f.n == 0 {
		return n, errors.Join(err, errBroken)
	}
	return n, err
}

// counting is a target that tells of each step what it writes.
type counting struct {
	*Store
	steps *[]string
}

func (c counting) Parallel() int { return 1 }

func (c counting) Append(ctx context.Context, b event.Batch) error {
	*c.steps = append(*c.steps, fmt.Sprint(len(b.Events) > 0, len(b.Observations) > 0, len(b.Asides) > 0, len(b.Chunks) > 0))
	return c.Store.Append(ctx, b)
}

func (c counting) Publish(ctx context.Context, list []storage.Derived) (int, error) {
	*c.steps = append(*c.steps, "timelines")
	return c.Store.Publish(ctx, list)
}

// full is whether tests that end something at every point do so at every one,
// and not at a choice of them.
func full() bool { return os.Getenv("HINDCAST_TEST_FULL") != "" }

// TestResumed ends a copy at one step after another, before it is done or after,
// and resumes it: before the first batch of each kind of fact and of the timelines
// and after the last; with HINDCAST_TEST_FULL before and after every one.
func TestResumed(t *testing.T) {
	a, want := filled(t)
	var steps []string
	if _, err := copyOnce(t, ofStore(t, a), counting{ofStore(t, newSQLite(t)), &steps}, filepath.Join(t.TempDir(), "checkpoint")); err != nil {
		t.Fatalf("copy: %v", err)
	}
	if len(steps) < 8 {
		t.Errorf("the copy took %d steps only", len(steps))
	}
	for i := range steps {
		n := i + 1
		first, last := i == 0 || steps[i-1] != steps[i], n == len(steps) || steps[n] != steps[i]
		for _, after := range []bool{false, true} {
			if !full() && !(first && !after || last && after) {
				continue
			}
			b, file := newSQLite(t), filepath.Join(t.TempDir(), "checkpoint")
			left, what := n, fmt.Sprintf("ended at step %d of %d, after it: %v", n, len(steps), after)
			if _, err := copyOnce(t, ofStore(t, a), failing{ofStore(t, b), &left, after}, file); !errors.Is(err, errBroken) {
				t.Fatalf("%s: got error %v", what, err)
			}
			sum, err := copyOnce(t, ofStore(t, a), ofStore(t, b), file)
			if err != nil {
				t.Fatalf("%s: resumed: %v", what, err)
			}
			storagetest.SameContents(t, what, storagetest.Contents(t, b), want)
			if sum.Copied.Events != int64(len(everything().Events)) || sum.Copied.Timelines != 120 {
				t.Errorf("%s: got summary %+v", what, sum)
			}
		}
	}
}

// breaking is a source that fails after n pieces.
type breaking struct {
	Source
	n int
}

func (b *breaking) Export(ctx context.Context, position string, yield func(Piece) error) error {
	return b.Source.Export(ctx, position, func(p Piece) error {
		if b.n--; b.n < 0 {
			return errBroken
		}
		return yield(p)
	})
}

// TestBackupResumed ends the writing and the reading of a backup after every
// piece in turn, and writes on behind the last mark as after a kill.
func TestBackupResumed(t *testing.T) {
	a, all := filled(t)
	want := factsOf(all)
	for _, name := range []string{"b.ndjson", "b.ndjson.zst"} {
		path, file := filepath.Join(t.TempDir(), name), filepath.Join(t.TempDir(), "checkpoint")
		runs := 0
		for done := false; !done; runs++ {
			state, err := Load(file, "from", "to")
			if err != nil {
				t.Fatal(err)
			}
			to := createBackup(t, path, state.Mark)
			_, err = Copy(t.Context(), &breaking{ofStore(t, a), 1}, to, state, Options{From: "from", To: "to", Checkpoint: file, Every: -1})
			if done = err == nil; !done && !errors.Is(err, errBroken) {
				t.Fatalf("%s: copy: %v", name, err)
			}
			if done {
				break
			}
			if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
				t.Fatalf("%s: the backup has its name before it is complete", name)
			}
			// What a kill leaves behind the mark.
			if err := to.Append(t.Context(), event.Batch{Asides: []event.Aside{{ID: event.NewID(at(0), "lost"), Reason: "never marked"}}}); err != nil {
				t.Fatal(err)
			}
			if _, err := to.Mark(); err != nil {
				t.Fatal(err)
			}
			to.Close()
		}
		if runs < 5 {
			t.Errorf("%s: the copy took %d runs only", name, runs)
		}
		b := newSQLite(t)
		for done := false; !done; {
			_, err := copyOnce(t, &breaking{openBackup(t, path), 1}, ofStore(t, b), file)
			if done = err == nil; !done && !errors.Is(err, errBroken) {
				t.Fatalf("%s: restore: %v", name, err)
			}
		}
		storagetest.SameContents(t, name+" that was resumed", storagetest.Contents(t, b), want)
	}
}

// flaky is a store that is unavailable at every third call.
type flaky struct {
	*Store
	n *int
}

func (f flaky) Parallel() int { return 1 }

func (f flaky) Append(ctx context.Context, b event.Batch) error {
	if *f.n++; *f.n%3 == 0 {
		return fmt.Errorf("append: %w", storage.ErrUnavailable)
	}
	return f.Store.Append(ctx, b)
}

func (f flaky) Export(ctx context.Context, position string, yield func(Piece) error) error {
	return f.Store.Export(ctx, position, func(p Piece) error {
		if *f.n++; *f.n%3 == 0 {
			return fmt.Errorf("export: %w", storage.ErrUnavailable)
		}
		return yield(p)
	})
}

func TestRetries(t *testing.T) {
	a, want := filled(t)
	b := newSQLite(t)
	var n1, n2 int
	copyAll(t, flaky{ofStore(t, a), &n1}, flaky{ofStore(t, b), &n2})
	storagetest.SameContents(t, "copy with stores that come and go", storagetest.Contents(t, b), want)

	// One that stays away ends the copy.
	c := newSQLite(t)
	c.Close()
	state, _ := Load("", "from", "to")
	var notices []string
	_, err := Copy(t.Context(), ofStore(t, a), ofStore(t, c), state, Options{From: "here", To: "there", RetryFor: 300 * time.Millisecond, Notice: func(s string) { notices = append(notices, s) }})
	if !errors.Is(err, storage.ErrUnavailable) || !strings.Contains(err.Error(), "there") {
		t.Errorf("copy to a store that is closed: got error %v", err)
	}
}

func TestCancelled(t *testing.T) {
	a, want := filled(t)
	b := newSQLite(t)
	file := filepath.Join(t.TempDir(), "checkpoint")
	ctx, cancel := context.WithCancel(t.Context())
	state, _ := Load(file, "from", "to")
	_, err := Copy(ctx, ofStore(t, a), ofStore(t, b), state, Options{From: "from", To: "to", Checkpoint: file, Every: -1, Progress: func(p Progress) {
		if p.Part == "log chunks" {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled copy: got error %v", err)
	}
	if _, err := copyOnce(t, ofStore(t, a), ofStore(t, b), file); err != nil {
		t.Fatalf("resumed copy: %v", err)
	}
	storagetest.SameContents(t, "cancelled and resumed", storagetest.Contents(t, b), want)
}

func TestWrongLines(t *testing.T) {
	want := everything()
	want.Chunks, want.Observations = want.Chunks[:3], want.Observations[:3]
	good, err := envelope.EncodeJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(good), "\n")
	text := "\ufeff" + strings.Join(lines[:10], "") + "{\"no\": \"envelope\"}\n\n" + strings.Join(lines[10:2000], "") + "\xff\xfe\n" + strings.Join(lines[2000:], "") + lines[0][:20]
	path := filepath.Join(t.TempDir(), "b.ndjson")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	b := newSQLite(t)
	sum := copyAll(t, openBackup(t, path), ofStore(t, b))
	storagetest.SameContents(t, "the lines beside the wrong ones", storagetest.Contents(t, b), storagetest.Facts(t, want))
	if sum.Wrong != 3 || len(sum.WrongLines) != 3 {
		t.Fatalf("got %d wrong lines: %q, want 3", sum.Wrong, sum.WrongLines)
	}
	for i, part := range []string{"line 11: no fact", "line 2003: not an envelope", "cut short"} {
		if !strings.Contains(sum.WrongLines[i], part) {
			t.Errorf("wrong line: got %q, want %q in it", sum.WrongLines[i], part)
		}
	}
}

func TestBackupThatIsCutShort(t *testing.T) {
	a, want := filled(t)
	for _, name := range []string{"b.ndjson.gz", "b.ndjson.zst"} {
		path := filepath.Join(t.TempDir(), name)
		copyAll(t, ofStore(t, a), createBackup(t, path, ""))
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, whole[:len(whole)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		b, file := newSQLite(t), filepath.Join(t.TempDir(), "checkpoint")
		sum, err := copyOnce(t, openBackup(t, path), ofStore(t, b), file)
		if err == nil || !strings.Contains(err.Error(), "after line") {
			t.Errorf("%s: got error %v, want one that names the last line", name, err)
		}
		if sum.Copied.Facts() == 0 {
			t.Errorf("%s: nothing was taken of what is whole", name)
		}
		// The rest comes with the whole file.
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := copyOnce(t, openBackup(t, path), ofStore(t, b), file); err != nil {
			t.Fatalf("%s: resumed with the whole file: %v", name, err)
		}
		storagetest.SameContents(t, name, storagetest.Contents(t, b), factsOf(want))
	}
}

func TestOtherCopy(t *testing.T) {
	a, _ := filled(t)
	b := newSQLite(t)
	file := filepath.Join(t.TempDir(), "checkpoint")
	one := 2
	if _, err := copyOnce(t, ofStore(t, a), failing{ofStore(t, b), &one, false}, file); !errors.Is(err, errBroken) {
		t.Fatalf("copy: got error %v", err)
	}
	if _, err := copyOnce(t, ofStore(t, a), ofStore(t, newSQLite(t)), file); !errors.Is(err, ErrOtherCopy) {
		t.Errorf("resumed into another store: got error %v", err)
	}
	if _, err := copyOnce(t, ofStore(t, newSQLite(t)), ofStore(t, b), file); !errors.Is(err, ErrOtherCopy) {
		t.Errorf("resumed from another store: got error %v", err)
	}
	if _, err := Load(file, "from", "elsewhere"); !errors.Is(err, ErrOtherCopy) {
		t.Errorf("checkpoint of another target: got error %v", err)
	}
	for _, text := range []string{"", "{}", "no JSON", `{"from": "from", "to": "to", "stage": "?"}`, strings.Repeat(" ", maxCheckpoint+1)} {
		bad := filepath.Join(t.TempDir(), "bad")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(bad, "from", "to"); err == nil {
			t.Errorf("checkpoint %.40q: got no error", text)
		}
	}
	// A backup that is another file now.
	path := filepath.Join(t.TempDir(), "b.ndjson")
	copyAll(t, ofStore(t, a), createBackup(t, path, ""))
	file = filepath.Join(t.TempDir(), "checkpoint")
	one = 2
	c := newSQLite(t)
	if _, err := copyOnce(t, openBackup(t, path), failing{ofStore(t, c), &one, false}, file); !errors.Is(err, errBroken) {
		t.Fatalf("restore: got error %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text[100] ^= 1
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := copyOnce(t, openBackup(t, path), ofStore(t, c), file); !errors.Is(err, ErrOtherCopy) {
		t.Errorf("resumed with another backup: got error %v", err)
	}
}

// A target that keeps lines for longer does not lose them by a second copy.
func TestTargetKeepsMore(t *testing.T) {
	a, want := filled(t)
	b := newSQLite(t)
	copyAll(t, ofStore(t, a), ofStore(t, b))
	old := at(1000 * time.Hour)
	for _, policy := range []storage.Retention{{LinesBefore: old}, {CountsBefore: old}} {
		if err := a.Prune(t.Context(), policy); err != nil {
			t.Fatal(err)
		}
		to := ofStore(t, b)
		sum := copyAll(t, ofStore(t, a), to)
		storagetest.SameContents(t, "target after its source was pruned", storagetest.Contents(t, b), want)
		if policy.CountsBefore.IsZero() && to.Kept() != sum.Copied.Chunks-1 {
			t.Errorf("got %d of %d chunks kept, want all but the one without lines", to.Kept(), sum.Copied.Chunks)
		}
	}
	// And back.
	copyAll(t, ofStore(t, b), ofStore(t, a))
	storagetest.SameContents(t, "source that was pruned, after the copy back", storagetest.Contents(t, a), want)
}

// A hindcast that serves the target takes its timelines over: the copy says so,
// and goes on when it is stopped.
func TestTimelinesOfAnotherOwner(t *testing.T) {
	a, want := filled(t)
	b := newSQLite(t)
	file := filepath.Join(t.TempDir(), "checkpoint")
	state, _ := Load(file, "from", "to")
	_, err := Copy(t.Context(), ofStore(t, a), ofStore(t, b), state, Options{From: "from", To: "to", Checkpoint: file, Every: -1, Progress: func(p Progress) {
		if p.Part == "timelines" {
			if _, err := b.Claim(context.Background(), "another"); err != nil {
				t.Errorf("claim: %v", err)
			}
		}
	}})
	if !errors.Is(err, ErrOwned) {
		t.Fatalf("copy to a store with an owner: got error %v", err)
	}
	storagetest.SameContents(t, "facts", factsOf(storagetest.Contents(t, b)), factsOf(want))
	if _, err := copyOnce(t, ofStore(t, a), ofStore(t, b), file); err != nil {
		t.Fatalf("copy when the owner is gone: %v", err)
	}
	storagetest.SameContents(t, "copy when the owner is gone", storagetest.Contents(t, b), want)
}

func TestTimelinesOfTheTargetStay(t *testing.T) {
	a, b := newSQLite(t), newSQLite(t)
	publish := func(s storage.Store, list ...storage.Derived) {
		t.Helper()
		c, err := s.Claim(t.Context(), "test")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Publish(t.Context(), c, list); err != nil {
			t.Fatal(err)
		}
	}
	// In the source: 1 to 4; 4 has an alias that is 3, which is there still.
	one, two, three, four := derived(1), derived(2), derived(3), derived(4)
	four.Timeline.Incident.Aliases = append(four.Timeline.Incident.Aliases, three.Timeline.Incident.ID)
	publish(a, four, one, two, three)
	// The target knows a later revision of 1, an earlier one of 2, and merged
	// what the source calls 5 into another of its own.
	later, earlier, five, merged := derived(1), derived(2), derived(5), derived(6)
	later.Timeline.Incident.Revision, later.Timeline.Incident.Title = 9, "later"
	earlier.Timeline.Incident.Revision, earlier.Timeline.Incident.Title = 1, "earlier"
	merged.Timeline.Incident.Aliases = []event.ID{five.Timeline.Incident.ID}
	publish(a, five)
	publish(b, later, earlier, merged)
	sum := copyAll(t, ofStore(t, a), ofStore(t, b))
	if sum.Published != 3 {
		t.Errorf("published: got %d, want 3", sum.Published)
	}
	for _, tc := range []struct {
		id    event.ID
		title string
	}{
		{one.Timeline.Incident.ID, "later"}, {two.Timeline.Incident.ID, "incident 2"}, {three.Timeline.Incident.ID, "incident 3"},
		{four.Timeline.Incident.ID, "incident 4"}, {five.Timeline.Incident.ID, "incident 6"},
	} {
		tl, err := b.Timeline(t.Context(), tc.id)
		if err != nil || tl.Incident.Title != tc.title {
			t.Errorf("timeline of %s: got %q, error %v, want %q", tc.id, tl.Incident.Title, err, tc.title)
		}
	}
}
