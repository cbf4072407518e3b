// Package server wires hindcast's parts into one process and takes them apart
// again.
//
//	senders ──► receivers ─┐            forward: kafka
//	                       ├─► batcher ─────┬────────► forwarder ──► Kafka
//	Alertmanagers ◄─ poll ─┘                ▼                          │
//	                                      store ◄──────── consumer ◄───┘
//	                                     ▲  ▲  │
//	                      runner ────────┘  │  └─────► api ──► readers
//	                      retention ────────┘
//
// What appends to the store wakes the runner. The meter stands before the store and
// before Kafka, and counts what became durable there. A process runs the parts of its
// [Roles]: receivers and poll are receive, the consumer is consume, the runner and
// the retention are correlate. What receives alone, and forwards, opens no store.
//
// What is started last is stopped first, so that a sender that waits for its
// answer gets it: no new requests, those under way end; consuming ends, and the
// group knows; the batches are flushed; the runner lets another take over; the
// store is closed.
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

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/storage"
)

// Options says what to start.
type Options struct {
	Config config.Config
	// Store is sqlite:PATH, or a DSN of ClickHouse.
	Store string
	// StoreWait is how long a ClickHouse that does not answer is waited for, and
	// Kafka where receivers forward.
	StoreWait time.Duration
	// TrustTimes takes the time of receipt from the senders, for a replay; the
	// engine's clock is then Settle, which must be greater than zero, after the
	// greatest of them. Nothing is deleted for its age.
	TrustTimes bool
	Settle     time.Duration
	// WebConfigFile configures TLS and authentication; "" is neither.
	WebConfigFile string
	// Roles are the parts to start; zero for all.
	Roles Roles
	// Logger is told what happens; it must not be nil.
	Logger *slog.Logger
}

// Server is a running hindcast. Its methods may be called concurrently.
type Server struct {
	options  Options
	registry *prometheus.Registry
	store    storage.Store // nil where no part needs it
	formats  *formats
	reloads  *reloadMetrics
	meter    *ingest.Meter
	// readiness answers who asks whether to send requests here.
	readiness *readiness
	// probeStore is nil where the store cannot be asked.
	probeStore *probe
	// Nil without their roles:
	runner    *run.Runner
	retention *retention
	receivers *ingest.Receivers
	pollers   *pollers
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
	if err := s.options.check(); err != nil {
		return err
	}
	for _, text := range s.options.warnings() {
		s.options.Logger.Warn("a role has nothing to do", "why", text)
	}
	if s.options.consumes() || s.options.forwards() {
		for _, text := range s.options.Config.Kafka.Warnings() {
			s.options.Logger.Warn("the configuration is unsafe", "why", "kafka."+text)
		}
	}
	s.address = listeners[0].Addr()
	g := &gate{}
	w := startWeb(g, listeners, s.options.WebConfigFile, s.options.Logger.With("part", "web"), s.failed)
	if err := s.startParts(ctx, g); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), refusedTimeout)
		defer cancel()
		return errors.Join(err, w.stop(end))
	}
	s.teardown.add("stop the web server", w.stop)
	if s.receivers != nil {
		s.teardown.add("refuse new requests", s.receivers.Shutdown)
	}
	return nil
}

// refusedTimeout bounds the end of requests that were all refused.
const refusedTimeout = 2 * time.Second

// startParts starts everything but the web server, and opens the gate before it.
func (s *Server) startParts(ctx context.Context, g *gate) error {
	s.registry = prometheus.NewRegistry()
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		versioncollector.NewCollector("hindcast"))
	s.reloads = newReloadMetrics(s.registry)
	s.formats = newFormats(s.options.Config)
	s.meter = ingest.NewMeter(s.registry)
	s.readiness = newReadiness(&s.options)

	if s.options.forwards() {
		// Senders need not wait for the store.
		if err := s.startForwarding(ctx); err != nil {
			return err
		}
		early := s.newMux()
		mountHealth(early, s.readiness)
		early.HandleFunc("/", starting)
		g.open(early)
	}
	if s.options.needsStore() {
		if err := s.openStore(ctx); err != nil {
			return err
		}
	}
	if s.options.Roles.has(Correlate) {
		if err := s.startCorrelating(); err != nil {
			return err
		}
	}
	if s.options.receives() && !s.options.forwards() {
		if err := s.startReceiving(s.meter.Over(ingest.RouteDirect, s.store), nil, s.wake); err != nil {
			return err
		}
		s.readiness.set(Receive, whether(s.storeReady))
	}
	if s.options.consumes() {
		if err := s.startConsuming(); err != nil {
			return err
		}
	}
	mux := s.newMux()
	if err := s.mountAPI(mux); err != nil {
		return err
	}
	g.open(mux)
	return nil
}

// newMux serves what does not need the store.
func (s *Server) newMux() *http.ServeMux {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.InstrumentMetricHandler(s.registry, promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{Registry: s.registry})))
	if s.receivers != nil {
		s.receivers.Register(mux)
	} else {
		mountAbsentReceivers(mux, s.formats.table(), s.options.Roles)
	}
	return mux
}

// unavailable says of the errors of a store, and of Kafka, whether trying again
// later may help.
func unavailable(err error) bool {
	return errors.Is(err, storage.ErrUnavailable) || errors.Is(err, kafka.ErrUnavailable)
}

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
// readers see, or ctx is done. It needs the role correlate, and is
// [run.ErrStandsBy] where another process derives the timelines.
func (s *Server) Idle(ctx context.Context) error {
	if s.runner == nil {
		return errors.New("wait for the timelines: this process does not derive them")
	}
	if err := s.runner.Idle(ctx); err != nil {
		return fmt.Errorf("wait for the timelines: %w", err)
	}
	return nil
}

// HasStore reports whether a store is open: what receives alone, and forwards, needs
// none.
func (s *Server) HasStore() bool { return s.store != nil }

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
