package kafka_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// patience bounds every wait. What is waited for takes some seconds at most.
const patience = 60 * time.Second

// The formats that the tests use: facts with an identity of their own, and lines.
const (
	facts = "messages"
	lines = "loki-json"
)

// fact is the body of a record with one fact, whose text is a token.
func fact(token string) string {
	return fmt.Sprintf(`{"id":%q,"at":"2026-02-03T04:05:06Z","author":"test","channel":"#test","text":%q}`, token, token)
}

// push is the body of a record with lines, each with a token for its text.
func push(tokens ...string) string {
	values := make([][2]string, len(tokens))
	for i, token := range tokens {
		values[i] = [2]string{fmt.Sprint(1770091506000000000 + i), token}
	}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"service": "test"}, "values": values}}})
	if err != nil {
		panic(err) // strings always encode
	}
	return string(body)
}

// tokens are n texts that begin with a prefix, from a number on.
func tokens(prefix string, from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("%s-%05d", prefix, from+i)
	}
	return all
}

// produce writes bodies to a partition, one a record, and waits until they are
// acknowledged.
func produce(t *testing.T, client *kgo.Client, topic string, partition int, bodies ...string) {
	t.Helper()
	records := make([]*kgo.Record, len(bodies))
	for i, body := range bodies {
		records[i] = &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte(body)}
	}
	produceRecords(t, client, records...)
}

func produceRecords(t *testing.T, client *kgo.Client, records ...*kgo.Record) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		t.Fatalf("produce: %.300v", err)
	}
}

func mapped(tokens []string, body func(string) string) []string {
	bodies := make([]string, len(tokens))
	for i, token := range tokens {
		bodies[i] = body(token)
	}
	return bodies
}

func pushOne(token string) string { return push(token) }

// memory is a store in memory, by the rules of the real ones: a fact is there
// once by its ID, the rows of a chunk are replaced.
type memory struct {
	mu     sync.Mutex
	events map[event.ID]event.Event
	chunks map[event.ChunkID]event.Chunk
	// hook, when set, is called before anything is kept; its error refuses the
	// batch.
	hook func(context.Context, event.Batch) error
}

func newMemory() *memory {
	return &memory{events: map[event.ID]event.Event{}, chunks: map[event.ChunkID]event.Chunk{}}
}

// errDown is what the store says while it is down.
var errDown = errors.New("the store of the test is down")

func (m *memory) setHook(hook func(context.Context, event.Batch) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.hook = hook
}

func (m *memory) Append(ctx context.Context, batch event.Batch) error {
	m.mu.Lock()
	hook := m.hook
	m.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, batch); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i := range batch.Events {
		m.events[batch.Events[i].ID] = batch.Events[i]
	}
	for i := range batch.Chunks {
		m.chunks[batch.Chunks[i].ID] = batch.Chunks[i]
	}
	return nil
}

// kept says how often each token is in the store.
func (m *memory) kept() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := map[string]int{}
	for _, e := range m.events {
		if e.Message != nil {
			kept[e.Message.Text]++
		}
	}
	for _, c := range m.chunks {
		for _, l := range c.Lines {
			kept[l.Text]++
		}
	}
	return kept
}

