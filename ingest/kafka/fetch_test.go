package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// fetcherOf reads a partition, with what a test changes of the defaults.
func fetcherOf(t *testing.T, broker *kafkatest.Admin, topic string, change func(*Config)) *fetcher {
	t.Helper()
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.FetchWait, c.MetadataInterval = 100*time.Millisecond, 50*time.Millisecond
	if change != nil {
		change(&c)
	}
	l, err := newLink(&c, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	v, err := l.versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	topics, err := l.metadata(t.Context(), v, []string{topic})
	if err != nil {
		t.Fatal(err)
	}
	f := &fetcher{link: l, topic: topic, id: topics[topic].id, share: &share{budget: newBudget(c.Memory, 1, c.FetchBytes)}, doubt: func() {}}
	t.Cleanup(f.close)
	return f
}

// readAll fetches until the end of the log, and returns the records and how
// many there were in each portion.
func readAll(t *testing.T, f *fetcher, from int64) (records []delivery.Record, portions []int) {
	t.Helper()
	for range 1000 {
		got, err := f.Fetch(t.Context(), from, 0)
		if err != nil {
			t.Fatalf("fetch from %d: %v", from, err)
		}
		records = append(records, got.Records...)
		if len(got.Records) > 0 {
			portions = append(portions, len(got.Records))
		}
		if from = got.Next; from >= got.End {
			return records, portions
		}
	}
	t.Fatal("it does not come to an end")
	return nil, nil
}

func values(records []delivery.Record) []string {
	texts := make([]string, len(records))
	for i, r := range records {
		texts[i] = string(r.Value)
	}
	return texts
}

func TestFetchesWhateverIsThere(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		for name, codec := range map[string]kgo.CompressionCodec{
			"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(), "lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
		} {
			t.Run(name, func(t *testing.T) {
				topic := broker.Topic(t, 1, map[string]string{"max.message.bytes": "3000000"})
				client := broker.Client(t, kgo.ProducerBatchCompression(codec), kgo.ProducerBatchMaxBytes(2_500_000))
				at := time.Now().Add(-time.Hour).Truncate(time.Millisecond) // old ones the broker deletes
				var want []string
				for i, value := range []string{
					"one", "", strings.Repeat("large ", 180_000), string(noise(1, 1_000_000)), "after", strings.Repeat("x", 100),
				} {
					want = append(want, value)
					r := &kgo.Record{Topic: topic, Value: []byte(value), Timestamp: at.Add(time.Duration(i) * time.Second)}
					if i == 0 {
						r.Key, r.Headers = []byte("key"), []kgo.RecordHeader{{Key: "x-github-event", Value: []byte("push")}, {Key: "X-GitHub-Event", Value: nil}}
					}
					if err := client.ProduceSync(t.Context(), r).FirstErr(); err != nil {
						t.Fatal(err)
					}
				}
				want = append(want, "")
				if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Key: []byte{}, Timestamp: at.Add(6 * time.Second)}).FirstErr(); err != nil {
					t.Fatal(err)
				}
				// A fetch is smaller than the large ones.
				f := fetcherOf(t, broker, topic, func(c *Config) { c.FetchBytes, c.Memory = 64<<10, 1<<20 })
				got, _ := readAll(t, f, 0)
				if !slices.Equal(values(got), want) {
					t.Fatalf("%d values, want the %d that were sent", len(got), len(want))
				}
				for i, r := range got {
					if r.Offset != int64(i) || !r.Time.Equal(at.Add(time.Duration(i)*time.Second)) {
						t.Errorf("record %d: offset %d at %s", i, r.Offset, r.Time)
					}
				}
				if first := got[0]; string(first.Key) != "key" || fmt.Sprintf("%q", first.Headers) != `[{"x-github-event" "push"} {"X-GitHub-Event" ""}]` {
					t.Errorf("key %q, headers %q", first.Key, first.Headers)
				}
				if got[1].Value == nil || got[1].Key != nil || got[1].Headers != nil {
					t.Errorf("a record of no bytes has value %#v, key %#v and headers %#v, want a value", got[1].Value, got[1].Key, got[1].Headers)
				}
				if none := got[len(got)-1]; none.Value != nil || none.Key == nil || len(none.Key) > 0 {
					t.Errorf("a record without a value has value %#v and key %#v, want a key of no bytes alone", none.Value, none.Key)
				}
				f.close()
				// A fetch that was under way may be answered yet.
				eventually(t, "that all memory is given back", func() bool { return held(f.share.budget) == 0 })
			})
		}
	})
}

