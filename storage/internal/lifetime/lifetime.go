// Package lifetime says of a store whether it is open, and waits at its end for
// what is under way. Every backend has one.
package lifetime

import (
	"fmt"
	"sync"

	"github.com/hindcast/hindcast/storage"
)

// ErrClosed is what a store returns once its end has begun. It is
// [storage.ErrUnavailable].
var ErrClosed = fmt.Errorf("store is closed: %w", storage.ErrUnavailable)

// Lifetime is a store's. The zero Lifetime is that of an open one. Its methods
// may be called concurrently.
type Lifetime struct {
	// mu guards ending, and that nothing begins once it is set.
	mu       sync.Mutex
	ending   bool
	underWay sync.WaitGroup
}

// Enter begins an operation that [Lifetime.Wait] waits for. The caller calls
// leave when it is over. Once the end has begun it is [ErrClosed].
func (l *Lifetime) Enter() (leave func(), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ending {
		return nil, ErrClosed
	}
	l.underWay.Add(1)
	return l.underWay.Done, nil
}

// During is an operation that [Lifetime.Wait] waits for. Errors say what it was:
// its own, and [ErrClosed] once the end has begun.
func (l *Lifetime) During(what string, do func() error) error {
	leave, err := l.Enter()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer leave()
	if err := do(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// End lets nothing begin any more.
func (l *Lifetime) End() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ending = true
}

// Ended reports whether the end has begun.
func (l *Lifetime) Ended() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ending
}

// Wait returns when all that was begun is over. [Lifetime.End] comes before it.
func (l *Lifetime) Wait() { l.underWay.Wait() }
