package kafka_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// A topic is deleted and made anew, with fewer records than were committed: the
// new ones are all read, wherever reading was to start, though brokers forget what
// was committed. A gap is told where records of the old one were not read.
func TestRealTopicRecreated(t *testing.T) {
	for _, test := range []struct {
		format, start string
		body          func(string) string
	}{{facts, kafka.StartEarliest, fact}, {lines, kafka.StartLatest, pushOne}} {
		t.Run(test.format+" "+test.start, func(t *testing.T) {
			t.Parallel()
			broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: test.format, Start: test.start})
			store := newMemory()
			m := consume(t, store, c)
			waitCommitted(t, &broker.Admin, &c, topic, 0, 0)
			want := tokens("old", 0, 50)
			produce(t, broker.Client(t), topic, 0, mapped(want, test.body)...)
			store.waitFor(t, "before the topic is deleted", want)
			waitCommitted(t, &broker.Admin, &c, topic, 0, 50)

			recreate := func(name string, n int) {
				recreateTopic(t, broker, topic)
				added := tokens(name, 0, n)
				produce(t, broker.Client(t), topic, 0, mapped(added, test.body)...)
				want = append(want, added...)
			}
			for i, n := range []int{10, 30} {
				recreate(fmt.Sprint("new", i), n)
				store.waitFor(t, "after the topic was made anew", want)
				waitCommitted(t, &broker.Admin, &c, topic, 0, int64(n))
				m.waitLog(t, "all that was known of the old one had been read")
				m.waitMetric(t, 0, "hindcast_kafka_gaps_total", "topic", topic)
			}

			store.setHook(func(context.Context, event.Batch) error { return errDown })
			produce(t, broker.Client(t), topic, 0, mapped(tokens("lost", 0, 5), test.body)...)
			m.waitMetric(t, 5, "hindcast_kafka_lag_records", "topic", topic)
			recreate("last", 8)
			m.waitMetric(t, 1, "hindcast_kafka_gaps_total", "topic", topic)
			store.setHook(nil)
			store.waitFor(t, "after a topic was deleted that was not all read", want)
		})
	}
}

// While nobody reads, brokers forget what was committed of a topic that is
// deleted: the new one is read as one of which nothing was committed.
func TestRealTopicRecreatedUnseen(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: lines})
	store := newMemory()
	want := tokens("old", 0, 20)
	produce(t, broker.Client(t), topic, 0, mapped(want, pushOne)...)
	m := consume(t, store, c)
	store.waitFor(t, "before the topic is deleted", want)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 20)
	m.stop(t)
	recreateTopic(t, broker, topic)
	added := tokens("new", 0, 30)
	produce(t, broker.Client(t), topic, 0, mapped(added, pushOne)...)
	consume(t, store, c)
	store.waitFor(t, "after the topic was made anew unseen", append(want, added...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 30)
}

// Retention passes the committed offset while nobody reads: what is there is
// read, and the gap is told.
func TestRealRetentionPassed(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: lines})
	store, client := newMemory(), broker.Client(t)
	all := tokens("line", 0, 40)
	produce(t, client, topic, 0, mapped(all[:10], pushOne)...)
	first := consume(t, store, c)
	store.waitFor(t, "before retention", all[:10])
	waitCommitted(t, &broker.Admin, &c, topic, 0, 10)
	first.stop(t)

	produce(t, client, topic, 0, mapped(all[10:], pushOne)...)
	deleteRecords(t, broker, topic, 25)
	second := consume(t, store, c)
	store.waitFor(t, "after retention passed 15 records", append(all[:10:10], all[25:]...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 40)
	second.waitMetric(t, 1, "hindcast_kafka_gaps_total", "topic", topic)
	second.waitLog(t, topic, "[10, 25)")
	second.stop(t)

	// All is gone, up to the end.
	produce(t, client, topic, 0, mapped(tokens("gone", 0, 5), pushOne)...)
	deleteRecords(t, broker, topic, -1)
	third := consume(t, store, c)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 45)
	last := tokens("last", 0, 3)
	produce(t, client, topic, 0, mapped(last, pushOne)...)
	store.waitFor(t, "after retention passed all", append(append(all[:10:10], all[25:]...), last...))
	third.waitMetric(t, 1, "hindcast_kafka_gaps_total", "topic", topic)
}

