package ingest

import (
	"sync"
	"sync/atomic"
	"time"
)

// bucket is a token bucket: it lets an amount through at once and more at a
// steady rate.
type bucket struct {
	mu        sync.Mutex
	tokens    float64
	burst     float64
	perSecond float64
	last      time.Time
}

func newBucket(burst, perSecond float64) *bucket {
	return &bucket{tokens: burst, burst: burst, perSecond: perSecond, last: time.Now()}
}

// take takes n tokens, or none and reports false.
func (b *bucket) take(n float64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	b.tokens = min(b.burst, b.tokens+now.Sub(b.last).Seconds()*b.perSecond)
	b.last = now
	if b.tokens < n {
		return false
	}
	b.tokens -= n
	return true
}

// budget is an amount of memory that requests share. Nobody waits for it: who
// does not get it is refused, so that it cannot deadlock.
type budget struct {
	limit int64
	used  atomic.Int64
}

// hold is what one request holds of a budget. It is not safe for concurrent
// use.
type hold struct {
	of *budget
	n  int64
}

// grow takes n bytes more, or nothing and reports false.
func (h *hold) grow(n int64) bool {
	if h.of.used.Add(n) > h.of.limit {
		h.of.used.Add(-n)
		return false
	}
	h.n += n
	return true
}

// shrink gives n bytes back.
func (h *hold) shrink(n int64) {
	h.of.used.Add(-n)
	h.n -= n
}

// free gives everything back.
func (h *hold) free() { h.shrink(h.n) }

// slots bounds how many do something at once.
type slots chan struct{}

// try takes a slot if one is free.
func (s slots) try() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) release() { <-s }
