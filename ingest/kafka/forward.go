package kafka

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
)

// ErrUnavailable says that Kafka cannot take anything now, and that trying
// again later may help. It comes wrapped.
var ErrUnavailable = errors.New("Kafka is unavailable") //nolint:staticcheck // it is a name

// ForwarderOptions says how a [Forwarder] works. Only Config is needed.
type ForwarderOptions struct {
	// Config says where the brokers are, and which topics are written.
	Config Config
	// Wait is how long brokers that do not answer are waited for at the start.
	// Zero: not at all.
	Wait time.Duration
	// AlertTimeout and LogTimeout are how long a batch may take to be
	// acknowledged, by what is in it, while any broker can be reached: when none
	// can, senders are told within 1.5 s and 3 s, and after these at once. They
	// should be shorter than the time-outs of who appends, so that senders hear of
	// Kafka and not of a time-out. Default 4 s and 15 s.
	AlertTimeout time.Duration
	LogTimeout   time.Duration
	// QueueBytes bounds what is being written, for each of the two topics, in
	// bytes before compression. A single larger batch is taken when nothing else
	// is being written. Default 64 MiB.
	QueueBytes int64
	// Registerer gets the metrics; nil for none.
	Registerer prometheus.Registerer
	// Logger is told at the start what is unsafe about the topics; nil for none.
	Logger *slog.Logger
}

// Forwarder is an [ingest.Appender] that writes batches to Kafka, as envelopes:
// log lines to one topic, everything else to another, so that alerts do not
// wait behind logs. What it acknowledges, all in-sync replicas have.
//
// It joins nothing: it belongs behind an [ingest.Batcher], which makes few
// large batches of many small ones.
type Forwarder struct {
	o       ForwarderOptions
	alerts  *topicWriter
	logs    *topicWriter
	metrics *forwardMetrics
	link    *link
	reach   *reach
}

// NewForwarder connects, learns how large the records of the topics may be, and
// warns of settings by which records could be lost. An error is a [MissingTopic]
// when a topic does not exist, and another one when the settings of a topic do
// not allow to forward to it; it is none of a Forwarder's business to choose
// partitions and replicas. It wraps [ErrUnavailable] when no broker answered.
func NewForwarder(ctx context.Context, o ForwarderOptions) (*Forwarder, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if len(o.Config.Brokers) == 0 {
		return nil, errors.New("kafka: brokers: must not be empty, to forward there")
	}
	o.AlertTimeout = valueOr(o.AlertTimeout, 4*time.Second)
	o.LogTimeout = valueOr(o.LogTimeout, 15*time.Second)
	o.QueueBytes = valueOr(o.QueueBytes, 64<<20)
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	topics := o.Config.ForwardTopics
	l, err := newLink(&o.Config, []string{topics.Alerts, topics.Logs})
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	r := &reach{dial: l.transport.Dial}
	l.transport.Dial = r.connect
	f := &Forwarder{
		o: o, link: l, reach: r,
		alerts: newTopicWriter(l, topics.Alerts, o.QueueBytes),
		logs:   newTopicWriter(l, topics.Logs, o.QueueBytes),
	}
	f.logs.least = leastMaxBytes - batchOverhead
	if err := f.begin(ctx); err != nil {
		l.close()
		return nil, fmt.Errorf("forward to Kafka: %w", err)
	}
	f.metrics = newForwardMetrics(o.Registerer, topics)
	return f, nil
}

// begin learns about the topics, and checks and warns.
func (f *Forwarder) begin(ctx context.Context) error {
	if err := f.waitForTopics(ctx); err != nil {
		return err
	}
	if s := f.logs.settings.Load(); s.maxBytes < leastMaxBytes {
		return &smallTopic{topic: f.logs.topic, brokers: f.o.Config.Brokers, maxBytes: s.maxBytes}
	}
	for _, w := range []*topicWriter{f.alerts, f.logs} {
		settings := w.settings.Load()
		if settings.compacted {
			return fmt.Errorf("topic %q is compacted, which would delete facts; set its cleanup.policy to delete", w.topic)
		}
		for _, text := range settings.dangers(f.o.Config.ForwardTopics.Outage) {
			f.o.Logger.Warn("what is forwarded to Kafka may be lost", "topic", w.topic, "why", text)
		}
	}
	return nil
}

func valueOr[T time.Duration | int64](value, def T) T {
	if value <= 0 {
		return def
	}
	return value
}

