package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// safe are settings that no Forwarder warns of, on a single broker.
var safe = map[string]string{"retention.ms": "172800000"}

// forwardRig is a Forwarder to topics of its own.
type forwardRig struct {
	*Forwarder
	broker   *kafkatest.Admin
	options  ForwarderOptions
	registry *prometheus.Registry
	log      *bytes.Buffer
}

// newForwardRig makes the topics and does not start the Forwarder.
func newForwardRig(t *testing.T, broker *kafkatest.Admin, partitions int, settings map[string]string) *forwardRig {
	t.Helper()
	r := &forwardRig{broker: broker, registry: prometheus.NewRegistry(), log: &bytes.Buffer{}}
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.MetadataInterval = 50 * time.Millisecond
	c.ForwardTopics.Alerts, c.ForwardTopics.Logs = broker.Topic(t, partitions, settings), broker.Topic(t, partitions, settings)
	r.options = ForwarderOptions{Config: c, Registerer: r.registry, Logger: slog.New(slog.NewTextHandler(r.log, nil))}
	return r
}

func (r *forwardRig) start(t *testing.T) {
	t.Helper()
	f, err := NewForwarder(t.Context(), r.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	r.Forwarder = f
}

// read is everything that a topic holds: the facts, and records by partition.
func (r *forwardRig) read(t *testing.T, topic string, records int) (event.Batch, map[int32]int) {
	t.Helper()
	client := r.broker.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var all event.Batch
	partitions, n := map[int32]int{}, 0
	for n < records {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read topic %s, after %d of %d records: %v", topic, n, records, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			n++
			partitions[record.Partition]++
			batch, err := envelope.Decoder{}.DecodeProto(record.Value, record.Timestamp)
			if err != nil {
				t.Fatalf("decode a record: %v", err)
			}
			all.Add(batch)
		})
	}
	return all, partitions
}

