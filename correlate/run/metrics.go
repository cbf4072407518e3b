package run

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/storage"
)

// metrics are the runner's, for Prometheus.
type metrics struct {
	facts     *prometheus.CounterVec
	derive    prometheus.Histogram
	lag       prometheus.Histogram
	published prometheus.Counter
	failures  prometheus.Counter
	owner     prometheus.Gauge
	takeovers prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		facts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_correlate_facts_total",
			Help: "Facts that the correlator read from the store, by kind. A fact that is read again counts again.",
		}, []string{"kind"}),
		derive: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hindcast_correlate_derive_duration_seconds",
			Help:    "Time that one derivation took, with the logs that were read for it.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "hindcast_correlate_lag_seconds",
			Help:    "Time from the receipt of an alert or an event until the published timelines reflect it.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 18),
		}),
		published: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_correlate_timelines_published_total",
			Help: "Timelines that were published because they are new, changed or gone.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_correlate_failures_total",
			Help: "Rounds of the correlator that failed on the store and were tried again.",
		}),
		owner: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_correlate_owner",
			Help: "1 while this process derives the timelines, 0 while it stands by. Of all processes on a store one should have 1.",
		}),
		takeovers: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_correlate_takeovers_total",
			Help: "How often this process became the one that derives the timelines: when nobody did, or who did was silent.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.facts, m.derive, m.lag, m.published, m.failures, m.owner, m.takeovers)
	}
	return m
}

func (m *metrics) setOwner(is bool) {
	if is {
		m.owner.Set(1)
		return
	}
	m.owner.Set(0)
}

func (m *metrics) read(p storage.FactPage) {
	m.facts.WithLabelValues("event").Add(float64(len(p.Events)))
	m.facts.WithLabelValues("alert").Add(float64(len(p.Observations)))
	m.facts.WithLabelValues("log").Add(float64(len(p.Counts)))
}

// reflected counts how long facts took until timelines reflected them.
func (m *metrics) reflected(received []time.Time, now time.Time) {
	for _, at := range received {
		m.lag.Observe(now.Sub(at).Seconds())
	}
}
