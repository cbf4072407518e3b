package kafka

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// A commit that is not answered costs the membership: nothing is committed by
// the same member afterwards.
func TestUnansweredCommitEndsTheMembership(t *testing.T) {
	fake := kafkatest.NewFake(t)
	topic := fake.Topic(t, 1, nil)
	r := newRig(t, &fake.Admin, Topic{Name: topic, Format: "deploys"})
	var mu sync.Mutex
	var members []string
	commits, broken := 0, false
	fake.Cluster.ControlKey(8, func(request kmsg.Request) (kmsg.Response, error, bool) {
		fake.Cluster.KeepControl()
		mu.Lock()
		defer mu.Unlock()
		if member := request.(*kmsg.OffsetCommitRequest).MemberID; !slices.Contains(members, member) {
			members = append(members, member)
		} else if member != members[len(members)-1] {
			t.Errorf("%s commits after it left", member)
		}
		if commits++; commits == 3 && !broken {
			broken = true
			return nil, errors.New("the connection breaks"), true
		}
		return nil, nil, false
	})
	r.start(t)
	for i := range 6 {
		send(t, &fake.Admin, topic, 0, deploy(i))
		r.wantVersions(t, 0, i+1)
	}
	eventually(t, "the last commit", func() bool {
		offset, _, err := fake.Committed(t.Context(), r.options.Config.Group, topic, 0)
		return err == nil && offset == 6
	})
	mu.Lock()
	defer mu.Unlock()
	if len(members) != 2 {
		t.Errorf("%d members committed, want the first and the one that came in its place", len(members))
	}
	if !strings.Contains(r.log.String(), "a commit was not answered") {
		t.Error("the log does not tell of it")
	}
}

// An append that does not heed its context holds up its own partition, and
// neither the others nor the group.
func TestAppendThatHangs(t *testing.T) {
	fake := kafkatest.NewFake(t)
	topic := fake.Topic(t, 2, nil)
	r := newRig(t, &fake.Admin, Topic{Name: topic, Format: "deploys"})
	r.options.Config.RebalanceTimeout, r.options.Config.HeartbeatInterval = 400*time.Millisecond, 100*time.Millisecond
	hang, hanging := make(chan struct{}), make(chan struct{})
	var once sync.Once
	r.fail = func(context.Context) error {
		first := false
		once.Do(func() { first = true })
		if first {
			close(hanging)
			<-hang
		}
		return nil
	}
	send(t, &fake.Admin, topic, 0, deploy(0))
	r.start(t)
	<-hanging
	if err := fake.AddPartitions(t.Context(), topic, 3); err != nil { // and so ends the generation
		t.Fatal(err)
	}
	send(t, &fake.Admin, topic, 1, deploy(1))
	send(t, &fake.Admin, topic, 2, deploy(2))
	r.wantVersions(t, 1, 3)
	if got := testutil.ToFloat64(gaugeOf(t, r.registry, "hindcast_kafka_stuck_partitions")); got != 1 {
		t.Errorf("%v partitions are stuck, want 1", got)
	}
	if !strings.Contains(r.log.String(), "does not end") {
		t.Error("the log does not tell of the partition")
	}
	close(hang)
	eventually(t, "all versions", func() bool { return len(r.versions()) == 3 })
	eventually(t, "nothing stuck", func() bool {
		return testutil.ToFloat64(gaugeOf(t, r.registry, "hindcast_kafka_stuck_partitions")) == 0
	})
}

// Behind an append that hangs, generations come and go without leaving anything
// behind; and when it ends after all, one goes on.
func TestGenerationsBehindAnAppendThatHangs(t *testing.T) {
	c := &Consumer{logger: slog.New(slog.DiscardHandler), metrics: newMetrics(nil)}
	c.works = works{metrics: c.metrics, under: map[place]chan struct{}{}, stuck: map[place]bool{}}
	at := place{"topic", 3}
	synctest.Test(t, func(t *testing.T) {
		free, ok := c.works.begin(t.Context(), at) // and hangs
		if !ok {
			t.Fatal("the first does not begin")
		}
		generation := func(ctx context.Context) <-chan struct{} {
			ended := make(chan struct{}, 1)
			c.start(ctx, &worker{c: c, assignment: assignment{topic: at.topic, partition: at.partition}}, ended)
			return ended
		}
		before := runtime.NumGoroutine()
		for range 1000 {
			ctx, cancel := context.WithCancel(t.Context())
			ended := generation(ctx)
			synctest.Wait()
			cancel()
			<-ended
		}
		synctest.Wait()
		if n := runtime.NumGoroutine() - before; n > 10 {
			t.Errorf("1000 generations left %d goroutines behind", n)
		}

		ctx, cancel := context.WithCancel(t.Context())
		var turns []int
		var each sync.WaitGroup
		for i := range 3 {
			each.Go(func() {
				if done, ok := c.works.begin(ctx, at); ok {
					turns = append(turns, i) // the race detector says whether two are in
					time.Sleep(time.Second)
					done()
				}
			})
		}
		synctest.Wait()
		free()
		each.Wait()
		cancel()
		if len(turns) != 3 || len(c.works.under) > 0 {
			t.Errorf("%d of 3 had their turn, and %d are under way", len(turns), len(c.works.under))
		}
		c.works.all.Wait()
	})
}