// waitFor waits until the store holds the wanted tokens, and reports what is
// missing, doubled or too much.
func (m *memory) waitFor(t *testing.T, what string, want []string) {
	t.Helper()
	eventually(t, what, func() error {
		kept := m.kept()
		for _, token := range want {
			if kept[token] == 0 {
				return difference(kept, want)
			}
		}
		return nil
	})
	if err := difference(m.kept(), want); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// difference tells how the kept tokens differ from each of the wanted ones once.
func difference(kept map[string]int, want []string) error {
	var missing, doubled, foreign []string
	wanted := map[string]bool{}
	for _, token := range want {
		wanted[token] = true
		switch n := kept[token]; {
		case n == 0:
			missing = append(missing, token)
		case n > 1:
			doubled = append(doubled, fmt.Sprintf("%s (%d times)", token, n))
		}
	}
	for token := range kept {
		if !wanted[token] {
			foreign = append(foreign, token)
		}
	}
	slices.Sort(foreign)
	if len(missing)+len(doubled)+len(foreign) == 0 {
		return nil
	}
	return fmt.Errorf("of %d: missing %s; doubled %s; not wanted %s", len(want), some(missing), some(doubled), some(foreign))
}

func some(all []string) string {
	const most = 5
	if len(all) == 0 {
		return "none"
	}
	shown := make([]string, 0, most)
	for _, s := range all[:min(len(all), most)] {
		shown = append(shown, fmt.Sprintf("%.60s", s))
	}
	return fmt.Sprintf("%d (%s)", len(all), strings.Join(shown, ", "))
}

// eventually waits until check has no more to say.
func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: after %v still: %v", what, patience, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// config reads topics from a broker, with short times so that a test does not
// wait.
func config(t *testing.T, addr string, topics ...kafka.Topic) kafka.Config {
	t.Helper()
	c := kafka.DefaultConfig()
	c.Brokers = []string{addr}
	c.Group = kafkatest.Name(t)
	c.Topics = topics
	c.SessionTimeout, c.HeartbeatInterval = 3*time.Second, 300*time.Millisecond
	c.RebalanceTimeout, c.JoinBackoff = 5*time.Second, 200*time.Millisecond
	c.AppendTimeout = 3 * time.Second
	c.RequestTimeout, c.FetchWait, c.MetadataInterval = 3*time.Second, 100*time.Millisecond, 200*time.Millisecond
	return c
}

// oneTopic makes a topic, and a group that reads it as of says; the name in it is
// set.
func oneTopic(t *testing.T, partitions int, of kafka.Topic) (broker *kafkatest.Broker, topic string, c kafka.Config) {
	t.Helper()
	broker = kafkatest.Shared(t)
	topic = broker.Topic(t, partitions, nil)
	of.Name = topic
	return broker, topic, config(t, broker.Addr(), of)
}

// createTopic makes a topic whose name is already known to a consumer.
func createTopic(t *testing.T, broker *kafkatest.Broker, topic string, partitions int) {
	t.Helper()
	if err := broker.CreateTopic(t.Context(), topic, partitions, nil); err != nil {
		t.Fatal(err)
	}
}

// recreateTopic deletes a topic and makes it anew, with one partition.
func recreateTopic(t *testing.T, broker *kafkatest.Broker, topic string) {
	t.Helper()
	if err := broker.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	createTopic(t, broker, topic, 1)
}

// deleteRecords deletes the records of the first partition that lie before an
// offset; all with -1.
func deleteRecords(t *testing.T, broker *kafkatest.Broker, topic string, before int64) {
	t.Helper()
	if err := broker.DeleteRecords(t.Context(), topic, 0, before); err != nil {
		t.Fatal(err)
	}
}

// member is a consumer that runs.
type member struct {
	registry *prometheus.Registry
	logs     *logs
	cancel   context.CancelFunc
	ended    chan struct{}
	err      error
}

// consume runs a consumer until the test ends or it is stopped.
func consume(t *testing.T, store ingest.Appender, c kafka.Config) *member {
	t.Helper()
	m := &member{registry: prometheus.NewRegistry(), logs: &logs{}, ended: make(chan struct{})}
	formats := ingest.DefaultFormats(ingest.FormatOptions{Labels: event.DefaultLabelMap(), Limits: ingest.DefaultLimits()})
	consumer, err := kafka.New(kafka.Options{
		Config:      c,
		Appender:    store,
		Formats:     func() ingest.Formats { return formats },
		Unavailable: func(err error) bool { return errors.Is(err, errDown) },
		Registerer:  m.registry,
		Logger:      slog.New(slog.NewTextHandler(m.logs, &slog.HandlerOptions{Level: slog.LevelDebug})),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	m.cancel = cancel
	go func() {
		defer close(m.ended)
		m.err = consumer.Run(ctx)
	}()
	t.Cleanup(func() {
		m.stop(t)
		if t.Failed() {
			t.Logf("the consumer's log:\n%s", m.logs.tail())
		}
	})
	return m
}

// stop ends the consumer, which leaves the group.
func (m *member) stop(t *testing.T) {
	t.Helper()
	m.cancel()
	select {
	case <-m.ended:
	case <-time.After(patience):
		t.Fatalf("the consumer does not end")
	}
	if m.err != nil {
		t.Errorf("the consumer ended with %v", m.err)
		m.err = nil
	}
}

// metric is the sum of a metric over what has the labels, and over how many
// that is. Labels are name and value by turns.
func (m *member) metric(t *testing.T, name string, labels ...string) (sum float64, found int) {
	t.Helper()
	families, err := m.registry.Gather()
	if err != nil {
		t.Fatalf("gather metrics: %v", err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, metric := range family.GetMetric() {
			have := map[string]string{}
			for _, pair := range metric.GetLabel() {
				have[pair.GetName()] = pair.GetValue()
			}
			matches := true
			for i := 0; i < len(labels); i += 2 {
				matches = matches && have[labels[i]] == labels[i+1]
			}
			if matches {
				sum += metric.GetGauge().GetValue() + metric.GetCounter().GetValue()
				found++
			}
		}
	}
	return sum, found
}

// waitMetric waits until a metric has a value.
func (m *member) waitMetric(t *testing.T, want float64, name string, labels ...string) {
	t.Helper()
	eventually(t, name+" "+strings.Join(labels, " "), func() error {
		if got, found := m.metric(t, name, labels...); found == 0 || got != want {
			return fmt.Errorf("it is %v (%d of them), want %v", got, found, want)
		}
		return nil
	})
}

// waitLog waits until the consumer has logged a line that holds all the parts.
func (m *member) waitLog(t *testing.T, parts ...string) {
	t.Helper()
	eventually(t, "the log", func() error {
		for line := range strings.Lines(m.logs.all()) {
			if !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) }) {
				return nil
			}
		}
		return fmt.Errorf("no line holds all of %q", parts)
	})
}

// waitCommitted waits until the group has committed all of a partition.
func waitCommitted(t *testing.T, a *kafkatest.Admin, c *kafka.Config, topic string, partition int, want int64) {
	t.Helper()
	eventually(t, fmt.Sprintf("what is committed of %s/%d", topic, partition), func() error {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		offset, metadata, err := a.Committed(ctx, c.Group, topic, partition)
		if err != nil {
			return err
		}
		if offset != want || strings.Contains(metadata, "until") {
			return fmt.Errorf("offset %d with %q, want %d", offset, metadata, want)
		}
		return nil
	})
}

// logs keeps what was logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) all() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *logs) tail() string {
	const most = 12 << 10
	text := l.all()
	return text[max(0, len(text)-most):]
}

