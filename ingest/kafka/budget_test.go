package kafka

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// holdsOf is n holds, each of a partition of its own.
func holdsOf(b *budget, n int) []*hold {
	holds := make([]*hold, n)
	for i := range holds {
		holds[i] = &hold{share: &share{budget: b}}
	}
	return holds
}

func TestBudgetKeepsAPartForEachPartition(t *testing.T) {
	b := newBudget(8<<20, 4, 4<<20)
	if b.own != 1<<20 || b.free != 4<<20 {
		t.Fatalf("own %d, free %d; want a half shared out", b.own, b.free)
	}
	holds := holdsOf(b, 4)
	greedy := &hold{share: holds[0].share}
	if n := greedy.upTo(1<<20, 100<<20); n != 5<<20 {
		t.Fatalf("the first gets %d; want its part and all that is free", n)
	}
	if n := holds[0].upTo(1, 1<<20); n != 0 {
		t.Errorf("it gets %d more, though nothing is left", n)
	}
	for _, h := range holds[1:] {
		if !h.try(1<<20) || h.try(1) {
			t.Error("another one does not get its part, or more")
		}
	}
	// One may have more than there is, and only one.
	if !holds[1].exceed(3<<20) || holds[2].exceed(1) {
		t.Fatal("want that one partition exceeds the budget")
	}
	// Who waits goes on when the excess ends.
	waiting := make(chan error)
	go func() { waiting <- holds[2].wait(context.Background(), 1<<20) }()
	greedy.give(1 << 20)
	select {
	case <-waiting:
		t.Fatal("a second one exceeds the budget")
	case <-time.After(10 * time.Millisecond): // it may not have begun to wait, which is as well
	}
	greedy.release()
	if err := <-waiting; err != nil {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	holds[3].exceed(100 << 20)
	go func() { waiting <- greedy.wait(ctx, 100<<20) }()
	cancel()
	if err := <-waiting; err == nil {
		t.Error("waiting goes on though it was cancelled")
	}
}

// TestBudgetBound runs partitions that take and give back as they will: what they
// hold together never exceeds the budget by more than what one of them needs,
// nobody waits for ever, and nothing is lost.
func TestBudgetBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(1, 8).Draw(t, "partitions")
		total := rapid.Int64Range(1, 4<<20).Draw(t, "memory")
		b := newBudget(total, partitions, rapid.Int64Range(1, 1<<20).Draw(t, "fetch"))
		whole := b.free
		if b.own*int64(partitions)+whole > total || b.free < 0 {
			t.Fatalf("%d parts of %d and %d free of %d", partitions, b.own, b.free, total)
		}
		// What each does: how much it takes, in one step after another.
		const most = 2 << 20
		work := make([][]int64, partitions)
		for i := range work {
			work[i] = rapid.SliceOfN(rapid.Int64Range(0, most/4), 1, 12).Draw(t, fmt.Sprint("work", i))
		}
		var group sync.WaitGroup
		for _, steps := range work {
			group.Go(func() {
				s := &share{budget: b}
				var holds []*hold
				for i, n := range steps {
					h := &hold{share: s}
					switch {
					case i%4 == 1:
						h.try(n)
					case i%4 == 2:
						h.upTo(n/2, n)
					default:
						if err := h.wait(context.Background(), n); err != nil {
							panic(err)
						}
					}
					holds = append(holds, h)
					if i%3 == 2 {
						h.give(h.size() / 2)
					}
					if i%4 == 3 { // at most four steps are held at a time
						for _, h := range holds {
							h.release()
						}
						holds = nil
					}
				}
				rest := &hold{share: s}
				for _, h := range holds {
					rest.add(h)
					h.release() // of nothing
				}
				rest.release()
			})
		}
		group.Wait() // a dead-lock ends here
		if b.highest > total+most {
			t.Errorf("%d bytes were held, of %d and %d for one", b.highest, total, most)
		}
		if b.held != 0 || b.free != whole || b.over != nil {
			t.Errorf("in the end %d are held and %d of %d free", b.held, b.free, whole)
		}
	})
}

