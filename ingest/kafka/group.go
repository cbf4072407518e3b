package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// session is being a member of the group, from joining to leaving, for a
// certain set of topics.
type session struct {
	c    *Consumer
	link *link
	// end ends the session; the member leaves then.
	end     context.CancelCauseFunc
	watcher *watcher
	topics  []string
}

// errTopics ends a session because other topics can be consumed now.
var errTopics = errors.New("the topics have changed")

// join is a member of the group until ctx is done, other topics can be
// consumed, or the membership is broken. All work has ended when it returns, but
// for what is stuck.
func (c *Consumer) join(ctx context.Context, l *link, w *watcher, topics []string) error {
	dialer, conns := l.dialer()
	defer conns.close()
	config := &c.options.Config
	group, err := kafkago.NewConsumerGroup(kafkago.ConsumerGroupConfig{
		ID: config.Group, Brokers: config.Brokers, Dialer: dialer, Topics: topics,
		GroupBalancers:    []kafkago.GroupBalancer{spread{}, kafkago.RoundRobinGroupBalancer{}},
		HeartbeatInterval: config.HeartbeatInterval, SessionTimeout: config.SessionTimeout,
		RebalanceTimeout: config.RebalanceTimeout, JoinGroupBackoff: config.JoinBackoff, Timeout: config.RequestTimeout,
		ErrorLogger: kafkago.LoggerFunc(func(format string, args ...any) { c.logger.Debug(fmt.Sprintf(format, args...)) }),
	})
	if err != nil {
		return fmt.Errorf("join group %s: %w", config.Group, err)
	}
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	defer c.leave(group, conns)
	s := &session{c: c, link: l, end: end, watcher: w, topics: topics}
	failing := false
	for {
		generation, err := group.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, kafkago.RebalanceInProgress):
			continue // others came or went meanwhile
		case err != nil:
			if !failing {
				c.logger.Warn("cannot join the consumer group; trying again", "group", config.Group, "err", err)
			}
			failing = true
			continue
		}
		failing = false
		c.metrics.rebalances.Inc()
		generation.Start(func(ctx context.Context) { s.work(ctx, generation) })
	}
}

// leaveTimeout is how long leaving the group in order may take. Past it the
// group learns by the session time-out.
const leaveTimeout = 3 * time.Second

// leave leaves the group. It waits for the work of the generation.
func (c *Consumer) leave(group *kafkago.ConsumerGroup, conns *connSet) {
	timer := time.AfterFunc(leaveTimeout+c.options.Config.stopTimeout(), conns.close)
	defer timer.Stop()
	_ = group.Close() // it is always nil
}

// stopTimeout is how long the end of a generation waits for its work: less than
// the group waits for its members, and less than it does without a sign of life,
// as kafka-go sends no heartbeats meanwhile.
func (c *Config) stopTimeout() time.Duration {
	return min(c.RebalanceTimeout, c.SessionTimeout) * 3 / 4
}

// commitTimeout is how long a commit may take. It is not cancelled when the
// generation ends, so it is shorter than what that end waits.
func (c *Config) commitTimeout() time.Duration {
	return min(c.RequestTimeout, c.RebalanceTimeout/2, c.SessionTimeout/2)
}

// work consumes what a generation assigned until the generation ends, or has to.
func (s *session) work(ctx context.Context, generation *kafkago.Generation) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := s.c
	topics, changed := s.watcher.current()
	if !slices.Equal(topics.names(), s.topics) {
		s.end(errTopics)
		return
	}
	in := &membership{
		link: s.link, group: c.options.Config.Group, generation: int(generation.ID), member: generation.MemberID,
		broken: func(err error) {
			c.logger.Warn("a commit was not answered; leaving the group and joining anew", "err", err)
			s.end(err)
		},
	}
	defer in.over.Store(true)
	assigned := assignments(generation, topics)
	c.metrics.assigned.Set(float64(len(assigned)))
	defer c.metrics.assigned.Set(0)
	c.logger.Info("partitions are assigned", "group", generation.GroupID, "generation", generation.ID, "partitions", len(assigned))

	memory := newBudget(c.options.Config.Memory, len(assigned), c.options.Config.FetchBytes)
	memory.gauge = c.metrics.memory
	ended := make(chan struct{}, len(assigned))
	for _, a := range assigned {
		c.start(ctx, &worker{c: c, link: s.link, watcher: s.watcher, in: in, share: &share{budget: memory}, assignment: a}, ended)
	}
	left := len(assigned)
	select {
	case <-ctx.Done():
	case <-changed:
		c.logger.Info("topics have changed; consuming begins anew")
		if now, _ := s.watcher.current(); !slices.Equal(now.names(), s.topics) {
			s.end(errTopics)
		}
	case <-ended:
		left--
	}
	cancel()
	in.over.Store(true)
	c.await(ended, left)
}

