package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kgo"
	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// memory is a store as the contract has it: facts by their IDs, chunks
// replaced.
type memory struct {
	mu     sync.Mutex
	events map[event.ID]event.Event
	chunks map[event.ChunkID]event.Chunk
	// fail, when it is not nil, is asked before each append.
	fail  func(context.Context) error
	calls int
	// changed is closed at the next append.
	changed chan struct{}
}

func newMemory() *memory {
	return &memory{events: map[event.ID]event.Event{}, chunks: map[event.ChunkID]event.Chunk{}, changed: make(chan struct{})}
}

func (m *memory) Append(ctx context.Context, b event.Batch) error {
	m.mu.Lock()
	fail := m.fail
	m.mu.Unlock()
	if fail != nil {
		if err := fail(ctx); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	for _, e := range b.Events {
		m.events[e.ID] = e
	}
	for _, c := range b.Chunks {
		m.chunks[c.ID] = c
	}
	close(m.changed)
	m.changed = make(chan struct{})
	return nil
}

// versions is how often each version of a deploy is there.
func (m *memory) versions() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[string]int{}
	for _, e := range m.events {
		seen[e.Change.Version]++
	}
	return seen
}

// lines is how often each line is counted.
func (m *memory) lines() map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	seen := map[string]int{}
	for _, c := range m.chunks {
		for _, l := range c.Lines {
			seen[l.Text]++
		}
	}
	return seen
}

// rig is a consumer, its store, and a broker.
type rig struct {
	*memory
	broker   *kafkatest.Admin
	options  Options
	registry *prometheus.Registry
	log      *lockedBuffer
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func formats() ingest.Formats {
	return ingest.DefaultFormats(ingest.FormatOptions{Labels: event.DefaultLabelMap(), Limits: ingest.DefaultLimits()})
}

func newRig(t *testing.T, broker *kafkatest.Admin, topics ...Topic) *rig {
	t.Helper()
	r := &rig{memory: newMemory(), broker: broker, log: &lockedBuffer{}}
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.Group = "hindcast-" + strings.ReplaceAll(t.Name(), "/", "-")
	c.Topics = topics
	c.MetadataInterval = 50 * time.Millisecond
	c.FetchWait = 100 * time.Millisecond
	c.JoinBackoff = 100 * time.Millisecond
	c.HeartbeatInterval = 200 * time.Millisecond
	r.options = Options{Config: c, Appender: r.memory, Formats: formats}
	return r
}

// start runs a consumer until stop is called, or the test ends.
func (r *rig) start(t *testing.T) (stop func()) {
	t.Helper()
	r.registry = prometheus.NewRegistry()
	r.options.Registerer = r.registry
	r.options.Logger = slog.New(slog.NewTextHandler(r.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, err := New(r.options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			if err := <-done; err != nil {
				t.Errorf("the consumer ended with %v", err)
			}
		})
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("log:\n%s", r.log)
		}
	})
	return stop
}

// eventually waits for a condition, as long as the test may run.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(45 * time.Second)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not come to that", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func deploy(version int) string {
	return fmt.Sprintf(`{"at":"2026-02-03T04:05:06Z","service":"payments","version":"%d"}`, version)
}

// send writes values to a partition, in order.
func send(t *testing.T, broker *kafkatest.Admin, topic string, partition int32, values ...string) {
	t.Helper()
	client := broker.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()))
	records := make([]*kgo.Record, len(values))
	for i, v := range values {
		records[i] = &kgo.Record{Topic: topic, Partition: partition, Value: []byte(v)}
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) wantVersions(t *testing.T, from, to int) {
	t.Helper()
	eventually(t, fmt.Sprintf("versions %d to %d", from, to), func() bool { return len(r.versions()) >= to-from })
	got := r.versions()
	for v := from; v < to; v++ {
		if got[strconv.Itoa(v)] != 1 {
			t.Errorf("version %d is there %d times, want once", v, got[strconv.Itoa(v)])
		}
	}
	if len(got) != to-from {
		t.Errorf("%d versions, want %d", len(got), to-from)
	}
}

// brokers runs a test on the broker in this process and on a real one.
func brokers(t *testing.T, test func(t *testing.T, broker *kafkatest.Admin)) {
	t.Run("fake", func(t *testing.T) { test(t, &kafkatest.NewFake(t).Admin) })
	t.Run("real", func(t *testing.T) { test(t, &kafkatest.Shared(t).Admin) })
}