func message(n int) event.Event {
	at := noon.Add(time.Duration(n))
	return event.Event{
		ID: event.NewID(at, fmt.Sprint(n)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: noon, Road: event.RoadMessages,
		Message: &event.Message{Author: "dana", Text: fmt.Sprintf("message %d \xff", n)},
	}
}

func TestForwardsFacts(t *testing.T) {
	testForwardsFacts(t, &kafkatest.NewFake(t).Admin)
}

func TestForwardsFactsToARealBroker(t *testing.T) {
	testForwardsFacts(t, &kafkatest.Shared(t).Admin)
}

func testForwardsFacts(t *testing.T, broker *kafkatest.Admin) {
	r := newForwardRig(t, broker, 4, safe)
	r.start(t)
	batch := event.Batch{
		Events: []event.Event{message(1), message(2)},
		Observations: []event.Observation{{
			Fingerprint: event.Labels{"alertname": "HighErrors"}.Fingerprint(), StartsAt: noon, Labels: event.Labels{"alertname": "HighErrors"},
			FiringSeenAt: noon, FirstReceivedAt: noon, LastReceivedAt: noon, Roads: []event.Road{event.RoadPrometheus},
		}},
		Chunks: []event.Chunk{counted(event.Chunk{
			ID: event.ChunkID{1, 2, 3}, ReceivedAt: noon, Road: event.RoadLoki,
			Streams: []event.Stream{{Service: "payments", Labels: event.Labels{"pod": "p1"}}},
			Lines:   []event.Line{{At: noon, Text: "level=error cannot round\xff 0.5"}, {At: noon, Text: "ok \U0010ff00"}},
		})},
		Asides: []event.Aside{{ID: event.NewID(noon, "aside"), ReceivedAt: noon, Road: event.RoadLoki, Reason: "lines[2]: no time", Class: "missing", Raw: []byte("\xfe")}},
	}
	if err := r.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	for range 8 {
		if err := r.Append(t.Context(), event.Batch{Events: []event.Event{message(1)}}); err != nil {
			t.Fatal(err)
		}
	}
	facts, partitions := r.read(t, r.options.Config.ForwardTopics.Alerts, 9)
	lines, _ := r.read(t, r.options.Config.ForwardTopics.Logs, 1)
	facts.Events = slices.DeleteFunc(facts.Events, func(e event.Event) bool { return e.ID == message(1).ID })
	got := event.Batch{Events: append([]event.Event{message(1)}, facts.Events...), Observations: facts.Observations, Chunks: lines.Chunks, Asides: lines.Asides}
	if !reflect.DeepEqual(got, batch) {
		t.Errorf("got  %+v\nwant %+v", got, batch)
	}
	if len(partitions) != 4 || partitions[0] < 2 || partitions[3] > 3 {
		t.Errorf("records by partition are %v, want nine over four", partitions)
	}
	if n := testutil.ToFloat64(r.metrics.records.WithLabelValues(r.options.Config.ForwardTopics.Alerts)); n != 9 {
		t.Errorf("%v records are counted, want 9", n)
	}
	if n, err := testutil.GatherAndCount(r.registry, "hindcast_kafka_forwarded_records_total", "hindcast_kafka_forward_errors_total"); n != 3 || err != nil {
		t.Errorf("%d metrics and error %v, want 3", n, err)
	}
}

func TestForwardsLargeBatches(t *testing.T) {
	testForwardsLargeBatches(t, &kafkatest.NewFake(t).Admin)
}

func TestForwardsLargeBatchesToARealBroker(t *testing.T) {
	testForwardsLargeBatches(t, &kafkatest.Shared(t).Admin)
}

// Batches of many times what a topic takes at once are taken, also where
// nothing of them can be compressed, and again when the topic takes less than
// it did at the start.
func testForwardsLargeBatches(t *testing.T, broker *kafkatest.Admin) {
	const lines = 4000
	r := newForwardRig(t, broker, 3, map[string]string{"max.message.bytes": "300000", "retention.ms": "172800000"})
	r.start(t)
	chunk := event.Chunk{ID: event.ChunkID{9}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for i := range lines {
		chunk.Lines = append(chunk.Lines, event.Line{At: noon.Add(time.Duration(i) * time.Millisecond), Text: fmt.Sprintf("level=error no rule %d: %x", i, noise(i, 300))})
	}
	batch := event.Batch{Chunks: []event.Chunk{counted(chunk)}, Events: []event.Event{message(1)}}
	if err := r.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	topic := r.options.Config.ForwardTopics.Logs
	written := int(testutil.ToFloat64(r.metrics.records.WithLabelValues(topic)))
	if written < 10 {
		t.Errorf("%d records were written of %d lines", written, lines)
	}
	total := func(b event.Batch) (n int64) {
		seen := map[event.ChunkID]bool{}
		for _, c := range b.Chunks {
			if !seen[c.ID] {
				for _, count := range c.Counts {
					n += count.N
				}
			}
			seen[c.ID] = true
		}
		return n
	}
	got, partitions := r.read(t, topic, written)
	if n := total(got); n != lines {
		t.Errorf("the parts count %d lines, want %d", n, lines)
	}
	// One that failed for a moment is passed over.
	if len(partitions) < 2 {
		t.Errorf("records by partition are %v, want them spread", partitions)
	}
	// The same again, as after an answer that was lost.
	if err := r.Append(t.Context(), batch); err != nil {
		t.Fatal(err)
	}
	if got, _ = r.read(t, topic, 2*written); total(got) != lines {
		t.Errorf("with a second try the parts count %d lines, want %d", total(got), lines)
	}

	// When the topic takes too little, that is said; once it takes enough again,
	// the sender's next try is the same.
	until := func(done func(error) bool) {
		t.Helper()
		for tries := 1; ; tries++ {
			err := r.Append(t.Context(), batch)
			if done(err) {
				return
			}
			if err != nil && !errors.Is(err, ErrUnavailable) || tries == 50 {
				t.Fatalf("try %d: error is %v", tries, err)
			}
			time.Sleep(100 * time.Millisecond)
			r.logs.mu.Lock()
			r.logs.learned = time.Time{}
			r.logs.mu.Unlock()
		}
	}
	if err := r.broker.Configure(t.Context(), topic, map[string]string{"max.message.bytes": "50000"}); err != nil {
		t.Fatal(err)
	}
	until(func(err error) bool {
		return errors.Is(err, ErrUnavailable) && strings.Contains(err.Error(), "set it to 300000 or more") && strings.Contains(err.Error(), "kafka-configs.sh --bootstrap-server "+r.broker.Addr())
	})
	before := int(testutil.ToFloat64(r.metrics.records.WithLabelValues(topic)))
	if err := r.broker.Configure(t.Context(), topic, map[string]string{"max.message.bytes": "2000000"}); err != nil {
		t.Fatal(err)
	}
	until(func(err error) bool { return err == nil })
	if after := int(testutil.ToFloat64(r.metrics.records.WithLabelValues(topic))); after == before {
		t.Error("nothing was written when the topic took enough again")
	}
	if got, _ = r.read(t, topic, 3*written/2); total(got) != lines {
		t.Errorf("with a try after the topic has changed the parts count %d lines, want %d", total(got), lines)
	}
	large := event.Batch{Events: []event.Event{message(2)}}
	large.Events[0].Message.Text = strings.Repeat("x", 310_000)
	if err := r.Append(t.Context(), large); !errors.Is(err, ingest.ErrTooMuch) || errors.Is(err, ErrUnavailable) {
		t.Errorf("a fact that is too large: error is %v, want ErrTooMuch", err)
	}
}

// Where the brokers do not tell how large records may be, that is found out by
// trying, and log lines are split as ever.
func TestForwardsToTopicsThatAreNotDescribed(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newForwardRig(t, &fake.Admin, 1, safe)
	topic := r.options.Config.ForwardTopics.Logs
	fake.Cluster.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.DescribeConfigs}, Err: kerr.TopicAuthorizationFailed, Count: -1})
	var takes atomic.Int64
	fake.Cluster.Fault(kfake.Fault{Topic: topic, Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: -1, When: func(q kmsg.Request) bool {
		produce, ok := q.(*kmsg.ProduceRequest)
		return ok && int64(len(produce.Topics[0].Partitions[0].Records)) > takes.Load()
	}})
	r.start(t)
	if r.logs.settings.Load().described {
		t.Fatal("the topic is described: it proves nothing")
	}
	chunk := event.Chunk{ID: event.ChunkID{9}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for i := range 2500 {
		chunk.Lines = append(chunk.Lines, event.Line{At: noon.Add(time.Duration(i) * time.Millisecond), Text: string(noise(i, 300))})
	}
	batch := event.Batch{Chunks: []event.Chunk{counted(chunk)}}
	parts, err := splitChunk(&batch.Chunks[0], partBytes)
	if err != nil || len(parts) < 3 {
		t.Fatalf("%d parts, error %v", len(parts), err)
	}
	until := func(done func(error) bool) {
		t.Helper()
		for tries := 1; ; tries++ {
			err := r.Append(t.Context(), batch)
			if done(err) {
				return
			}
			if !errors.Is(err, ErrUnavailable) || tries == 50 {
				t.Fatalf("try %d: error is %v", tries, err)
			}
		}
	}
	takes.Store(50_000)
	until(func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "set it to 300000 or more")
	})
	takes.Store(leastMaxBytes)
	until(func(err error) bool { return err == nil })
	written := int(testutil.ToFloat64(r.metrics.records.WithLabelValues(topic)))
	got, _ := r.read(t, topic, written)
	ids := map[event.ChunkID]bool{}
	for _, c := range got.Chunks {
		ids[c.ID] = true
	}
	if len(ids) != len(parts) {
		t.Errorf("the topic holds %d parts, want %d", len(ids), len(parts))
	}
	for _, p := range parts {
		if !ids[p.ID] {
			t.Errorf("part %s is not there", p.ID)
		}
	}
}

