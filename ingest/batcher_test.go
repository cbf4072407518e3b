package ingest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

// newTestBatcher has one append a lane at a time unless changed, so that what
// is joined is foreseeable.
func newTestBatcher(t testing.TB, store Appender, change func(*BatcherOptions)) *Batcher {
	t.Helper()
	o := BatcherOptions{Limits: DefaultLimits(), Unavailable: func(err error) bool { return errors.Is(err, errDown) }}
	o.Limits.Alerts.Appends, o.Limits.Logs.Appends = 1, 1
	if change != nil {
		change(&o)
	}
	b, err := NewBatcher(store, o)
	if err != nil {
		t.Fatalf("NewBatcher: %v", err)
	}
	return b
}

func closeBatcher(t testing.TB, b *Batcher) {
	t.Helper()
	if err := b.Close(context.Background()); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// appendAll appends batches at once and returns their fates, in their order.
func appendAll(b *Batcher, batches ...event.Batch) []error {
	errs := make([]error, len(batches))
	var wg sync.WaitGroup
	for i, batch := range batches {
		wg.Go(func() { errs[i] = b.Append(context.Background(), batch) })
	}
	wg.Wait()
	return errs
}

func TestBatcherJoinsWhatArrivesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		b := newTestBatcher(t, store, nil)
		defer closeBatcher(t, b)
		began := time.Now()
		for i, err := range appendAll(b, messages("a"), messages("b"), messages("c")) {
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		}
		if got, want := time.Since(began), DefaultLimits().Alerts.Linger; got != want {
			t.Errorf("waited %s, want the linger %s", got, want)
		}
		if got, want := store.calls(), 1; got != want {
			t.Errorf("store was called %d times, want %d", got, want)
		}
		got := store.texts()
		slices.Sort(got)
		if want := []string{"a", "b", "c"}; !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

func TestBatcherJoinsWhileTheStoreIsBusy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hook: func(context.Context, event.Batch) error { time.Sleep(time.Second); return nil }}
		b := newTestBatcher(t, store, func(o *BatcherOptions) { o.Limits.Alerts.Linger = 0 })
		defer closeBatcher(t, b)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				time.Sleep(time.Duration(i) * 10 * time.Millisecond)
				if err := b.Append(context.Background(), messages(fmt.Sprint(i))); err != nil {
					t.Errorf("append %d: %v", i, err)
				}
			})
		}
		wg.Wait()
		if got, want := store.calls(), 2; got != want {
			t.Errorf("store was called %d times, want %d: the first batch and all that came meanwhile", got, want)
		}
	})
}

func TestBatcherClosesABatchThatIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		b := newTestBatcher(t, store, func(o *BatcherOptions) {
			o.Limits.Alerts.BatchFacts = 2
			o.Limits.Alerts.Linger = time.Hour
		})
		defer closeBatcher(t, b)
		began := time.Now()
		for i, err := range appendAll(b, messages("a"), messages("b"), messages("c"), messages("d")) {
			if err != nil {
				t.Errorf("append %d: %v", i, err)
			}
		}
		if got := time.Since(began); got != 0 {
			t.Errorf("full batches waited %s", got)
		}
		if got, want := store.calls(), 2; got != want {
			t.Errorf("store was called %d times, want %d", got, want)
		}
	})
}

func TestBatcherFailsOnlyTheBatchThatCannotBeStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		poisoned := errors.New("constraint failed")
		store := &memory{hook: func(_ context.Context, b event.Batch) error {
			if slices.Contains(textsOf(b), "poison") {
				return poisoned
			}
			return nil
		}}
		reg := prometheus.NewRegistry()
		b := newTestBatcher(t, store, func(o *BatcherOptions) { o.Registerer = reg })
		defer closeBatcher(t, b)
		errs := appendAll(b, messages("a"), messages("b"), messages("poison"), messages("c"), messages("d", "e"))
		for i, err := range errs {
			if i == 2 && !errors.Is(err, poisoned) {
				t.Errorf("the poisoned batch: %v, want %v", err, poisoned)
			}
			if i != 2 && err != nil {
				t.Errorf("batch %d beside the poisoned one: %v", i, err)
			}
		}
		got := store.texts()
		slices.Sort(got)
		if want := []string{"a", "b", "c", "d", "e"}; !slices.Equal(got, want) {
			t.Errorf("stored %q, want %q", got, want)
		}
		if metric(t, reg, "hindcast_ingest_batch_splits_total", "lane", "alerts") == 0 {
			t.Error("no split was counted")
		}
	})
}

func TestBatcherSharesTheFateOfAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hook: func(context.Context, event.Batch) error { return fmt.Errorf("append: %w", errDown) }}
		b := newTestBatcher(t, store, nil)
		defer closeBatcher(t, b)
		for i, err := range appendAll(b, messages("a"), messages("b"), messages("c")) {
			if !errors.Is(err, errDown) {
				t.Errorf("append %d: %v, want %v", i, err, errDown)
			}
		}
		if got, want := store.calls(), 1; got != want {
			t.Errorf("store was called %d times, want %d: what is down is not asked again", got, want)
		}
	})
}