func TestConsumes(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		deploys, logs := broker.Topic(t, 3, nil), broker.Topic(t, 2, nil)
		for i := range 30 {
			send(t, broker, deploys, int32(i%3), deploy(i))
		}
		for i := range 10 {
			send(t, broker, logs, int32(i%2), lokiBody("payments", fmt.Sprintf("line %d", 2*i), fmt.Sprintf("line %d", 2*i+1)))
		}
		r := newRig(t, broker, Topic{Name: deploys, Format: "deploys"}, Topic{Name: logs, Format: "loki-json"})
		stop := r.start(t)
		r.wantVersions(t, 0, 30)
		eventually(t, "lines", func() bool { return len(r.lines()) == 20 })
		for p := range 3 {
			eventually(t, "commit", func() bool {
				offset, _, err := broker.Committed(t.Context(), r.options.Config.Group, deploys, p)
				return err == nil && offset == 10
			})
		}
		eventually(t, "lag", func() bool {
			return testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_lag_records", deploys, "0")) == 0
		})
		stop()
		if n, err := testutil.GatherAndCount(r.registry, "hindcast_kafka_lag_records", "hindcast_kafka_committed_offset", "hindcast_kafka_paused"); err != nil || n != 0 {
			t.Errorf("%d metrics of partitions that are lost (error %v), want none", n, err)
		}

		// Another process goes on where this one stopped.
		calls := r.calls
		send(t, broker, deploys, 1, deploy(30))
		r.start(t)
		r.wantVersions(t, 0, 31)
		if r.calls > calls+1 {
			t.Errorf("%d appends after a start for one record, want 1", r.calls-calls)
		}
		for text, n := range r.lines() {
			if n != 1 {
				t.Errorf("%q is counted %d times", text, n)
			}
		}
	})
}

// gauge finds a metric of a partition.
func gauge(t *testing.T, r *prometheus.Registry, name, topic, partition string) prometheus.Collector {
	t.Helper()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "found"})
	g.Set(-1)
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if f.GetName() == name && labels["topic"] == topic && (partition == "" || labels["partition"] == partition) {
				g.Set(m.GetGauge().GetValue() + m.GetCounter().GetValue())
			}
		}
	}
	return g
}

func TestWaitsForATopic(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		there := broker.Topic(t, 1, nil)
		later := there + "-later"
		send(t, broker, there, 0, deploy(0))
		r := newRig(t, broker, Topic{Name: there, Format: "deploys"}, Topic{Name: later, Format: "deploys"})
		r.start(t)
		r.wantVersions(t, 0, 1)
		if got := testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_refused_topics", later, "")); got != 1 {
			t.Errorf("refused topics: %v, want the missing one", got)
		}
		if err := broker.CreateTopic(t.Context(), later, 2, nil); err != nil {
			t.Fatal(err)
		}
		send(t, broker, later, 1, deploy(1))
		r.wantVersions(t, 0, 2)
		send(t, broker, there, 0, deploy(2))
		r.wantVersions(t, 0, 3)
		if got := testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_refused_topics", later, "")); got != -1 {
			t.Errorf("refused topics: %v for a topic that is consumed", got)
		}
	})
}

func TestJoinsNewPartitions(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		send(t, broker, topic, 0, deploy(0))
		r := newRig(t, broker, Topic{Name: topic, Format: "deploys"})
		r.start(t)
		r.wantVersions(t, 0, 1)
		if err := broker.AddPartitions(t.Context(), topic, 3); err != nil {
			t.Fatal(err)
		}
		send(t, broker, topic, 2, deploy(1))
		r.wantVersions(t, 0, 2)
	})
}

func TestRefusesCompactedTopics(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		good, bad := broker.Topic(t, 1, nil), broker.Topic(t, 1, map[string]string{"cleanup.policy": "compact,delete"})
		client := broker.Client(t)
		if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: bad, Key: []byte("k"), Value: []byte(deploy(99))}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		send(t, broker, good, 0, deploy(0))
		r := newRig(t, broker, Topic{Name: bad, Format: "deploys"}, Topic{Name: good, Format: "deploys"})
		r.start(t)
		r.wantVersions(t, 0, 1)
		if got := testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_refused_topics", bad, "")); got != 1 {
			t.Errorf("refused topics: %v, want the compacted one", got)
		}
		if log := r.log.String(); !strings.Contains(log, "compacted (cleanup.policy)") || !strings.Contains(log, bad) {
			t.Errorf("the log does not tell of the compacted topic")
		}
	})
}

// A topic that takes the place of a deleted one is read from its start, however
// far the old one was read.
func TestReadsARecreatedTopicFromItsStart(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		send(t, broker, topic, 0, deploy(0), deploy(1), deploy(2))
		r := newRig(t, broker, Topic{Name: topic, Format: "deploys"})
		r.start(t)
		r.wantVersions(t, 0, 3)
		if err := broker.DeleteTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if err := broker.CreateTopic(t.Context(), topic, 1, nil); err != nil {
			t.Fatal(err)
		}
		send(t, broker, topic, 0, deploy(3), deploy(4), deploy(5), deploy(6), deploy(7))
		r.wantVersions(t, 0, 8)
	})
}

