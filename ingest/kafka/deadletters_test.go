package kafka

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// testLink is a link that knows some topics.
func testLink(t *testing.T, broker *kafkatest.Admin, topics ...string) *link {
	t.Helper()
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.MetadataInterval = 50 * time.Millisecond
	l, err := newLink(&c, topics)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.close)
	return l
}

func letter(value string) delivery.DeadLetter {
	return delivery.DeadLetter{
		Topic: "deploys", Partition: 3, Offset: 1 << 40, Format: "deploys", Error: "service: required\xff", At: noon.Add(time.Minute),
		Record: delivery.Record{
			Offset: 1 << 40, Time: noon.Truncate(time.Millisecond), Key: []byte("k\xff"), Value: []byte(value),
			Headers: hostileHeaders(),
		},
	}
}

// hostileHeaders are headers in an order and with names that are easily lost, or
// taken for those of a letter.
func hostileHeaders() []delivery.Header {
	var list []delivery.Header
	for _, name := range []string{
		"x-b", "X-GitHub-Event", "x-a", "hindcast-error", "hindcast-tenant", "hindcast-headers", "X-B", "x-b", headerTopic, headerTime, headerCut, "with space\xff", headerRedrive,
	} {
		list = append(list, delivery.Header{Name: name, Value: fmt.Appendf(nil, "%d\xff", len(list))})
	}
	return append(list, delivery.Header{Name: "nil"}, delivery.Header{Name: "empty", Value: []byte{}}, delivery.Header{})
}

// sentText is what headersOf gives of headers.
func sentText(list []delivery.Header) string {
	var b strings.Builder
	for _, h := range list {
		fmt.Fprintf(&b, "%s: %s\n", h.Name, h.Value)
	}
	return b.String()
}

// first are the first records of a topic.
func first(t *testing.T, broker *kafkatest.Admin, topic string, n int) []*kgo.Record {
	t.Helper()
	client := broker.Client(t, kgo.ConsumeTopics(topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var got []*kgo.Record
	for len(got) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read topic %s, after %d of %d records: %v", topic, len(got), n, err)
		}
		got = append(got, fetches.Records()...)
	}
	return got
}

func headersOf(r *kgo.Record) string {
	var b strings.Builder
	for _, h := range r.Headers {
		fmt.Fprintf(&b, "%s: %s\n", h.Key, h.Value)
	}
	return b.String()
}

func TestKeepsDeadLetters(t *testing.T) {
	testKeepsDeadLetters(t, &kafkatest.NewFake(t).Admin)
}

func TestKeepsDeadLettersInARealBroker(t *testing.T) {
	testKeepsDeadLetters(t, &kafkatest.Shared(t).Admin)
}

func testKeepsDeadLetters(t *testing.T, broker *kafkatest.Admin) {
	topic := broker.Topic(t, 1, map[string]string{"max.message.bytes": "100000"})
	d := newDeadLetters(testLink(t, broker, topic), topic)
	noise := string(noise(1, 150_000))
	empty := letter("")
	empty.Record.Value, empty.Record.Key, empty.Record.Time, empty.Record.Headers = nil, nil, time.Time{}, nil
	many := letter(noise)
	many.Record.Headers = []delivery.Header{{Name: "Large", Value: []byte(noise)}}
	many.Record.Key = []byte(noise)
	for _, one := range []delivery.DeadLetter{letter(`{"version": "2"}`), letter(noise), empty, many} {
		if err := d.Put(t.Context(), []delivery.DeadLetter{one}); err != nil {
			t.Fatal(err)
		}
	}
	got := first(t, broker, topic, 4)
	const own = "hindcast-topic: deploys\nhindcast-partition: 3\nhindcast-offset: 1099511627776\nhindcast-format: deploys\n" +
		"hindcast-error: service: required\uFFFD\nhindcast-at: 2026-11-22T12:01:00.123456789Z\n"
	const itsTime = "hindcast-time: 2026-11-22T12:00:00.123Z\n"
	sent := fmt.Sprintf("hindcast-headers: %d\n", len(hostileHeaders())) + sentText(hostileHeaders())
	if h, want := headersOf(got[0]), own+itsTime+sent; h != want || string(got[0].Value) != `{"version": "2"}` || string(got[0].Key) != "k\xff" {
		t.Errorf("got key %q, value %q and headers\n%s\nwant headers\n%s", got[0].Key, got[0].Value, h, want)
	}
	cut := got[1]
	kept := len(cut.Value)
	if want := fmt.Sprintf("%shindcast-cut: all but %d of 150000 bytes of its value\n%s", own+itsTime, kept, sent); headersOf(cut) != want || string(cut.Value) != noise[:kept] || kept < 97_000 {
		t.Errorf("of a large one %d bytes are kept, with the headers\n%s\nwant\n%s", kept, headersOf(cut), want)
	}
	if h := headersOf(got[2]); h != own+"hindcast-headers: 0\n" || got[2].Value != nil || got[2].Key != nil {
		t.Errorf("of an empty one: key %q, value %q and headers\n%s", got[2].Key, got[2].Value, h)
	}
	if h, want := headersOf(got[3]), "hindcast-cut: its headers, its key of 150000 bytes, all but 9"; !strings.Contains(h, want) || strings.Contains(h, "Large") || len(got[3].Key) > 0 {
		t.Errorf("of one with large headers and key: %.600s\nwant %s", h, want)
	}
}

// A broker that takes less than anybody knows cuts more, and stops nothing.
func TestCutsDeadLettersToWhatIsTaken(t *testing.T) {
	fake := kafkatest.NewFake(t)
	topic := fake.Topic(t, 1, nil)
	d := newDeadLetters(testLink(t, &fake.Admin, topic), topic)
	fake.Cluster.Fault(kfake.Fault{
		Topic: topic, Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.MessageTooLarge, Count: -1,
		When: func(r kmsg.Request) bool {
			return len(r.(*kmsg.ProduceRequest).Topics[0].Partitions[0].Records) > 60_000
		},
	})
	if err := d.Put(t.Context(), []delivery.DeadLetter{letter("small"), letter(string(noise(1, 900_000))), letter("small")}); err != nil {
		t.Fatal(err)
	}
	largest := 0
	for _, r := range first(t, &fake.Admin, topic, 3) {
		largest = max(largest, len(r.Value))
	}
	if largest == 0 || largest > 60_000 {
		t.Errorf("the largest value has %d bytes", largest)
	}
}

func TestDeadLettersNeedATopic(t *testing.T) {
	fake := kafkatest.NewFake(t)
	compacted := fake.Topic(t, 1, map[string]string{"cleanup.policy": "compact"})
	l := testLink(t, &fake.Admin, "absent", compacted)
	letters := []delivery.DeadLetter{letter("x")}
	d := newDeadLetters(l, "absent")
	if missing, ok := errors.AsType[*MissingTopic](d.Put(t.Context(), letters)); !ok || missing.Topic != "absent" {
		t.Errorf("an absent topic: error is %v", d.Put(t.Context(), letters))
	}
	to := newDeadLetters(l, compacted)
	for try := range 2 {
		if err := to.Put(t.Context(), letters); err == nil || !strings.Contains(err.Error(), "is compacted") {
			t.Errorf("a compacted topic, try %d: error is %v", try, err)
		}
	}
	// Once it is there, letters are kept.
	if err := fake.CreateTopic(t.Context(), "absent", 1, nil); err != nil {
		t.Fatal(err)
	}
	for tries := 1; ; tries++ {
		err := d.Put(t.Context(), letters)
		if err == nil {
			break
		}
		if tries == 100 || errors.Is(err, ingest.ErrTooMuch) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}