func TestBatcherKeepsAlertsApartFromStuckLogs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		store := &memory{hook: func(_ context.Context, b event.Batch) error {
			if len(b.Chunks) > 0 {
				<-release
			}
			return nil
		}}
		b := newTestBatcher(t, store, func(o *BatcherOptions) { o.Limits.Logs.QueueRequests = 3 })
		defer closeBatcher(t, b)
		var wg sync.WaitGroup
		for i := range 3 {
			wg.Go(func() {
				if err := b.Append(context.Background(), lines(fmt.Sprint("line ", i))); err != nil {
					t.Errorf("line %d: %v", i, err)
				}
			})
		}
		synctest.Wait()
		if err := b.Append(context.Background(), lines("one too many")); !errors.Is(err, ErrFull) {
			t.Errorf("a log batch over the bound: %v, want %v", err, ErrFull)
		}
		began := time.Now()
		for i := range 100 {
			if err := b.Append(context.Background(), messages(fmt.Sprint(i))); err != nil {
				t.Fatalf("alert %d behind stuck logs: %v", i, err)
			}
		}
		if got, limit := time.Since(began), 100*DefaultLimits().Alerts.Linger; got > limit {
			t.Errorf("100 alerts took %s behind stuck logs, want %s at most", got, limit)
		}
		close(release)
		wg.Wait()
	})
}

func TestBatcherBoundsBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		store := &memory{hook: func(context.Context, event.Batch) error { <-release; return nil }}
		reg := prometheus.NewRegistry()
		b := newTestBatcher(t, store, func(o *BatcherOptions) {
			o.Limits.Alerts.QueueBytes = 10_000
			o.Registerer = reg
		})
		defer closeBatcher(t, b)
		var wg sync.WaitGroup
		// Larger than the bound, and taken: nothing else waits.
		wg.Go(func() {
			if err := b.Append(context.Background(), messages(string(make([]byte, 20_000)))); err != nil {
				t.Errorf("a large batch alone: %v", err)
			}
		})
		synctest.Wait()
		if err := b.Append(context.Background(), messages("small")); !errors.Is(err, ErrFull) {
			t.Errorf("beyond the bound: %v, want %v", err, ErrFull)
		}
		if got := metric(t, reg, "hindcast_ingest_queue_bytes", "lane", "alerts"); got < 20_000 {
			t.Errorf("queue_bytes = %v, want at least 20000", got)
		}
		close(release)
		wg.Wait()
		// A waiter has its answer before what it held is counted as free.
		synctest.Wait()
		if got := metric(t, reg, "hindcast_ingest_queue_bytes", "lane", "alerts"); got != 0 {
			t.Errorf("queue_bytes = %v when nothing waits", got)
		}
		if err := b.Append(context.Background(), messages("small")); err != nil {
			t.Errorf("after the bound was freed: %v", err)
		}
	})
}

func TestBatcherOutlivesWaitersThatGiveUp(t *testing.T) {
	for _, tc := range []struct {
		name  string
		facts func(...string) event.Batch
		want  []string
	}{
		{"alerts are appended all the same", messages, []string{"first", "gave up", "stayed"}},
		{"logs are dropped", lines, []string{"first", "stayed"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &memory{hook: func(context.Context, event.Batch) error { time.Sleep(time.Second); return nil }}
				b := newTestBatcher(t, store, func(o *BatcherOptions) { o.Limits.Alerts.Linger, o.Limits.Logs.Linger = 0, 0 })
				defer closeBatcher(t, b)
				var wg sync.WaitGroup
				wg.Go(func() {
					if err := b.Append(context.Background(), tc.facts("first")); err != nil {
						t.Errorf("first: %v", err)
					}
				})
				synctest.Wait()
				wg.Go(func() {
					ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
					defer cancel()
					if err := b.Append(ctx, tc.facts("gave up")); !errors.Is(err, context.DeadlineExceeded) {
						t.Errorf("gave up: %v, want %v", err, context.DeadlineExceeded)
					}
				})
				wg.Go(func() {
					if err := b.Append(context.Background(), tc.facts("stayed")); err != nil {
						t.Errorf("stayed: %v", err)
					}
				})
				wg.Wait()
				got := store.texts()
				slices.Sort(got)
				if !slices.Equal(got, tc.want) {
					t.Errorf("stored %q, want %q", got, tc.want)
				}
			})
		})
	}
}

func TestBatcherCloseFlushesAndAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hook: func(context.Context, event.Batch) error { time.Sleep(time.Second); return nil }}
		b := newTestBatcher(t, store, func(o *BatcherOptions) { o.Limits.Alerts.Linger, o.Limits.Logs.Linger = time.Hour, time.Hour })
		var answered atomic.Int32
		for i := range 20 {
			facts := messages(fmt.Sprint(i))
			if i%2 == 0 {
				facts = lines(fmt.Sprint(i))
			}
			go func() {
				if err := b.Append(context.Background(), facts); err != nil {
					t.Errorf("append %d: %v", i, err)
				}
				answered.Add(1)
			}()
		}
		synctest.Wait()
		closeBatcher(t, b)
		synctest.Wait()
		if got, want := answered.Load(), int32(20); got != want {
			t.Errorf("%d were answered, want %d", got, want)
		}
		if got, want := len(store.texts()), 20; got != want {
			t.Errorf("%d were stored, want %d", got, want)
		}
		if err := b.Append(context.Background(), messages("late")); !errors.Is(err, ErrClosed) {
			t.Errorf("append after Close: %v, want %v", err, ErrClosed)
		}
		closeBatcher(t, b)
	})
}

func TestBatcherCloseIsBoundedAndAnswersAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		// A store that does not even listen to its context.
		store := &memory{hook: func(context.Context, event.Batch) error { <-stuck; return nil }}
		b := newTestBatcher(t, store, nil)
		var abandoned atomic.Int32
		for i := range 10 {
			go func() {
				if err := b.Append(context.Background(), messages(fmt.Sprint(i))); errors.Is(err, ErrAbandoned) {
					abandoned.Add(1)
				} else {
					t.Errorf("append %d: %v, want %v", i, err, ErrAbandoned)
				}
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if err := b.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Close: %v, want %v", err, context.DeadlineExceeded)
		}
		synctest.Wait()
		if got, want := abandoned.Load(), int32(10); got != want {
			t.Errorf("%d waiters were answered, want %d", got, want)
		}
		close(stuck)
		closeBatcher(t, b)
	})
}

func TestBatcherWakesAfterwards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var woken []string
		store := &memory{hook: func(_ context.Context, b event.Batch) error {
			if slices.Contains(textsOf(b), "refused") {
				return errors.New("no")
			}
			return nil
		}}
		b := newTestBatcher(t, store, func(o *BatcherOptions) {
			o.OnAppended = func(b event.Batch) { woken = append(woken, textsOf(b)...) }
		})
		for _, text := range []string{"a", "refused", "b"} {
			_ = b.Append(context.Background(), messages(text))
		}
		closeBatcher(t, b)
		if want := []string{"a", "b"}; !slices.Equal(woken, want) {
			t.Errorf("OnAppended saw %q, want %q", woken, want)
		}
	})
}

// Whatever is appended by whom, who was told nil finds it stored once, and who
// was told an error finds it stored not at all; the store refuses at random,
// whole batches or for one of them.
func TestBatcherTellsTheTruth(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		poisoned := rapid.SliceOfDistinct(rapid.IntRange(0, 39), rapid.ID[int]).Draw(rt, "poisoned")
		down := rapid.SliceOfDistinct(rapid.IntRange(0, 20), rapid.ID[int]).Draw(rt, "calls that find the store down")
		appends := rapid.IntRange(1, 3).Draw(rt, "appends")
		facts := rapid.IntRange(1, 20).Draw(rt, "facts a batch")
		pauses := rapid.SliceOfN(rapid.IntRange(0, 5), 40, 40).Draw(rt, "pauses")
		synctest.Test(t, func(t *testing.T) {
			var calls atomic.Int32
			store := &memory{hook: func(_ context.Context, b event.Batch) error {
				n := int(calls.Add(1)) - 1
				time.Sleep(3 * time.Millisecond)
				if slices.Contains(down, n) {
					return errDown
				}
				for _, text := range textsOf(b) {
					var i int
					fmt.Sscan(text, &i)
					if slices.Contains(poisoned, i) {
						return errors.New("poison")
					}
				}
				return nil
			}}
			b := newTestBatcher(t, store, func(o *BatcherOptions) {
				o.Limits.Alerts.Appends, o.Limits.Alerts.BatchFacts = appends, facts
				o.Limits.Logs.Appends, o.Limits.Logs.BatchFacts = appends, facts
			})
			errs := make([]error, 40)
			var wg sync.WaitGroup
			for i := range errs {
				wg.Go(func() {
					time.Sleep(time.Duration(pauses[i]) * time.Millisecond)
					batch := messages(fmt.Sprint(i))
					if i%3 == 0 {
						batch = lines(fmt.Sprint(i))
					}
					errs[i] = b.Append(context.Background(), batch)
				})
			}
			wg.Wait()
			closeBatcher(t, b)
			stored := map[string]int{}
			for _, text := range store.texts() {
				stored[text]++
			}
			for i, err := range errs {
				want := 1
				if err != nil {
					want = 0
				}
				if got := stored[fmt.Sprint(i)]; got != want {
					rt.Errorf("batch %d was told %v and is stored %d times", i, err, got)
				}
				if slices.Contains(poisoned, i) && err == nil {
					rt.Errorf("the store refuses batch %d, its sender was told nil", i)
				}
			}
		})
	})
}
