package ingest

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// lane is a queue of batches, and what appends them. One goroutine gathers
// waiters into a joint batch; each joint batch is appended by a goroutine of
// its own, a few at a time.
type lane struct {
	name    Lane
	limits  LaneLimits
	store   Appender
	o       BatcherOptions
	metrics *batchMetrics
	warn    *bucket

	mu     sync.Mutex
	queue  []*waiter
	facts  int // in queue
	bytes  int64
	closed bool
	// pending and pendingBytes are what waits or is being appended.
	pending      int
	pendingBytes int64

	// wake tells the gathering goroutine that the queue or closed changed.
	wake chan struct{}
	busy slots
	wg   sync.WaitGroup
}

// waiter is one caller's batch.
type waiter struct {
	ctx   context.Context
	batch event.Batch
	facts int
	bytes int64
	since time.Time
	done  chan error // has room for the one answer
}

func newLane(name Lane, store Appender, o BatcherOptions, m *batchMetrics, warn *bucket) *lane {
	limits := *o.Limits.lane(name)
	return &lane{
		name: name, limits: limits, store: store, o: o, metrics: m, warn: warn,
		wake: make(chan struct{}, 1),
		busy: make(slots, limits.Appends),
	}
}

func (l *lane) start(ctx context.Context) {
	l.wg.Add(1)
	go func() {
		defer l.wg.Done()
		l.run(ctx)
	}()
}

// enqueue adds a waiter, if there is room.
func (l *lane) enqueue(w *waiter) error {
	w.since = time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closed:
		return ErrClosed
	case l.pending >= l.limits.QueueRequests,
		l.pending > 0 && l.pendingBytes+w.bytes > l.limits.QueueBytes:
		return ErrFull
	}
	l.queue = append(l.queue, w)
	l.facts += w.facts
	l.bytes += w.bytes
	l.account(1, w.bytes)
	l.notify()
	return nil
}

// account keeps what is pending; the caller holds mu.
func (l *lane) account(requests int, bytes int64) {
	l.pending += requests
	l.pendingBytes += bytes
	l.metrics.queued.WithLabelValues(l.name.String()).Set(float64(l.pending))
	l.metrics.queuedBytes.WithLabelValues(l.name.String()).Set(float64(l.pendingBytes))
}

func (l *lane) notify() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// close makes run return once the queue is empty.
func (l *lane) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.notify()
}

// wait returns when everything is answered and all goroutines have ended.
func (l *lane) wait() { l.wg.Wait() }

func (l *lane) run(ctx context.Context) {
	for {
		// While all appends are busy, what waits grows into one batch.
		l.busy <- struct{}{}
		ws := l.gather()
		if ws == nil {
			l.busy.release()
			return
		}
		l.wg.Add(1)
		go func() {
			defer l.wg.Done()
			defer l.busy.release()
			l.commit(ctx, ws)
		}()
	}
}

// gather waits for a batch that is full, or old enough, or the last one. It
// returns nil when the lane is closed and empty.
func (l *lane) gather() []*waiter {
	for {
		l.mu.Lock()
		if len(l.queue) > 0 {
			age := time.Since(l.queue[0].since)
			if l.closed || l.facts >= l.limits.BatchFacts || l.bytes >= l.limits.BatchBytes || age >= l.limits.Linger {
				ws := l.cut()
				l.mu.Unlock()
				return ws
			}
			l.mu.Unlock()
			t := time.NewTimer(l.limits.Linger - age)
			select {
			case <-t.C:
			case <-l.wake:
				t.Stop()
			}
			continue
		}
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return nil
		}
		<-l.wake
	}
}

// cut takes the oldest waiters, up to the size of a batch and at least one;
// the caller holds mu.
func (l *lane) cut() []*waiter {
	n, facts, bytes := 0, 0, int64(0)
	for _, w := range l.queue {
		if n > 0 && (facts+w.facts > l.limits.BatchFacts || bytes+w.bytes > l.limits.BatchBytes) {
			break
		}
		n, facts, bytes = n+1, facts+w.facts, bytes+w.bytes
	}
	ws := make([]*waiter, n)
	copy(ws, l.queue)
	rest := copy(l.queue, l.queue[n:])
	clear(l.queue[rest:])
	l.queue = l.queue[:rest]
	l.facts -= facts
	l.bytes -= bytes
	return ws
}

// commit appends the waiters' batches as one and answers them. When the store
// refuses the joint batch, its halves are tried, so that one batch that cannot
// be stored fails alone.
func (l *lane) commit(ctx context.Context, ws []*waiter) {
	if l.name == LaneLogs {
		ws = l.dropAbandoned(ws)
	}
	if len(ws) == 0 {
		return
	}
	batch, facts := join(ws)
	appendCtx, cancel := context.WithTimeout(ctx, l.limits.AppendTimeout)
	began := time.Now()
	err := l.store.Append(appendCtx, batch)
	took := time.Since(began)
	cancel()
	if err != nil {
		if l.divisible(ws, err) {
			l.metrics.splits.WithLabelValues(l.name.String()).Inc()
			l.commit(ctx, ws[:len(ws)/2])
			l.commit(ctx, ws[len(ws)/2:])
			return
		}
		if l.warn.take(1) {
			l.o.Logger.Warn("append failed", "lane", l.name.String(), "requests", len(ws), "facts", facts, "took", took, "err", err)
		}
		l.answer(ws, err)
		return
	}
	l.metrics.size.WithLabelValues(l.name.String()).Observe(float64(facts))
	l.answer(ws, nil)
	l.o.OnAppended(batch)
}

// divisible reports whether parts of what failed may be appended all the same.
func (l *lane) divisible(ws []*waiter, err error) bool {
	return len(ws) > 1 && !l.o.Unavailable(err) &&
		!errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled)
}

func (l *lane) dropAbandoned(ws []*waiter) []*waiter {
	var kept, dropped []*waiter
	for _, w := range ws {
		if w.ctx.Err() != nil {
			dropped = append(dropped, w)
		} else {
			kept = append(kept, w)
		}
	}
	if len(dropped) == 0 {
		return ws
	}
	l.o.Logger.LogAttrs(context.Background(), slog.LevelDebug, "dropped batches whose senders gave up", slog.Int("requests", len(dropped)))
	l.answer(dropped, context.Canceled)
	return kept
}

// answer tells the waiters their fate and forgets them.
func (l *lane) answer(ws []*waiter, err error) {
	var bytes int64
	for _, w := range ws {
		bytes += w.bytes
		w.done <- err
	}
	l.mu.Lock()
	l.account(-len(ws), -bytes)
	l.mu.Unlock()
}

// join makes one batch of the waiters' batches. A single one is not copied.
func join(ws []*waiter) (batch event.Batch, facts int) {
	if len(ws) == 1 {
		return ws[0].batch, ws[0].facts
	}
	var events, observations, chunks, asides int
	for _, w := range ws {
		facts += w.facts
		events += len(w.batch.Events)
		observations += len(w.batch.Observations)
		chunks += len(w.batch.Chunks)
		asides += len(w.batch.Asides)
	}
	batch.Events = make([]event.Event, 0, events)
	batch.Observations = make([]event.Observation, 0, observations)
	batch.Chunks = make([]event.Chunk, 0, chunks)
	batch.Asides = make([]event.Aside, 0, asides)
	for _, w := range ws {
		batch.Add(w.batch)
	}
	return batch, facts
}