// load produces in the background, over all partitions of topics, until it is
// stopped.
type load struct {
	stop func() []string
}

// startLoad writes records with one token each; format says with which body.
func startLoad(t *testing.T, client *kgo.Client, prefix string, topics map[string]int, body func(string) string) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	var (
		mu      sync.Mutex
		written []string
		failed  error
	)
	go func() {
		defer close(ended)
		names := slices.Sorted(maps.Keys(topics))
		for n := 0; ctx.Err() == nil; n++ {
			for _, topic := range names {
				for partition := range topics[topic] {
					token := fmt.Sprintf("%s-%s-%d-%05d", prefix, topic, partition, n)
					client.Produce(t.Context(), &kgo.Record{Topic: topic, Partition: int32(partition), Value: []byte(body(token))}, func(_ *kgo.Record, err error) {
						mu.Lock()
						defer mu.Unlock()
						if err != nil {
							failed = err
							return
						}
						written = append(written, token)
					})
				}
			}
			select {
			case <-ctx.Done():
			case <-time.After(10 * time.Millisecond):
			}
		}
	}()
	stop := sync.OnceValue(func() []string {
		cancel()
		<-ended
		flush, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
		defer cancel()
		if err := client.Flush(flush); err != nil {
			t.Errorf("flush the producer: %v", err)
		}
		mu.Lock()
		defer mu.Unlock()
		if failed != nil {
			t.Errorf("the producer lost records: %v", failed)
		}
		return written
	})
	t.Cleanup(func() { stop() })
	return &load{stop: stop}
}
