package run

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// unanswered is from when on a store that does not answer is said to be failing:
// the API gives up on it then.
const unanswered = 10 * time.Second

// watched is a store that knows since when an answer is waited for. It may be
// used concurrently.
type watched struct {
	Store
	mu sync.Mutex
	// asked are the calls that wait for an answer, with when each was made.
	asked map[*call]time.Time
}

// call is a call of the store; it is known by its address.
type call struct{ _ byte }

// stuck says that the store does not answer; nil while it does.
func (w *watched) stuck() error {
	if took := w.waits(); took >= unanswered {
		return fmt.Errorf("the store has not answered for %v", took.Round(time.Second))
	}
	return nil
}

// waits is for how long an answer has been waited for, the longest of several; 0
// while none is.
func (w *watched) waits() (longest time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, since := range w.asked {
		longest = max(longest, time.Since(since))
	}
	return longest
}

// ask begins to wait for an answer, or anew for a further part of one.
func (w *watched) ask(c *call) *call {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.asked == nil {
		w.asked = make(map[*call]time.Time)
	}
	w.asked[c] = time.Now()
	return c
}

// answered ends the wait.
func (w *watched) answered(c *call) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.asked, c)
}

func (w *watched) Claim(ctx context.Context, owner string) (storage.Claim, error) {
	defer w.answered(w.ask(new(call)))
	return w.Store.Claim(ctx, owner)
}

func (w *watched) Tip(ctx context.Context) (storage.Cursor, error) {
	defer w.answered(w.ask(new(call)))
	return w.Store.Tip(ctx)
}

func (w *watched) Published(ctx context.Context, since time.Time) ([]storage.Published, error) {
	defer w.answered(w.ask(new(call)))
	return w.Store.Published(ctx, since)
}

func (w *watched) Since(ctx context.Context, cursor storage.Cursor, limit int) (storage.FactPage, storage.Cursor, error) {
	defer w.answered(w.ask(new(call)))
	return w.Store.Since(ctx, cursor, limit)
}

// Window begins to wait anew with each page.
func (w *watched) Window(ctx context.Context, from, to time.Time, yield func(storage.FactPage) error) error {
	c := w.ask(new(call))
	defer w.answered(c)
	return w.Store.Window(ctx, from, to, func(p storage.FactPage) error {
		w.answered(c) // what the caller does with a page takes its own time
		defer w.ask(c)
		return yield(p)
	})
}

func (w *watched) Counts(ctx context.Context, q storage.CountQuery) ([]event.Count, error) {
	defer w.answered(w.ask(new(call)))
	return w.Store.Counts(ctx, q)
}

func (w *watched) Publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	defer w.answered(w.ask(new(call)))
	return w.Store.Publish(ctx, claim, derived)
}
