package kafka

import (
	"context"
	"sync"
)

// budget bounds the memory of fetched records over all partitions. Each
// partition is guaranteed a part, so that it can always go on, however much
// the others hold; what is over is for whoever has more to read.
type budget struct {
	// guaranteed is every partition's own part, in bytes.
	guaranteed int64

	mu sync.Mutex
	// shared is what is free for all. It is negative when responses turned out
	// larger than they were thought to be.
	shared int64
	// freed is closed when something was given back.
	freed chan struct{}
}

// leastShare is what a partition can do with at least, in bytes.
const leastShare = 16 << 10

func newBudget(total int64, partitions int, fetchBytes int64) *budget {
	guaranteed := max(min(total/2/int64(max(partitions, 1)), fetchBytes), leastShare)
	return &budget{guaranteed: guaranteed, shared: total - guaranteed*int64(partitions), freed: make(chan struct{})}
}

// share is a partition's part in a budget. One goroutine at a time uses it,
// but for grants.
type share struct {
	budget *budget
	// used says that the guaranteed part is.
	used bool
}

// grant is a permission to hold bytes.
type grant struct {
	share *share
	own   bool
	taken int64
}

// size is how much may be held.
func (g *grant) size() int64 {
	if g.own {
		return g.share.budget.guaranteed + g.taken
	}
	return g.taken
}

// acquire waits until the partition may hold at least its guaranteed part more.
// It gives more, up to what is wanted, when there is.
func (s *share) acquire(ctx context.Context, want int64) (*grant, error) {
	b := s.budget
	for {
		b.mu.Lock()
		more := want
		own := !s.used
		if own {
			more = max(0, want-b.guaranteed)
		}
		if !own && b.shared < min(want, b.guaranteed) {
			freed := b.freed
			b.mu.Unlock()
			select {
			case <-freed:
				continue
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}
		g := &grant{share: s, own: own, taken: max(0, min(more, b.shared))}
		s.used = s.used || own
		b.shared -= g.taken
		b.mu.Unlock()
		return g, nil
	}
}

// resize says how much is really held.
func (g *grant) resize(bytes int64) {
	b := g.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	taken := max(0, bytes)
	if g.own {
		taken = max(0, bytes-b.guaranteed)
	}
	b.give(g.taken - taken)
	g.taken = taken
}

// release gives everything back. It may be called again.
func (g *grant) release() {
	if g == nil {
		return
	}
	b := g.share.budget
	b.mu.Lock()
	defer b.mu.Unlock()
	if g.own {
		g.share.used, g.own = false, false
	}
	b.give(g.taken)
	g.taken = 0
	close(b.freed)
	b.freed = make(chan struct{})
}

// give is called with the lock held.
func (b *budget) give(bytes int64) {
	b.shared += bytes
	if bytes > 0 {
		close(b.freed)
		b.freed = make(chan struct{})
	}
}
