// Package api gives out what hindcast knows: incidents, their timelines as
// JSON and as Markdown, and the facts behind them.
//
// It is the last package of the flow: it reads the store through [Store] and
// changes nothing. Resources are described by the OpenAPI 3.1 document at
// /openapi.json; errors are RFC 9457 problems.
package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// IncidentReader finds what the engine derived. Its methods keep the promises
// of [storage.Derivations] and may be called concurrently.
type IncidentReader interface {
	Incidents(ctx context.Context, q storage.IncidentQuery) (storage.IncidentPage, error)
	Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error)
}

// FactReader finds what senders reported. Its methods keep the promises of
// [storage.Facts] and may be called concurrently.
type FactReader interface {
	Fact(ctx context.Context, id event.ID) (storage.Fact, error)
	Lines(ctx context.Context, q storage.LineQuery) (storage.LinePage, error)
	Asides(ctx context.Context, cursor string, limit int) (storage.AsidePage, error)
}

// Store is all that the API reads. A [storage.Store] is one.
type Store interface {
	IncidentReader
	FactReader
}

// Options are what the API is made of. Only Store is needed.
type Options struct {
	Store Store
	// Labels say which label of an alert names its service and environment. The
	// zero LabelMap stands for [event.DefaultLabelMap].
	Labels event.LabelMap
	// Receivers are the paths that take facts in, which are told to who posts
	// elsewhere. Nil: none are.
	Receivers []string
	// Ready answers whether what the process does can be done now: with a status
	// of HTTP, and a text for people that ends with a new line. Roles are those
	// that are asked for, separated by commas; "" when none are named. Nil: always
	// ready.
	Ready func(roles string) (status int, text string)
	// Registerer takes the metrics hindcast_api_*. Nil: they are not registered.
	Registerer prometheus.Registerer
	// Logger gets what went wrong inside. Nil: [slog.Default].
	Logger *slog.Logger
	// Now is the clock. Nil: [time.Now].
	Now func() time.Time
	// Timeout bounds what a request may take of the store. 0: 10 s.
	Timeout time.Duration
	// Concurrency bounds the requests that are served at the same time; those
	// beyond it are answered 503 with Retry-After. Health is always answered. A
	// client that reads slowly holds its place: it is the server's WriteTimeout
	// that bounds it. 0: 64.
	Concurrency int
	// Version is what the OpenAPI document says of the program. "": "dev".
	Version string
}

// New makes the handler of everything that is given out, to be mounted at /.
// It answers unknown paths with a problem of its own. It fails when there is no
// store, or when the metrics cannot be registered. The handler may be used
// concurrently and starts no goroutines.
func New(opts Options) (http.Handler, error) {
	if opts.Store == nil {
		return nil, errors.New("make the API: no store")
	}
	a := &api{Options: withDefaults(opts), mux: http.NewServeMux()}
	a.slots = make(chan struct{}, a.Concurrency)
	a.metrics = newMetrics()
	if err := a.metrics.register(opts.Registerer); err != nil {
		return nil, fmt.Errorf("make the API: %w", err)
	}
	if err := a.route(); err != nil {
		return nil, fmt.Errorf("make the API: %w", err)
	}
	return a, nil
}

// api is the handler. It is not changed after New.
type api struct {
	Options
	mux     *http.ServeMux
	slots   chan struct{}
	metrics *metrics
	// document is the OpenAPI document as it is served.
	document []byte
}

func withDefaults(o Options) Options {
	if len(o.Labels.Service) == 0 && len(o.Labels.Environment) == 0 {
		o.Labels = event.DefaultLabelMap()
	}
	if o.Ready == nil {
		o.Ready = func(string) (int, string) { return http.StatusOK, "hindcast is ready.\n" }
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Timeout <= 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Concurrency <= 0 {
		o.Concurrency = 64
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	return o
}

// route registers every resource. The document is made at the end, from what
// was registered.
func (a *api) route() error {
	h := humago.New(a.mux, config(a.Version))
	huma.Register(h, a.describeIncidents(h), a.getIncidents)
	huma.Register(h, a.describeIncident(h), a.getIncident)
	huma.Register(h, a.describeTimeline(h), a.getTimeline)
	huma.Register(h, a.describeEvent(h), a.getEvent)
	huma.Register(h, a.describeLogs(h), a.getLogs)
	huma.Register(h, a.describeAsides(h), a.getAsides)
	huma.Register(h, describeHealthy(), a.getHealthy)
	huma.Register(h, describeReady(h), a.getReady)

	document, err := document(h.OpenAPI())
	if err != nil {
		return err
	}
	a.document = document
	a.mux.HandleFunc("GET /openapi.json", a.getDocument)
	a.mux.HandleFunc("GET /{$}", a.getIndex)
	a.mux.HandleFunc("/", a.unknown)
	return nil
}