// noise is bytes that cannot be compressed.
func noise(seed, n int) []byte {
	b := make([]byte, n)
	state := uint64(seed)*2862933555777941757 + 3037000493
	for i := range b {
		state = state*6364136223846793005 + 1442695040888963407
		b[i] = byte(state >> 56)
	}
	return b
}

// A fault of the broker is tried again, and is the sender's to try again when it
// lasts.
func TestForwardsThroughFaults(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newForwardRig(t, &fake.Admin, 3, safe)
	r.options.AlertTimeout = 2 * time.Second
	r.start(t)
	alerts := r.options.Config.ForwardTopics.Alerts
	one := event.Batch{Events: []event.Event{message(1)}}
	for name, test := range map[string]struct {
		fault kfake.Fault
		want  error // other is an error of its own
		other bool
		tries int
	}{
		"no leader for a moment":         {fault: kfake.Fault{Err: kerr.NotLeaderForPartition, Count: 2}, tries: 2},
		"a partition that is down":       {fault: kfake.Fault{Err: kerr.NotEnoughReplicas, Count: -1, Partitions: []int32{1}}},
		"written, but not acknowledged":  {fault: kfake.Fault{Err: kerr.NotEnoughReplicasAfterAppend}, tries: 1},
		"too few replicas for good":      {fault: kfake.Fault{Err: kerr.NotEnoughReplicas, Count: -1}, want: ErrUnavailable, tries: 2},
		"not allowed":                    {fault: kfake.Fault{Err: kerr.TopicAuthorizationFailed, Count: -1}, want: ErrUnavailable, tries: 1},
		"larger than the broker takes":   {fault: kfake.Fault{Err: kerr.MessageTooLarge, Count: -1}, want: ingest.ErrTooMuch, tries: 1},
		"what no other try would change": {fault: kfake.Fault{Err: kerr.InvalidTimestamp, Count: -1}, other: true, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			test.fault.Topic, test.fault.Keys = alerts, []kmsg.Key{kmsg.Produce}
			handle := fake.Cluster.Fault(test.fault)
			defer handle.Remove()
			for range 3 {
				began := time.Now()
				err := r.Append(t.Context(), one)
				switch {
				case test.want == nil && !test.other && err != nil:
					t.Errorf("error is %v", err)
				case test.other:
					if err == nil || errors.Is(err, ErrUnavailable) || errors.Is(err, ingest.ErrTooMuch) {
						t.Errorf("error is %v, want one of its own", err)
					}
				case !errors.Is(err, test.want):
					t.Errorf("error is %v, want %v", err, test.want)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("it took %s", took)
				}
				if err != nil {
					break
				}
			}
			if handle.Hits() < test.tries {
				t.Errorf("the broker was asked %d times, want %d", handle.Hits(), test.tries)
			}
		})
	}
}

