package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/common/version"

	"github.com/hindcast/hindcast/api"
	"github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/storage"
)

// Each of these starts a part, and says how it is stopped.

func (s *Server) openStore(ctx context.Context) (err error) {
	s.store, err = OpenStore(ctx, s.options.Store, StoreOptions{
		Config: s.options.Config, Wait: s.options.StoreWait, Replay: s.options.TrustTimes, Logger: s.options.Logger.With("part", "store"),
	})
	if err != nil {
		return err
	}
	s.teardown.add("close the store", func(context.Context) error { return s.store.Close() })
	if shared, ok := s.store.(storage.Lease); ok {
		s.probeStore = s.startProbe("ask the store no more", askStore(shared))
	}
	return nil
}

// startProbe makes a probe that ends before what it asks does.
func (s *Server) startProbe(end string, ask func(context.Context) error) *probe {
	p := &probe{ask: ask}
	s.teardown.add(end, p.end)
	return p
}

// storeReady says whether the store answers: it is asked, where several processes
// can open it; else the runner of this one, which reads it all the time, knows.
func (s *Server) storeReady(ctx context.Context) error {
	if s.probeStore != nil {
		return s.probeStore.state(ctx)
	}
	return s.runner.Ready()
}

func (s *Server) startCorrelating() (err error) {
	o := s.options
	settle := o.Settle
	if !o.TrustTimes {
		settle = 0
	}
	s.runner, err = run.New(s.store, run.Options{
		Config: o.Config.Config, Logger: o.Logger.With("part", "runner"), Registerer: s.registry, Owner: ProcessName(), Settle: settle,
	})
	if err != nil {
		return fmt.Errorf("start the runner: %w", err)
	}
	s.teardown.add("stop the runner", startLoop("runner", s.runner.Run, s.failed).stop)
	s.readiness.set(Correlate, whether(func(context.Context) error { return s.runner.Ready() }))

	s.retention = newRetention(s.store, o.Config.Retention, s.runner.Owns, o.Logger.With("part", "retention"), s.registry)
	if !o.TrustTimes {
		s.teardown.add("stop retention", startLoop("retention", s.retention.run, s.failed).stop)
	}
	return nil
}

// startForwarding starts what receives and puts it into Kafka.
func (s *Server) startForwarding(ctx context.Context) error {
	limits := s.options.Config.Limits
	forwarder, err := kafka.NewForwarder(ctx, kafka.ForwarderOptions{
		Config: s.options.Config.Kafka, Wait: s.options.StoreWait,
		AlertTimeout: mostOf(limits.Alerts.AppendTimeout), LogTimeout: mostOf(limits.Logs.AppendTimeout),
		Registerer: s.registry, Logger: s.options.Logger.With("part", "forwarder"),
	})
	if err != nil {
		return err
	}
	s.teardown.add("close the forwarder", func(context.Context) error { forwarder.Close(); return nil })
	if err := s.startReceiving(s.meter.Over(ingest.RouteForward, forwarder), forwarder.Fit, nil); err != nil {
		return err
	}
	s.readiness.set(Receive, s.forwarderReady(forwarder))
	return nil
}

// forwarderReady is by the topic of alerts: while that alone can be written, senders
// of alerts must not be sent away.
func (s *Server) forwarderReady(f *kafka.Forwarder) check {
	var lines atomic.Pointer[error]
	p := s.startProbe("ask Kafka no more", func(ctx context.Context) error {
		alerts, logs := f.Ready(ctx)
		lines.Store(&logs)
		return alerts
	})
	return func(ctx context.Context) (limits string, err error) {
		if err := p.state(ctx); err != nil {
			return "", err
		}
		if logs := lines.Load(); logs != nil && *logs != nil {
			limits = "log lines are refused: " + oneLine(*logs)
		}
		return limits, nil
	}
}

// mostOf leaves of a time enough to answer within it.
func mostOf(d time.Duration) time.Duration { return d - d/5 }