func TestMarksAreCommitted(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		r := newRig(t, broker, Topic{Name: topic, Format: "loki-json"})
		hold := make(chan struct{})
		r.fail = func(ctx context.Context) error {
			select {
			case <-hold:
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		send(t, broker, topic, 0, lokiBody("payments", "one"), lokiBody("payments", "two"))
		stop := r.start(t)
		committed := func() delivery.Mark {
			offset, metadata, err := broker.Committed(t.Context(), r.options.Config.Group, topic, 0)
			if err != nil {
				return delivery.Mark{}
			}
			return delivery.ParseMark(offset, metadata)
		}
		eventually(t, "the boundary", func() bool { m := committed(); return m.Offset == 0 && m.Pending() })
		if m := committed(); m.Topic == "" {
			t.Errorf("mark %+v, want one at offset 0 with the topic's ID", m)
		}
		until := committed().Until
		stop() // in the middle of the append
		send(t, broker, topic, 0, lokiBody("payments", "three"))
		close(hold)
		r.start(t)
		eventually(t, "lines", func() bool { return len(r.lines()) == 3 })
		eventually(t, "the end", func() bool { m := committed(); return m.Offset == 3 && !m.Pending() })
		if until < 2 && len(r.chunks) < 2 {
			t.Errorf("%d chunks, want the announced one apart", len(r.chunks))
		}
	})
}

func TestStoreThatIsDownPauses(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	r := newRig(t, broker, Topic{Name: topic, Format: "deploys"})
	down := errors.New("the store is down")
	r.fail = func(context.Context) error { return down }
	r.options.Unavailable = func(err error) bool { return errors.Is(err, down) }
	send(t, broker, topic, 0, deploy(0))
	r.start(t)
	eventually(t, "pause", func() bool {
		return testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_paused", topic, "0")) == 1
	})
	generations := testutil.ToFloat64(gaugeOf(t, r.registry, "hindcast_kafka_rebalances_total"))
	r.mu.Lock()
	r.fail = nil
	r.mu.Unlock()
	r.wantVersions(t, 0, 1)
	eventually(t, "going on", func() bool {
		return testutil.ToFloat64(gauge(t, r.registry, "hindcast_kafka_paused", topic, "0")) == 0
	})
	if got := testutil.ToFloat64(gaugeOf(t, r.registry, "hindcast_kafka_rebalances_total")); got != generations {
		t.Errorf("%v rebalances while the store was down, want none", got-generations)
	}
	if !strings.Contains(r.log.String(), "waits for the store") {
		t.Error("the log does not say what the partition waits for")
	}
}

func gaugeOf(t *testing.T, r *prometheus.Registry, name string) prometheus.Collector {
	t.Helper()
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "found"})
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			g.Set(f.GetMetric()[0].GetGauge().GetValue() + f.GetMetric()[0].GetCounter().GetValue())
		}
	}
	return g
}

// Nothing runs any more when Run has returned, though it was in the middle of
// everything.
func TestEndsWithinBounds(t *testing.T) {
	fake := kafkatest.NewFake(t)
	broker := &fake.Admin
	topic := broker.Topic(t, 4, nil)
	for p := range 4 {
		send(t, broker, topic, int32(p), deploy(p))
	}
	r := newRig(t, broker, Topic{Name: topic, Format: "deploys"})
	entered := make(chan struct{}, 100)
	r.fail = func(ctx context.Context) error {
		entered <- struct{}{}
		<-ctx.Done()
		return ctx.Err()
	}
	before := goleak.IgnoreCurrent()
	stop := r.start(t)
	for range 4 {
		<-entered
	}
	began := time.Now()
	stop()
	if took := time.Since(began); took > r.options.Config.stopTimeout()+leaveTimeout {
		t.Errorf("it took %s to end", took)
	}
	goleak.VerifyNone(t, before, goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).read"), goleak.IgnoreAnyFunction("github.com/twmb/franz-go/pkg/kfake.(*clientConn).write"))
}

func TestEndsWithoutABroker(t *testing.T) {
	r := newRig(t, &kafkatest.Admin{}, Topic{Name: "t", Format: "deploys"})
	r.options.Config.Brokers = []string{"127.0.0.1:1"}
	before := goleak.IgnoreCurrent()
	stop := r.start(t)
	eventually(t, "a complaint", func() bool { return strings.Contains(r.log.String(), "does not say which topics") })
	stop()
	goleak.VerifyNone(t, before)
}
