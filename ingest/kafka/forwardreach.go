package kafka

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"
)

// How long an append goes on while no broker can be reached at all, from the first
// attempt that failed: senders of alerts commonly wait for two seconds. Who comes
// when they are gone for longer has a single try, as long as leastTry.
const (
	alertPatience = 1500 * time.Millisecond
	logPatience   = 3 * time.Second
	leastTry      = 250 * time.Millisecond
)

// errAway is why an append ended early.
var errAway = errors.New("no broker can be reached")

// reach knows since when no broker can be reached: connections fail, and no byte
// comes. A broker that takes connections and does not answer is not away.
type reach struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)
	// away is in nanoseconds since 1970; 0 while brokers answer.
	away atomic.Int64
}

// connect dials, and remembers what came of it.
func (r *reach) connect(ctx context.Context, network, address string) (net.Conn, error) {
	began := time.Now()
	conn, err := r.dial(ctx, network, address)
	if err != nil {
		if !errors.Is(ctx.Err(), context.Canceled) { // else who wanted it gave up
			r.away.CompareAndSwap(0, began.UnixNano())
		}
		return nil, err
	}
	return &heardConn{Conn: conn, reach: r}, nil
}

// awayFor is for how long no broker could be reached; 0 while they answer.
func (r *reach) awayFor() time.Duration {
	since := r.away.Load()
	if since == 0 {
		return 0
	}
	return max(time.Since(time.Unix(0, since)), 1)
}

// while is a context that ends, for errAway, when no broker could be reached for as
// long as patience. done must be called.
func (r *reach) while(ctx context.Context, patience time.Duration) (_ context.Context, done func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for wait := leastTry; ; wait = leastTry / 5 {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			if r.awayFor() >= patience {
				cancel(errAway)
				return
			}
		}
	}()
	return ctx, func() {
		cancel(nil)
		<-ended
	}
}

// heardConn tells that a broker answers.
type heardConn struct {
	net.Conn
	reach *reach
}

func (c *heardConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 && c.reach.away.Load() != 0 {
		c.reach.away.Store(0)
	}
	return n, err
}
