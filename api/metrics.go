package api

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts requests by route, which is the pattern and not the path, so
// that their number is bounded.
type metrics struct {
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics() *metrics {
	return &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_api_requests_total",
			Help: "Requests to the API that were answered, by route and status code.",
		}, []string{"route", "code"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hindcast_api_request_duration_seconds",
			Help:    "Time to answer a request to the API, by route.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	if err := errors.Join(r.Register(m.requests), r.Register(m.duration)); err != nil {
		return fmt.Errorf("register metrics: %w", err)
	}
	return nil
}

func (m *metrics) observe(pattern string, code int, took time.Duration) {
	route := routeOf(pattern)
	m.requests.WithLabelValues(route, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(route).Observe(took.Seconds())
}

// routeOf is the path of a pattern. Requests that no resource answered share
// one route: for some of them (those that it redirects) the mux gives the
// path of the request, which anybody can choose, in place of a pattern.
func routeOf(pattern string) string {
	path, found := strings.CutPrefix(pattern, "GET ")
	switch {
	case !found:
		return "other"
	case path == "/{$}":
		return "/"
	}
	return path
}
