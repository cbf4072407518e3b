package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// sharing is fetchers of all partitions of a topic that share a budget.
func sharing(t *testing.T, broker *kafkatest.Admin, topic string, partitions int, change func(*Config)) (*budget, []*fetcher) {
	t.Helper()
	first := fetcherOf(t, broker, topic, change)
	config := first.link.config
	b := newBudget(config.Memory, partitions, config.FetchBytes)
	fetchers := make([]*fetcher, partitions)
	for i := range fetchers {
		fetchers[i] = &fetcher{link: first.link, topic: topic, id: first.id, partition: i, share: &share{budget: b}, doubt: func() {}}
		t.Cleanup(fetchers[i].close)
	}
	return b, fetchers
}

// fill writes a batch to each partition, as often as told: each holds so many
// records of so many bytes.
func fill(t *testing.T, broker *kafkatest.Admin, topic string, partitions, batches, records, size int, codec kgo.CompressionCodec) {
	t.Helper()
	client := broker.Client(t, kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(16<<20), kgo.MaxBufferedRecords(1<<20), kgo.ProducerLinger(100*time.Millisecond))
	value := bytes.Repeat([]byte("x"), size)
	for range batches {
		var all []*kgo.Record
		for p := range partitions {
			for range records {
				all = append(all, &kgo.Record{Topic: topic, Partition: int32(p), Value: value})
			}
		}
		if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readTo fetches a partition up to an offset, and holds each portion a moment.
func readTo(ctx context.Context, f *fetcher, end int64) (records int, err error) {
	for from := int64(0); from < end; {
		got, err := f.Fetch(ctx, from, 0)
		if err != nil {
			return records, err
		}
		records, from = records+len(got.Records), got.Next
		time.Sleep(time.Millisecond)
	}
	return records, nil
}

// TestMemoryBound reads batches that are a hundred times as large as they are
// sent, of many partitions at once, with memory for hardly one of them: it is
// exceeded by what one partition needs, and all is read.
func TestMemoryBound(t *testing.T) {
	const partitions, batches, records = 16, 2, 900
	for name, codec := range map[string]kgo.CompressionCodec{
		"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
	} {
		t.Run(name, func(t *testing.T) {
			broker := &kafkatest.NewFake(t).Admin
			topic := broker.Topic(t, partitions, map[string]string{"max.message.bytes": "16000000"})
			fill(t, broker, topic, partitions, batches, records, 1000, codec)
			b, fetchers := sharing(t, broker, topic, partitions, func(c *Config) {
				c.Memory, c.FetchBytes, c.MaxDecompressed, c.BatchBytes = 1<<20, 64<<10, 2<<20, 256<<10
				c.RequestTimeout = 20 * time.Second
			})
			var group sync.WaitGroup
			for i, f := range fetchers {
				group.Go(func() {
					n, err := readTo(t.Context(), f, batches*records)
					if err != nil || n != batches*records {
						t.Errorf("partition %d: %d records and error %v, want %d", i, n, err, batches*records)
					}
					f.close()
				})
			}
			group.Wait()
			// As Config.Memory has it.
			bound := int64(1<<20 + 2*(2<<20) + mostBesides + mostWorking)
			if b.highest > bound {
				t.Errorf("%d bytes were held, want at most %d", b.highest, bound)
			}
			if b.highest < 900_000 && name != "none" {
				t.Errorf("only %d bytes were held: a batch unpacked is more", b.highest)
			}
			t.Logf("at most %d bytes were held", b.highest)
			eventually(t, "that all memory is given back", func() bool { return held(b) == 0 })
		})
	}
}

// TestMemoryInTurns: where memory is short, no partition goes on for long while
// others wait for it.
func TestMemoryInTurns(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	const partitions, batches, records = 4, 20, 900
	topic := broker.Topic(t, partitions, map[string]string{"max.message.bytes": "16000000"})
	fill(t, broker, topic, partitions, batches, records, 1000, kgo.ZstdCompression())
	_, fetchers := sharing(t, broker, topic, partitions, func(c *Config) {
		c.Memory, c.FetchBytes, c.MaxDecompressed, c.BatchBytes = 1<<20, 64<<10, 2<<20, 128<<10
	})
	var mu sync.Mutex
	var turns [partitions]int
	most := 0 // turns of others while one had none
	since := [partitions]int{}
	var group sync.WaitGroup
	for i, f := range fetchers {
		group.Go(func() {
			defer f.close()
			for from := int64(0); from < batches*records; {
				got, err := f.Fetch(t.Context(), from, 0)
				if err != nil {
					t.Error(err)
					return
				}
				from = got.Next
				mu.Lock()
				turns[i]++
				since[i] = 0
				for other := range since {
					if other != i && turns[other] < batches {
						since[other]++
						most = max(most, since[other])
					}
				}
				mu.Unlock()
				time.Sleep(time.Millisecond) // it is appended
			}
		})
	}
	group.Wait()
	// A batch is eight portions, and three others are before it in the queue.
	if most > 4*8*partitions {
		t.Errorf("others had %d turns while one waited: %v in all", most, turns)
	}
	t.Logf("others had %d turns while one waited", most)
}

// TestMemoryOfOthersThatHang: partitions that hold all there is and more, because
// what they returned is never done, do not stop one with batches that fit into
// its part.
func TestMemoryOfOthersThatHang(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	const partitions = 4
	topic := broker.Topic(t, partitions, map[string]string{"max.message.bytes": "16000000"})
	fill(t, broker, topic, partitions-1, 2, 1500, 1000, kgo.NoCompression())
	small := broker.Client(t)
	for i := range 50 {
		r := &kgo.Record{Topic: topic, Partition: partitions - 1, Value: fmt.Append(nil, i)}
		if err := small.ProduceSync(t.Context(), r).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b, fetchers := sharing(t, broker, topic, partitions, func(c *Config) {
		c.Memory, c.FetchBytes, c.MaxDecompressed = 1<<20, 64<<10, 4<<20
	})
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	hanging := make(chan error, partitions)
	for _, f := range fetchers[:partitions-1] {
		group.Go(func() {
			_, err := f.Fetch(ctx, 0, 0)
			hanging <- err
		})
	}
	if err := <-hanging; err != nil {
		t.Fatal(err)
	}
	eventually(t, "that memory is exceeded", func() bool {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.free < 0
	})
	if n, err := readTo(t.Context(), fetchers[partitions-1], 50); n != 50 || err != nil {
		t.Errorf("%d records and error %v, want 50", n, err)
	}
	// The others wait, and can be told not to.
	cancel()
	for range partitions - 2 {
		if err := <-hanging; !errors.Is(err, context.Canceled) {
			t.Errorf("another one returned with error %v, want that it waited", err)
		}
	}
}

// TestManyTinyRecordsTakeNoMemory: a batch is not decoded before its records are
// asked for.
func TestManyTinyRecordsTakeNoMemory(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, map[string]string{"max.message.bytes": "16000000"})
	const records = 300_000
	fill(t, broker, topic, 1, 1, records, 0, kgo.ZstdCompression())
	f := fetcherOf(t, broker, topic, func(c *Config) { c.BatchRecords = 1000 })
	if _, err := f.Fetch(t.Context(), records, 0); err != nil { // connections are there then
		t.Fatal(err)
	}
	var got delivery.Fetched
	took := allocated(func() {
		var err error
		if got, err = f.Fetch(t.Context(), 0, 0); err != nil || len(got.Records) != 1000 {
			t.Fatalf("%d records and error %v, want 1000", len(got.Records), err)
		}
	})
	if took > 16<<20 {
		t.Errorf("1000 of %d records took %d bytes", records, took)
	}
	// The records count with what they take beside their text.
	f = fetcherOf(t, broker, topic, func(c *Config) { c.BatchRecords, c.BatchBytes = 1_000_000, 128_000 })
	if got, err := f.Fetch(t.Context(), 0, 0); err != nil || len(got.Records) != 1000 {
		t.Errorf("%d empty records and error %v, want 1000 in 128 kB", len(got.Records), err)
	}
	if n := held(f.share.budget); n < 1000*emptyRecord {
		t.Errorf("%d bytes are held, less than the records", n)
	}
}

// TestHeadersTakeMemory: many headers are more than their text.
func TestHeadersTakeMemory(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	client := broker.Client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	var records []*kgo.Record
	for range 200 {
		records = append(records, &kgo.Record{Topic: topic, Headers: make([]kgo.RecordHeader, 60)})
	}
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	f := fetcherOf(t, broker, topic, nil)
	got, err := f.Fetch(t.Context(), 0, 0)
	if err != nil || len(got.Records) != 200 {
		t.Fatalf("%d records and error %v", len(got.Records), err)
	}
	if n := held(f.share.budget); n < 200*60*40 {
		t.Errorf("%d bytes are held for 12,000 headers", n)
	}
}

// TestRangeIsHeldWhileItIsGathered: what is read of a range in several portions
// counts until something else is read, and is not overwritten.
func TestRangeIsHeldWhileItIsGathered(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	fill(t, broker, topic, 1, 5, 100, 1000, kgo.ZstdCompression())
	f := fetcherOf(t, broker, topic, func(c *Config) { c.BatchRecords = 70 })
	read := func(from, until int64) (all []delivery.Record, portions int) {
		for at := from; at < until; portions++ {
			got, err := f.Fetch(t.Context(), at, until)
			if err != nil {
				t.Fatal(err)
			}
			all, at = append(all, got.Records...), got.Next
		}
		return all, portions
	}
	all, portions := read(20, 450)
	if len(all) != 430 || portions < 6 {
		t.Fatalf("%d records in %d portions, want 430 in several", len(all), portions)
	}
	if n := f.gathered.held.size(); n < 430*1000 {
		t.Errorf("%d bytes are held for the range, want 430 records", n)
	}
	for i, r := range all {
		if string(r.Value) != strings.Repeat("x", 1000) || r.Offset != int64(20+i) {
			t.Fatalf("record %d is at offset %d with %d bytes", i, r.Offset, len(r.Value))
		}
	}
	// One that comes whole is not copied.
	if all, _ = read(450, 460); len(all) != 10 || f.gathered.held != nil {
		t.Errorf("%d records of a small range, %+v held beside", len(all), f.gathered)
	}
	read(100, 300)
	if _, err := f.Fetch(t.Context(), 300, 0); err != nil || f.gathered.held != nil {
		t.Errorf("the range is still held when the next records are read, error %v", err)
	}
}

// TestResponseThatIsTooLarge: a batch that is larger than may be read comes whole
// all the same, and is refused with its place and the key to raise.
func TestResponseThatIsTooLarge(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, map[string]string{"max.message.bytes": "16000000"})
		client := broker.Client(t, kgo.ProducerBatchMaxBytes(8<<20))
		for _, value := range [][]byte{[]byte("small"), noise(1, 4<<20)} {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: value}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		f := fetcherOf(t, broker, topic, func(c *Config) { c.MaxDecompressed, c.FetchBytes = 1<<20, 64<<10 })
		if got, err := f.Fetch(t.Context(), 0, 0); err != nil || len(got.Records) != 1 {
			t.Fatalf("%d records and error %v, want the one that fits", len(got.Records), err)
		}
		var corrupt *Corrupt
		for range 3 { // what was fetched ahead first, and again as often as one likes
			_, err := f.Fetch(t.Context(), 1, 0)
			if !errors.As(err, &corrupt) || corrupt.Topic != topic || corrupt.Offset != 1 || corrupt.Next != 2 || !strings.Contains(err.Error(), "max_decompressed") {
				t.Fatalf("got error %v, want one of offset 1 that names max_decompressed and the next offset", err)
			}
		}
		f.close()
		eventually(t, "that all memory is given back", func() bool { return held(f.share.budget) == 0 })
		if f.share.budget.highest > f.link.config.Memory {
			t.Errorf("%d bytes were held for what is not read", f.share.budget.highest)
		}
		f = fetcherOf(t, broker, topic, func(c *Config) { c.MaxDecompressed, c.FetchBytes = 5<<20, 64<<10 })
		if got, err := f.Fetch(t.Context(), 1, 0); err != nil || len(got.Records) != 1 {
			t.Errorf("with a larger bound: %d records and error %v, want it", len(got.Records), err)
		}
	})
}