// A broker that goes away is waited for no longer than its time, and what waits
// is bounded; when it is back, everything goes on.
func TestForwardingOutlivesAnOutage(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Options{})
	r := newForwardRig(t, &broker.Admin, 2, safe)
	r.options.AlertTimeout, r.options.LogTimeout = time.Second, time.Second
	r.options.QueueBytes = 1 << 20
	r.start(t)
	one := event.Batch{Events: []event.Event{message(1)}}
	if err := r.Append(t.Context(), one); err != nil {
		t.Fatal(err)
	}
	for name, outage := range map[string]struct {
		begin func() error
		end   func() error
	}{
		"killed": {broker.Kill, func() error { return broker.Restart(t.Context()) }},
		"frozen": {broker.Freeze, broker.Thaw},
	} {
		if err := outage.begin(); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		large := event.Batch{Events: []event.Event{message(2)}}
		large.Events[0].Message.Text = string(bytes.Repeat([]byte{'x'}, 400_000))
		failed := make([]error, 8)
		began := time.Now()
		for i := range failed {
			wg.Go(func() { failed[i] = r.Append(t.Context(), large) })
		}
		wg.Wait()
		if took := time.Since(began); took > 10*time.Second {
			t.Errorf("%s: it took %s to say so", name, took)
		}
		full := 0
		for _, err := range failed {
			if !errors.Is(err, ErrUnavailable) {
				t.Errorf("%s: error is %v, want ErrUnavailable", name, err)
			}
			if err != nil && strings.Contains(err.Error(), "already") {
				full++
			}
		}
		if full == 0 {
			t.Errorf("%s: 3.2 MB were let in where 1 MiB has room", name)
		}
		if err := outage.end(); err != nil {
			t.Fatal(err)
		}
		for deadline := time.Now().Add(30 * time.Second); ; {
			err := r.Append(t.Context(), one)
			if err == nil {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("%s: 30 s after the outage: %v", name, err)
			}
		}
	}
	if r.alerts.writing != 0 {
		t.Errorf("%d bytes are said to be under way", r.alerts.writing)
	}
}

