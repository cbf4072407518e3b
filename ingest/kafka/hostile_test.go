package kafka

import (
	"bytes"
	"encoding/binary"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// allocated is how many bytes a function takes, also those that it lets go.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// TestClaimsTakeNoMemory: what a compressed batch claims to be is not believed.
func TestClaimsTakeNoMemory(t *testing.T) {
	claim := binary.AppendUvarint(nil, 1<<31)
	framed := append(append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1), binary.BigEndian.AppendUint32(nil, uint32(len(claim)))...)
	longFrame := append(append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1), 0xff, 0xff, 0xff, 0xf0)
	// A frame of zstd with a window of 512 MB and one byte.
	wide := []byte{0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x98, 0x09, 0x00, 0x00, 'x'}
	for name, tc := range map[string]struct {
		codec compress.Compression
		body  []byte
		// want is what the error says; "": none.
		want string
	}{
		"snappy block":     {compress.Snappy, claim, "claims what it cannot hold"},
		"snappy frame":     {compress.Snappy, append(framed, claim...), "claims what it cannot hold"},
		"snappy, long":     {compress.Snappy, longFrame, "cut short"},
		"zstd, wide":       {compress.Zstd, wide, ""}, // no window is needed for a byte
		"zstd, much of it": {compress.Zstd, zstdOf(t, make([]byte, 64<<20)), "max_decompressed"},
	} {
		t.Run(name, func(t *testing.T) {
			var text []byte
			var err error
			took := allocated(func() { text, err = unpack(tc.codec, tc.body, 1<<20, func(int64) error { return nil }) })
			if took > 16<<20 {
				t.Errorf("%d bytes of a batch took %d bytes of memory", len(tc.body), took)
			}
			switch {
			case tc.want == "" && (err != nil || string(text) != "x"):
				t.Errorf("got %q and error %v, want x", text, err)
			case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
				t.Errorf("got error %v, want one that says %q", err, tc.want)
			}
		})
	}
}

func zstdOf(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// TestSnappyWithAndWithoutFrames: what is plausible is still taken.
func TestSnappyWithAndWithoutFrames(t *testing.T) {
	want := []byte(strings.Repeat("a line of a log; ", 5000))
	block := snappy.Encode(nil, want)
	framed := append(append(bytes.Clone(xerial), 0, 0, 0, 1, 0, 0, 0, 1), binary.BigEndian.AppendUint32(nil, uint32(len(block)))...)
	for name, body := range map[string][]byte{"a block": block, "a frame": append(framed, block...)} {
		got, err := unpack(compress.Snappy, body, 1<<20, func(int64) error { return nil })
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: got %d bytes and error %v, want %d", name, len(got), err, len(want))
		}
	}
}

// TestManyHeaders: a record's headers are bounded, whatever it says.
func TestManyHeaders(t *testing.T) {
	const headers = 1 << 20
	record := []byte{0, 0, 0, 1, 2, 'v'} // attributes, time, offset, no key, a value
	record = binary.AppendVarint(record, headers)
	record = append(record, make([]byte, 2*headers)...)
	body := append(binary.AppendVarint(nil, int64(len(record))), record...)
	b := batch{count: 1, body: body}
	var got delivery.Record
	took := allocated(func() {
		records, err := all(&b, 1<<30)
		if err != nil || len(records) != 1 {
			t.Fatalf("got %d records and error %v", len(records), err)
		}
		got = records[0]
	})
	if n := len(got.Headers); n != mostHeaders || got.HeadersLeft != headers-mostHeaders {
		t.Errorf("%d headers are kept and %d left, want %d kept", n, got.HeadersLeft, mostHeaders)
	}
	if took > 16<<20 {
		t.Errorf("they took %d bytes", took)
	}
}

// TestLargePayloadIsCut: a webhook whose payload is larger than a record may be is
// forwarded all the same; only its payload is cut.
func TestLargePayloadIsCut(t *testing.T) {
	at := time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)
	raw := bytes.Repeat([]byte("x"), 1_500_000)
	b := event.Batch{
		Events: []event.Event{{
			ID: event.NewID(at, "webhook"), Kind: event.KindNotification, OccurredAt: at, ReceivedAt: at, Road: event.RoadWebhook,
			Notification: &event.Notification{Receiver: "pager"}, Raw: raw,
		}},
		Observations: []event.Observation{{
			Fingerprint: 7, StartsAt: at, FiringSeenAt: at, FirstReceivedAt: at, LastReceivedAt: at,
			Labels: event.Labels{"alertname": "A"}, Roads: []event.Road{event.RoadWebhook}, Raw: raw,
		}},
	}
	records, err := encodeFacts(&b, limit{topic: "t", bytes: 1_048_588}, at)
	if err != nil {
		t.Fatalf("a large payload is refused: %v", err)
	}
	var events, observations int
	for _, r := range records {
		got, err := envelope.Decoder{}.DecodeProto(r.value, at)
		if err != nil {
			t.Fatal(err)
		}
		events, observations = events+len(got.Events), observations+len(got.Observations)
		for _, e := range got.Events {
			if e.ID != b.Events[0].ID || bytes.Count(e.Raw, []byte("x")) != keptOfRaw {
				t.Errorf("got event %s with %d bytes of payload, want %s with %d", e.ID, len(e.Raw), b.Events[0].ID, keptOfRaw)
			}
		}
	}
	if events != 1 || observations != 1 {
		t.Errorf("got %d events and %d alerts, want one of each", events, observations)
	}
}

// TestDeadLettersAreNotForwarded: a topic that feeds on itself is refused.
func TestDeadLettersAreNotForwarded(t *testing.T) {
	c := DefaultConfig()
	c.Brokers, c.DeadLetters = []string{"localhost:9092"}, c.ForwardTopics.Logs
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "forward_topics.logs") {
		t.Errorf("got error %v, want one of forward_topics.logs", err)
	}
}