// The broker's own time counts where the topic says so.
func TestFetchesTheBrokersTime(t *testing.T) {
	broker := &kafkatest.Shared(t).Admin
	topic := broker.Topic(t, 1, map[string]string{"message.timestamp.type": "LogAppendTime"})
	client := broker.Client(t)
	before := time.Now().Add(-time.Minute)
	if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte("x"), Timestamp: time.UnixMilli(1e12)}).FirstErr(); err != nil {
		t.Fatal(err)
	}
	got, _ := readAll(t, fetcherOf(t, broker, topic, nil), 0)
	if len(got) != 1 || got[0].Time.Before(before) {
		t.Errorf("got %+v, want one record at the broker's time", got)
	}
}

func TestFetchesInPortions(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		client := broker.Client(t)
		var records []*kgo.Record
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprintf("%d %s", i, strings.Repeat("y", i%50)))
			records = append(records, &kgo.Record{Topic: topic, Value: []byte(want[i])})
		}
		if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
			t.Fatal(err)
		}
		f := fetcherOf(t, broker, topic, func(c *Config) { c.BatchRecords = 70 })
		got, portions := readAll(t, f, 0)
		if !slices.Equal(values(got), want) {
			t.Errorf("%d values, want %d in order", len(got), len(want))
		}
		if slices.Max(portions) > 70 || len(portions) < 15 {
			t.Errorf("portions of %v, want up to 70", portions)
		}
		f = fetcherOf(t, broker, topic, func(c *Config) { c.BatchBytes = 1024 })
		if got, portions = readAll(t, f, 500); !slices.Equal(values(got), want[500:]) || len(portions) < 10 {
			t.Errorf("%d values in portions of %v, want %d in portions of 1 kB", len(got), portions, 500)
		}
		for _, c := range []struct{ from, until int64 }{{0, 1}, {3, 400}, {999, 1000}} {
			var read []delivery.Record
			for at := c.from; at < c.until; {
				part, err := f.Fetch(t.Context(), at, c.until)
				if err != nil || part.Next > c.until {
					t.Fatalf("fetch [%d, %d): next %d, error %v", at, c.until, part.Next, err)
				}
				read, at = append(read, part.Records...), part.Next
			}
			if !slices.Equal(values(read), want[c.from:c.until]) {
				t.Errorf("[%d, %d): %d records", c.from, c.until, len(read))
			}
		}
		empty, err := f.Fetch(t.Context(), 1000, 0)
		if err != nil || len(empty.Records) > 0 || empty.Next != 1000 {
			t.Errorf("at the end: %+v, error %v", empty, err)
		}
	})
}

