package kafka

import (
	"errors"
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics tells how consuming fares.
type metrics struct {
	lag         *prometheus.GaugeVec
	paused      *prometheus.GaugeVec
	committed   *prometheus.GaugeVec
	records     *prometheus.CounterVec
	deadLetters *prometheus.CounterVec
	gaps        *prometheus.CounterVec
	rebalances  prometheus.Counter
	assigned    prometheus.Gauge
	stuck       prometheus.Gauge
	memory      prometheus.Gauge
	refused     *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	place := []string{"topic", "partition"}
	return &metrics{
		lag: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_kafka_lag_records",
			Help: "Records of a partition that this process has and that are not committed yet, those of open transactions included.",
		}, place),
		paused: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_kafka_paused",
			Help: "1 while a partition waits because a step failed and will be tried again, or for memory for long, else 0.",
		}, place),
		committed: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_kafka_committed_offset",
			Help: "The offset of a partition below which everything is durable.",
		}, place),
		records: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_kafka_records_total",
			Help: "Records that were passed by a commit.",
		}, place),
		deadLetters: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_kafka_dead_letters_total",
			Help: "Records that could not be decoded and were put into the topic of dead letters.",
		}, []string{"topic", "format"}),
		gaps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_kafka_gaps_total",
			Help: "Times that offsets of a partition were passed over because their records are gone.",
		}, place),
		rebalances: f.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_kafka_rebalances_total",
			Help: "Times that partitions were assigned to this process.",
		}),
		assigned: f.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_kafka_assigned_partitions",
			Help: "Partitions that are assigned to this process.",
		}),
		stuck: f.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_kafka_stuck_partitions",
			Help: "Partitions of which an append hangs although it was cancelled; their work is not begun anew meanwhile.",
		}),
		memory: f.NewGauge(prometheus.GaugeOpts{
			Name: "hindcast_kafka_memory_bytes",
			Help: "Bytes that are taken for records which were fetched and are not appended yet, or that are kept free for them.",
		}),
		refused: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "hindcast_kafka_refused_topics",
			Help: "1 for each topic that is configured and not consumed, and why.",
		}, []string{"topic", "reason"}),
	}
}

// partitionObserver tells the metrics how one partition fares. It implements
// [delivery.Observer].
type partitionObserver struct {
	metrics       *metrics
	topic, format string
	partition     string
	// report is told why a partition waits, when that is another reason than was told
	// last, and nil when it goes on.
	report func(err error)
	told   pauseReason
	// ends is told how far the log goes.
	ends func(end int64)
}

func (m *metrics) observe(topic, format string, partition int, report func(error), ends func(int64)) *partitionObserver {
	o := &partitionObserver{metrics: m, topic: topic, format: format, partition: strconv.Itoa(partition), report: report, ends: ends}
	m.paused.WithLabelValues(o.topic, o.partition).Set(0)
	m.gaps.WithLabelValues(o.topic, o.partition)
	m.deadLetters.WithLabelValues(topic, format)
	return o
}

func (o *partitionObserver) Position(committed, end int64) {
	o.metrics.committed.WithLabelValues(o.topic, o.partition).Set(float64(committed))
	if end >= committed {
		o.ends(end)
		o.metrics.lag.WithLabelValues(o.topic, o.partition).Set(float64(end - committed))
	}
}

func (o *partitionObserver) Consumed(records, deadLetters int) {
	o.metrics.records.WithLabelValues(o.topic, o.partition).Add(float64(records))
	o.metrics.deadLetters.WithLabelValues(o.topic, o.format).Add(float64(deadLetters))
}

func (o *partitionObserver) Paused(err error) {
	o.metrics.paused.WithLabelValues(o.topic, o.partition).Set(1)
	if reason := reasonOf(err); o.told != reason {
		o.told = reason
		o.report(err)
	}
}

func (o *partitionObserver) Resumed() {
	o.metrics.paused.WithLabelValues(o.topic, o.partition).Set(0)
	if o.told != notPaused {
		o.told = notPaused
		o.report(nil)
	}
}

// waitsForMemory tells that the partition has waited for memory for long, or has it
// now.
func (o *partitionObserver) waitsForMemory(waits bool) {
	if waits {
		o.Paused(errShortOfMemory)
	} else {
		o.Resumed()
	}
}

var errShortOfMemory = errors.New("other partitions hold all that kafka.memory allows, or this one needs more than that and another one does as well")

// pauseReason is why a partition waits, as far as the log tells reasons apart: a
// batch that cannot be read must be told though its partition waits already, for a
// broker that did not answer in time.
type pauseReason uint8

const (
	notPaused pauseReason = iota
	pausedByFailure
	pausedByCorruption
	pausedForMemory
)

func reasonOf(err error) pauseReason {
	if _, corrupt := errors.AsType[*Corrupt](err); corrupt {
		return pausedByCorruption
	}
	if errors.Is(err, errShortOfMemory) {
		return pausedForMemory
	}
	return pausedByFailure
}

// lost takes away what is no longer known. Counters stay: what was not scraped
// yet must not vanish.
func (o *partitionObserver) lost() {
	o.metrics.lag.DeleteLabelValues(o.topic, o.partition)
	o.metrics.paused.DeleteLabelValues(o.topic, o.partition)
	o.metrics.committed.DeleteLabelValues(o.topic, o.partition)
}
