package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestChunksAreBounded(t *testing.T) {
	size := (&Record{Value: value(0, true, 3)}).Size()
	for _, c := range []struct {
		name   string
		limits Limits
		lines  []int
		places string
	}{
		{"by nothing", Limits{}, []int{30}, "0 0..10 10"},
		{"by records", Limits{Records: 4}, []int{12, 12, 6}, "0 0..4 4..8 8..10 10"},
		{"by bytes", Limits{Bytes: 5 * size}, []int{15, 15}, "0 0..5 5..10 10"},
		{"by lines", Limits{Lines: 9}, []int{9, 9, 9, 3}, "0 0..3 3..6 6..9 9..10 10"},
		{"by less than a record", Limits{Bytes: 1, Lines: 1}, slices.Repeat([]int{3}, 10), "0 0..1 1..2 2..3 3..4 4..5 5..6 6..7 7..8 8..9 9..10 10"},
	} {
		b := filled(0, 10)
		o := b.options()
		o.Chunk = c.limits
		if err := b.run(t, o, time.Minute); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !slices.Equal(b.lines(), c.lines) {
			t.Errorf("%s: chunks of %v lines, want %v", c.name, b.lines(), c.lines)
		}
		if b.places() != c.places {
			t.Errorf("%s: committed %s, want %s", c.name, b.places(), c.places)
		}
	}
}

