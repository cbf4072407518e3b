package run

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// unanswered is from when on a store that does not answer is said to be failing:
// the API gives up on it then.
const unanswered = 10 * time.Second

// watched is a store that knows since when an answer is waited for. Calls follow
// one another; stuck and waits may be called beside them.
type watched struct {
	Store
	since atomic.Pointer[time.Time] // nil: nothing is waited for
}

// stuck says that the store does not answer; nil while it does.
func (w *watched) stuck() error {
	if took := w.waits(); took >= unanswered {
		return fmt.Errorf("the store has not answered for %v", took.Round(time.Second))
	}
	return nil
}

// waits is for how long an answer has been waited for; 0 while none is.
func (w *watched) waits() time.Duration {
	since := w.since.Load()
	if since == nil {
		return 0
	}
	return time.Since(*since)
}

// asked begins to wait for an answer, answered ends that.
func (w *watched) asked() {
	now := time.Now()
	w.since.Store(&now)
}

func (w *watched) answered() { w.since.Store(nil) }

func (w *watched) Claim(ctx context.Context, owner string) (storage.Claim, error) {
	w.asked()
	defer w.answered()
	return w.Store.Claim(ctx, owner)
}

func (w *watched) Tip(ctx context.Context) (storage.Cursor, error) {
	w.asked()
	defer w.answered()
	return w.Store.Tip(ctx)
}

func (w *watched) Published(ctx context.Context, since time.Time) ([]storage.Published, error) {
	w.asked()
	defer w.answered()
	return w.Store.Published(ctx, since)
}

func (w *watched) Since(ctx context.Context, cursor storage.Cursor, limit int) (storage.FactPage, storage.Cursor, error) {
	w.asked()
	defer w.answered()
	return w.Store.Since(ctx, cursor, limit)
}

// Window begins to wait anew with each page.
func (w *watched) Window(ctx context.Context, from, to time.Time, yield func(storage.FactPage) error) error {
	w.asked()
	defer w.answered()
	return w.Store.Window(ctx, from, to, func(p storage.FactPage) error {
		defer w.asked()
		return yield(p)
	})
}

func (w *watched) Counts(ctx context.Context, q storage.CountQuery) ([]event.Count, error) {
	w.asked()
	defer w.answered()
	return w.Store.Counts(ctx, q)
}

func (w *watched) Publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	w.asked()
	defer w.answered()
	return w.Store.Publish(ctx, claim, derived)
}