// What could lose facts is said at the start.
func TestWarnsOfUnsafeTopics(t *testing.T) {
	fake := kafkatest.NewFake(t, kfake.NumBrokers(3))
	for name, test := range map[string]struct {
		settings map[string]string
		want     []string
	}{
		"one replica":      {nil, []string{"the topic has one replica"}},
		"short retention":  {map[string]string{"retention.ms": "3600000"}, []string{"retention.ms keeps records for 1h0m0s, and consumers may be down for 24h0m0s"}},
		"bounded in bytes": {map[string]string{"retention.bytes": "864000"}, []string{"an outage of 24h0m0s", "up to 20 bytes a second"}},
		"no retention":     {map[string]string{"retention.ms": "-1"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newForwardRig(t, &fake.Admin, 2, test.settings)
			r.start(t)
			for _, want := range test.want {
				if !strings.Contains(r.log.String(), want) {
					t.Errorf("the log lacks %q:\n%s", want, r.log)
				}
			}
			if len(test.want) == 0 && strings.Contains(r.log.String(), "keeps") {
				t.Errorf("the log warns:\n%s", r.log)
			}
		})
	}
	for settings, want := range map[topicSettings]string{
		{described: true, replicas: 3, minInSync: 2, retention: -1, retentionBytes: -1, maxBytes: 299_999}:                "max.message.bytes is 299999",
		{described: true, replicas: 3, minInSync: 1, retention: -1, retentionBytes: -1, maxBytes: 1 << 20}:                "min.insync.replicas is 1",
		{described: true, replicas: 3, minInSync: 4, retention: -1, retentionBytes: -1, maxBytes: 1 << 20}:                "nothing can be written",
		{described: true, replicas: 3, minInSync: 2, unclean: true, retention: -1, retentionBytes: -1, maxBytes: 1 << 20}: "unclean.leader.election.enable",
		{described: true, replicas: 3, minInSync: 2, retention: -1, retentionBytes: -1, maxBytes: 1 << 20}:                "",
		{}: "grant DescribeConfigs",
	} {
		got := strings.Join(settings.dangers(24*time.Hour), "\n")
		if (want == "") != (got == "") || !strings.Contains(got, want) {
			t.Errorf("%+v: got %q, want %q", settings, got, want)
		}
	}
}

