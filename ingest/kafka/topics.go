package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// topicState is what consuming hangs on: when it changes, work begins anew.
type topicState struct {
	id         topicID
	partitions int
	// there is how many of the partitions were there when this process looked for
	// the first time. Of the others every record is new.
	there int
}

// view is the topics that can be consumed now.
type view map[string]topicState

func (v view) names() []string { return slices.Sorted(maps.Keys(v)) }

// Why a topic is not consumed: values of a metric's label.
const (
	refusedMissing      = "missing"
	refusedCompacted    = "compacted"
	refusedUnauthorized = "unauthorized"
)

// watcher looks again and again which topics can be consumed.
type watcher struct {
	link    *link
	topics  []string
	metrics *metrics
	logger  *slog.Logger
	poke    chan struct{}

	versions versions
	known    map[string]*watched

	mu      sync.Mutex
	view    view
	rounds  int
	changed chan struct{}
}

// watched is what the watcher knows of a topic.
type watched struct {
	// looked is whether it is known if it was there at the first look.
	looked bool
	// missing is in how many looks one after the other it was not there.
	missing int
	// retired are IDs that it had: a broker that lags behind may tell one again.
	retired map[topicID]bool
	refused string
	// told is what was said of it last.
	told    string
	state   topicState
	checked time.Time
}

const (
	// gone is after how many looks a topic that was there is not any more: a
	// broker that just started may not know it yet.
	gone = 3
	// recheck is how often the settings of topics are asked for.
	recheck = 30 * time.Second
)

func newWatcher(l *link, topics []string, m *metrics, logger *slog.Logger) *watcher {
	w := &watcher{
		link: l, topics: topics, metrics: m, logger: logger, poke: make(chan struct{}, 1),
		known: map[string]*watched{}, view: view{}, changed: make(chan struct{}),
	}
	for _, name := range topics {
		w.known[name] = &watched{retired: map[topicID]bool{}}
	}
	return w
}

// run looks until ctx is done.
func (w *watcher) run(ctx context.Context) {
	failing := false
	for ctx.Err() == nil {
		err := w.look(ctx)
		switch {
		case ctx.Err() != nil:
		case err != nil && !failing:
			w.logger.Warn("Kafka does not say which topics there are; asking again", "err", err)
		case err == nil && failing:
			w.logger.Info("Kafka says again which topics there are")
		}
		failing = err != nil
		timer := time.NewTimer(w.link.config.MetadataInterval)
		select {
		case <-timer.C:
		case <-w.poke:
		case <-ctx.Done():
		}
		timer.Stop()
	}
}

// soon has the watcher look at once.
func (w *watcher) soon() {
	select {
	case w.poke <- struct{}{}:
	default:
	}
}

// current is what can be consumed, and what is closed when something changed.
func (w *watcher) current() (view, <-chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.view, w.changed
}

func (w *watcher) look(ctx context.Context) error {
	if w.versions == (versions{}) || w.rounds%30 == 0 {
		v, err := w.link.versions(ctx)
		if err != nil {
			return err
		}
		w.versions = v
	}
	w.rounds++
	found, err := w.link.metadata(ctx, w.versions, w.topics)
	if err != nil {
		w.versions = versions{}
		return err
	}
	var check []string
	for _, name := range w.topics {
		if w.known[name].found(found[name]) && time.Since(w.known[name].checked) > recheck {
			check = append(check, name)
		}
	}
	if err := w.checkPolicies(ctx, check); err != nil {
		return err
	}
	next := view{}
	for _, name := range w.topics {
		k := w.known[name]
		w.refuse(name, k)
		if k.refused == "" && k.state.partitions > 0 {
			next[name] = k.state
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if !maps.Equal(w.view, next) {
		w.view = next
		close(w.changed)
		w.changed = make(chan struct{})
	}
	return nil
}

// found takes in what a broker said of the topic, and reports whether it is
// there.
func (k *watched) found(m topicMeta) bool {
	switch {
	case errors.Is(m.err, kafkago.TopicAuthorizationFailed):
		k.refused = refusedUnauthorized
		return false
	case errors.Is(m.err, kafkago.UnknownTopicOrPartition):
		k.looked = true
		if k.missing++; k.missing >= gone || k.state.partitions == 0 {
			k.refused, k.checked = refusedMissing, time.Time{}
			if k.state.id != (topicID{}) {
				k.retired[k.state.id] = true
			}
			k.state = topicState{}
		}
		return false
	case m.err != nil, m.partitions == 0, k.retired[m.id]:
		return false // it will pass; what was known holds
	}
	k.missing = 0
	if k.refused != refusedCompacted {
		k.refused = ""
	}
	if m.id == (topicID{}) {
		m.id = k.state.id // asked of a broker that knows no IDs
	}
	if m.id != k.state.id {
		if k.state.id != (topicID{}) {
			k.retired[k.state.id] = true
		}
		k.state, k.checked, k.refused = topicState{id: m.id}, time.Time{}, ""
	}
	if !k.looked {
		k.looked, k.state.there = true, m.partitions
	}
	k.state.partitions = max(k.state.partitions, m.partitions) // they are never taken away
	return true
}

// checkPolicies refuses topics that are compacted: there offsets vanish in the
// middle, and with them lines that were counted.
func (w *watcher) checkPolicies(ctx context.Context, topics []string) error {
	if len(topics) == 0 {
		return nil
	}
	request := &kafkago.DescribeConfigsRequest{}
	for _, name := range topics {
		request.Resources = append(request.Resources, kafkago.DescribeConfigRequestResource{
			ResourceType: kafkago.ResourceTypeTopic, ResourceName: name, ConfigNames: []string{"cleanup.policy"},
		})
	}
	got, err := w.link.client.DescribeConfigs(ctx, request)
	if err != nil {
		return fmt.Errorf("ask for the settings of topics: %w", err)
	}
	for _, r := range got.Resources {
		k := w.known[r.ResourceName]
		if k == nil {
			continue
		}
		if r.Error != nil {
			w.unchecked(r.ResourceName, r.Error)
			continue
		}
		k.checked = time.Now()
		if k.refused == refusedCompacted {
			k.refused = ""
		}
		for _, e := range r.ConfigEntries {
			if e.ConfigName == "cleanup.policy" && strings.Contains(e.ConfigValue, "compact") {
				k.refused = refusedCompacted
			}
		}
	}
	return nil
}

// unchecked goes on with a topic whose settings are not told: that may not be
// allowed.
func (w *watcher) unchecked(topic string, err error) {
	k := w.known[topic]
	if k.checked.IsZero() {
		w.logger.Warn("cannot see whether a topic is compacted; it is consumed as if it were not", "topic", topic, "err", err)
	}
	k.checked = time.Now()
}

// refuse tells of a topic that is not consumed, or is again.
func (w *watcher) refuse(name string, k *watched) {
	was := k.told
	if was == k.refused {
		return
	}
	k.told = k.refused
	if was != "" {
		w.metrics.refused.DeleteLabelValues(name, was)
	}
	if k.refused == "" {
		w.logger.Info("a topic can be consumed now", "topic", name)
		return
	}
	w.metrics.refused.WithLabelValues(name, k.refused).Set(1)
	switch k.refused {
	case refusedCompacted:
		w.logger.Error("a topic is not consumed: it is compacted (cleanup.policy), so that records vanish in the middle; use cleanup.policy=delete", "topic", name)
	case refusedUnauthorized:
		w.logger.Error("a topic is not consumed: the brokers do not allow it", "topic", name)
	default:
		w.logger.Warn("a topic does not exist; waiting for it", "topic", name)
	}
}
