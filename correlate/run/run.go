// Package run feeds the correlator from the store and writes what it derives.
//
// It is the only part of the correlator that does I/O: it follows the store's
// feed, gives the facts to a [correlate.Engine], and publishes the timelines
// that changed. A wake-up after each append makes it prompt; without one, as when
// another process appends, it looks every second. Of several processes on a store
// one does all this, and the others stand by (candidate.go).
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/storage"
)

// Store is what a runner needs of a store. One that is a [storage.Lease] as well
// may have several runners, of which one publishes.
type Store interface {
	storage.Feed
	storage.Derivations
}

// Options configure a runner. The zero value of each field but Config is
// usable.
type Options struct {
	Config correlate.Config
	Logger *slog.Logger
	// Registerer takes the runner's metrics. Nil: none are registered.
	Registerer prometheus.Registerer
	// Owner names this process in its claim. "" is the host's name.
	Owner string
	// Settle, when greater than zero, makes "now" the greatest receipt time of
	// all facts plus Settle: for replays, whose facts carry their own times.
	Settle time.Duration
	// Lookback is how much of the past is held and derived at the start. Zero:
	// two days more than incidents take to seal.
	Lookback time.Duration
	// HotLogs is how much of the log counts is held in memory. Zero: 4 h.
	HotLogs time.Duration
	// Clock is time.Now where nil.
	Clock func() time.Time
}

// Runner owns the derived state of a store, or is a candidate for it. Its methods
// may be called concurrently.
type Runner struct {
	store   *watched
	lease   storage.Lease // nil where one process has the store
	options Options
	log     *slog.Logger
	metrics *metrics
	wake    chan struct{}
	idle    chan chan<- error
	config  chan configChange

	owner atomic.Bool

	// ended is closed when Run has ended; outcome is set before.
	ended   chan struct{}
	outcome error

	mu    sync.Mutex
	ready error
}

type configChange struct {
	config correlate.Config
	answer chan error
}

// ErrStandsBy says that another process derives the timelines.
var ErrStandsBy = errors.New("another hindcast derives the timelines")

// ErrEnded says that Run has ended.
var ErrEnded = errors.New("the correlator has ended")

// errStarting is why a runner is not ready at first.
var errStarting = errors.New("the correlator is still reading the store")

// New makes a runner; Run sets it going. It fails when the configuration does
// not hold.
func New(store Store, options Options) (*Runner, error) {
	if err := options.Config.Validate(); err != nil {
		return nil, fmt.Errorf("correlator configuration: %w", err)
	}
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Clock == nil {
		options.Clock = time.Now
	}
	if options.Lookback == 0 {
		options.Lookback = options.Config.SealAfter + 48*time.Hour
	}
	if options.HotLogs == 0 {
		options.HotLogs = 4 * time.Hour
	}
	if options.Owner == "" {
		options.Owner, _ = os.Hostname()
	}
	lease, _ := store.(storage.Lease)
	return &Runner{
		lease: lease,
		store: &watched{Store: store}, options: options, log: options.Logger, metrics: newMetrics(options.Registerer),
		wake: make(chan struct{}, 1), idle: make(chan chan<- error), config: make(chan configChange),
		ended: make(chan struct{}),
		ready: errStarting,
	}, nil
}

// Wake tells the runner that facts were appended. It never blocks.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Ready is nil once the timelines of all that was stored at the start are
// published, or while another owner lives who sees to that; and while the store
// answers and takes what is derived. Else it says what is missing. A candidate
// that takes over stays ready: the timelines that there are can be read.
func (r *Runner) Ready() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ready != nil {
		return r.ready
	}
	return r.store.stuck()
}

func (r *Runner) setReady(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil && r.ready != nil && !errors.Is(r.ready, errStarting) {
		r.log.Info("The store answers again.")
	}
	r.ready = err
}

// Idle waits until everything that was appended before the call is reflected in
// timelines that this runner has published. It begins to wait before Run does, and
// goes on while the store fails or nobody leads yet. While another owner lives, this
// one cannot know how far that is: it is [ErrStandsBy] as soon as the other was seen
// to live, within two beats. When another takes over meanwhile it is
// [storage.ErrFenced], and when Run has ended [ErrEnded], with what it ended with.
func (r *Runner) Idle(ctx context.Context) error {
	answer := make(chan error, 1)
	if err := ask[chan<- error](ctx, r, r.idle, answer, answer); err != nil {
		return fmt.Errorf("wait for the correlator: %w", err)
	}
	return nil
}

// Reload replaces the configuration and derives everything again with it. On
// an error the old one stays in force. Where another process derives, it is for when
// this one does.
func (r *Runner) Reload(ctx context.Context, config correlate.Config) error {
	answer := make(chan error, 1)
	if err := ask(ctx, r, r.config, configChange{config, answer}, answer); err != nil {
		return fmt.Errorf("reload the correlator: %w", err)
	}
	return nil
}