// TestLoanComesBackOnce: the memory for a response is given back once, when
// neither the exchange nor its caller needs it any more, in whatever order they
// end.
func TestLoanComesBackOnce(t *testing.T) {
	for name, c := range map[string]struct {
		steps func(l *loan)
		held  int64
	}{
		"lent":                       {func(*loan) {}, 10},
		"in use":                     {func(l *loan) { l.begin() }, 10},
		"answered":                   {func(l *loan) { l.begin(); l.end() }, 10},
		"answered in vain":           {func(l *loan) { l.begin(); l.end(); l.abandon() }, 0},
		"left before it began":       {func(l *loan) { l.abandon() }, 0},
		"left while in use":          {func(l *loan) { l.begin(); l.abandon() }, 10},
		"left while in use, and end": {func(l *loan) { l.begin(); l.abandon(); l.end() }, 0},
	} {
		b := newBudget(100, 1, 100)
		h := &hold{share: &share{budget: b}}
		h.try(10)
		l := &loan{hold: h, more: h.try}
		c.steps(l)
		if b.held != c.held {
			t.Errorf("%s: %d bytes are held, want %d", name, b.held, c.held)
		}
	}
	h := &hold{share: &share{budget: newBudget(100, 1, 100)}}
	l := &loan{hold: h, more: h.try}
	l.abandon()
	if l.begin() {
		t.Error("an exchange begins though nobody waits for it")
	}
	if l = (&loan{hold: h, more: h.try}); !l.covers(50) || h.bytes != 50 || !l.covers(20) || h.bytes != 50 || l.covers(101) {
		t.Errorf("%d bytes are held after responses of 50 and 20, and of more than there is", h.bytes)
	}
}

// TestScanKeepsNothing: letters that were read are let go, so that a topic may hold
// more of them than there is memory. The broker is another process, so that what
// it takes does not count.
func TestScanKeepsNothing(t *testing.T) {
	r := newLetterRig(t, &kafkatest.Shared(t).Admin)
	const letters, size = 64, 500_000
	var all []*kgo.Record
	for i := range letters {
		all = append(all, &kgo.Record{Topic: r.topic, Value: noise(i, size)})
	}
	client := r.broker.Client(t, kgo.ProducerBatchCompression(kgo.NoCompression()))
	if err := client.ProduceSync(t.Context(), all...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	n := 0
	took := allocated(func() {
		if _, err := r.Scan(t.Context(), time.Time{}, func(*Letter) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
	})
	if n != letters {
		t.Errorf("%d letters, want %d", n, letters)
	}
	if took > letters*size*3/2 {
		t.Errorf("%d bytes of letters took %d bytes: they were copied", letters*size, took)
	}
}
