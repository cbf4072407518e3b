package server

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// probe says whether a store answers, for a process that has nobody else who
// would notice. It asks no more often than every probeFor, however many want to
// know.
type probe struct {
	store storage.Lease

	mu  sync.Mutex
	at  time.Time
	err error
}

const (
	probeFor  = time.Second
	probeWait = 5 * time.Second
)

// ready is nil while the store answers.
func (p *probe) ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.at) < probeFor {
		return p.err
	}
	ctx, cancel := context.WithTimeout(context.Background(), probeWait)
	defer cancel()
	_, _, err := p.store.Holder(ctx)
	if errors.Is(err, storage.ErrNotFound) {
		err = nil // nobody has derived anything yet
	}
	if err != nil {
		err = fmt.Errorf("ask the store: %w", err)
	}
	p.at, p.err = time.Now(), err
	return err
}