// Open transactions are waited for, aborted ones and control records left out.
func TestFetchesWhatWasCommitted(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		one, two := broker.Client(t, kgo.TransactionalID(topic+"-1")), broker.Client(t, kgo.TransactionalID(topic+"-2"))
		plain := broker.Client(t)
		put := func(client *kgo.Client, value string) {
			if err := client.ProduceSync(t.Context(), &kgo.Record{Topic: topic, Value: []byte(value)}).FirstErr(); err != nil {
				t.Fatal(err)
			}
		}
		begin := func(client *kgo.Client) {
			if err := client.BeginTransaction(); err != nil {
				t.Fatal(err)
			}
		}
		end := func(client *kgo.Client, how kgo.TransactionEndTry) {
			if err := client.EndTransaction(t.Context(), how); err != nil {
				t.Fatal(err)
			}
		}
		put(plain, "plain 1")
		begin(one)
		put(one, "aborted 1")
		begin(two)
		put(two, "committed 1")
		put(plain, "plain 2")
		end(one, kgo.TryAbort)
		begin(one)
		put(one, "committed 2")
		end(one, kgo.TryCommit)
		end(two, kgo.TryCommit)
		begin(two)
		put(two, "aborted 2")
		end(two, kgo.TryAbort)
		put(plain, "plain 3")
		begin(one)
		put(one, "open")
		put(plain, "behind the open one")
		want := []string{"plain 1", "committed 1", "plain 2", "committed 2", "plain 3"}
		f := fetcherOf(t, broker, topic, nil)
		got, _ := readAll(t, f, 0)
		if !slices.Equal(values(got), want) {
			t.Errorf("got %q, want %q", values(got), want)
		}
		// The same, from the middle on.
		if got, _ := readAll(t, fetcherOf(t, broker, topic, nil), 2); !slices.Equal(values(got), want[1:]) {
			t.Errorf("from offset 2: got %q, want %q", values(got), want[1:])
		}
		end(one, kgo.TryCommit)
		next := got[len(got)-1].Offset + 1
		got = nil
		eventually(t, "the end of the transaction", func() bool {
			more, _ := readAll(t, f, next)
			got = append(got, more...)
			if n := len(more); n > 0 {
				next = more[n-1].Offset + 1
			}
			return len(got) >= 2
		})
		if !slices.Equal(values(got), []string{"open", "behind the open one"}) {
			t.Errorf("then: got %q, want the rest", values(got))
		}
	})
}

func TestOffsetsOutOfRange(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		send(t, broker, topic, 0, "0", "1", "2", "3", "4", "5")
		if err := broker.DeleteRecords(t.Context(), topic, 0, 3); err != nil {
			t.Fatal(err)
		}
		f := fetcherOf(t, broker, topic, nil)
		for _, from := range []int64{0, 2, 7} {
			_, err := f.Fetch(t.Context(), from, 0)
			var out *delivery.OutOfRange
			if !errors.As(err, &out) || out.First != 3 || out.End != 6 {
				t.Errorf("fetch from %d: got error %v, want out of [3, 6)", from, err)
			}
		}
		if first, end, err := f.Bounds(t.Context()); first != 3 || end != 6 || err != nil {
			t.Errorf("bounds: [%d, %d), error %v", first, end, err)
		}
		if got, _ := readAll(t, f, 3); len(got) != 3 {
			t.Errorf("%d records, want 3", len(got))
		}
	})
}

// A fetcher of a topic that is gone gives no records of the one that has its
// name.
func TestFetchesNothingOfAnotherTopic(t *testing.T) {
	brokers(t, func(t *testing.T, broker *kafkatest.Admin) {
		topic := broker.Topic(t, 1, nil)
		send(t, broker, topic, 0, "old 0", "old 1")
		f := fetcherOf(t, broker, topic, nil)
		if got, _ := readAll(t, f, 0); len(got) != 2 {
			t.Fatalf("%d records, want 2", len(got))
		}
		if err := broker.DeleteTopic(t.Context(), topic); err != nil {
			t.Fatal(err)
		}
		if err := broker.CreateTopic(t.Context(), topic, 1, nil); err != nil {
			t.Fatal(err)
		}
		send(t, broker, topic, 0, "new 0", "new 1", "new 2", "new 3")
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for {
			got, err := f.Fetch(ctx, 2, 0)
			if errors.Is(err, delivery.ErrLost) {
				break
			}
			if len(got.Records) > 0 || ctx.Err() != nil {
				t.Fatalf("got %q and error %v, want that the topic is lost", values(got.Records), err)
			}
		}
		if _, _, err := f.Bounds(ctx); !errors.Is(err, delivery.ErrLost) {
			t.Errorf("bounds: got error %v, want that the topic is lost", err)
		}
	})
}

