package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// teardown is what must be undone, in the order in which it was done. It is
// undone in reverse.
type teardown struct {
	steps  []step
	logger *slog.Logger
}

type step struct {
	name string
	undo func(context.Context) error
}

// add names a step and how to undo it; undo must return soon after its context
// is done.
func (t *teardown) add(name string, undo func(context.Context) error) {
	t.steps = append(t.steps, step{name, undo})
}

// run undoes all steps, also when some fail or the time is over.
func (t *teardown) run(ctx context.Context) error {
	var errs []error
	for i := len(t.steps) - 1; i >= 0; i-- {
		s := t.steps[i]
		began := time.Now()
		err := s.undo(ctx)
		t.logger.Debug("teardown", "step", s.name, "took", time.Since(began), "err", err)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", s.name, err))
		}
	}
	t.steps = nil
	return errors.Join(errs...)
}

// loop runs a function until it is told to stop. A function that returns
// earlier with an error is reported to failed.
type loop struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func startLoop(name string, run func(context.Context) error, failed chan<- error) *loop {
	ctx, cancel := context.WithCancel(context.Background())
	l := &loop{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		if err := run(ctx); err != nil && ctx.Err() == nil {
			select {
			case failed <- fmt.Errorf("%s: %w", name, err):
			default:
			}
		}
	}()
	return l
}

// stop tells the function to return and waits until it has, or ctx is done.
func (l *loop) stop(ctx context.Context) error {
	l.cancel()
	select {
	case <-l.done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("still running: %w", context.Cause(ctx))
	}
}
