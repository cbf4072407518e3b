// Package poll asks Alertmanagers for what no webhook and no recorder tells:
// that a silence was deleted, that a silenced alert is gone, that an alert is
// suppressed, and that the Alertmanager itself cannot be reached.
//
// In the flow it stands beside the receivers of package ingest: what it learns
// from the difference between two polls becomes facts, which it appends. Facts
// have IDs that come from what the Alertmanager says, so that asking again,
// after a restart too, tells nothing twice.
package poll

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/common/config"

	"github.com/hindcast/hindcast/ingest/alertmanager"
	"github.com/hindcast/hindcast/ingest/event"
)

// Appender takes a batch of facts. Nil means that the batch is durable; after
// an error appending it again is right.
type Appender interface {
	Append(ctx context.Context, batch event.Batch) error
}

// Options are what a Poller may be given. The zero Options suit production.
type Options struct {
	// Decoder reads the answers. Its limits bound them.
	Decoder alertmanager.Decoder
	// Logger is told when an Alertmanager cannot be reached, or can be again.
	// Nil: nothing is logged.
	Logger *slog.Logger
	// Polled is called after each poll with the Alertmanager's name, how long
	// it took and why it failed. Nil: nobody is told.
	Polled func(name string, took time.Duration, err error)
	// Appended is called after each append with the number of facts. Nil:
	// nobody is told.
	Appended func(name string, facts int, err error)
	// Transport replaces the one that is made from the configuration.
	Transport http.RoundTripper
	// Now is the clock. Nil: [time.Now].
	Now func() time.Time
}

// Poller asks Alertmanagers at their intervals.
type Poller struct {
	watches []*watch
}

// New makes a Poller. An error says what is wrong with the configuration; no
// Alertmanager is asked yet.
func New(cfg Config, to Appender, o Options) (*Poller, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Polled == nil {
		o.Polled = func(string, time.Duration, error) {}
	}
	if o.Appended == nil {
		o.Appended = func(string, int, error) {}
	}
	p := &Poller{}
	shared := &showing{}
	for i, a := range cfg.Alertmanagers {
		if a.Interval == 0 {
			a.Interval = DefaultInterval
		}
		if a.Timeout == 0 {
			a.Timeout = DefaultTimeout
		}
		client := &http.Client{Transport: o.Transport}
		if o.Transport == nil {
			var err error
			if client, err = config.NewClientFromConfig(a.HTTPClientConfig, "alertmanager"); err != nil {
				return nil, fmt.Errorf("alertmanagers[%d]: %w", i, err)
			}
		}
		// A redirect could lead credentials elsewhere.
		client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		p.watches = append(p.watches, newWatch(a, client, to, shared, o))
	}
	return p, nil
}

// Run polls until the context is done and returns nil then. Each Alertmanager
// is asked by a goroutine of its own, so that a slow one delays no other, and
// never twice at a time. Run may be called once.
func (p *Poller) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, w := range p.watches {
		all.Go(func() { w.run(ctx) })
	}
	all.Wait()
	<-ctx.Done()
	return nil
}

// run polls at once and then at the interval, a tenth more or less: hindcasts
// that were started together must not ask together for ever.
func (w *watch) run(ctx context.Context) {
	for {
		w.tick(ctx)
		wait := w.Interval + time.Duration((rand.Float64()-0.5)*0.2*float64(w.Interval))
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