// ask gives something to Run and waits for what it answers.
func ask[T any](ctx context.Context, r *Runner, to chan<- T, what T, answer <-chan error) error {
	select {
	case to <- what:
	case <-r.ended:
		return r.outcome
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer: // Run answers whatever it took
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// How often the runner looks without being woken, how long lines wait until
// they are derived from, and how soon it tries again after an error. Where many
// incidents are on, looking at lines takes long: then it is done less often, at
// most one part of waitPerWork of the time, so that alerts need not wait for it.
const (
	lookEvery   = time.Second
	linesWait   = time.Second
	mostWait    = 10 * time.Second
	waitPerWork = 200
	mostRest    = 50 * time.Millisecond // after a derivation: see follower.rest
	firstRetry  = 100 * time.Millisecond
	greatestTry = 10 * time.Second
	tidyEvery   = 5 * time.Minute
)

// lead follows the store under a claim until ctx is done, and returns nil then,
// or [storage.ErrFenced] when another owner has taken over. Other errors of the
// store are logged and tried again.
func (r *Runner) lead(ctx context.Context, claim storage.Claim) error {
	f, ok := r.start(ctx, claim)
	if !ok {
		return nil
	}
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	retry := firstRetry
	var waiting []chan<- error
	for {
		err := f.cycle(ctx, len(waiting) > 0)
		switch {
		case ctx.Err() != nil:
			answer(waiting, context.Cause(ctx))
			return nil
		case errors.Is(err, storage.ErrFenced):
			answer(waiting, err)
			return fmt.Errorf("publish timelines: %w", err)
		case errors.Is(err, storage.ErrBadCursor):
			// A feed need not go back for ever, and nothing may have come since.
			r.log.Warn("The store's feed does not go back to where the correlator was. The store is read again.", "err", err)
			if f, ok = r.start(ctx, claim); !ok {
				answer(waiting, context.Cause(ctx))
				return nil
			}
			continue
		case err != nil:
			r.log.Error("The correlator will try again.", "err", err, "in", retry)
			r.metrics.failures.Inc()
			r.setReady(err)
			if !r.pause(ctx, retry) {
				answer(waiting, context.Cause(ctx))
				return nil
			}
			retry = min(2*retry, greatestTry)
			continue
		}
		retry = firstRetry
		r.setReady(nil)
		answer(waiting, nil)
		waiting = waiting[:0]
		if !sleep(ctx, f.rest) {
			return nil
		}
		f.rest = 0
		var more <-chan time.Time
		if f.more {
			more = time.After(f.lasted)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		case <-ticker.C:
		case <-more:
		case a := <-r.idle:
			waiting = append(waiting, a)
		case c := <-r.config:
			c.answer <- r.configure(f, c.config)
		}
	}
}

// configure changes the configuration for this engine and those to come.
func (r *Runner) configure(f *follower, config correlate.Config) error {
	if err := f.engine.Configure(config); err != nil {
		return err
	}
	r.options.Config = config
	return nil
}

func answer(waiting []chan<- error, err error) {
	for _, w := range waiting {
		w <- err
	}
}

// sleep reports whether the time passed before ctx was done.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// pause is sleep between attempts. After a second it is cut short by a wake-up:
// who could append shows that the store is back.
func (r *Runner) pause(ctx context.Context, d time.Duration) bool {
	if !sleep(ctx, min(d, lookEvery)) {
		return false
	}
	if d <= lookEvery {
		return true
	}
	t := time.NewTimer(d - lookEvery)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-r.wake:
	case <-t.C:
	}
	return true
}

// start makes the follower, trying until the store was read; not ok when ctx
// was done before.
func (r *Runner) start(ctx context.Context, claim storage.Claim) (f *follower, ok bool) {
	for retry := firstRetry; ; retry = min(2*retry, greatestTry) {
		began := time.Now()
		f, err := r.follow(ctx, claim)
		if err == nil {
			r.log.Info("The correlator has read the store.", "facts", f.read, "took", time.Since(began).Round(time.Millisecond))
			return f, true
		}
		if ctx.Err() != nil {
			return nil, false
		}
		r.log.Error("The correlator could not read the store.", "err", err, "in", retry)
		r.setReady(err)
		if !sleep(ctx, retry) {
			return nil, false
		}
	}
}

// receipt is the greatest receipt time of some facts; of counts, which carry
// none, the last line's time.
func receipt(p storage.FactPage) (last time.Time) {
	for i := range p.Events {
		last = later(last, p.Events[i].ReceivedAt)
	}
	for i := range p.Observations {
		last = later(last, p.Observations[i].LastReceivedAt)
	}
	for i := range p.Counts {
		last = later(last, p.Counts[i].Last)
	}
	return last
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
