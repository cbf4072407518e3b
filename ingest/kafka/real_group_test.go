package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// Members come and go while records come: each is in the store once.
func TestRealRebalance(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	factTopic, lineTopic := broker.Topic(t, 3, nil), broker.Topic(t, 3, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: factTopic, Format: facts}, kafka.Topic{Name: lineTopic, Format: lines})
	c.BatchRecords = 7 // many boundaries
	store := newMemory()
	factLoad := startLoad(t, broker.Client(t), "f", map[string]int{factTopic: 3}, fact)
	lineLoad := startLoad(t, broker.Client(t), "l", map[string]int{lineTopic: 3}, pushOne)

	first := consume(t, store, c)
	first.waitMetric(t, 6, "hindcast_kafka_assigned_partitions")
	second := consume(t, store, c)
	shared := func(members ...*member) func() error {
		return func() error {
			total := 0.0
			for _, m := range members {
				n, _ := m.metric(t, "hindcast_kafka_assigned_partitions")
				if n == 0 || n == 6 {
					return fmt.Errorf("one of %d members has %v of 6 partitions", len(members), n)
				}
				total += n
			}
			if total != 6 {
				return fmt.Errorf("the members have %v of 6 partitions", total)
			}
			return nil
		}
	}
	eventually(t, "a second member joins", shared(first, second))
	third := consume(t, store, c)
	eventually(t, "a third member joins", shared(first, second, third))
	first.stop(t)
	eventually(t, "the first member leaves", shared(second, third))
	second.stop(t)
	third.waitMetric(t, 6, "hindcast_kafka_assigned_partitions")
	for _, name := range []string{"hindcast_kafka_lag_records", "hindcast_kafka_committed_offset", "hindcast_kafka_paused"} {
		if _, found := second.metric(t, name); found != 0 {
			t.Errorf("a member that left still has %d of %s", found, name)
		}
	}

	store.waitFor(t, "after three members came and two left", append(factLoad.stop(), lineLoad.stop()...))
	third.waitMetric(t, 0, "hindcast_kafka_lag_records")
}

// A member that ended between the boundary and the end of the append leaves a
// range behind: the next appends exactly that one, whatever its own batches are.
func TestRealPendingRange(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: lines})
	store, client := newMemory(), broker.Client(t)
	want := tokens("line", 0, 20)
	produce(t, client, topic, 0, mapped(want, pushOne)...)

	pendingID := leavePending(t, broker, &c, topic, store)
	size := 0
	store.setHook(func(_ context.Context, batch event.Batch) error {
		for i := range batch.Chunks {
			if batch.Chunks[i].ID == pendingID {
				size = len(batch.Chunks[i].Lines)
			}
		}
		return nil
	})
	more := tokens("line", 20, 15)
	produce(t, client, topic, 0, mapped(more, pushOne)...)
	c.BatchRecords = 3
	second := consume(t, store, c)
	store.waitFor(t, "after the take-over", append(want, more...))
	second.stop(t)
	if size != len(want) {
		t.Errorf("the chunk that was left behind came again with %d lines, want the %d that it was made of", size, len(want))
	}
	waitCommitted(t, &broker.Admin, &c, topic, 0, 35)
}

// Of a range that was left behind, a part is gone: it is passed over as a whole,
// and told, for a chunk that was kept already must not be replaced by a part.
func TestRealPendingRangeExpired(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: lines})
	store, client := newMemory(), broker.Client(t)
	pending := tokens("line", 0, 20)
	produce(t, client, topic, 0, mapped(pending, pushOne)...)
	leavePending(t, broker, &c, topic, store)
	deleteRecords(t, broker, topic, 8)
	want := tokens("line", 20, 5)
	produce(t, client, topic, 0, mapped(want, pushOne)...)
	second := consume(t, store, c)
	store.waitFor(t, "after a part of the range had expired", want)
	second.waitMetric(t, 1, "hindcast_kafka_gaps_total", "topic", topic)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 25)
}

// A member whose append hangs, and does not even end when it is cancelled, is
// left behind by the others; when the append lands in the end, nothing is twice.
func TestRealLateAppend(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: lines})
	c.RebalanceTimeout, c.BatchRecords = 2*time.Second, 4
	store, client := newMemory(), broker.Client(t)
	want := tokens("line", 0, 18)
	produce(t, client, topic, 0, mapped(want, pushOne)...)

	hangs, release, landed := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	var once sync.Once
	zombie := consume(t, ingest.AppenderFunc(func(_ context.Context, batch event.Batch) error {
		once.Do(func() { close(hangs) })
		<-release
		err := store.Append(context.WithoutCancel(t.Context()), batch)
		landed <- err
		return err
	}), c)
	defer sync.OnceFunc(func() { close(release) })()
	select {
	case <-hangs:
	case <-time.After(patience):
		t.Fatal("nothing is appended")
	}
	zombie.cancel()
	select {
	case <-zombie.ended:
	case <-time.After(patience):
		t.Fatal("a consumer whose append hangs does not end")
	}
	if zombie.err == nil {
		t.Error("a consumer whose append hangs ended without telling it")
	}
	zombie.err = nil

	c.BatchRecords = 7
	consume(t, store, c)
	store.waitFor(t, "after another took over", want)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 18)
	release <- struct{}{}
	if err := <-landed; err != nil {
		t.Fatal(err)
	}
	if err := difference(store.kept(), want); err != nil {
		t.Errorf("after the late append landed: %v", err)
	}
	if offset, _, err := broker.Committed(t.Context(), c.Group, topic, 0); err != nil || offset != 18 {
		t.Errorf("after the late append landed %d is committed, %v; want 18", offset, err)
	}
}

