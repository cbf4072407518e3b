package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// readLogs reads the latest hours of log counts, and what lies in the future by
// the clock of its sender. A replay's are all read at once: its clock stands
// still while it is played, and nobody knows when it began.
func (f *follower) readLogs(ctx context.Context, from, to time.Time) error {
	if f.options.Settle > 0 {
		_, err := f.readCounts(ctx, from, to)
		return err
	}
	now := f.options.Clock()
	from = later(from, now.Add(-f.options.HotLogs))
	f.engine.HoldLogs(from)
	for step := time.Minute; from.Before(now); {
		n, err := f.readCounts(ctx, from, from.Add(step))
		if err != nil {
			return err
		}
		from = from.Add(step)
		step = nextStep(step, n)
	}
	_, err := f.readCounts(ctx, from, to)
	return err
}

// nextStep keeps what is read at once near countsAtOnce: an hour of a busy site
// is some hundred megabytes before it is summed up.
func nextStep(step time.Duration, counts int) time.Duration {
	switch {
	case counts > 2*countsAtOnce:
		step /= 2
	case counts < countsAtOnce/2:
		step *= 2
	}
	return min(max(step, time.Second), 10*time.Minute)
}

const countsAtOnce = 20_000

// readCounts gives the engine the counts of a stretch of time, and says how
// many they were.
func (f *follower) readCounts(ctx context.Context, from, to time.Time) (int, error) {
	counts, err := f.store.Counts(ctx, storage.CountQuery{From: from, To: to})
	if err != nil {
		return 0, fmt.Errorf("read log counts: %w", err)
	}
	f.observe(storage.FactPage{Counts: counts})
	f.observeCounts()
	return len(counts), nil
}

// maxCounts bounds the counts that wait.
const maxCounts = 10_000

// observeCounts gives the engine the counts that wait.
func (f *follower) observeCounts() {
	f.engine.Observe(nil, nil, f.counts)
	clear(f.counts)
	f.counts = f.counts[:0]
}

// deriveOld lends the engine the logs that it lacks, and derives.
func (f *follower) deriveOld(ctx context.Context, now time.Time) error {
	defer f.engine.Return()
	for _, s := range f.engine.Missing(now) {
		counts, err := f.store.Counts(ctx, storage.CountQuery{From: s.From, To: s.To})
		if err != nil {
			return fmt.Errorf("read log counts from %s to %s: %w", s.From, s.To, err)
		}
		f.engine.Lend(s, counts)
	}
	f.unpublished = append(f.unpublished, f.engine.Derive(now)...)
	return nil
}
