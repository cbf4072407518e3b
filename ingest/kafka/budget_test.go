package kafka

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestBudgetKeepsAPartForEachPartition(t *testing.T) {
	b := newBudget(8<<20, 4, 4<<20)
	if b.guaranteed != 1<<20 || b.shared != 4<<20 {
		t.Fatalf("guaranteed %d, shared %d; want a half shared out", b.guaranteed, b.shared)
	}
	greedy := &share{budget: b}
	first, err := greedy.acquire(t.Context(), 100<<20)
	if err != nil || first.size() != 5<<20 {
		t.Fatalf("the first gets %d, error %v; want its part and all that is shared", first.size(), err)
	}
	// No more for it, but for each of the others its part.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if g, err := greedy.acquire(ctx, 1<<20); err == nil {
		t.Errorf("a second grant of %d, though nothing is left", g.size())
	}
	for range 3 {
		g, err := (&share{budget: b}).acquire(t.Context(), 1<<20)
		if err != nil || g.size() != 1<<20 {
			t.Errorf("another one gets %d, error %v", g.size(), err)
		}
	}
	// A waiting one goes on when something is given back.
	got := make(chan *grant)
	go func() {
		g, err := greedy.acquire(context.Background(), 1<<20)
		if err != nil {
			t.Error(err)
		}
		got <- g
	}()
	first.release()
	if g := <-got; g.size() != 1<<20 {
		t.Errorf("then it gets %d", g.size())
	}
}

func TestBudgetLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 5).Draw(t, "partitions")
		b := newBudget(rapid.Int64Range(1<<20, 16<<20).Draw(t, "memory"), partitions, 1<<20)
		whole := b.shared
		shares, grants := make([]*share, partitions), map[*grant]bool{}
		for i := range shares {
			shares[i] = &share{budget: b}
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // who would have to wait does not
		for range rapid.IntRange(1, 50).Draw(t, "steps") {
			s := shares[rapid.IntRange(0, partitions-1).Draw(t, "of")]
			free := !s.used
			g, err := s.acquire(ctx, rapid.Int64Range(1, 4<<20).Draw(t, "want"))
			if err != nil {
				if free {
					t.Fatal("a partition that holds nothing has to wait")
				}
				for g := range grants {
					g.release()
					delete(grants, g)
					break
				}
				continue
			}
			grants[g] = true
			if rapid.Bool().Draw(t, "resize") {
				g.resize(rapid.Int64Range(0, 8<<20).Draw(t, "to"))
			}
		}
		for g := range grants {
			g.release()
			g.release()
		}
		if b.shared != whole {
			t.Errorf("%d bytes are free in the end, want %d", b.shared, whole)
		}
	})
}
