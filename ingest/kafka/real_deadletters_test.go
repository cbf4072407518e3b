package kafka_test

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// What cannot be decoded goes to the dead letters, with where it came from and
// why, and all that it was.
func TestRealDeadLetters(t *testing.T) {
	for _, test := range []struct {
		format string
		body   func(string) string
	}{{facts, fact}, {lines, pushOne}} {
		t.Run(test.format, func(t *testing.T) {
			t.Parallel()
			broker := kafkatest.Shared(t)
			topic, dead := broker.Topic(t, 2, nil), broker.Topic(t, 1, nil)
			c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: test.format})
			c.DeadLetters = dead
			store, client := newMemory(), broker.Client(t)
			want := tokens("good", 0, 4)
			bad := &kgo.Record{
				Topic: topic, Partition: 1, Key: []byte("key\x00\xff"), Value: []byte("no JSON \x00\xff"),
				Headers: []kgo.RecordHeader{
					{Key: "trace", Value: []byte("a")}, {Key: "trace", Value: []byte("b\xff")}, {Key: "Mixed-CASE", Value: nil},
					{Key: "hindcast-error", Value: []byte("the sender's")}, {Key: "aa", Value: []byte{}},
				},
			}
			produce(t, client, topic, 1, mapped(want[:2], test.body)...)
			produceRecords(t, client, bad)
			produce(t, client, topic, 1, mapped(want[2:], test.body)...)

			m := consume(t, store, c)
			store.waitFor(t, "beside a bad record", want)
			waitCommitted(t, &broker.Admin, &c, topic, 1, 5)
			m.waitMetric(t, 1, "hindcast_kafka_dead_letters_total", "topic", topic, "format", test.format)
			m.stop(t)

			letter := readOne(t, &broker.Admin, dead)
			if string(letter.Key) != string(bad.Key) || string(letter.Value) != string(bad.Value) {
				t.Errorf("the letter has key %q and value %q, want %q and %q", letter.Key, letter.Value, bad.Key, bad.Value)
			}
			ours := map[string]string{}
			own := letter.Headers
			for len(own) > 0 && ours["hindcast-headers"] == "" {
				ours[own[0].Key], own = string(own[0].Value), own[1:]
			}
			for key, value := range map[string]string{
				"hindcast-topic": topic, "hindcast-partition": "1", "hindcast-offset": "2", "hindcast-format": test.format,
			} {
				if ours[key] != value {
					t.Errorf("the letter's header %s is %q, want %q", key, ours[key], value)
				}
			}
			if ours["hindcast-error"] == "" {
				t.Error("the letter does not say what is wrong")
			}
			if at, err := time.Parse(time.RFC3339Nano, ours["hindcast-at"]); err != nil || time.Since(at).Abs() > time.Hour {
				t.Errorf("the letter's time is %q: %v", ours["hindcast-at"], err)
			}
			if got, want := fmt.Sprintf("%#v", own), fmt.Sprintf("%#v", bad.Headers); got != want {
				t.Errorf("the letter's own headers are\n%s, want those of the record\n%s", got, want)
			}
		})
	}
}

// While the dead letters cannot be written, the partition waits and others go
// on; then it goes on by itself.
func TestRealDeadLettersNotWritable(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic, dead := broker.Topic(t, 2, nil), kafkatest.Name(t)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
	c.DeadLetters = dead
	store, client := newMemory(), broker.Client(t)
	before, after, other := tokens("before", 0, 2), tokens("after", 0, 2), tokens("other", 0, 5)
	produce(t, client, topic, 0, push(before...), "bad", push(after...))
	m := consume(t, store, c)
	m.waitMetric(t, 1, "hindcast_kafka_paused", "topic", topic, "partition", "0")
	m.waitLog(t, dead)
	produce(t, client, topic, 1, push(other...))
	eventually(t, "another partition", func() error {
		if kept := store.kept(); kept[other[4]] != 1 {
			return fmt.Errorf("it is not read while one waits: %s", some([]string{fmt.Sprint(kept)}))
		}
		return nil
	})
	waitCommitted(t, &broker.Admin, &c, topic, 1, 1)
	if offset, _, err := broker.Committed(t.Context(), c.Group, topic, 0); err != nil || offset > 1 {
		t.Errorf("%d is committed, %v, though the record at 1 is nowhere", offset, err)
	}

	if err := broker.CreateTopic(t.Context(), dead, 1, nil); err != nil {
		t.Fatal(err)
	}
	store.waitFor(t, "after the dead letters could be written", append(append(before, after...), other...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 3)
	m.waitMetric(t, 0, "hindcast_kafka_paused", "topic", topic, "partition", "0")
	if letter := readOne(t, &broker.Admin, dead); string(letter.Value) != "bad" {
		t.Errorf("the letter is %q, want bad", letter.Value)
	}
}

// A letter as large as a record may be has headers beside it, and still fits
// where the topic of dead letters allows a little more.
func TestRealDeadLetterLarge(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	settings := map[string]string{"max.message.bytes": "3000000"}
	topic, dead := broker.Topic(t, 1, settings), broker.Topic(t, 1, settings)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: facts})
	c.DeadLetters = dead
	bad := make([]byte, 2<<20)
	for i := range bad {
		bad[i] = byte(i * i >> 3)
	}
	produce(t, broker.Client(t, kgo.ProducerBatchMaxBytes(3_000_000), kgo.ProducerBatchCompression(kgo.NoCompression())), topic, 0, string(bad))
	consume(t, newMemory(), c)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 1)
	if letter := readOne(t, &broker.Admin, dead); string(letter.Value) != string(bad) {
		t.Errorf("the letter has %d bytes, or others than the record's %d", len(letter.Value), len(bad))
	}
}

// readOne reads the first record of a topic's first partition.
func readOne(t *testing.T, a *kafkatest.Admin, topic string) *kgo.Record {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	client := a.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		if records := fetches.Records(); len(records) > 0 {
			if n := len(records); n != 1 {
				t.Errorf("topic %s has %s records, want 1", topic, strconv.Itoa(n))
			}
			return records[0]
		}
	}
}
