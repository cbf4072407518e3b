package run

import (
	"context"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/storage"
)

// readLogs reads the latest hours of log counts, the latest first and no more
// than may be held, and what lies in the future by the clock of its sender. It
// returns from when on all were read. A replay's are all read at once: its clock
// stands still while it is played, and nobody knows when it began.
func (r *Runner) readLogs(ctx context.Context, from, to time.Time, yield func(storage.FactPage) error) (held time.Time, err error) {
	all := 0
	read := func(from, to time.Time) (int, error) {
		counts, err := r.store.Counts(ctx, storage.CountQuery{From: from, To: to})
		if err != nil {
			return 0, fmt.Errorf("read log counts: %w", err)
		}
		all += len(counts)
		return len(counts), yield(storage.FactPage{Counts: counts})
	}
	if r.options.Settle > 0 {
		_, err := read(from, to)
		return from, err
	}
	held = r.options.Clock()
	if _, err := read(held, to); err != nil {
		return held, err
	}
	oldest := later(from, held.Add(-r.options.HotLogs))
	for step := firstStep; held.After(oldest) && all < mostHeld; {
		next := later(oldest, held.Add(-step))
		n, err := read(next, held)
		if err != nil {
			return held, err
		}
		held, step = next, nextStep(step, n)
	}
	return held, nil
}

// holdLogs takes note that all logs from a time on were read.
func (f *follower) holdLogs(from time.Time) {
	if f.options.Settle > 0 {
		return
	}
	f.engine.HoldLogs(from)
	f.volume = []volumeMark{{at: from}}
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
	return min(max(step, time.Second), mostStep)
}

const (
	countsAtOnce = 20_000
	firstStep    = 8 * time.Second
	mostStep     = time.Hour
)

// maxCounts bounds the counts that wait.
const maxCounts = 10_000

// observeCounts gives the engine the counts that wait.
func (f *follower) observeCounts() {
	f.engine.Observe(nil, nil, f.counts)
	clear(f.counts)
	f.counts = f.counts[:0]
}

// deriveOld lends the engine the latest of the logs that it lacks, and derives.
// It reports whether fewer incidents wait for logs than before.
func (f *follower) deriveOld(ctx context.Context) (progress bool, err error) {
	began, before := time.Now(), f.engine.Waits()
	defer f.engine.Return()
	now := f.now()
	if missing := f.engine.Missing(now, f.lend); len(missing) > 0 {
		if err := f.lendLogs(ctx, missing[0]); err != nil {
			return false, err
		}
	}
	f.unpublished = append(f.unpublished, f.engine.Derive(now)...)
	f.metrics.derive.Observe(time.Since(began).Seconds())
	if err := f.publish(ctx); err != nil {
		return false, err
	}
	return f.engine.Waits() < before, nil
}

// lendLogs lends the engine the logs of a stretch of time, a part at a time: what
// the store gives takes many times the memory that the engine needs for it.
func (f *follower) lendLogs(ctx context.Context, s correlate.Span) error {
	lent := 0
	for held := s.To; held.After(s.From); {
		from := later(s.From, held.Add(-f.lendStep))
		counts, err := f.store.Counts(ctx, storage.CountQuery{From: from, To: held})
		if err != nil {
			return fmt.Errorf("read log counts from %s to %s: %w", from, held, err)
		}
		f.engine.Lend(counts)
		lent += len(counts)
		held, f.lendStep = from, nextStep(f.lendStep, len(counts))
	}
	f.engine.Lent(s)
	f.lend = nextLend(f.lend, lent)
	return nil
}

// deriveAllOld derives all that waits for logs.
func (f *follower) deriveAllOld(ctx context.Context) error {
	for f.engine.Waits() > 0 {
		progress, err := f.deriveOld(ctx)
		if err != nil || !progress {
			return err
		}
	}
	return nil
}

// How much of the logs is lent at once, within bounds: the engine has some
// dozens of bytes for a count.
const (
	lendAtOnce = 200_000
	leastLend  = time.Hour
	firstLend  = 6 * time.Hour
	mostLend   = 24 * time.Hour
)

func nextLend(most time.Duration, counts int) time.Duration {
	switch {
	case counts > 2*lendAtOnce:
		most /= 2
	case counts < lendAtOnce/2:
		most *= 2
	}
	return min(max(most, leastLend), mostLend)
}

// volumeMark says how many counts had been read at a time.
type volumeMark struct {
	at     time.Time
	counts int
}

// mostHeld bounds the log counts that are held in memory, at some twenty bytes
// each. A site that logs fifty thousand lines a second has so many within an
// hour or two; what is older is read from the store when it is asked for.
const mostHeld = 4_000_000

// forgetLogs drops the logs that are too old or too many to be held.
func (f *follower) forgetLogs(now time.Time) {
	f.volume = append(f.volume, volumeMark{now, f.countsRead})
	for len(f.volume) > 1 && f.countsRead-f.volume[1].counts >= mostHeld {
		f.volume = f.volume[1:]
	}
	from := now.Add(-f.options.HotLogs)
	if oldest := f.volume[0]; f.countsRead-oldest.counts >= mostHeld {
		from = later(from, oldest.at)
	}
	f.engine.ForgetLogs(from)
}