// A topic that does not exist is waited for, and keeps no other from being read.
func TestRealTopicAppears(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	late, there := kafkatest.Name(t), broker.Topic(t, 1, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: late, Format: facts}, kafka.Topic{Name: there, Format: facts})
	store := newMemory()
	want := tokens("there", 0, 5)
	produce(t, broker.Client(t), there, 0, mapped(want, fact)...)
	m := consume(t, store, c)
	store.waitFor(t, "while one topic does not exist", want)
	m.waitLog(t, late)

	createTopic(t, broker, late, 2)
	added := tokens("late", 0, 5)
	produce(t, broker.Client(t), late, 1, mapped(added, fact)...)
	want = append(want, added...)
	store.waitFor(t, "after the topic came", want)

	// And away: the other one goes on, and when it comes again it is read.
	if err := broker.DeleteTopic(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	added = tokens("alone", 0, 5)
	produce(t, broker.Client(t), there, 0, mapped(added, fact)...)
	want = append(want, added...)
	store.waitFor(t, "after the topic went", want)
}

// Without any topic at all the consumer waits.
func TestRealNoTopicYet(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic := kafkatest.Name(t)
	store := newMemory()
	m := consume(t, store, config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines}))
	m.waitLog(t, topic)
	createTopic(t, broker, topic, 1)
	want := tokens("line", 0, 5)
	produce(t, broker.Client(t), topic, 0, push(want...))
	store.waitFor(t, "after the topic came", want)
}

// Partitions that are added, and topics that come, are read from their first
// record on, also where reading was to start at the latest.
func TestRealPartitionsAdded(t *testing.T) {
	for _, start := range []string{kafka.StartEarliest, kafka.StartLatest} {
		t.Run(start, func(t *testing.T) {
			t.Parallel()
			broker := kafkatest.Shared(t)
			topic, late := broker.Topic(t, 1, nil), kafkatest.Name(t)
			c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: facts, Start: start}, kafka.Topic{Name: late, Format: facts, Start: start})
			store := newMemory()
			m := consume(t, store, c)
			waitCommitted(t, &broker.Admin, &c, topic, 0, 0)
			want := tokens("before", 0, 5)
			produce(t, broker.Client(t), topic, 0, mapped(want, fact)...)
			store.waitFor(t, "before partitions are added", want)
			if err := broker.AddPartitions(t.Context(), topic, 3); err != nil {
				t.Fatal(err)
			}
			createTopic(t, broker, late, 1)
			client := broker.Client(t)
			added := tokens("late", 0, 5)
			produce(t, client, late, 0, mapped(added, fact)...)
			want = append(want, added...)
			for partition := range 3 {
				added := tokens("after-"+string(rune('a'+partition)), 0, 5)
				produce(t, client, topic, partition, mapped(added, fact)...)
				want = append(want, added...)
			}
			store.waitFor(t, "after partitions were added", want)
			m.waitMetric(t, 4, "hindcast_kafka_assigned_partitions")
		})
	}
}

// Where reading begins when nothing is committed.
func TestRealStartLatest(t *testing.T) {
	t.Parallel()
	broker, topic, c := oneTopic(t, 1, kafka.Topic{Format: facts, Start: kafka.StartLatest})
	store, client := newMemory(), broker.Client(t)
	produce(t, client, topic, 0, mapped(tokens("before", 0, 5), fact)...)
	m := consume(t, store, c)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 5)
	want := tokens("after", 0, 5)
	produce(t, client, topic, 0, mapped(want, fact)...)
	store.waitFor(t, "from the latest on", want)
	m.stop(t)
	// What is committed counts then, not the latest.
	more := tokens("between", 0, 5)
	produce(t, client, topic, 0, mapped(more, fact)...)
	consume(t, store, c)
	store.waitFor(t, "from what was committed on", append(want, more...))
}

// A compacted topic is refused and said so; the others are read, and it is too
// once it is made anew without that.
func TestRealCompacted(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	compacted, plain := broker.Topic(t, 1, map[string]string{"cleanup.policy": "compact,delete"}), broker.Topic(t, 1, nil)
	store, client := newMemory(), broker.Client(t)
	m := consume(t, store, config(t, broker.Addr(), kafka.Topic{Name: compacted, Format: facts}, kafka.Topic{Name: plain, Format: facts}))
	produceRecords(t, client, keyed(compacted, "k", fact("compacted")))
	want := tokens("fact", 0, 5)
	produce(t, client, plain, 0, mapped(want, fact)...)
	store.waitFor(t, "while one topic is compacted", want)
	m.waitLog(t, compacted, "compact")
	m.waitMetric(t, 1, "hindcast_kafka_refused_topics", "topic", compacted)

	recreateTopic(t, broker, compacted)
	added := tokens("anew", 0, 3)
	produce(t, broker.Client(t), compacted, 0, mapped(added, fact)...)
	store.waitFor(t, "after the topic was made anew without compaction", append(want, added...))
	eventually(t, "hindcast_kafka_refused_topics", func() error {
		if n, found := m.metric(t, "hindcast_kafka_refused_topics"); found > 0 {
			return fmt.Errorf("it is %v, want none", n)
		}
		return nil
	})
}
