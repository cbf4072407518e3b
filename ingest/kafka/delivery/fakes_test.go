package delivery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// bench is one partition with everything around it, for the tests of single
// situations. Run and its waiting run on synctest's clock.
type bench struct {
	first, end, shown int64
	// written is where what is there ends, open transactions included.
	written  int64
	records  []Record
	perFetch int

	mark     Mark
	known    bool
	commits  []Mark
	refuse   func(Mark) error
	batches  []event.Batch
	append   func(context.Context, event.Batch) error
	letters  []DeadLetter
	put      func([]DeadLetter) error
	gaps     []Gap
	fetches  int
	spoiled  error // what every fetch gives
	mute     bool  // every fetch gives nothing, at once
	told     []string
	consumed [2]int
}

// filled is a bench with records of three lines each at the offsets from first
// on.
func filled(first int64, n int) *bench {
	b := &bench{first: first, end: first, perFetch: 1 << 20}
	for range n {
		b.add(value(uint64(b.end), true, 3))
	}
	return b
}

func (b *bench) add(v []byte) {
	b.records = append(b.records, Record{Offset: b.end, Time: time.Unix(1000+b.end, 0), Value: v})
	b.end++
	b.shown = b.end
}

func (b *bench) Fetch(ctx context.Context, from, until int64) (Fetched, error) {
	b.fetches++
	if b.spoiled != nil {
		return Fetched{}, b.spoiled
	}
	if b.mute {
		if b.fetches > 100_000 {
			return Fetched{}, fmt.Errorf("asked too often: %w", ErrLost)
		}
		return Fetched{Next: from, End: b.shown}, nil
	}
	if from < b.first || from > b.end {
		return Fetched{}, &OutOfRange{First: b.first, End: b.end}
	}
	f := Fetched{Next: from, End: b.shown, Written: b.written}
	for _, r := range b.records {
		if r.Offset >= from && r.Offset >= b.first && r.Offset < b.shown && (until == 0 || r.Offset < until) && len(f.Records) < b.perFetch {
			f.Records = append(f.Records, r)
			f.Next = r.Offset + 1
		}
	}
	if len(f.Records) == 0 {
		systemClock{}.Sleep(ctx, 500*time.Millisecond)
	}
	return f, ctx.Err()
}

func (b *bench) Bounds(context.Context) (first, end int64, err error) { return b.first, b.shown, nil }

func (b *bench) Committed(context.Context) (Mark, bool, error) { return b.mark, b.known, nil }

func (b *bench) Commit(_ context.Context, m Mark) error {
	if b.refuse != nil {
		if err := b.refuse(m); err != nil {
			return err
		}
	}
	b.commits = append(b.commits, m)
	b.mark, b.known = m, true
	return nil
}

func (b *bench) Append(ctx context.Context, batch event.Batch) error {
	if b.append != nil {
		if err := b.append(ctx, batch); err != nil {
			return err
		}
	}
	b.batches = append(b.batches, batch)
	return nil
}

func (b *bench) Put(_ context.Context, letters []DeadLetter) error {
	if b.put != nil {
		if err := b.put(letters); err != nil {
			return err
		}
	}
	b.letters = append(b.letters, letters...)
	return nil
}

func (b *bench) Position(committed, end int64) {
	if text := fmt.Sprintf("%d of %d", committed, end); !slices.Contains(b.told, text) {
		b.told = append(b.told, text)
	}
}
func (b *bench) Consumed(records, letters int) { b.consumed[0] += records; b.consumed[1] += letters }
func (b *bench) Paused(err error)              { b.told = append(b.told, "paused: "+err.Error()) }
func (b *bench) Resumed()                      { b.told = append(b.told, "resumed") }

func (b *bench) options() Options {
	return Options{
		Topic: "app-logs", TopicID: "id", Partition: 3, Format: "lines", Decode: decodeLines, Ranges: true,
		Sink: b, Log: b, Offsets: b, DeadLetters: b, Observer: b, Gap: func(g Gap) { b.gaps = append(b.gaps, g) },
	}
}

// run runs a Run for a while and returns its error.
func (b *bench) run(t *testing.T, o Options, d time.Duration) (err error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), d)
		defer cancel()
		err = Run(ctx, o)
	})
	return err
}

// places are the commits, as "offset" or "offset..until".
func (b *bench) places() string {
	var text []string
	for _, m := range b.commits {
		if m.Pending() {
			text = append(text, fmt.Sprintf("%d..%d", m.Offset, m.Until))
		} else {
			text = append(text, fmt.Sprint(m.Offset))
		}
	}
	return strings.Join(text, " ")
}

// lines is how many lines each appended chunk holds.
func (b *bench) lines() (n []int) {
	for _, batch := range b.batches {
		for _, c := range batch.Chunks {
			n = append(n, len(c.Lines))
		}
	}
	return n
}

var errDown = errors.New("down")