// While nothing ends the generation, only the watchdog tells.
func TestAppendThatHangsIsTold(t *testing.T) {
	fake := kafkatest.NewFake(t)
	topic := fake.Topic(t, 1, nil)
	r := newRig(t, &fake.Admin, Topic{Name: topic, Format: "deploys"})
	r.options.Config.AppendTimeout = 50 * time.Millisecond
	r.options.Config.RebalanceTimeout, r.options.Config.HeartbeatInterval = 100*time.Millisecond, 25*time.Millisecond
	hang := make(chan struct{})
	r.fail = func(context.Context) error {
		<-hang
		return nil
	}
	send(t, &fake.Admin, topic, 0, deploy(0))
	r.start(t)
	eventually(t, "the watchdog", func() bool { return strings.Contains(r.log.String(), "an append hangs") })
	close(hang)
	eventually(t, "nothing stuck", func() bool {
		return testutil.ToFloat64(gaugeOf(t, r.registry, "hindcast_kafka_stuck_partitions")) == 0
	})
}

// One partition that cannot be appended does not stop the others.
func TestPartitionsAreIndependent(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	slow, fast := broker.Topic(t, 1, nil), broker.Topic(t, 1, nil)
	r := newRig(t, broker, Topic{Name: slow, Format: "messages"}, Topic{Name: fast, Format: "deploys"})
	r.options.Config.Memory, r.options.Config.FetchBytes = 1<<20, 128<<10
	store := r.memory
	r.options.Appender = ingest.AppenderFunc(func(ctx context.Context, b event.Batch) error {
		if b.Events[0].Kind == event.KindMessage {
			<-ctx.Done()
			return ctx.Err()
		}
		return store.Append(ctx, b)
	})
	text := strings.Repeat("x", 50_000)
	for i := range 60 { // three times the memory
		send(t, broker, slow, 0, fmt.Sprintf(`{"at":"2026-02-03T04:05:06Z","author":"dana","text":"%d %s"}`, i, text))
	}
	r.start(t)
	for i := range 5 {
		send(t, broker, fast, 0, deploy(i))
		r.wantVersions(t, 0, i+1)
	}
}

// Brokers of before Kafka 3.1 tell no topic IDs.
func TestOldBroker(t *testing.T) {
	fake := kafkatest.NewFake(t, kfake.MaxVersions(kversion.V2_6_0()))
	topic := fake.Topic(t, 1, nil)
	send(t, &fake.Admin, topic, 0, deploy(0), deploy(1))
	r := newRig(t, &fake.Admin, Topic{Name: topic, Format: "deploys"})
	stop := r.start(t)
	r.wantVersions(t, 0, 2)
	stop()
	send(t, &fake.Admin, topic, 0, deploy(2))
	r.start(t)
	r.wantVersions(t, 0, 3)
}

func TestConsumesWhatIsForwarded(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	r := newRig(t, broker)
	alerts, logs := broker.Topic(t, 1, nil), broker.Topic(t, 1, nil)
	r.options.Config.ForwardTopics.Alerts, r.options.Config.ForwardTopics.Logs = alerts, logs
	r.options.Forwarded = true
	at := time.Date(2026, 2, 3, 4, 5, 6, 0, time.UTC)
	e := event.Event{ID: event.NewID(at, "x"), Kind: event.KindChange, OccurredAt: at, ReceivedAt: at, Service: "payments", Change: &event.Change{Version: "7"}}
	body, err := envelope.EncodeProto(event.Batch{Events: []event.Event{e}})
	if err != nil {
		t.Fatal(err)
	}
	send(t, broker, alerts, 0, string(body))
	r.start(t)
	eventually(t, "the fact", func() bool { return r.versions()["7"] == 1 })
}

// A member that left in order is replaced at once.
func TestTakeOver(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 4, nil)
		r := newRig(t, broker, Topic{Name: topic, Format: "deploys"})
		one := r.start(t)
		r.start(t)
		for p := range 4 {
			send(t, broker, topic, int32(p), deploy(p))
		}
		r.wantVersions(t, 0, 4)
		one()
		for p := range 4 {
			send(t, broker, topic, int32(p), deploy(4+p))
		}
		r.wantVersions(t, 0, 8)
	})
}