// leavePending runs a member that writes the boundary of a chunk and ends before
// the chunk is kept. It returns the chunk's ID.
func leavePending(t *testing.T, broker *kafkatest.Broker, c *kafka.Config, topic string, store *memory) event.ChunkID {
	t.Helper()
	tried := make(chan event.ChunkID, 1)
	store.setHook(func(ctx context.Context, batch event.Batch) error {
		if len(batch.Chunks) == 1 {
			select {
			case tried <- batch.Chunks[0].ID:
			default:
			}
		}
		<-ctx.Done()
		return ctx.Err()
	})
	first := consume(t, store, *c)
	var id event.ChunkID
	select {
	case id = <-tried:
	case <-time.After(patience):
		t.Fatal("nothing is appended")
	}
	first.stop(t)
	store.setHook(nil)
	offset, metadata, err := broker.Committed(t.Context(), c.Group, topic, 0)
	if err != nil || offset != 0 {
		t.Fatalf("the first member committed %d, %v; want 0 with the boundary", offset, err)
	}
	if metadata == "" {
		t.Fatal("no boundary is committed ahead of the append")
	}
	return id
}

// While the store is down nothing is committed and the group is not left; then
// it goes on by itself. The outage is longer than any time-out of the group.
func TestRealStoreDown(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 2, kafka.Topic{Format: facts})
	c.SessionTimeout, c.HeartbeatInterval, c.RebalanceTimeout = time.Second, 200*time.Millisecond, time.Second
	c.AppendTimeout = 500 * time.Millisecond
	store, client := newMemory(), broker.Client(t)
	want := tokens("up", 0, 20)
	produce(t, client, topic, 0, mapped(want, fact)...)
	m := consume(t, store, c)
	store.waitFor(t, "before the store is down", want)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 20)
	rebalances, _ := m.metric(t, "hindcast_kafka_rebalances_total")

	// Once it refuses, and once it does not answer.
	store.setHook(func(ctx context.Context, batch event.Batch) error {
		if len(batch.Events) > 0 && batch.Events[0].Message.Text[0] == 'h' {
			<-ctx.Done()
			return ctx.Err()
		}
		return fmt.Errorf("append: %w", errDown)
	})
	refused, hung := tokens("down", 0, 20), tokens("hung", 0, 20)
	produce(t, client, topic, 0, mapped(refused, fact)...)
	produce(t, client, topic, 1, mapped(hung, fact)...)
	for partition := range 2 {
		m.waitMetric(t, 1, "hindcast_kafka_paused", "topic", topic, "partition", strconv.Itoa(partition))
	}
	time.Sleep(3 * time.Second) // longer than session and rebalance time-out together
	if offset, _, err := broker.Committed(t.Context(), c.Group, topic, 0); err != nil || offset != 20 {
		t.Errorf("while the store was down %d is committed, %v; want 20", offset, err)
	}
	if err := difference(store.kept(), want); err != nil {
		t.Errorf("while the store is down: %v", err)
	}
	store.setHook(nil)
	store.waitFor(t, "after the store was down", append(append(want, refused...), hung...))
	m.waitMetric(t, 0, "hindcast_kafka_paused")
	m.waitMetric(t, 0, "hindcast_kafka_lag_records")
	if after, _ := m.metric(t, "hindcast_kafka_rebalances_total"); after != rebalances {
		t.Errorf("the group was left while the store was down: %v rebalances, before %v", after, rebalances)
	}
	waitCommitted(t, &broker.Admin, &c, topic, 0, 40)
	waitCommitted(t, &broker.Admin, &c, topic, 1, 20)
}

// A batch that the store refuses for itself is neither dropped nor passed over.
func TestRealStoreRefuses(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: facts})
	store := newMemory()
	store.setHook(func(context.Context, event.Batch) error { return errors.New("constraint of the test") })
	want := tokens("fact", 0, 3)
	produce(t, broker.Client(t), topic, 0, mapped(want, fact)...)
	m := consume(t, store, c)
	m.waitMetric(t, 1, "hindcast_kafka_paused")
	m.waitLog(t, topic, "constraint of the test")
	store.setHook(nil)
	store.waitFor(t, "after the store took the batch", want)
}
