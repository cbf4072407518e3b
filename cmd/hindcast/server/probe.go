package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// probe asks whether something answers: no more often than every probeFor, however
// many want to know, and in a goroutine of its own, so that what hangs makes nobody
// wait for longer than they can.
type probe struct {
	// ask returns when its context is done.
	ask func(context.Context) error

	mu sync.Mutex
	// asked is when the question that is under way was asked, told when the last
	// answer came, which was err.
	asked, told time.Time
	err         error
	// answered is closed when the question under way ends; nil while there is none.
	answered chan struct{}
	cancel   context.CancelFunc
	ended    bool
}

const (
	probeFor  = time.Second
	probeWait = 5 * time.Second
	// probeTrust is how long an answer holds when no newer one comes.
	probeTrust = 30 * time.Second
)

// state is what came of the last question, or of a new one when that is some time
// ago. It waits for an answer until ctx is done, and goes by the last one then,
// unless that is old.
func (p *probe) state(ctx context.Context) error {
	if answered := p.question(); answered != nil {
		select {
		case <-answered:
		case <-ctx.Done():
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered != nil && (p.told.IsZero() || time.Since(p.told) > probeTrust) {
		return fmt.Errorf("no answer for %s", time.Since(p.asked).Round(time.Millisecond))
	}
	return p.err
}

// question asks, unless that was done just now.
func (p *probe) question() (answered <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.answered != nil || p.ended || !p.told.IsZero() && time.Since(p.told) < probeFor {
		return p.answered
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeWait)
	p.asked, p.answered, p.cancel = time.Now(), make(chan struct{}), cancel
	go func() {
		err := p.ask(ctx)
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		p.told, p.err = time.Now(), err
		close(p.answered)
		p.answered = nil
	}()
	return p.answered
}

// end asks nothing more, and returns when nothing is asked any more, or ctx is
// done.
func (p *probe) end(ctx context.Context) error {
	p.mu.Lock()
	p.ended = true
	answered := p.answered
	if answered != nil {
		p.cancel()
	}
	p.mu.Unlock()
	if answered == nil {
		return nil
	}
	select {
	case <-answered:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("still asking: %w", context.Cause(ctx))
	}
}

// askStore asks a store who leads, which costs it little.
func askStore(store storage.Lease) func(context.Context) error {
	return func(ctx context.Context) error {
		if _, _, err := store.Holder(ctx); err != nil && !errors.Is(err, storage.ErrNotFound) {
			return fmt.Errorf("ask the store: %w", err)
		}
		return nil // also when nobody has derived anything yet
	}
}
