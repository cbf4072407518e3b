package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hindcast/hindcast/ingest/event"
)

// Route is a stretch of the way of facts at whose end they are durable. The zero
// Route is RouteDirect.
type Route uint8

// The routes. A fact that is forwarded goes by RouteForward, and by RouteKafka
// after that; every fact that is stored came by one of the other two.
const (
	// RouteDirect leads from the receivers and the polls to the store.
	RouteDirect Route = iota
	// RouteForward leads from the receivers and the polls to Kafka.
	RouteForward
	// RouteKafka leads from Kafka to the store.
	RouteKafka
)

const (
	atReceivers = "receivers"
	atKafka     = "kafka"
	atStore     = "store"
)

// ends are what metrics call the two ends of a route.
func (r Route) ends() (from, to string) {
	switch r {
	case RouteForward:
		return atReceivers, atKafka
	case RouteKafka:
		return atKafka, atStore
	}
	return atReceivers, atStore
}

// Meter counts what becomes durable, in front of whatever makes it so. Facts over
// HTTP and facts over Kafka meet in it, so that each is counted once, when it is
// stored. It may be used concurrently.
type Meter struct {
	stored       *prometheus.CounterVec
	forwarded    *prometheus.CounterVec
	last         *prometheus.GaugeVec
	duration     *prometheus.HistogramVec
	errors       *prometheus.CounterVec
	roads, kinds *known

	mu       sync.Mutex
	lastSeen map[origin]time.Time
}

type origin struct{ road, from string }

// NewMeter makes a meter whose metrics go to a registerer; nil for none.
func NewMeter(reg prometheus.Registerer) *Meter {
	f := promauto.With(reg)
	return &Meter{
		stored: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_facts_total",
			Help: "Facts that were made durable in the store, deliveries of known ones included, by kind, by road and by where they came from: receivers or kafka.",
		}, []string{"kind", "road", "from"}),
		forwarded: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_forwarded_facts_total",
			Help: "Facts that receivers made durable in Kafka, by kind and road. Who consumes them counts them among the facts that are stored.",
		}, []string{"kind", "road"}),
		last: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_ingest_last_fact_timestamp_seconds",
			Help: "When the latest durable fact of a road was received, in seconds since 1970, by where it came from: receivers or kafka.",
		}, []string{"road", "from"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hindcast_ingest_append_duration_seconds",
			Help:    "Time that the store, or Kafka, took to make a batch durable.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"lane", "from", "to"}),
		errors: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_append_errors_total",
			Help: "Appends of batches, to the store or to Kafka, that failed. What is refused for its size is not one of them.",
		}, []string{"lane", "from", "to"}),
		roads:    knownRoads(),
		kinds:    knownKinds(),
		lastSeen: map[origin]time.Time{},
	}
}

// Over is an Appender that appends to another one, and counts what went that
// route.
func (m *Meter) Over(route Route, to Appender) Appender {
	from, end := route.ends()
	for lane := range lanes {
		m.errors.WithLabelValues(lane.String(), from, end) // so that the first one is seen
	}
	return AppenderFunc(func(ctx context.Context, batch event.Batch) error {
		began := time.Now()
		err := to.Append(ctx, batch)
		lane := laneOf(&batch).String()
		m.duration.WithLabelValues(lane, from, end).Observe(time.Since(began).Seconds())
		switch {
		case err == nil:
			m.appended(&batch, route)
		case route != RouteKafka && errors.Is(err, ErrTooMuch): // the sender's doing, and counted as a refusal
		case !errors.Is(ctx.Err(), context.Canceled): // else who wanted it gave up, and nothing failed
			m.errors.WithLabelValues(lane, from, end).Inc()
		}
		return err
	})
}

// appended counts the facts of a batch that became durable.
func (m *Meter) appended(b *event.Batch, route Route) {
	type key struct{ kind, road string }
	type seen struct {
		n    int
		last time.Time
	}
	tally := map[key]seen{}
	add := func(kind event.Kind, road event.Road, n int, received time.Time) {
		k := key{string(kind), string(road)}
		s := tally[k]
		s.n += n
		if received.After(s.last) {
			s.last = received
		}
		tally[k] = s
	}
	for i := range b.Events {
		add(b.Events[i].Kind, b.Events[i].Road, 1, b.Events[i].ReceivedAt)
	}
	for i := range b.Observations {
		o := &b.Observations[i]
		var road event.Road
		if len(o.Roads) > 0 {
			road = o.Roads[0]
		}
		add(event.KindAlert, road, 1, o.LastReceivedAt)
	}
	for i := range b.Chunks {
		add(event.KindLog, b.Chunks[i].Road, len(b.Chunks[i].Lines), b.Chunks[i].ReceivedAt)
	}
	for i := range b.Asides {
		add(kindAside, b.Asides[i].Road, 1, time.Time{})
	}
	from, _ := route.ends()
	for k, s := range tally {
		kind, road := m.kinds.bound(k.kind), m.roads.bound(k.road)
		if route == RouteForward {
			m.forwarded.WithLabelValues(kind, road).Add(float64(s.n))
		} else {
			m.stored.WithLabelValues(kind, road, from).Add(float64(s.n))
		}
		if !s.last.IsZero() {
			m.seen(origin{road, from}, s.last)
		}
	}
}

// seen moves a road's latest receipt forward; a replay may bring older ones.
func (m *Meter) seen(o origin, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !at.After(m.lastSeen[o]) {
		return
	}
	m.lastSeen[o] = at
	m.last.WithLabelValues(o.road, o.from).Set(float64(at.UnixNano()) / 1e9)
}
