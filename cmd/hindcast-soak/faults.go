package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// faults counts what was done to the parts.
type faults struct {
	mu                      sync.Mutex
	kills, restarts, frozen int
}

func (f *faults) count(which *int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	*which++
	return *which
}

func (f *faults) String() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return fmt.Sprintf("%d kills of a consumer, %d restarts of the broker, %d freezes of the store", f.kills, f.restarts, f.frozen)
}

// disturb does what the plan says until ctx is done. An error means that a part
// could not be brought back, or ended by itself.
func (s *soak) disturb(ctx context.Context) error {
	errs := make(chan error, 3)
	for _, f := range []func(context.Context) error{s.killing, s.restarting, s.freezing} {
		go func() { errs <- f(ctx) }()
	}
	var first error
	for range cap(errs) {
		if err := <-errs; err != nil && first == nil && ctx.Err() == nil {
			first = err
		}
	}
	return first
}

// killing kills one consumer after the other, and starts it again.
func (s *soak) killing(ctx context.Context) error {
	if s.plan.kill == 0 {
		return nil
	}
	ticker := time.NewTicker(s.plan.kill)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
		for _, c := range s.consumers {
			if c.State() != nil {
				return fmt.Errorf("%s ended by itself", c.Name)
			}
		}
		c := s.consumers[n%len(s.consumers)]
		if err := c.Kill(); err != nil {
			return err
		}
		s.Say("killed %s (%d)", c.Name, s.faults.count(&s.faults.kills))
		// It comes back also when all is over, to be stopped in order.
		pause(ctx, s.plan.down)
		if err := c.Start(); err != nil {
			return err
		}
	}
}

// restarting restarts the broker when parts of the messages are produced, in order
// and by a kill in turn.
func (s *soak) restarting(ctx context.Context) error {
	for n := range s.plan.restarts {
		if !s.produced(ctx, n+1, s.plan.restarts+1) {
			return nil
		}
		stop, how := s.broker.Stop, "stopped"
		if n%2 == 1 {
			stop, how = s.broker.Kill, "killed"
		}
		if err := stop(); err != nil {
			return fmt.Errorf("stop the broker: %w", err)
		}
		pause(ctx, s.plan.down)
		if err := s.broker.Restart(context.WithoutCancel(ctx)); err != nil {
			return fmt.Errorf("start the broker: %w", err)
		}
		s.Say("%s the broker and started it (%d)", how, s.faults.count(&s.faults.restarts))
	}
	return nil
}

// freezing freezes the store when half of the messages are produced.
func (s *soak) freezing(ctx context.Context) error {
	if s.plan.freeze == 0 || !s.produced(ctx, 1, 2) {
		return nil
	}
	if err := s.engine.Process().Freeze(); err != nil {
		return err
	}
	pause(ctx, s.plan.freeze)
	if err := s.engine.Process().Thaw(); err != nil {
		return err
	}
	s.Say("froze the store for %v (%d)", s.plan.freeze, s.faults.count(&s.faults.frozen))
	return nil
}

// produced waits until a part of the messages is produced.
func (s *soak) produced(ctx context.Context, part, of int) bool {
	for int(s.producer.done.Load()) < s.plan.messages*part/of {
		if !pause(ctx, 20*time.Millisecond) {
			return false
		}
	}
	return true
}

// pause waits, and reports whether ctx is still on.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
