package server

import (
	"context"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/poll"
)

// pollers runs the poller that the configuration asks for.
type pollers struct {
	to     poll.Appender
	logger *slog.Logger

	duration *prometheus.HistogramVec
	failures *prometheus.CounterVec
	last     *prometheus.GaugeVec

	mu      sync.Mutex
	config  poll.Config
	running *loop
}

func newPollers(to poll.Appender, registerer prometheus.Registerer, logger *slog.Logger) *pollers {
	factory := promauto.With(registerer)
	by := []string{"alertmanager"}
	return &pollers{
		to: to, logger: logger,
		duration: factory.NewHistogramVec(prometheus.HistogramOpts{
			Name: "hindcast_poll_duration_seconds", Help: "How long asking an Alertmanager took.", Buckets: prometheus.DefBuckets,
		}, by),
		failures: factory.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_poll_failures_total", Help: "How often asking an Alertmanager failed.",
		}, by),
		last: factory.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_poll_last_success_timestamp_seconds", Help: "When an Alertmanager was last asked and answered.",
		}, by),
	}
}

// set polls as a configuration says from now on. When it cannot, what was
// polled before still is.
func (p *pollers) set(c config.Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next := c.Poll()
	if reflect.DeepEqual(next, p.config) {
		return nil
	}
	poller, err := poll.New(next, p.to, poll.Options{
		Decoder: alertmanager.Decoder{Limits: c.Limits.AlertBody}, Logger: p.logger, Polled: p.polled,
	})
	if err != nil {
		return fmt.Errorf("poll: %w", err)
	}
	if err := p.halt(context.Background()); err != nil {
		return err
	}
	for _, gone := range p.config.Alertmanagers {
		labels := prometheus.Labels{"alertmanager": nameOf(gone)}
		p.duration.DeletePartialMatch(labels)
		p.failures.DeletePartialMatch(labels)
		p.last.DeletePartialMatch(labels)
	}
	p.config = next
	p.running = startLoop("poll", poller.Run, make(chan error, 1))
	return nil
}

func nameOf(a poll.Alertmanager) string {
	if a.Name != "" {
		return a.Name
	}
	return a.URL
}

func (p *pollers) polled(name string, took time.Duration, err error) {
	p.duration.WithLabelValues(name).Observe(took.Seconds())
	if err != nil {
		p.failures.WithLabelValues(name).Inc()
		return
	}
	p.last.WithLabelValues(name).SetToCurrentTime()
}

// stop ends polling.
func (p *pollers) stop(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.halt(ctx)
}

// halt stops what runs; the caller holds mu.
func (p *pollers) halt(ctx context.Context) error {
	if p.running == nil {
		return nil
	}
	running := p.running
	p.running = nil
	return running.stop(ctx)
}