// TestBudgetGoesOnWhileOthersHold: a partition that keeps all it can get for
// ever stops no other one from what is its own.
func TestBudgetGoesOnWhileOthersHold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(2, 8).Draw(t, "partitions")
		b := newBudget(rapid.Int64Range(1<<10, 1<<20).Draw(t, "memory"), partitions, 64<<10)
		holds := holdsOf(b, partitions)
		for _, h := range holds[1:] {
			h.exceed(rapid.Int64Range(0, 2<<20).Draw(t, "takes"))
		}
		if !holds[0].try(b.own) {
			t.Error("a partition that holds nothing does not get its own part")
		}
	})
}

// TestBudgetServesInOrder: partitions that need more than is free get it in the
// order in which they began to wait, one after another, whatever else is taken and
// given back meanwhile; so each is served after as many turns of others as there
// are others.
func TestBudgetServesInOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		partitions := rapid.IntRange(2, 6).Draw(t, "partitions")
		b := newBudget(1000, partitions, 100)
		holds := holdsOf(b, partitions)
		waits := make([]*waiter, partitions)
		var queue []int // of those that wait, in their order
		passed := make([]int, partitions)
		look := func() {
			var left []int
			for _, i := range queue {
				select {
				case <-waits[i].served:
				default:
					left = append(left, i)
					continue
				}
				waits[i] = nil
				if holds[i].share.held <= b.own {
					continue // its own part nobody must wait for
				}
				if len(left) > 0 {
					t.Fatalf("%d is served before %v, which waited longer", i, left)
				}
				passed[i] = 0
				for _, other := range queue {
					if waits[other] == nil {
						continue
					}
					if passed[other]++; passed[other] >= partitions {
						t.Fatalf("%d waits while others got %d turns", other, passed[other])
					}
				}
			}
			queue = left
		}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			i := rapid.IntRange(0, partitions-1).Draw(t, "partition")
			n := rapid.Int64Range(1, 2000).Draw(t, "bytes")
			switch what := rapid.IntRange(0, 4).Draw(t, "what"); {
			case waits[i] != nil && what == 0:
				waits[i].leave()
				waits[i], queue = nil, slices.DeleteFunc(queue, func(q int) bool { return q == i })
			case waits[i] != nil: // it cannot do anything else
			case what <= 1:
				holds[i].release()
			case what == 2:
				if holds[i].try(n) && len(queue) > 0 && holds[i].share.held > b.own && b.over != holds[i].share {
					t.Fatalf("%d takes what others wait for", i)
				}
			case holds[i].exceed(n):
			default:
				waits[i] = holds[i].queue(n)
				queue = append(queue, i)
			}
			look()
			if len(queue) > 0 && b.over == nil {
				t.Fatalf("%v wait, and nobody exceeds the budget", queue)
			}
		}
		for len(queue) > 0 { // all give back what they have, and all are served
			before := len(queue)
			for i := range holds {
				if waits[i] == nil {
					holds[i].release()
				}
			}
			if look(); len(queue) >= before {
				t.Fatalf("%v wait for ever", queue)
			}
		}
	})
}

// TestBudgetTellsOfLongWaits: who waits for long says so once, and says when it
// goes on; who gives up says no more.
func TestBudgetTellsOfLongWaits(t *testing.T) {
	defer func(d time.Duration) { slowWait = d }(slowWait)
	slowWait = time.Millisecond
	holds := holdsOf(newBudget(100, 2, 50), 2)
	told := make(chan bool, 10)
	holds[1].share.slow = func(waits bool) { told <- waits }
	if err := holds[1].wait(t.Context(), 10); err != nil || len(told) > 0 {
		t.Fatalf("it did not wait and told %d things, error %v", len(told), err)
	}
	holds[0].exceed(1000)
	ended := make(chan error)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- holds[1].wait(ctx, 100) }()
	if !<-told {
		t.Error("it says that it goes on, and waits")
	}
	holds[0].release()
	if err := <-ended; err != nil || <-told {
		t.Errorf("it goes on and says that it waits, error %v", err)
	}
	holds[1].release()
	holds[0].exceed(1000)
	go func() { ended <- holds[1].wait(ctx, 100) }()
	<-told
	cancel()
	if err := <-ended; err == nil || len(told) > 0 {
		t.Errorf("it gave up with error %v and told %d things more", err, len(told))
	}
}