// assignment is a partition to consume.
type assignment struct {
	topic     string
	id        topicID
	partition int
	// late says that the partition came while this process looked on.
	late bool
}

// place is an assignment without the topic's ID: where work is one at a time.
type place struct {
	topic     string
	partition int
}

func assignments(generation *kafkago.Generation, topics view) []assignment {
	var all []assignment
	for _, topic := range slices.Sorted(maps.Keys(generation.Assignments)) {
		for _, p := range generation.Assignments[topic] {
			state := topics[topic]
			all = append(all, assignment{topic: topic, id: state.id, partition: p.ID, late: p.ID >= state.there})
		}
	}
	return all
}

// await waits for work that was told to end. What does not is left behind: it
// can append nothing but what was announced, and commit nothing.
func (c *Consumer) await(ended <-chan struct{}, left int) {
	timer := time.NewTimer(c.options.Config.stopTimeout())
	defer timer.Stop()
	for ; left > 0; left-- {
		select {
		case <-ended:
		case <-timer.C:
			c.works.report(c.logger)
			return
		}
	}
}

// start begins the work on a partition, when what was begun on it before has
// ended. Where that hangs, it waits no longer than its generation lasts: of however
// many generations, one waits at most.
func (c *Consumer) start(ctx context.Context, w *worker, ended chan<- struct{}) {
	c.works.all.Add(1)
	go func() {
		defer func() { ended <- struct{}{} }()
		defer c.works.all.Done()
		if done, ok := c.works.begin(ctx, place{w.topic, w.partition}); ok {
			defer done()
			w.run(ctx)
		}
	}()
}

// works is the partitions that are worked on, over all generations.
type works struct {
	metrics *metrics
	mu      sync.Mutex
	// under holds a channel for each place that is worked on, which is closed when
	// the work has ended.
	under map[place]chan struct{}
	stuck map[place]bool
	// all counts the work that is done or waits.
	all sync.WaitGroup
}

// begin is called before the work on a partition. It waits until nobody else works
// on it; not ok when ctx was done before. Done is called when the work has ended.
func (w *works) begin(ctx context.Context, at place) (done func(), ok bool) {
	mine := make(chan struct{})
	for {
		w.mu.Lock()
		last := w.under[at]
		if last == nil {
			w.under[at] = mine
		}
		w.mu.Unlock()
		if last == nil {
			break
		}
		select {
		case <-last:
		case <-ctx.Done():
			return nil, false
		}
	}
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.under, at)
		delete(w.stuck, at)
		w.metrics.stuck.Set(float64(len(w.stuck)))
		close(mine)
	}, true
}

// report tells which work did not end.
func (w *works) report(logger *slog.Logger) {
	w.mu.Lock()
	var left []place
	for at := range w.under {
		left = append(left, at)
	}
	w.mu.Unlock()
	for _, at := range left {
		w.hangs(at, logger, &atomic.Bool{})
	}
}

// hangs tells of an append that does not end, unless it has ended just now.
func (w *works) hangs(at place, logger *slog.Logger, ended *atomic.Bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ended.Load() || w.under[at] == nil || w.stuck[at] {
		return
	}
	logger.Error("the work on a partition does not end: an append hangs although it was cancelled", "topic", at.topic, "partition", at.partition)
	w.stuck[at] = true
	w.metrics.stuck.Set(float64(len(w.stuck)))
}

// returned tells that it ended after all.
func (w *works) returned(at place) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.stuck, at)
	w.metrics.stuck.Set(float64(len(w.stuck)))
}