// Records refer to the response and not to copies of it; a batch that was
// spoilt is told, and not skipped.
func TestCorruptBatches(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	send(t, broker, topic, 0, "a")
	f := fetcherOf(t, broker, topic, nil)
	got, err := f.link.fetch(t.Context(), fetchRequest{topic: topic, id: f.id, from: 0, maxBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	good := got.batches
	for name, c := range map[string]struct {
		change func([]byte)
		want   string
	}{
		"a byte":      {func(b []byte) { b[len(b)-1] ^= 1 }, "checksum"},
		"its format":  {func(b []byte) { b[16] = 1 }, "format 1"},
		"its length":  {func(b []byte) { b[8] = 0xff }, "length"},
		"compression": {func(b []byte) { b[22] |= 7 }, "checksum"},
	} {
		bad := bytes.Clone(good)
		c.change(bad)
		_, err := f.take(t.Context(), pageOf(f, append(bytes.Clone(good), bad...)), 0)
		if err != nil {
			t.Errorf("%s: the batch before it gives error %v", name, err)
		}
		_, err = f.take(t.Context(), pageOf(f, bad), 0)
		var corrupt *Corrupt
		if !errors.As(err, &corrupt) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), topic) {
			t.Errorf("%s: got error %v, want one of a %s", name, err, c.want)
		}
	}
}

// held is what is held of a budget now.
func held(b *budget) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.held
}

func pageOf(f *fetcher, raw []byte) *page {
	return &page{held: &hold{share: f.share}, returned: &hold{share: f.share}, raw: raw}
}

// all is the records of a batch, with memory without end.
func all(b *batch, most int64) (records []delivery.Record, err error) {
	text := b.body
	if b.compressed() {
		if text, err = b.unpack(most, func(int64) error { return nil }); err != nil {
			return nil, err
		}
	}
	c, err := b.read(text)
	for err == nil {
		r := c.peek()
		if r == nil {
			return records, nil
		}
		records = append(records, *r)
		c.skip()
	}
	return records, err
}

func FuzzBatches(f *testing.F) {
	f.Add([]byte{})
	f.Add(bytes.Repeat([]byte{0}, 70))
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 100 {
			head, rest, _, err := nextBatch(b)
			if err != nil {
				return
			}
			// The checksum keeps the fuzzer out: what follows it is read below.
			_, _ = all(&head, 1<<20)
			if len(rest) >= len(b) {
				t.Fatal("it takes nothing")
			}
			b = rest
		}
	})
}

func FuzzRecords(f *testing.F) {
	f.Add(int16(0), 1, []byte{0x0e, 0, 0, 0, 1, 2, 'v', 0})
	f.Add(int16(1), 3, []byte("\x1f\x8b\x08"))
	f.Add(int16(2), 1, []byte("\x82SNAPPY\x00"))
	f.Add(int16(4), 1, []byte{0x28, 0xb5, 0x2f, 0xfd})
	f.Fuzz(func(t *testing.T, attributes int16, count int, body []byte) {
		b := batch{attributes: attributes, count: max(0, count), last: 100, body: body}
		records, err := all(&b, 1<<20)
		if err == nil && len(records) != b.count {
			t.Errorf("%d records, of %d", len(records), b.count)
		}
		for i := range records {
			if at := records[i].Offset; at < b.first || at > b.last || i > 0 && at <= records[i-1].Offset {
				t.Errorf("record %d is at offset %d of [%d, %d]", i, at, b.first, b.last)
			}
		}
		_, _ = b.aborts()
	})
}

func FuzzResponses(f *testing.F) {
	f.Add(false, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	f.Add(true, bytes.Repeat([]byte{1}, 100))
	f.Fuzz(func(_ *testing.T, flexible bool, b []byte) {
		r := fetchRequest{topic: "t"}
		_, _ = r.decode(&decoder{b: b, flexible: flexible})
		_, _ = decodeMetadata(&decoder{b: b, flexible: flexible})
	})
}