func TestForwarderNeedsItsTopics(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newForwardRig(t, &fake.Admin, 1, map[string]string{"cleanup.policy": "compact"})
	if _, err := NewForwarder(t.Context(), r.options); err == nil || !strings.Contains(err.Error(), "is compacted") {
		t.Errorf("compacted topics: error is %v", err)
	}
	r = newForwardRig(t, &fake.Admin, 1, map[string]string{"max.message.bytes": "299999"})
	if _, err := NewForwarder(t.Context(), r.options); err == nil || !strings.Contains(err.Error(), r.options.Config.ForwardTopics.Logs) || !strings.Contains(err.Error(), "set it to 300000 or more") ||
		!strings.Contains(err.Error(), "kafka-configs.sh --bootstrap-server "+fake.Addr()+" --alter") || strings.Contains(r.log.String(), "max.message.bytes") {
		t.Errorf("a topic of small records: error is %v", err)
	}
	r.options.Config.ForwardTopics.Logs, r.options.Config.ForwardTopics.Outage = "gone", 14*24*time.Hour
	if _, err := NewForwarder(t.Context(), r.options); err == nil || !strings.Contains(err.Error(), "--create --topic gone --partitions 24 ") || !strings.Contains(err.Error(), "retention.ms=2419200000") {
		t.Errorf("a topic of lines, and an outage of 14 days: error is %v", err)
	}
	r.options.Config.ForwardTopics.Outage = 24 * time.Hour
	r.options.Config.ForwardTopics.Alerts = "absent"
	_, err := NewForwarder(t.Context(), r.options)
	missing, ok := errors.AsType[*MissingTopic](err)
	if !ok || missing.Topic != "absent" || !strings.Contains(err.Error(), "--create --topic absent --partitions 3 ") || !strings.Contains(err.Error(), "retention.ms=604800000") || errors.Is(err, ErrUnavailable) {
		t.Errorf("an absent topic: error is %v", err)
	}
	r.options.Config.Brokers = []string{"127.0.0.1:1"}
	if _, err := NewForwarder(t.Context(), r.options); !errors.Is(err, ErrUnavailable) {
		t.Errorf("no broker: error is %v, want ErrUnavailable", err)
	}
	r.options.Config.Brokers = nil
	if _, err := NewForwarder(t.Context(), r.options); err == nil || !strings.Contains(err.Error(), "brokers") {
		t.Errorf("no brokers configured: error is %v", err)
	}
}

// Brokers may start later than hindcast.
func TestForwarderWaitsForBrokers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, ok := l.Addr().(*net.TCPAddr)
	if !ok {
		t.Fatalf("the address is %v", l.Addr())
	}
	l.Close()
	c := DefaultConfig()
	c.Brokers, c.MetadataInterval = []string{address.String()}, 50*time.Millisecond
	started := make(chan error, 1)
	go func() {
		f, err := NewForwarder(t.Context(), ForwarderOptions{Config: c, Wait: 30 * time.Second})
		if err == nil {
			f.Close()
		}
		started <- err
	}()
	select {
	case err := <-started:
		t.Fatalf("it did not wait: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	kafkatest.NewFake(t, kfake.Ports(address.Port), kfake.SeedTopics(1, c.ForwardTopics.Alerts, c.ForwardTopics.Logs))
	if err := <-started; err != nil {
		t.Errorf("when the broker was there: %v", err)
	}
}

// When a topic takes less than it did, the first sender who meets that is told so, in
// words that name what to set; and the next try is made to fit, or put aside.
func TestSaysThatATopicTakesLess(t *testing.T) {
	r := newForwardRig(t, &kafkatest.NewFake(t).Admin, 1, safe)
	r.start(t)
	chunk := event.Chunk{ID: event.ChunkID{9}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for i := range 1000 {
		chunk.Lines = append(chunk.Lines, event.Line{At: noon, Text: string(noise(i, 200))})
	}
	fact := event.Batch{Events: []event.Event{message(1)}}
	fact.Events[0].Message.Text = string(noise(1, 150_000))
	topics := r.options.Config.ForwardTopics
	for _, test := range []struct {
		topic, says string
		batch       event.Batch
	}{
		{topics.Alerts, "takes records of 98976 bytes at most by now (max.message.bytes), and one has ", fact},
		{topics.Logs, "its max.message.bytes is 100000; set it to 300000 or more, as with: kafka-configs.sh --bootstrap-server " + r.broker.Addr(), event.Batch{Chunks: []event.Chunk{counted(chunk)}}},
	} {
		if err := r.broker.Configure(t.Context(), test.topic, map[string]string{"max.message.bytes": "100000"}); err != nil {
			t.Fatal(err)
		}
		for _, w := range []*topicWriter{r.alerts, r.logs} {
			w.mu.Lock()
			w.learned = noon
			w.mu.Unlock()
		}
		err := r.Append(t.Context(), test.batch)
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "[10]") {
			t.Errorf("error is %v, want one that says %q", err, test.says)
		}
	}
	if err := r.Fit(t.Context(), &fact); !errors.Is(err, ingest.ErrTooMuch) || len(fact.Asides) != 1 {
		t.Errorf("the next try: error is %v, and %d asides", err, len(fact.Asides))
	}
}
