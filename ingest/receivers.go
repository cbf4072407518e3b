package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest/event"
)

// Options says how [Receivers] work. Appender, Formats and Limits are needed.
type Options struct {
	// Appender makes durable what was decoded: usually a [Batcher].
	Appender Appender
	// To is how answers call that to which the Appender brings what it takes, as
	// "Kafka". Default "the store".
	To      string
	Formats Formats
	Limits  Limits
	// Clock says when a body was received; nil for time.Now.
	Clock func() time.Time
	// TrustTimes takes the time of receipt from the header
	// Hindcast-Received-At where there is one. It is for replays: anybody who
	// can post could rewrite when hindcast learned of something.
	TrustTimes bool
	// Unavailable tells whether an error of the Appender means that trying
	// again later may help. Nil means: never.
	Unavailable func(error) bool
	// Fit moves to a batch's asides the facts that the Appender would refuse
	// however little came with them, so that they do not take others with them.
	// The error, a [TooLarge], says that no fact is left. Nil: any fact fits.
	Fit func(context.Context, *event.Batch) error
	// Registerer gets the metrics; nil for none.
	Registerer prometheus.Registerer
	// Logger is told of what was refused, a few times a second at most; nil for
	// none.
	Logger *slog.Logger
}

// HeaderReceivedAt carries the time of receipt in a replay, as RFC 3339 with
// nanoseconds.
const HeaderReceivedAt = "Hindcast-Received-At"

// HeaderTimes answers a request with the header Hindcast-Received-At: trusted
// when that is the time of receipt, received when it was not believed and the
// time of receipt is the one of the request. A replay can so tell that its
// times are lost.
const HeaderTimes = "Hindcast-Times"

// The values of [HeaderTimes].
const (
	TimesTrusted  = "trusted"
	TimesReceived = "received"
)

// Receivers are the HTTP handlers that take facts in. They may be used
// concurrently.
type Receivers struct {
	o         Options
	metrics   *requestMetrics
	endpoints []*endpoint
	lanes     [lanes]laneGate
	asides    *bucket
	warn      *bucket

	mu      sync.Mutex
	closing bool
	active  int
	idle    chan struct{} // closed when closing and nothing is active
}

// laneGate is what a lane's requests share.
type laneGate struct {
	requests slots
	decoding slots
	memory   budget
}

// New makes receivers for the formats that have a path.
func New(o Options) (*Receivers, error) {
	if o.Appender == nil {
		return nil, errors.New("receivers need an appender")
	}
	if err := o.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	if err := o.Formats.validate(); err != nil {
		return nil, err
	}
	if o.To == "" {
		o.To = "the store"
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Unavailable == nil {
		o.Unavailable = func(error) bool { return false }
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	perHour := float64(o.Limits.AsideBytesPerHour)
	rs := &Receivers{
		o:       o,
		metrics: newRequestMetrics(o.Registerer),
		asides:  newBucket(2*perHour, perHour/3600),
		warn:    newBucket(10, 1),
		idle:    make(chan struct{}),
	}
	for i := range lanes {
		l := o.Limits.lane(i)
		rs.lanes[i].requests = make(slots, l.Requests)
		rs.lanes[i].decoding = make(slots, l.Decoding)
		rs.lanes[i].memory.limit = l.Bytes
	}
	for _, f := range o.Formats {
		if f.Path == "" {
			continue
		}
		i := slices.IndexFunc(rs.endpoints, func(e *endpoint) bool { return e.path == f.Path })
		if i < 0 {
			i = len(rs.endpoints)
			rs.endpoints = append(rs.endpoints, &endpoint{rs: rs, path: f.Path, lane: f.Lane, road: f.Road})
		}
		rs.endpoints[i].formats = append(rs.endpoints[i].formats, f)
	}
	return rs, nil
}

// Register mounts the receivers on their paths, and on /ingest/ an answer that
// lists them.
func (rs *Receivers) Register(mux *http.ServeMux) {
	for _, e := range rs.endpoints {
		mux.Handle(e.path, e)
	}
	mux.HandleFunc("/ingest/", rs.unknown)
}

// Paths are the paths that Register mounts receivers on.
func (rs *Receivers) Paths() []string {
	var paths []string
	for _, e := range rs.endpoints {
		paths = append(paths, e.path)
	}
	return paths
}

func (rs *Receivers) unknown(w http.ResponseWriter, r *http.Request) {
	setReadDeadline(w, time.Now().Add(rs.o.Limits.ReadTimeout))
	(&refusal{
		status: http.StatusNotFound, detail: "nothing is received at " + r.URL.Path,
		hint: "The receivers are " + strings.Join(rs.Paths(), ", ") + ".",
	}).answer().write(w)
}

// Shutdown refuses new requests with 503 and waits for those under way, until
// ctx is done; then it returns ctx's error. What they decoded is durable or
// refused when it returns nil. The Appender stays open: close it afterwards.
func (rs *Receivers) Shutdown(ctx context.Context) error {
	rs.mu.Lock()
	if !rs.closing {
		rs.closing = true
		if rs.active == 0 {
			close(rs.idle)
		}
	}
	rs.mu.Unlock()
	select {
	case <-rs.idle:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for requests under way: %w", context.Cause(ctx))
	}
}

// enter counts a request in, unless the receivers shut down.
func (rs *Receivers) enter() bool {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.closing {
		return false
	}
	rs.active++
	return true
}

func (rs *Receivers) leave() {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.active--
	if rs.closing && rs.active == 0 {
		close(rs.idle)
	}
}

// times says whose times of receipt count.
func (rs *Receivers) times() string {
	if rs.o.TrustTimes {
		return TimesTrusted
	}
	return TimesReceived
}

// receivedAt is when a request came.
func (rs *Receivers) receivedAt(header http.Header) (time.Time, *refusal) {
	now := rs.o.Clock().UTC().Round(0)
	sent := header.Get(HeaderReceivedAt)
	if !rs.o.TrustTimes || sent == "" {
		return now, nil
	}
	at, err := time.Parse(time.RFC3339Nano, sent)
	if err != nil || !event.InRange(at) {
		return time.Time{}, &refusal{
			status: http.StatusBadRequest, reason: reasonReceivedAt, field: HeaderReceivedAt,
			detail: fmt.Sprintf("%q is not a time between 1970 and 2200", clip(sent, 64)),
			hint:   "Send RFC 3339 with nanoseconds, as 2026-02-03T04:05:06.789Z, or leave the header out.",
		}
	}
	return at.UTC(), nil
}