func TestChunkSaysWhereItComesFrom(t *testing.T) {
	b, again := filled(5, 4), filled(5, 4)
	for _, b := range []*bench{b, again} {
		if err := b.run(t, b.options(), time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	got, same := b.batches[0].Chunks[0], again.batches[0].Chunks[0]
	if got.ID != same.ID || got.ID == (event.ChunkID{}) {
		t.Errorf("two deliveries of the same records are chunks %s and %s", got.ID, same.ID)
	}
	if want := time.Unix(1005, 0); !got.ReceivedAt.Equal(want) {
		t.Errorf("received at %s, want the first record's time, %s", got.ReceivedAt, want)
	}
	ids := map[event.ChunkID]bool{}
	for _, m := range []Mark{{0, 9, "a", "t"}, {1, 9, "a", "t"}, {0, 8, "a", "t"}, {0, 9, "b", "t"}, {0, 9, "a", "u"}} {
		ids[chunkID(m, 0, 0)] = true
	}
	ids[chunkID(Mark{0, 9, "a", "t"}, 1, 0)] = true
	ids[chunkID(Mark{0, 9, "a", "t"}, 0, 1)] = true
	if len(ids) != 7 {
		t.Errorf("7 different ranges have %d IDs", len(ids))
	}
	// Another ID would count lines twice that are delivered again after an upgrade.
	if got, pinned := chunkID(Mark{0, 9, "a", "t"}, 0, 0).String(), "d595634275e136b9da3bfd668b2cf5ec"; got != pinned {
		t.Errorf("the ID of a range is %s, want %s", got, pinned)
	}
}

func TestFactsNeedNoBoundaries(t *testing.T) {
	b := filled(0, 10)
	o := b.options()
	o.Ranges, o.Decode, o.Chunk.Records = false, decodeFacts, 4
	b.mark, b.known = Mark{Offset: 2, Until: 9, Topic: "id"}, true // from when the topic held lines
	if err := b.run(t, o, time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := "6 10"; b.places() != want {
		t.Errorf("committed %s, want %s", b.places(), want)
	}
}

func TestStartLatest(t *testing.T) {
	b := filled(0, 10)
	o := b.options()
	o.Start = StartLatest
	if err := b.run(t, o, time.Minute); err != nil {
		t.Fatal(err)
	}
	if want := "10"; b.places() != want || len(b.batches) > 0 {
		t.Errorf("committed %s and appended %d batches, want %s and none", b.places(), len(b.batches), want)
	}
}

func TestUndecodableRecords(t *testing.T) {
	b := filled(0, 1)
	b.add(nil)
	b.add(value(9, false, 0))
	b.add([]byte{})
	failures := 3
	b.put = func([]DeadLetter) error {
		if last := b.commits[len(b.commits)-1]; last.Offset > 0 {
			t.Errorf("%d was committed before the dead letters were kept", last.Offset)
		}
		if failures--; failures >= 0 {
			return errDown
		}
		return nil
	}
	if err := b.run(t, b.options(), time.Minute); err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(b.letters, func(x, y DeadLetter) int { return int(x.Offset - y.Offset) })
	var got []string
	for _, l := range b.letters {
		got = append(got, fmt.Sprintf("%s/%d/%d %s: %s", l.Topic, l.Partition, l.Offset, l.Format, l.Error))
		if l.At.IsZero() {
			t.Errorf("letter %d has no time", l.Offset)
		}
	}
	want := []string{"app-logs/3/1 lines: the record has no value", "app-logs/3/2 lines: bad", "app-logs/3/3 lines: the record has no value"}
	if !slices.Equal(got, want) {
		t.Errorf("dead letters:\n got %q\nwant %q", got, want)
	}
	if b.places() != "0 0..4 4" || b.consumed != [2]int{4, 3} {
		t.Errorf("committed %s and consumed %v, want 0 0..4 4 and [4 3]", b.places(), b.consumed)
	}
}

// TestLagBeforeTheFirstRecord: what waits is told although nothing can be fetched,
// and that nothing waits although nothing ever came.
func TestLagBeforeTheFirstRecord(t *testing.T) {
	for name, c := range map[string]struct {
		records int
		mark    int64
		spoiled error
		want    string
	}{
		"a batch that cannot be read": {5, 2, errors.New("corrupt"), "2 of 5"},
		"an empty log":                {0, 0, nil, "0 of 0"},
	} {
		b := filled(0, c.records)
		b.mark, b.known, b.spoiled = Mark{Offset: c.mark, Topic: "id"}, true, c.spoiled
		if err := b.run(t, b.options(), time.Minute); err != nil {
			t.Fatal(err)
		}
		if len(b.told) == 0 || b.told[0] != c.want {
			t.Errorf("%s: it told %q, want %q first", name, b.told, c.want)
		}
	}
}

// The lag counts what may not be read yet; a range that another member announced
// is not waited for there.
func TestOpenTransactionsAreLag(t *testing.T) {
	b := filled(0, 10)
	b.written = 17
	if err := b.run(t, b.options(), time.Minute); err != nil {
		t.Fatal(err)
	}
	if last := b.told[len(b.told)-1]; last != "10 of 17" {
		t.Errorf("it told last of %s, want 10 of 17", last)
	}
	b = filled(0, 5)
	b.written = 10 // the rest of the range is not there: it would be waited for in vain
	b.mark, b.known = announced(b, 2, 8), true
	if err := b.run(t, b.options(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if len(b.gaps) != 1 || b.gaps[0].Reason != GapPartial {
		t.Errorf("gaps %v, want one of a range that is not all there", b.gaps)
	}
}

func TestGaps(t *testing.T) {
	lines := func(*Options) {}
	facts := func(o *Options) { o.Ranges, o.Decode = false, decodeFacts }
	nameless := func(o *Options) { o.TopicID = "" }
	for _, c := range []struct {
		name   string
		mark   Mark
		change func(*Options)
		want   Gap
		places string
	}{
		{"expired", Mark{Offset: 2, Topic: "id"}, lines, Gap{Reason: GapExpired, From: 2, To: 5, Resume: 5}, "5 5..10 10"},
		{"cut", Mark{Offset: 20, Topic: "id"}, lines, Gap{Reason: GapTruncated, From: 10, To: 20, Resume: 10}, "10"},
		{"cut, with a range", Mark{Offset: 20, Until: 30, Topic: "id"}, lines, Gap{Reason: GapTruncated, From: 10, To: 30, Resume: 10}, "10"},
		{"cut, with facts", Mark{Offset: 20, Topic: "id"}, facts, Gap{Reason: GapTruncated, From: 10, To: 20, Resume: 5}, "5 10"},
		{"cut, or another topic", Mark{Offset: 20, Topic: "id"}, nameless, Gap{Reason: GapTruncated, From: 10, To: 20, Resume: 5}, "5 5..10 10"},
		{"set to an offset that is not there yet", Mark{Offset: 20}, lines, Gap{Reason: GapTruncated, From: 10, To: 20, Resume: 10}, "10"},
		{"set to an offset that has expired", Mark{Offset: 2}, lines, Gap{Reason: GapExpired, From: 2, To: 5, Resume: 5}, "5 5..10 10"},
		{"created again", Mark{Offset: 7, Until: 9, Topic: "old"}, lines, Gap{Reason: GapRecreated, TopicID: "old", From: 7, Resume: 5}, "5 5..10 10"},
	} {
		b := filled(0, 10)
		b.first, b.mark, b.known = 5, c.mark, true
		o := b.options()
		c.change(&o)
		if err := b.run(t, o, time.Minute); err != nil {
			t.Fatal(err)
		}
		if c.want.TopicID == "" {
			c.want.TopicID = "id"
		}
		c.want.Topic, c.want.Partition = "app-logs", 3
		if !slices.Equal(b.gaps, []Gap{c.want}) {
			t.Errorf("%s: gaps %v, want %v", c.name, b.gaps, c.want)
		}
		if b.places() != c.places {
			t.Errorf("%s: committed %s, want %s", c.name, b.places(), c.places)
		}
	}
}

func TestStoreDown(t *testing.T) {
	b := filled(0, 2)
	began := time.Time{}
	b.append = func(ctx context.Context, _ event.Batch) error {
		if began.IsZero() {
			began = time.Now()
		}
		switch since := time.Since(began); {
		case since < time.Minute:
			return errDown
		case since < 2*time.Minute:
			<-ctx.Done() // it hangs
			return ctx.Err()
		}
		return nil
	}
	if err := b.run(t, b.options(), time.Hour); err != nil {
		t.Fatal(err)
	}
	if b.places() != "0 0..2 2" || len(b.batches) != 1 {
		t.Errorf("committed %s after %d appends, want 0 0..2 2 after 1", b.places(), len(b.batches))
	}
	told := strings.Join(b.told, "\n")
	paused := strings.Count(told, "paused: append offsets [0, 2): ")
	// A pause of five seconds at most, and a little more at first: about 30.
	if paused < 20 || paused > 60 || strings.Count(told, "resumed") != 1 || !strings.HasSuffix(told, "resumed\n2 of 2") {
		t.Errorf("told, with %d pauses:\n%s", paused, told)
	}
	if !strings.Contains(told, "deadline exceeded") {
		t.Errorf("no append that hung was given up:\n%s", told)
	}
}

// What takes longer than a try may take comes to its end all the same.
func TestStoreSlow(t *testing.T) {
	b := filled(0, 2)
	tries := 0
	b.append = func(ctx context.Context, _ event.Batch) error {
		tries++
		systemClock{}.Sleep(ctx, 10*time.Second)
		return ctx.Err()
	}
	o := b.options()
	o.AppendTimeout = 3 * time.Second
	if err := b.run(t, o, time.Hour); err != nil {
		t.Fatal(err)
	}
	if b.places() != "0 0..2 2" || tries != 3 {
		t.Errorf("committed %s after %d tries, want 0 0..2 2 after 3", b.places(), tries)
	}
}

func TestLostInTheMiddle(t *testing.T) {
	b := filled(0, 10)
	b.refuse = func(m Mark) error {
		if m.Pending() && m.Offset == 4 {
			return fmt.Errorf("commit: %w", ErrLost)
		}
		return nil
	}
	o := b.options()
	o.Chunk.Records = 4
	if err := b.run(t, o, time.Minute); !errors.Is(err, ErrLost) {
		t.Fatalf("Run ended with %v, want %v", err, ErrLost)
	}
	if got := b.lines(); !slices.Equal(got, []int{12}) {
		t.Errorf("appended chunks of %v lines, want only the one whose boundary was committed", got)
	}
}

func TestCancelledInTheMiddle(t *testing.T) {
	b := filled(0, 10)
	b.append = func(ctx context.Context, _ event.Batch) error {
		<-ctx.Done()
		return ctx.Err()
	}
	o := b.options()
	o.AppendTimeout = time.Hour
	if err := b.run(t, o, time.Minute); err != nil {
		t.Fatalf("Run ended with %v, want nil", err)
	}
	if b.places() != "0 0..10" {
		t.Errorf("committed %s, want the boundary alone", b.places())
	}
	if told := strings.Join(b.told, "\n"); strings.Contains(told, "paused") {
		t.Errorf("a member that leaves is no pause:\n%s", told)
	}
}

func TestOptions(t *testing.T) {
	err := Run(t.Context(), Options{Topic: "t", TopicID: strings.Repeat("x", 1000)})
	for _, want := range []string{"t/0", "Decode is missing", "Sink is missing", "Log is missing", "Offsets is missing", "DeadLetters is missing", "topic's ID has 1000 bytes"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("empty options: got %v, want it to say %q", err, want)
		}
	}
	b := filled(0, 1)
	o := b.options()
	o.Observer, o.Gap = nil, nil
	b.refuse = func(Mark) error {
		if b.fetches++; b.fetches < 3 {
			return errDown
		}
		return nil
	}
	if err := b.run(t, o, time.Minute); err != nil || len(b.batches) != 1 {
		t.Errorf("without an observer: %v and %d batches", err, len(b.batches))
	}
}
