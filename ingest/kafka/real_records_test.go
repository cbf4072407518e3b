package kafka_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

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

	consume(t, store, c)
	store.waitFor(t, "committed and aborted transactions", want)
	// 27 records and three markers.
	waitCommitted(t, &broker.Admin, &c, topic, 0, 30)

	open := tokens("open", 0, 3)
	begin(open)
	behind := tokens("behind", 0, 3)
	produce(t, plain, topic, 0, mapped(behind, pushOne)...)
	if err := difference(store.kept(), want); err != nil {
		t.Errorf("while a transaction is open: %v", err)
	}
	end(kgo.TryCommit)
	store.waitFor(t, "after the open transaction was committed", append(append(want, open...), behind...))
	waitCommitted(t, &broker.Admin, &c, topic, 0, 37)
}
