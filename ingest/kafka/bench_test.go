package kafka

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// BenchmarkFetch reads small records of one partition from a real broker.
func BenchmarkFetch(b *testing.B) {
	broker := &kafkatest.Shared(b).Admin
	for _, c := range []struct {
		name  string
		codec kgo.CompressionCodec
	}{
		{"none", kgo.NoCompression()}, {"gzip", kgo.GzipCompression()}, {"snappy", kgo.SnappyCompression()},
		{"lz4", kgo.Lz4Compression()}, {"zstd", kgo.ZstdCompression()},
	} {
		b.Run(c.name, func(b *testing.B) {
			const total = 200_000
			topic := broker.Topic(b, 1, nil)
			client := broker.Client(b, kgo.ProducerBatchCompression(c.codec))
			for i := range total {
				client.Produce(b.Context(), &kgo.Record{Topic: topic, Value: fmt.Appendf(nil, `{"level":"info","service":"payments","n":%d,"msg":"request took %d ms"}`, i, i%977)}, nil)
			}
			if err := client.Flush(b.Context()); err != nil {
				b.Fatal(err)
			}
			c := DefaultConfig()
			c.Brokers = []string{broker.Addr()}
			l, err := newLink(&c, []string{topic})
			if err != nil {
				b.Fatal(err)
			}
			b.Cleanup(l.close)
			b.ReportAllocs()
			for b.Loop() {
				f := &fetcher{link: l, topic: topic, share: &share{budget: newBudget(c.Memory, 1, c.FetchBytes)}, doubt: func() {}}
				read := 0
				for from := int64(0); from < total; {
					got, err := f.Fetch(b.Context(), from, 0)
					if err != nil {
						b.Fatal(err)
					}
					from, read = got.Next, read+len(got.Records)
				}
				f.close()
				if read != total {
					b.Fatalf("%d records, want %d", read, total)
				}
			}
			b.ReportMetric(float64(b.N)*total/b.Elapsed().Seconds(), "records/s")
		})
	}
}
