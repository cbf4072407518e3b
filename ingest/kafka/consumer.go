package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Options is what a Consumer needs.
type Options struct {
	Config Config
	// Forwarded says that the topics which receivers forward to are consumed as
	// well, as envelopes.
	Forwarded bool
	// Appender takes what the records are decoded to. Nil from it means durable.
	// It must return when its context is done.
	Appender ingest.Appender
	// Formats is the table of formats that is in force. It is asked for each
	// batch, so that a reload counts; names must not vanish from it.
	Formats func() ingest.Formats
	// Unavailable says of an error of the Appender that the store cannot take
	// anything now, which is no fault of the batch. It may be nil.
	Unavailable func(error) bool
	// Registerer gets the metrics. Nil: none are registered.
	Registerer prometheus.Registerer
	// Logger may be nil.
	Logger *slog.Logger
}

// Consumer appends what is in topics. Make it with [New].
type Consumer struct {
	options Options
	logger  *slog.Logger
	metrics *metrics
	// topics are by name, those of forwarding among them.
	topics      map[string]Topic
	names       []string
	works       works
	seen        marks
	deadLetters delivery.DeadLetters
}

// forwardedFormat is what receivers forward.
const forwardedFormat = "envelope-protobuf"

// New checks the options, and that the files are there which hold secrets and
// certificates. It connects to nothing. Errors of the configuration begin, behind
// "kafka: ", with the key.
func New(o Options) (*Consumer, error) {
	if err := o.Config.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if o.Appender == nil || o.Formats == nil {
		return nil, errors.New("kafka: an appender and formats are needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Consumer{options: o, logger: o.Logger.With("component", "kafka"), topics: map[string]Topic{}}
	if err := c.subscribe(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	l, err := newLink(&c.options.Config, nil)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	l.close()
	c.metrics = newMetrics(o.Registerer)
	c.works = works{metrics: c.metrics, under: map[place]chan struct{}{}, stuck: map[place]bool{}}
	return c, nil
}

// subscribe gathers what to consume.
func (c *Consumer) subscribe() error {
	config := &c.options.Config
	topics := slices.Clone(config.Topics)
	if c.options.Forwarded {
		for _, name := range []string{config.ForwardTopics.Alerts, config.ForwardTopics.Logs} {
			if i := slices.IndexFunc(topics, func(t Topic) bool { return t.Name == name }); i >= 0 {
				return fmt.Errorf("topics[%d].name: %q is consumed already, because receivers forward to it", i, name)
			}
			topics = append(topics, Topic{Name: name, Format: forwardedFormat})
		}
		if len(config.Brokers) == 0 {
			return errors.New("brokers: must not be empty: receivers forward to Kafka")
		}
	}
	for i, topic := range topics {
		if _, ok := c.options.Formats().Named(topic.Format); !ok {
			return fmt.Errorf("topics[%d].format: there is no format %q", i, topic.Format)
		}
		c.topics[topic.Name] = topic
		c.names = append(c.names, topic.Name)
	}
	return nil
}

// Run consumes until ctx is done, and is nil then. What fails meanwhile is
// logged and tried again. When it returns, all work has ended and the group was
// left, or could not be reached; the error names appends that did not end
// although they were cancelled. It is called once.
func (c *Consumer) Run(ctx context.Context) error {
	if len(c.names) == 0 {
		<-ctx.Done()
		return nil
	}
	l, err := newLink(&c.options.Config, append(slices.Clone(c.names), c.options.Config.DeadLetters))
	if err != nil {
		return fmt.Errorf("kafka: %w", err)
	}
	defer l.close()
	c.deadLetters = newDeadLetters(l, c.options.Config.DeadLetters)

	watcher := newWatcher(l, c.names, c.metrics, c.logger)
	var watching sync.WaitGroup
	defer watching.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watching.Go(func() { watcher.run(ctx) })
	watching.Go(func() { c.checkDeadLetters(ctx, l) })

	for ctx.Err() == nil {
		topics, changed := watcher.current()
		if len(topics) == 0 {
			select {
			case <-changed:
			case <-ctx.Done():
			}
			continue
		}
		if err := c.join(ctx, l, watcher, topics.names()); ctx.Err() == nil && !errors.Is(err, errTopics) {
			c.logger.Warn("the consumer group was left; joining again", "err", err)
			pause(ctx, c.options.Config.JoinBackoff)
		}
	}
	return c.finish()
}

// finish waits for the work that did not end in time, once more.
func (c *Consumer) finish() error {
	ended := make(chan struct{})
	go func() {
		c.works.all.Wait()
		close(ended)
	}()
	select {
	case <-ended:
		return nil
	case <-time.After(c.options.Config.stopTimeout()):
		return errors.New("kafka: appends hang although they were cancelled")
	}
}

// pause returns when the time has passed or ctx is done.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
