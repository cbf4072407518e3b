package kafka

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// TestForwarderReady: the topic whose leaders do not answer, or say that they are
// none, cannot be written, whatever holds of the other; and can again.
func TestForwarderReady(t *testing.T) {
	broker := kafkatest.NewFake(t)
	r := newForwardRig(t, &broker.Admin, 3, safe)
	r.start(t)
	topics := r.options.Config.ForwardTopics
	check := func(what string, wantAlerts, wantLogs string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		alerts, logs := r.Ready(ctx)
		for _, c := range []struct {
			topic string
			got   error
			want  string
		}{{topics.Alerts, alerts, wantAlerts}, {topics.Logs, logs, wantLogs}} {
			switch {
			case c.want == "" && c.got != nil:
				t.Errorf("%s: topic %s: got error %v, want that it is ready", what, c.topic, c.got)
			case c.want != "" && (!errors.Is(c.got, ErrUnavailable) || !strings.Contains(c.got.Error(), c.want)):
				t.Errorf("%s: topic %s: got error %v, want that Kafka is unavailable, with %q", what, c.topic, c.got, c.want)
			}
		}
	}
	check("at the start", "", "")

	var refused atomic.Value
	refused.Store(topics.Logs)
	broker.Cluster.ControlKey(kmsg.ListOffsets.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
		broker.Cluster.KeepControl()
		request := kreq.(*kmsg.ListOffsetsRequest)
		if request.Topics[0].Topic != refused.Load() {
			return nil, nil, false
		}
		response := request.ResponseKind().(*kmsg.ListOffsetsResponse)
		for _, topic := range request.Topics {
			t := kmsg.NewListOffsetsResponseTopic()
			t.Topic = topic.Topic
			for _, partition := range topic.Partitions {
				p := kmsg.NewListOffsetsResponseTopicPartition()
				p.Partition, p.ErrorCode = partition.Partition, kerr.NotLeaderForPartition.Code
				t.Partitions = append(t.Partitions, p)
			}
			response.Topics = append(response.Topics, t)
		}
		return response, nil, true
	})
	check("log lines have no leader", "", "Not Leader")
	refused.Store(topics.Alerts)
	check("all else has no leader", "Not Leader", "")
	refused.Store("")
	check("leaders are back", "", "")

	broker.Cluster.Close()
	alerts, logs := r.Ready(t.Context())
	if !errors.Is(alerts, ErrUnavailable) || !errors.Is(logs, ErrUnavailable) {
		t.Errorf("without a broker: got errors %v and %v, want that Kafka is unavailable", alerts, logs)
	}
}

// TestForwarderReadyForLines: a topic that is set to take less than a part of a chunk
// is found out, and that it takes more again.
func TestForwarderReadyForLines(t *testing.T) {
	broker := kafkatest.NewFake(t)
	r := newForwardRig(t, &broker.Admin, 1, safe)
	r.start(t)
	for _, c := range []struct{ takes, want string }{
		{"1048588", ""}, {"299999", "max.message.bytes is 299999"}, {"300000", ""},
	} {
		if err := broker.Configure(t.Context(), r.options.Config.ForwardTopics.Logs, map[string]string{"max.message.bytes": c.takes}); err != nil {
			t.Fatal(err)
		}
		r.logs.mu.Lock()
		r.logs.learned = time.Time{} // long ago
		r.logs.mu.Unlock()
		alerts, logs := r.Ready(t.Context())
		if alerts != nil {
			t.Errorf("with %s bytes for log lines: alerts are not ready: %v", c.takes, alerts)
		}
		if c.want == "" && logs != nil || c.want != "" && (!errors.Is(logs, ErrUnavailable) || !strings.Contains(logs.Error(), c.want)) {
			t.Errorf("with %s bytes: error for log lines is %v, want %q", c.takes, logs, c.want)
		}
	}
}

// TestWritablePartitions leaves out what acks=all would not write.
func TestWritablePartitions(t *testing.T) {
	brokers := func(ids ...int) (list []kafkago.Broker) {
		for _, id := range ids {
			list = append(list, kafkago.Broker{ID: id})
		}
		return list
	}
	w := &topicWriter{topic: "alerts"}
	w.settings.Store(&topicSettings{minInSync: 2})
	got := w.writable([]kafkago.Partition{
		{ID: 0, Leader: kafkago.Broker{ID: 1}, Isr: brokers(1)},
		{ID: 1, Leader: kafkago.Broker{ID: 2}, Isr: brokers(2, 3), Error: kafkago.LeaderNotAvailable},
		{ID: 2, Leader: kafkago.Broker{ID: 3}, Isr: brokers(2, 3)},
	})
	if len(got) != 1 || got[0] != 2 {
		t.Errorf("got partitions %v, want 2 alone: the first has too few replicas in sync, the second no leader", got)
	}
	many := make([]kafkago.Partition, 50)
	for i := range many {
		many[i] = kafkago.Partition{ID: i, Leader: kafkago.Broker{ID: i / 2}, Isr: brokers(1, 2, 3)}
	}
	if got := w.writable(many); len(got) != readyLeaders {
		t.Errorf("%d of 25 leaders are asked, want %d", len(got), readyLeaders)
	}
}

// TestForwarderReadyToARealBroker: a broker that stands still, whose leaders are as
// they were by all that is known, is found out.
func TestForwarderReadyToARealBroker(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Options{})
	r := newForwardRig(t, &broker.Admin, 3, safe)
	r.start(t)
	ready := func(wait time.Duration) (alerts, logs error) {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		defer cancel()
		return r.Ready(ctx)
	}
	if alerts, logs := ready(time.Minute); alerts != nil || logs != nil {
		t.Errorf("at the start: got errors %v and %v, want that it is ready", alerts, logs)
	}
	if err := broker.Freeze(); err != nil {
		t.Fatal(err)
	}
	if alerts, logs := ready(500 * time.Millisecond); !errors.Is(alerts, ErrUnavailable) || !errors.Is(logs, ErrUnavailable) {
		t.Errorf("while the broker stands still: got errors %v and %v, want that Kafka is unavailable", alerts, logs)
	}
	if err := broker.Thaw(); err != nil {
		t.Fatal(err)
	}
	var alerts, logs error
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if alerts, logs = ready(5 * time.Second); alerts == nil && logs == nil {
			return
		}
	}
	t.Errorf("once it goes on: got errors %v and %v, want that it is ready", alerts, logs)
}
