package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// retry does a step until it succeeds. The error is ctx's, or [ErrLost].
func (p *partition) retry(ctx context.Context, step string, do func() error) error {
	for failures := 0; ; failures++ {
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
		err := do()
		if err == nil {
			if failures > 0 {
				p.o.Observer.Resumed()
			}
			return nil
		}
		err = fmt.Errorf("%s: %w", step, err)
		if ctx.Err() != nil || errors.Is(err, ErrLost) {
			return err
		}
		p.o.Observer.Paused(err)
		p.o.Clock.Sleep(ctx, p.delay(failures))
	}
}

// mostTime is how much of AppendTimeout a try may get.
const mostTime = 4

// try is retry for steps of which each try has a limited time. One that was too
// short is followed by one that has twice as much: else what is merely slow would
// be begun over and over, and never come to its end.
func (p *partition) try(ctx context.Context, step string, do func(context.Context) error) error {
	limit := p.o.AppendTimeout
	return p.retry(ctx, step, func() error {
		ctx, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		err := do(ctx)
		if err != nil && ctx.Err() != nil {
			limit = min(2*limit, mostTime*p.o.AppendTimeout)
		}
		return err
	})
}

// delay is how long to wait after so many failures in a row, beside the last.
func (p *partition) delay(failures int) time.Duration {
	d := p.o.Backoff.Max
	// A shift by 32 and more would overflow before it is compared.
	if shifted := p.o.Backoff.Min << min(failures, 32); shifted > 0 {
		d = min(d, shifted)
	}
	return d/2 + time.Duration(p.o.Random()*float64(d/2))
}
