package server

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/storage"
)

// pruneEvery is how often facts that are old enough are deleted, and
// pruneFirst how long after the start for the first time: a process that is
// restarted in a loop should not prune in a loop.
const (
	pruneEvery = time.Hour
	pruneFirst = 5 * time.Minute
)

// pruner is the part of the store that retention needs.
type pruner interface {
	Prune(ctx context.Context, policy storage.Retention) error
}

// retention deletes facts by their age.
type retention struct {
	store pruner
	// owns says whether this process is the one that deletes: several on a store
	// would do the same work again.
	owns     func() bool
	policy   atomic.Pointer[config.Retention]
	logger   *slog.Logger
	last     prometheus.Gauge
	failures prometheus.Counter
}

func newRetention(store pruner, policy config.Retention, owns func() bool, logger *slog.Logger, registerer prometheus.Registerer) *retention {
	factory := promauto.With(registerer)
	r := &retention{
		store: store, owns: owns, logger: logger,
		last: factory.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_retention_last_success_timestamp_seconds",
			Help: "When facts that were old enough were last deleted.",
		}),
		failures: factory.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_retention_failures_total",
			Help: "How often deleting old facts failed.",
		}),
	}
	r.policy.Store(&policy)
	return r
}

// run prunes from time to time, while it is the one who does, until ctx is done.
func (r *retention) run(ctx context.Context) error {
	timer := time.NewTimer(pruneFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		if !r.owns() {
			timer.Reset(pruneFirst)
			continue
		}
		r.prune(ctx, time.Now())
		timer.Reset(pruneEvery)
	}
}

func (r *retention) prune(ctx context.Context, now time.Time) {
	began := time.Now()
	err := r.store.Prune(ctx, policyAt(*r.policy.Load(), now))
	switch {
	case err == nil:
		r.last.SetToCurrentTime()
		r.logger.Debug("deleted old facts", "took", time.Since(began))
	case ctx.Err() == nil:
		r.failures.Inc()
		r.logger.Warn("could not delete old facts", "err", err)
	}
}

// policyAt turns ages into times. An age of 0 keeps all.
func policyAt(r config.Retention, now time.Time) storage.Retention {
	before := func(age time.Duration) time.Time {
		if age == 0 {
			return time.Time{}
		}
		return now.Add(-age)
	}
	return storage.Retention{
		LinesBefore: before(r.Lines), CountsBefore: before(r.Counts),
		EventsBefore: before(r.Events), AsidesBefore: before(r.Asides),
	}
}