// startReceiving starts the receivers and the polls, which append to a store or to
// what stands for one. fit is what [ingest.Options] calls Fit, and wake is told after
// each append; both may be nil.
func (s *Server) startReceiving(to ingest.Appender, fit func(context.Context, *event.Batch) error, wake func()) error {
	o, log := s.options, s.options.Logger
	var appended func(event.Batch)
	if wake != nil {
		appended = func(event.Batch) { wake() }
	}
	batcher, err := ingest.NewBatcher(to, ingest.BatcherOptions{
		Limits: o.Config.Limits, Unavailable: unavailable, OnAppended: appended,
		Registerer: s.registry, Logger: log.With("part", "batcher"),
	})
	if err != nil {
		return fmt.Errorf("start the batcher: %w", err)
	}
	s.teardown.add("flush batches", batcher.Close)

	var destination string
	if o.forwards() {
		destination = "Kafka"
	}
	s.receivers, err = ingest.New(ingest.Options{
		Appender: batcher, To: destination, Formats: s.formats.table(), Limits: o.Config.Limits, TrustTimes: o.TrustTimes,
		Unavailable: unavailable, Fit: fit, Registerer: s.registry, Logger: log.With("part", "receivers"),
	})
	if err != nil {
		return fmt.Errorf("start the receivers: %w", err)
	}

	s.pollers = newPollers(fitting(batcher, fit), s.registry, log.With("part", "poll"))
	s.teardown.add("stop polling", s.pollers.stop)
	return s.pollers.set(o.Config)
}

// fitting is an Appender that appends what fits. For who is told nothing of that: it
// is among the asides.
func fitting(to ingest.Appender, fit func(context.Context, *event.Batch) error) ingest.Appender {
	if fit == nil {
		return to
	}
	return ingest.AppenderFunc(func(ctx context.Context, batch event.Batch) error {
		// When nothing fits the asides are left.
		if err := fit(ctx, &batch); err != nil && !errors.Is(err, ingest.ErrTooMuch) {
			return err
		}
		return to.Append(ctx, batch)
	})
}

// startConsuming brings to the store what is in Kafka. It appends to the store
// itself: what the batcher bounds and joins, the consumer does for its partitions,
// whose batches must fail and be tried again each for itself.
func (s *Server) startConsuming() error {
	o := s.options
	consumer, err := kafka.New(kafka.Options{
		Config: o.Config.Kafka, Forwarded: o.Config.Forwards(), Formats: s.formats.inForce,
		Appender:    s.meter.Over(ingest.RouteKafka, ingest.AppenderFunc(s.appendAndWake)),
		Unavailable: unavailable, Registerer: s.registry, Logger: o.Logger.With("part", "consumer"),
	})
	if err != nil {
		return fmt.Errorf("start the consumer: %w", err)
	}
	s.teardown.add("stop consuming", startLoop("consumer", consumer.Run, s.failed).stop)
	s.readiness.set(Consume, whether(s.storeReady))
	return nil
}

func (s *Server) appendAndWake(ctx context.Context, batch event.Batch) error {
	err := s.store.Append(ctx, batch)
	if err == nil {
		s.wake()
	}
	return err
}

// wake tells the runner of this process, if there is one, that facts came. That of
// another looks every second.
func (s *Server) wake() {
	if s.runner != nil {
		s.runner.Wake()
	}
}

// mountAPI mounts what is given out, or says that nothing is.
func (s *Server) mountAPI(mux *http.ServeMux) error {
	if !s.options.Roles.has(API) {
		mountAbsentAPI(mux, s.readiness, s.options.Roles)
		return nil
	}
	var paths []string
	if s.receivers != nil {
		paths = s.receivers.Paths()
	}
	resources, err := api.New(api.Options{
		Store: s.store, Labels: s.options.Config.Labels, Receivers: paths, Ready: s.readiness.report, Registerer: s.registry,
		Logger: s.options.Logger.With("part", "api"), Version: version.Version,
	})
	if err != nil {
		return fmt.Errorf("start the API: %w", err)
	}
	s.readiness.set(API, whether(s.storeReady))
	mux.Handle("/", resources)
	return nil
}
