package run

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/storage"
)

// Several processes may run on a store that is a [storage.Lease]. All of them are
// candidates, and one is the owner:
//
//	stand by ──silent or released──► claim ──► lead ──fenced──► stand by
//	   ▲                               │         │
//	   └────────────failed─────────────┘    told to end ──► release
//
// A claim that failed may count all the same: then who led is fenced by an owner
// that does not know of itself. So nobody claims twice without a look in between:
// another may have come first. Who sees that nobody leads claims again, and fences
// what may have been left behind.
//
// What is published under a claim that is not the latest is not seen, so two that
// believe themselves owners do no harm, whatever the times below are. They say how
// long nobody leads after an owner died: at most leaseFor and lookEvery, then the
// store is read.
const (
	// leaseFor is for how long an owner may be silent before another takes over.
	leaseFor = 6 * time.Second
	// beatEvery is how often an owner says that it lives. Three beats may be lost.
	beatEvery = 1500 * time.Millisecond
	// askWithin bounds one question to the lease.
	askWithin = 3 * time.Second
	// hangs is from when on an owner that waits for one answer of the store does
	// not say any more that it lives: it does nothing that another could not do. It
	// is longer than a store may take that is merely slow, since a new owner would
	// begin by reading more of it.
	hangs = time.Minute
	// grace is how long a candidate that could not look, or did not, lets an owner
	// that could not beat either come first.
	grace = 2 * beatEvery
)

// Run follows the store until ctx is done, and returns nil then. Errors of the
// store are logged and tried again. It is called once.
//
// Where the store is a [storage.Lease] the runner stands by while another owner
// lives, and again when another has taken over; when ctx is done it lets another
// take over at once. Elsewhere it claims the store when it starts, and returns
// [storage.ErrFenced] when another has claimed it since.
func (r *Runner) Run(ctx context.Context) error {
	err := r.run(ctx)
	r.outcome = ErrEnded
	if err != nil {
		r.outcome = fmt.Errorf("%w: %w", ErrEnded, err)
	}
	close(r.ended)
	return err
}

func (r *Runner) run(ctx context.Context) error {
	retry := firstRetry
	var failed time.Time
	for r.lease == nil || r.standBy(ctx, failed) {
		claim, err := r.store.Claim(ctx, r.options.Owner)
		if err != nil {
			if ctx.Err() == nil {
				r.log.Error("The correlator could not claim the store.", "err", err, "in", retry)
			}
			r.setReady(err)
			if !sleep(ctx, retry) {
				return nil
			}
			retry, failed = min(2*retry, greatestTry), time.Now()
			continue
		}
		r.metrics.takeovers.Inc()
		retry, failed = firstRetry, time.Time{}
		if err := r.own(ctx, claim); r.lease == nil || !errors.Is(err, storage.ErrFenced) {
			return err
		}
		r.log.Warn("Another hindcast has taken over. This one publishes nothing any more, and stands by.")
	}
	return nil
}

// Owns reports whether this process derives the timelines now, as far as it
// knows.
func (r *Runner) Owns() bool { return r.owner.Load() }

func (r *Runner) setOwner(is bool) {
	r.owner.Store(is)
	r.metrics.setOwner(is)
}

