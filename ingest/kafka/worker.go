package kafka

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// worker consumes one partition in one generation.
type worker struct {
	c       *Consumer
	link    *link
	watcher *watcher
	in      *membership
	share   *share
	assignment
}

// run consumes until ctx is done or the partition is lost.
func (w *worker) run(ctx context.Context) {
	c, config := w.c, &w.c.options.Config
	topic := c.topics[w.topic]
	logger := c.logger.With("topic", w.topic, "partition", w.partition)
	format, ok := c.options.Formats().Named(topic.Format)
	if !ok {
		// Checked at the start; formats do not vanish.
		logger.Error("the format of a topic is not known any more", "format", topic.Format)
		<-ctx.Done()
		return
	}
	log := &fetcher{link: w.link, topic: w.topic, id: w.id, partition: w.partition, share: w.share, doubt: w.watcher.soon}
	defer log.close()
	observer := c.metrics.observe(w.topic, topic.Format, w.partition, func(err error) {
		switch {
		case err == nil:
			logger.Info("a partition goes on")
		case errors.Is(err, errShortOfMemory):
			logger.Warn("a partition waits for memory", "reason", err)
		case c.options.Unavailable != nil && c.options.Unavailable(err):
			logger.Warn("a partition waits for the store", "err", err)
		default:
			logger.Warn("a partition waits; trying again", "err", err)
		}
	}, func(end int64) { c.seen.ends(place{w.topic, w.partition}, end) })
	defer observer.lost()
	w.share.slow = observer.waitsForMemory
	err := delivery.Run(ctx, delivery.Options{
		Topic: w.topic, TopicID: w.id.String(), Partition: w.partition, Format: topic.Format,
		Decode:        w.decode(topic, format),
		Ranges:        format.Join != nil,
		Start:         w.startOf(topic),
		Sink:          w.watchdog(),
		Log:           log,
		Offsets:       &offsets{in: w.in, topic: w.topic, id: w.id, partition: w.partition, seen: &c.seen},
		DeadLetters:   c.deadLetters,
		Chunk:         delivery.Limits{Records: config.BatchRecords, Bytes: int(config.BatchBytes)},
		AppendTimeout: config.AppendTimeout,
		Gap: func(g delivery.Gap) {
			if g.Reason == delivery.GapRecreated && c.seen.all(place{w.topic, w.partition}, g.TopicID) {
				logger.Warn("a topic was deleted and created again; all that was known of the old one had been read")
				return
			}
			c.metrics.gaps.WithLabelValues(w.topic, observer.partition).Inc()
			logger.Error("records are gone that were not read, or not read to the end", "gap", g.String())
		},
		Observer: observer,
	})
	switch {
	case err == nil:
	case errors.Is(err, delivery.ErrLost):
		logger.Debug("a partition is lost", "err", err)
	default:
		// Beginning anew would change nothing, and disturb the group.
		logger.Error("a partition cannot be consumed", "err", err)
		<-ctx.Done()
	}
}

// watchdog appends, and tells of an append that does not end when it is cancelled:
// the partition waits for it, in silence otherwise.
func (w *worker) watchdog() delivery.Appender {
	c, at := w.c, place{w.topic, w.partition}
	return ingest.AppenderFunc(func(ctx context.Context, b event.Batch) error {
		var ended atomic.Bool
		returned := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			select {
			case <-time.After(c.options.Config.stopTimeout()):
				c.works.hangs(at, c.logger, &ended)
			case <-returned:
			}
		})
		defer func() {
			ended.Store(true)
			close(returned)
			if !stop() {
				c.works.returned(at)
			}
		}()
		return c.options.Appender.Append(ctx, b)
	})
}

// decode uses the formats that are in force at each batch.
func (w *worker) decode(topic Topic, format ingest.Format) func([]delivery.Record) (event.Batch, []delivery.DeadLetter) {
	return func(records []delivery.Record) (event.Batch, []delivery.DeadLetter) {
		if now, ok := w.c.options.Formats().Named(topic.Format); ok {
			format = now
		}
		return Decoding{Format: format, Defaults: topic.Labels}.Decode(records)
	}
}

// startOf is where to begin when nothing is committed. What came into a
// partition between its creation and now is not old, wherever reading is to
// start.
func (w *worker) startOf(t Topic) delivery.Start {
	if t.Start == StartLatest && !w.late {
		return delivery.StartLatest
	}
	return delivery.StartEarliest
}
