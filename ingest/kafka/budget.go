package kafka

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// budget bounds the memory of what was fetched, over all partitions. Each of
// them has a part of its own, so that it goes on however much the others hold;
// what is over is for whoever needs more. Nothing is held that was not taken
// from here before.
//
// Who needs more than is free waits for the others. They may wait as well, so
// one partition at a time need not: it exceeds the budget by what it needs, and
// ends the excess before another one may. It waits for nobody, so that what it
// holds comes back, and all go on. Those that wait get it in the order in which
// they came: what is given back goes to the first of them before anybody else can
// take it.
type budget struct {
	// own is every partition's part, in bytes.
	own int64
	// gauge, which may be nil, shows what is held.
	gauge prometheus.Gauge

	mu sync.Mutex
	// free is what is left for all. It is negative while a partition exceeds the
	// budget.
	free int64
	// over is that partition.
	over *share
	// held is what all hold, and highest the most that was held at a time.
	held, highest int64
	// waiting is who waits, in the order in which they came. While there is anybody
	// the budget is exceeded, so that nothing is free to others.
	waiting []*waiter
}

// waiter is somebody who waits for memory.
type waiter struct {
	hold *hold
	n    int64
	// served is closed when it was taken.
	served chan struct{}
}

func newBudget(total int64, partitions int, fetchBytes int64) *budget {
	own := min(total/2/int64(max(partitions, 1)), fetchBytes)
	return &budget{own: own, free: total - own*int64(partitions)}
}

// share is what a partition holds of a budget.
type share struct {
	budget *budget
	held   int64
	// slow, which may be nil, is told when the partition has waited for memory for
	// longer than slowWait, and when it got it; by the goroutine that waits.
	slow func(waits bool)
}

// slowWait is how long a partition waits before that is told. A test sets it.
var slowWait = 5 * time.Second

// hold is memory that a partition holds for one purpose, and gives back at
// once. Its methods may be called concurrently, also those of several holds of
// a share.
type hold struct {
	share *share
	bytes int64
}

// try takes so many bytes more, if they are free.
func (h *hold) try(n int64) bool {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(h, n, false)
}

// exceed takes so many bytes more, if they are free or the partition may exceed
// the budget. It does not wait, and passes nobody who does: see serve.
func (h *hold) exceed(n int64) bool {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.take(h, n, true)
}

// wait takes so many bytes more as soon as exceed does, and it is the partition's
// turn. The error is that of ctx.
func (h *hold) wait(ctx context.Context, n int64) error {
	if h.exceed(n) {
		return nil
	}
	w := h.queue(n)
	timer := time.NewTimer(slowWait)
	defer timer.Stop()
	for told := false; ; {
		select {
		case <-w.served:
			if told {
				h.share.slow(false)
			}
			return nil
		case <-ctx.Done():
			w.leave()
			return ctx.Err()
		case <-timer.C:
			if told = h.share.slow != nil; told {
				h.share.slow(true)
			}
		}
	}
}

// queue begins to wait for so many bytes more.
func (h *hold) queue(n int64) *waiter {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	w := &waiter{hold: h, n: n, served: make(chan struct{})}
	b.waiting = append(b.waiting, w)
	b.serve()
	return w
}

// leave ends waiting, and gives back what came meanwhile.
func (w *waiter) leave() {
	b := w.hold.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := slices.Index(b.waiting, w); i >= 0 {
		b.waiting = slices.Delete(b.waiting, i, i+1)
		return
	}
	b.give(w.hold, w.n)
}

// upTo takes what is free, if that is at least so much, but not more than most.
// It returns how much that was; 0: none.
func (h *hold) upTo(least, most int64) int64 {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(max(0, b.own-h.share.held)+max(0, b.free), most)
	if n < least || !b.take(h, n, false) {
		return 0
	}
	return n
}

// give gives so many bytes back.
func (h *hold) give(n int64) {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.give(h, n)
}

// release gives everything back.
func (h *hold) release() {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	b.give(h, h.bytes)
}

// size is how much it is.
func (h *hold) size() int64 {
	h.share.budget.mu.Lock()
	defer h.share.budget.mu.Unlock()
	return h.bytes
}

// add makes what another hold of the same share has part of this one.
func (h *hold) add(other *hold) {
	b := h.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	h.bytes += other.bytes
	other.bytes = 0
}

// take is called with the lock held, as is all below.
func (b *budget) take(h *hold, n int64, mayExceed bool) bool {
	s := h.share
	need := max(0, s.held+n-b.own) - max(0, s.held-b.own)
	if need > 0 && need > b.free {
		if !mayExceed || b.over != nil && b.over != s {
			return false
		}
		b.over = s
	}
	b.free -= need
	b.count(h, n)
	return true
}

func (b *budget) give(h *hold, n int64) {
	s := h.share
	back := max(0, s.held-b.own) - max(0, s.held-n-b.own)
	b.count(h, -n)
	if b.free += back; b.free >= 0 {
		b.over = nil
	}
	b.serve()
}

// serve gives those that wait what there is. While the budget is exceeded only the
// partition that does, and those that need no more than their own part, get any;
// else the first in the queue may exceed it. So nobody is passed who could be
// served.
func (b *budget) serve() {
	b.waiting = slices.DeleteFunc(b.waiting, func(w *waiter) bool {
		if !b.take(w.hold, w.n, true) {
			return false
		}
		close(w.served)
		return true
	})
}

func (b *budget) count(h *hold, n int64) {
	h.bytes += n
	h.share.held += n
	b.held += n
	b.highest = max(b.highest, b.held)
	if b.gauge != nil {
		b.gauge.Add(float64(n))
	}
}
