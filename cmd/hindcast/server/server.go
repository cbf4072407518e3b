// Package server wires hindcast's parts into one process and takes them apart
// again.
//
//	senders ──► receivers ─┐                          ┌─► api ──► readers
//	                       ├─► batcher ──► store ─────┤
//	Alertmanagers ◄─ poll ─┘      │          ▲        ▼
//	                              └─ wake ───┼──► runner
//	                                         └── retention
//
// What is started last is stopped first, so that a sender that waits for its
// answer gets it: no new requests, those under way end, the batches are
// flushed, what they brought is derived, the store is closed.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	versioncollector "github.com/prometheus/client_golang/prometheus/collectors/version"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/prometheus/common/version"

	"github.com/hindcast/hindcast/api"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Options says what to start.
type Options struct {
	Config config.Config
	// Store is sqlite:PATH, or a DSN of ClickHouse.
	Store string
	// StoreWait is how long a ClickHouse that does not answer is waited for.
	StoreWait time.Duration
	// TrustTimes takes the time of receipt from the senders, for a replay; the
	// engine's clock is then Settle, which must be greater than zero, after the
	// greatest of them. Nothing is deleted for its age.
	TrustTimes bool
	Settle     time.Duration
	// WebConfigFile configures TLS and authentication; "" is neither.
	WebConfigFile string
	// Logger is told what happens; it must not be nil.
	Logger *slog.Logger
}

// Server is a running hindcast. Its methods may be called concurrently.
type Server struct {
	options   Options
	runner    *run.Runner
	retention *retention
	formats   *formats
	pollers   *pollers
	reloads   *reloadMetrics
	address   net.Addr
	failed    chan error
	teardown  *teardown
}

// Start opens the store, starts everything and serves on the listeners, which
// it owns from then on. ctx bounds the start only. Stop must be called on the
// server that is returned. At least one listener is needed.
func Start(ctx context.Context, o Options, listeners ...net.Listener) (*Server, error) {
	s := &Server{options: o, failed: make(chan error, 8), teardown: &teardown{logger: o.Logger}}
	if err := s.start(ctx, listeners); err != nil {
		for _, l := range listeners {
			l.Close()
		}
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Server) start(ctx context.Context, listeners []net.Listener) error {
	if len(listeners) == 0 {
		return errors.New("no address to listen on")
	}
	s.address = listeners[0].Addr()
	g := &gate{}
	w := startWeb(g, listeners, s.options.WebConfigFile, s.options.Logger.With("part", "web"), s.failed)
	handler, receivers, err := s.startParts(ctx)
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusedTimeout)
		defer cancel()
		return errors.Join(err, w.stop(end))
	}
	g.open(handler)
	s.teardown.add("stop the web server", w.stop)
	s.teardown.add("refuse new requests", receivers.Shutdown)
	return nil
}

// refusedTimeout bounds the end of requests that were all refused.
const refusedTimeout = 2 * time.Second

// startParts opens the store and starts everything but the web server, whose
// handler it returns.
func (s *Server) startParts(ctx context.Context) (http.Handler, *ingest.Receivers, error) {
	o, log := s.options, s.options.Logger
	registry := prometheus.NewRegistry()
	registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("hindcast"))
	s.reloads = newReloadMetrics(registry)

	store, err := OpenStore(ctx, o.Store, StoreOptions{
		Config: o.Config, Wait: o.StoreWait, Replay: o.TrustTimes, Logger: log.With("part", "store"),
	})
	if err != nil {
		return nil, nil, err
	}
	s.teardown.add("close the store", func(context.Context) error { return store.Close() })

	if !o.TrustTimes {
		o.Settle = 0
	}
	s.runner, err = run.New(store, run.Options{
		Config: o.Config.Config, Logger: log.With("part", "runner"), Registerer: registry, Owner: ProcessName(), Settle: o.Settle,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start the runner: %w", err)
	}
	s.teardown.add("stop the runner", startLoop("runner", unlessTaken(store, s.runner.Run), s.failed).stop)

	if s.retention = newRetention(store, o.Config.Retention, log.With("part", "retention"), registry); !o.TrustTimes {
		s.teardown.add("stop retention", startLoop("retention", s.retention.run, s.failed).stop)
	}

	batcher, err := ingest.NewBatcher(store, ingest.BatcherOptions{
		Limits: o.Config.Limits, Unavailable: unavailable, OnAppended: func(event.Batch) { s.runner.Wake() },
		Registerer: registry, Logger: log.With("part", "batcher"),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start the batcher: %w", err)
	}
	s.teardown.add("flush batches", batcher.Close)

	s.formats = newFormats(o.Config)
	receivers, err := ingest.New(ingest.Options{
		Appender: batcher, Formats: s.formats.table(), Limits: o.Config.Limits, TrustTimes: o.TrustTimes,
		Unavailable: unavailable, Registerer: registry, Logger: log.With("part", "receivers"),
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start the receivers: %w", err)
	}

	s.pollers = newPollers(batcher, registry, log.With("part", "poll"))
	s.teardown.add("stop polling", s.pollers.stop)
	if err := s.pollers.set(o.Config); err != nil {
		return nil, nil, err
	}

	resources, err := api.New(api.Options{
		Store: store, Labels: o.Config.Labels, Receivers: receivers.Paths(), Ready: s.runner.Ready, Registerer: registry,
		Logger: log.With("part", "api"), Version: version.Version,
	})
	if err != nil {
		return nil, nil, fmt.Errorf("start the API: %w", err)
	}

	mux := http.NewServeMux()
	receivers.Register(mux)
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(registry, promhttp.HandlerFor(registry, promhttp.HandlerOpts{Registry: registry})))
	mux.Handle("/", resources)
	return mux, receivers, nil
}

// unavailable says of a store's errors whether trying again later may help.
func unavailable(err error) bool { return errors.Is(err, storage.ErrUnavailable) }

// ProcessName names this process, for people and so that no two in a network have
// the same, where several share a store.
func ProcessName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "an unknown host"
	}
	return fmt.Sprintf("process %d on %s, since %s", os.Getpid(), host, time.Now().UTC().Format(time.RFC3339Nano))
}

// Failed yields the error of a part that stopped by itself. The server should
// be stopped then.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop takes no new requests, lets those under way end, flushes and closes.
// When ctx is done before that, it cuts off what remains, and says so.
func (s *Server) Stop(ctx context.Context) error { return s.teardown.run(ctx) }

// Idle returns when everything that was appended before is reflected in what
// readers see, or ctx is done.
func (s *Server) Idle(ctx context.Context) error {
	if err := s.runner.Idle(ctx); err != nil {
		return fmt.Errorf("wait for the timelines: %w", err)
	}
	return nil
}

// URL is where the first listener is reached from this machine.
func (s *Server) URL() string {
	host, port, err := net.SplitHostPort(s.address.String())
	if err != nil {
		return "http://" + s.address.String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
