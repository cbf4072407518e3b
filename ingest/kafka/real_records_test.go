package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

func keyed(topic, key, body string) *kgo.Record {
	return &kgo.Record{Topic: topic, Key: []byte(key), Value: []byte(body)}
}

// Records of a megabyte, of nothing, and without a value: all are passed, the
// large one is there, and the empty ones are dead letters.
func TestRealSizes(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic, dead := broker.Topic(t, 1, map[string]string{"max.message.bytes": "4000000"}), broker.Topic(t, 1, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
	c.DeadLetters, c.FetchBytes, c.BatchBytes = dead, 64<<10, 64<<10
	c.Memory = 4 << 20
	store := newMemory()
	client := broker.Client(t, kgo.ProducerBatchMaxBytes(4_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))

	want := tokens("small", 0, 3)
	large := make([]string, 16)
	for i := range large {
		large[i] = fmt.Sprintf("large-%02d-%s", i, strings.Repeat("x", 64<<10))
	}
	if body := push(large...); len(body) < 1<<20 {
		t.Fatalf("the large body has %d bytes", len(body))
	}
	produce(t, client, topic, 0, push(want[0]))
	produce(t, client, topic, 0, push(large...))
	produce(t, client, topic, 0, "", push(want[1]))
	produceRecords(t, client, &kgo.Record{Topic: topic, Key: []byte("tombstone")})
	produce(t, client, topic, 0, push(want[2]))

	m := consume(t, store, c)
	store.waitFor(t, "records of all sizes", append(want, large...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 6)
	m.waitMetric(t, 2, "hindcast_kafka_dead_letters_total", "topic", topic)
	m.stop(t)
	m.waitMetric(t, 0, "hindcast_kafka_memory_bytes")
}

// All that producers compress with, in batches of several records.
func TestRealCompressions(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic := broker.Topic(t, 1, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
	c.BatchRecords = 17 // boundaries within compressed batches
	store := newMemory()
	var want []string
	for _, codec := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	} {
		client := broker.Client(t, kgo.ProducerBatchCompression(codec.codec))
		added := tokens(codec.name, 0, 100)
		produce(t, client, topic, 0, mapped(added, pushOne)...)
		want = append(want, added...)
	}
	consume(t, store, c)
	store.waitFor(t, "all compressions", want)
	waitCommitted(t, &broker.Admin, &c, topic, 0, 500)
}

// Of transactions what was committed comes, what was aborted does not, and what
// is open waits.
func TestRealTransactions(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic := broker.Topic(t, 1, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
	c.BatchRecords = 3
	store := newMemory()
	producer := broker.Client(t, kgo.TransactionalID(kafkatest.Name(t)))
	plain := broker.Client(t)
	end := func(commit kgo.TransactionEndTry) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := producer.EndTransaction(ctx, commit); err != nil {
			t.Fatalf("end a transaction: %v", err)
		}
	}
	begin := func(tokens []string) {
		t.Helper()
		if err := producer.BeginTransaction(); err != nil {
			t.Fatalf("begin a transaction: %v", err)
		}
		produce(t, producer, topic, 0, mapped(tokens, pushOne)...)
	}

	want := tokens("plain", 0, 5)
	produce(t, plain, topic, 0, mapped(want, pushOne)...)
	begin(tokens("aborted", 0, 7))
	end(kgo.TryAbort)
	committed := tokens("committed", 0, 7)
	begin(committed)
	// In the middle of the transaction of another, and of one that is aborted.
	between := tokens("between", 0, 2)
	produce(t, plain, topic, 0, mapped(between, pushOne)...)
	end(kgo.TryCommit)
	begin(tokens("aborted-too", 0, 4))
	amid := tokens("amid", 0, 2)
	produce(t, plain, topic, 0, mapped(amid, pushOne)...)
	end(kgo.TryAbort)
	want = append(append(append(want, committed...), between...), amid...)

	m := consume(t, store, c)
	store.waitFor(t, "committed and aborted transactions", want)
	// 27 records and three markers.
	waitCommitted(t, &broker.Admin, &c, topic, 0, 30)

	open := tokens("open", 0, 3)
	begin(open)
	behind := tokens("behind", 0, 3)
	produce(t, plain, topic, 0, mapped(behind, pushOne)...)
	// What waits behind an open transaction is lag.
	m.waitMetric(t, 6, "hindcast_kafka_lag_records", "topic", topic)
	if err := difference(store.kept(), want); err != nil {
		t.Errorf("while a transaction is open: %v", err)
	}
	end(kgo.TryCommit)
	store.waitFor(t, "after the open transaction was committed", append(append(want, open...), behind...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 37)
	m.waitMetric(t, 0, "hindcast_kafka_lag_records", "topic", topic)
}

// A batch that cannot be read stops its partition, and no other; the log says
// which it is, where it ends and what to raise. Past it one comes by raising
// that, or by setting the group's offset behind it, as Kafka's own tool does.
func TestRealBatchThatCannotBeRead(t *testing.T) {
	for _, way := range []string{"raise the bound", "reset the offset"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			broker := kafkatest.Shared(t)
			topic := broker.Topic(t, 2, nil)
			c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
			c.MaxDecompressed = 1 << 20
			store := newMemory()
			client := broker.Client(t, kgo.ProducerBatchCompression(kgo.ZstdCompression()), kgo.ProducerBatchMaxBytes(4_000_000))
			want, behind, large := tokens("before", 0, 3), tokens("behind", 0, 3), make([]string, 32)
			for i := range large {
				large[i] = fmt.Sprintf("large-%02d-%s", i, strings.Repeat("x", 64<<10))
			}
			produce(t, client, topic, 0, mapped(want, pushOne)...)
			produce(t, client, topic, 0, push(large...))
			produce(t, client, topic, 0, mapped(behind, pushOne)...)

			m := consume(t, store, c)
			m.waitLog(t, "a partition waits", topic, "offset 3 (the next one begins at offset 4)", "max_decompressed")
			m.waitMetric(t, 1, "hindcast_kafka_paused", "topic", topic, "partition", "0")
			other := tokens("other", 0, 3)
			produce(t, client, topic, 1, mapped(other, pushOne)...)
			want = append(want, other...)
			store.waitFor(t, "while a batch cannot be read", want)
			waitCommitted(t, &broker.Admin, &c, topic, 0, 3)
			m.stop(t)

			want = append(want, behind...)
			if way == "raise the bound" {
				c.MaxDecompressed = 8 << 20
				want = append(want, large...)
			} else {
				resetOffset(t, broker.Client(t), c.Group, topic, 4)
			}
			m = consume(t, store, c)
			store.waitFor(t, "past the batch", want)
			waitCommitted(t, &broker.Admin, &c, topic, 0, 7)
			if n, _ := m.metric(t, "hindcast_kafka_gaps_total", "topic", topic); n != 0 {
				t.Errorf("%v gaps, want none: it was wished", n)
			}
		})
	}
}

// resetOffset sets what a group without members has committed, as
// kafka-consumer-groups.sh --reset-offsets does: without metadata.
func resetOffset(t *testing.T, client *kgo.Client, group, topic string, offset int64) {
	t.Helper()
	p := kmsg.NewOffsetCommitRequestTopicPartition()
	p.Offset, p.Metadata = offset, kmsg.StringPtr("")
	in := kmsg.NewOffsetCommitRequestTopic()
	in.Topic, in.Partitions = topic, []kmsg.OffsetCommitRequestTopicPartition{p}
	request := kmsg.NewPtrOffsetCommitRequest()
	request.Group, request.Generation, request.Topics = group, -1, []kmsg.OffsetCommitRequestTopic{in}
	eventually(t, "a group without members", func() error {
		response, err := request.RequestWith(t.Context(), client)
		if err != nil {
			return err
		}
		return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
	})
}

// Setting the offset while a range was announced: the range is forgotten with the
// metadata, and what lies before the offset is passed over.
func TestRealResetOfARange(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Shared(t)
	topic := broker.Topic(t, 1, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: topic, Format: lines})
	store, client := newMemory(), broker.Client(t)
	store.setHook(func(context.Context, event.Batch) error { return errDown })
	all := tokens("line", 0, 10)
	produce(t, client, topic, 0, mapped(all, pushOne)...)
	m := consume(t, store, c)
	eventually(t, "a range that is announced", func() error {
		_, metadata, err := broker.Committed(t.Context(), c.Group, topic, 0)
		if err == nil && !strings.Contains(metadata, "until") {
			err = fmt.Errorf("the metadata is %q", metadata)
		}
		return err
	})
	m.stop(t)
	resetOffset(t, client, c.Group, topic, 4)
	store.setHook(nil)
	consume(t, store, c)
	store.waitFor(t, "from the offset on", all[4:])
	waitCommitted(t, &broker.Admin, &c, topic, 0, 10)
}
