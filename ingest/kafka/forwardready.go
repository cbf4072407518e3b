package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// Ready says of each of the two topics whether it could be written now: some of its
// partitions have a leader that answers and as many replicas in sync as the topic
// wants, and the topic of log lines takes records as large as their parts. Nil is yes; an error wraps [ErrUnavailable]. Nothing is written for it. A
// broker that would answer and refuse a write, as one whose disk is full, is not
// found out by that. It waits until ctx is done at most.
func (f *Forwarder) Ready(ctx context.Context) (alerts, logs error) {
	told := make(chan error, 1)
	go func() {
		err := f.logs.ready(ctx)
		if err == nil {
			err = f.logs.takesParts(ctx)
		}
		told <- err
	}()
	alerts = f.alerts.ready(ctx)
	return alerts, <-told
}

// readyLeaders is how many brokers are asked at most: one that answers is enough.
const readyLeaders = 3

func (w *topicWriter) ready(ctx context.Context) error {
	metadata, err := w.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{w.topic}})
	if err != nil {
		return fmt.Errorf("%w: ask for topic %q: %w", ErrUnavailable, w.topic, err)
	}
	found := topicIn(metadata, w.topic)
	switch {
	case found == nil:
		return fmt.Errorf("%w: topic %q: %w", ErrUnavailable, w.topic, kafkago.UnknownTopicOrPartition)
	case found.Error != nil:
		return fmt.Errorf("%w: topic %q: %w", ErrUnavailable, w.topic, found.Error)
	}
	leaders := w.writable(found.Partitions)
	if len(leaders) == 0 {
		return fmt.Errorf("%w: no partition of topic %q has a leader and enough replicas in sync", ErrUnavailable, w.topic)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	answers := make(chan error, len(leaders))
	for _, partition := range leaders {
		go func() { answers <- w.answers(ctx, partition) }()
	}
	var errs []error
	for range leaders {
		err := <-answers
		if err == nil {
			return nil
		}
		errs = append(errs, err)
	}
	return fmt.Errorf("%w: ask the leaders of topic %q: %w", ErrUnavailable, w.topic, errors.Join(errs...))
}

// takesParts is an error where the topic was set, by now, to take less than a part of
// a chunk: whoever sends log lines is refused then.
func (w *topicWriter) takesParts(ctx context.Context) error {
	const trusted = 10 * time.Second
	w.mu.Lock()
	old := time.Since(w.learned) > trusted
	w.mu.Unlock()
	if old {
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		// What fails leaves what was known.
		_ = w.learn(ctx)
	}
	if s := w.settings.Load(); s.described && s.maxBytes < leastMaxBytes {
		return fmt.Errorf("%w: %w", ErrUnavailable, &smallTopic{topic: w.topic, brokers: w.brokers, maxBytes: s.maxBytes})
	}
	return nil
}

// writable are partitions that can be written as far as the metadata tell, one for
// each of some leaders.
func (w *topicWriter) writable(partitions []kafkago.Partition) []int {
	least := 1
	if settings := w.settings.Load(); settings != nil {
		least = max(settings.minInSync, 1)
	}
	var ids []int
	led := map[int]bool{}
	for _, i := range rand.Perm(len(partitions)) {
		p := &partitions[i]
		if p.Error == nil && len(p.Isr) >= least && !led[p.Leader.ID] && len(ids) < readyLeaders {
			led[p.Leader.ID] = true
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// answers is nil when the leader of a partition answers a question about it.
func (w *topicWriter) answers(ctx context.Context, partition int) error {
	response, err := w.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{w.topic: {kafkago.LastOffsetOf(partition)}},
	})
	if err != nil {
		return err
	}
	for _, p := range response.Topics[w.topic] {
		if p.Partition == partition {
			return p.Error
		}
	}
	return errors.New("the answer leaves the partition out")
}
