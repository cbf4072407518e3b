package ingest

import (
	"strconv"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"github.com/hindcast/hindcast/ingest/event"
)

// requestMetrics tells of what is asked over HTTP.
type requestMetrics struct {
	requests     *prometheus.CounterVec
	duration     *prometheus.HistogramVec
	received     *prometheus.CounterVec
	decompressed *prometheus.CounterVec
	inFlight     *prometheus.GaugeVec
	rejected     *prometheus.CounterVec
	asidesLost   prometheus.Counter
	panics       prometheus.Counter
	reasons      *known
}

func newRequestMetrics(reg prometheus.Registerer) *requestMetrics {
	f := promauto.With(reg)
	return &requestMetrics{
		requests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_requests_total",
			Help: "Requests to receivers, by endpoint and status code.",
		}, []string{"endpoint", "code"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hindcast_ingest_request_duration_seconds",
			Help:    "Time from a request's header to its answer, reading of the body included.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}, []string{"endpoint"}),
		received: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_received_bytes_total",
			Help: "Bytes of bodies as they were sent.",
		}, []string{"endpoint"}),
		decompressed: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_decompressed_bytes_total",
			Help: "Bytes of bodies that were sent with a content encoding, after decompression.",
		}, []string{"endpoint"}),
		inFlight: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_ingest_requests_in_flight",
			Help: "Requests under way.",
		}, []string{"lane"}),
		rejected: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_rejected_total",
			Help: "Requests that were refused and entries that were put aside, by road and reason.",
		}, []string{"road", "reason"}),
		asidesLost: f.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_ingest_asides_dropped_total",
			Help: "Entries that were put aside but not kept, because too much was put aside lately.",
		}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_ingest_panics_total",
			Help: "Requests that were answered 500 because handling them panicked.",
		}),
		reasons: knownValues(64, refusalReasons...),
	}
}

func (m *requestMetrics) answered(endpoint string, code int, took time.Duration) {
	m.requests.WithLabelValues(endpoint, strconv.Itoa(code)).Inc()
	m.duration.WithLabelValues(endpoint).Observe(took.Seconds())
}

func (m *requestMetrics) reject(road event.Road, reason string) {
	m.rejected.WithLabelValues(string(road), m.reasons.bound(reason)).Inc()
}

// batchMetrics tells of what waits, and of what is joined.
type batchMetrics struct {
	size        *prometheus.HistogramVec
	splits      *prometheus.CounterVec
	queued      *prometheus.GaugeVec
	queuedBytes *prometheus.GaugeVec
}

func newBatchMetrics(reg prometheus.Registerer) *batchMetrics {
	f := promauto.With(reg)
	return &batchMetrics{
		size: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "hindcast_ingest_batch_facts",
			Help:    "Facts in a joint batch, log lines included.",
			Buckets: prometheus.ExponentialBuckets(1, 4, 10),
		}, []string{"lane"}),
		splits: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_ingest_batch_splits_total",
			Help: "Joint batches that were split because the store, or Kafka, refused them.",
		}, []string{"lane"}),
		queued: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_ingest_queue_requests",
			Help: "Batches that wait to be appended or are being appended.",
		}, []string{"lane"}),
		queuedBytes: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_ingest_queue_bytes",
			Help: "Estimated bytes of facts that wait to be appended or are being appended.",
		}, []string{"lane"}),
	}
}

// known bounds how many values a label takes when they come from elsewhere:
// the envelope, for one, may name any road. Those that exist are there from
// the start, so that invented ones cannot take their places.
type known struct {
	max  int
	mu   sync.Mutex
	seen map[string]bool
}

func knownRoads() *known {
	return knownValues(32, event.RoadWebhook, event.RoadGrafana, event.RoadRecorder, event.RoadPrometheus, event.RoadPoll,
		event.RoadDeploys, event.RoadCommits, event.RoadGitHub, event.RoadMessages, event.RoadLoki, event.RoadJSONLines, event.RoadEnvelope)
}

func knownKinds() *known {
	return knownValues(16, event.KindAlert, event.KindNotification, event.KindMute, event.KindSilence, event.KindChange,
		event.KindCommit, event.KindLog, event.KindMessage, event.KindAcknowledgement, event.KindSource, kindAside)
}

// kindAside is what metrics call an entry that was put aside.
const kindAside event.Kind = "aside"

func knownValues[T ~string](limit int, values ...T) *known {
	k := &known{max: limit, seen: map[string]bool{}}
	for _, v := range values {
		k.seen[string(v)] = true
	}
	return k
}

// bound is the value itself while there is room for it, else "other".
func (k *known) bound(value string) string {
	if value == "" || len(value) > 64 || !utf8.ValidString(value) {
		return "other"
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.seen[value] {
		return value
	}
	if len(k.seen) >= k.max {
		return "other"
	}
	k.seen[value] = true
	return value
}