// standBy returns when nobody leads; not ok when ctx was done before. Trouble is
// since when the owner may be silent for want of a store that answers; zero: it has
// no such excuse.
func (r *Runner) standBy(ctx context.Context, trouble time.Time) (ok bool) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	// leader is who was seen to lead. Sign is when it had last said that it lives when
	// it was first seen: since then it may be dead. Idle is open when it has said so
	// again.
	var leader storage.Claim
	var sign time.Time
	var idle <-chan chan<- error
	failing, looked := false, time.Now()
	for {
		asked := time.Now()
		holder, silent, err := r.look(ctx)
		if ctx.Err() != nil {
			return false
		}
		now := time.Now()
		if err != nil || silent >= leaseFor {
			idle = nil
		}
		late := now.Sub(looked) >= 2*lookEvery
		looked = now
		switch {
		case errors.Is(err, storage.ErrNotFound), err == nil && silent == math.MaxInt64:
			return true
		case err != nil:
			if !failing {
				r.log.Error("The correlator cannot see who leads. It looks again every second.", "err", err)
			}
			failing, trouble = true, now
			r.setReady(fmt.Errorf("see who leads: %w", err))
		case silent < leaseFor:
			failing, trouble = false, time.Time{}
			r.setReady(nil)
			if holder != leader {
				r.log.Info("Another hindcast derives the timelines. This one stands by.", "owner", holder.Owner)
				leader, sign, idle = holder, now.Add(-silent), nil
			}
			if asked.Add(-silent).Sub(sign) > beatEvery/2 {
				idle = r.idle
			}
		case late && trouble.IsZero():
			trouble = now
		case trouble.IsZero() || now.Sub(trouble) >= grace:
			r.log.Warn("The hindcast that derives the timelines is silent. This one takes over.", "owner", holder.Owner, "silent", silent.Round(time.Millisecond))
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-ticker.C:
		case a := <-idle:
			a <- fmt.Errorf("%w: %s", ErrStandsBy, leader.Owner)
		case c := <-r.config:
			c.answer <- r.prepare(c.config)
		}
	}
}

// look asks who leads.
func (r *Runner) look(ctx context.Context) (storage.Claim, time.Duration, error) {
	defer r.store.answered(r.store.ask(new(call)))
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return r.lease.Holder(ctx)
}

// prepare changes the configuration for the engines to come.
func (r *Runner) prepare(config correlate.Config) error {
	if _, err := correlate.New(config); err != nil {
		return err
	}
	r.options.Config = config
	return nil
}

// own leads under a claim until ctx is done, and returns nil then, or
// [storage.ErrFenced] when another has taken over.
func (r *Runner) own(ctx context.Context, claim storage.Claim) error {
	r.setOwner(true)
	defer r.setOwner(false)
	if r.lease == nil {
		return r.lead(ctx, claim)
	}
	held, lose := context.WithCancelCause(ctx)
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		r.beat(held, claim, lose)
	}()
	err := r.lead(held, claim)
	lose(nil)
	<-beating
	if ctx.Err() != nil {
		r.release(ctx, claim)
		return nil
	}
	if cause := context.Cause(held); errors.Is(cause, storage.ErrFenced) {
		return cause
	}
	return err
}

// beat says that this owner lives, until ctx is done. It runs beside what derives,
// which may take long, and tells it when the claim is lost.
func (r *Runner) beat(ctx context.Context, claim storage.Claim, lose context.CancelCauseFunc) {
	ticker := time.NewTicker(beatEvery)
	defer ticker.Stop()
	for failing := false; ; {
		if waits := r.store.waits(); waits < hangs {
			err := r.beatOnce(ctx, claim)
			switch {
			case ctx.Err() != nil:
				return
			case errors.Is(err, storage.ErrFenced):
				lose(err)
				return
			case err != nil && !failing:
				r.log.Warn("The correlator could not say that it lives: another may take over.", "err", err)
			}
			failing = err != nil
		} else if !failing {
			r.log.Error("The store does not answer the correlator, so it does not say any more that it lives: another may take over.", "waits", waits.Round(time.Second))
			failing = true
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (r *Runner) beatOnce(ctx context.Context, claim storage.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, askWithin)
	defer cancel()
	return r.lease.Beat(ctx, claim)
}

// release lets another take over at once. When it fails, another does so a little
// later.
func (r *Runner) release(ctx context.Context, claim storage.Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askWithin)
	defer cancel()
	if err := r.lease.Release(ctx, claim); err != nil && !errors.Is(err, storage.ErrFenced) {
		r.log.Warn("The correlator could not say that it ends: another takes over a little later.", "err", err)
	}
}