// waitForTopics learns the settings of the topics.
func (f *Forwarder) waitForTopics(ctx context.Context) error {
	const pause = time.Second
	until := time.Now().Add(f.o.Wait)
	for {
		err := errors.Join(f.learn(ctx, f.alerts, ForFacts), f.learn(ctx, f.logs, ForLines))
		if !errors.Is(err, ErrUnavailable) {
			return err
		}
		if f.o.Wait <= 0 || time.Until(until) < pause {
			return err
		}
		f.o.Logger.Warn("Kafka cannot be used yet: it is tried again", "err", err, "in", pause, "until", until)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, context.Cause(ctx))
		}
	}
}

// learn learns the settings of a topic. The error of one that is missing says how to
// make it.
func (f *Forwarder) learn(ctx context.Context, w *topicWriter, use TopicUse) error {
	err := w.learn(ctx)
	if missing, ok := errors.AsType[*MissingTopic](err); ok {
		missing.Use, missing.Outage = use, f.o.Config.ForwardTopics.Outage
	}
	return err
}

// Append writes a batch, and returns nil when all in-sync replicas have all of
// it. It wraps [ErrUnavailable] when Kafka did not take it in time or too much is
// being written already, and [ingest.ErrTooMuch] when a fact is larger than its
// topic allows and cannot be split, which [Forwarder.Fit] prevents: then nothing
// was written. After another error part of the batch may have been; appending it
// again is right, because facts have IDs and a chunk's parts have those that they
// had.
func (f *Forwarder) Append(ctx context.Context, batch event.Batch) error {
	err := f.append(ctx, batch)
	// What is too large is the sender's matter, and does not say that Kafka fails.
	if err != nil && !errors.Is(err, ingest.ErrTooMuch) {
		f.metrics.errors.Inc()
	}
	return err
}

func (f *Forwarder) append(ctx context.Context, batch event.Batch) error {
	facts, lines, err := f.encode(batch)
	if err != nil {
		return err
	}
	for _, lot := range []struct {
		to                *topicWriter
		records           []record
		timeout, patience time.Duration
	}{{f.alerts, facts, f.o.AlertTimeout, alertPatience}, {f.logs, lines, f.o.LogTimeout, logPatience}} {
		if len(lot.records) == 0 {
			continue
		}
		if err := f.write(ctx, lot.to, lot.timeout, lot.patience, lot.records); err != nil {
			return err
		}
		f.metrics.records.WithLabelValues(lot.to.topic).Add(float64(len(lot.records)))
	}
	return nil
}

// write writes records, and gives up early when no broker can be reached. No attempt
// goes on when it returns.
func (f *Forwarder) write(ctx context.Context, to *topicWriter, timeout, patience time.Duration, records []record) error {
	ctx, done := f.reach.while(ctx, patience)
	defer done()
	err := to.write(ctx, timeout, records)
	if errors.Is(err, ErrUnavailable) && errors.Is(context.Cause(ctx), errAway) {
		return fmt.Errorf("%w; %w, for %s by now", err, errAway, f.reach.awayFor().Round(100*time.Millisecond))
	}
	return err
}

// encode makes the records of a batch. When a topic takes too little, both are
// asked again how much they take: that may have been changed.
func (f *Forwarder) encode(batch event.Batch) (facts, lines []record, err error) {
	asked := false
	for {
		now := f.alerts.now()
		facts, err = encodeFacts(&batch, f.alerts.limit(), now)
		if err == nil {
			lines, err = encodeLines(&batch, f.logs.limit(), f.o.Config.Brokers, now)
		}
		if err == nil || asked || !errors.Is(err, ingest.ErrTooMuch) && !errors.Is(err, ErrUnavailable) {
			return facts, lines, err
		}
		asked = true
		f.alerts.relearn()
		f.logs.relearn()
	}
}

// Close closes the connections. Nothing must be appended after that.
func (f *Forwarder) Close() { f.link.close() }

var _ ingest.Appender = (*Forwarder)(nil)

// forwardMetrics are the metrics of a Forwarder.
type forwardMetrics struct {
	records *prometheus.CounterVec
	errors  prometheus.Counter
}

func newForwardMetrics(r prometheus.Registerer, topics ForwardTopics) *forwardMetrics {
	m := &forwardMetrics{
		records: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "hindcast_kafka_forwarded_records_total",
			Help: "Records that receivers wrote to Kafka and that all in-sync replicas acknowledged.",
		}, []string{"topic"}),
		errors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "hindcast_kafka_forward_errors_total",
			Help: "Batches that could not be written to Kafka; their senders were told to try again. What was refused for its size is not one of them.",
		}),
	}
	if r != nil {
		r.MustRegister(m.records, m.errors)
	}
	m.records.WithLabelValues(topics.Alerts)
	m.records.WithLabelValues(topics.Logs)
	return m
}
