package kafka

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// rawRecord is a record as a producer writes it into a batch, at a distance from
// its first.
func rawRecord(delta int64, value string) []byte {
	b := binary.AppendVarint([]byte{0, 0}, delta) // attributes and time
	b = append(b, 1)                              // no key
	b = binary.AppendVarint(b, int64(len(value)))
	b = append(append(b, value...), 0) // no headers
	return append(binary.AppendVarint(nil, int64(len(b))), b...)
}

// rawBatch is a batch that says to have so many records and as many offsets, with
// a checksum that holds, whatever the records are.
func rawBatch(first int64, attributes int16, count int, records ...[]byte) []byte {
	body := slices.Concat(records...)
	b := binary.BigEndian.AppendUint64(nil, uint64(first))
	b = binary.BigEndian.AppendUint32(b, uint32(batchLeast-batchHead+len(body)))
	b = append(b, 0, 0, 0, 0, 2, 0, 0, 0, 0) // an epoch, the format, room for the checksum
	b = binary.BigEndian.AppendUint16(b, uint16(attributes))
	b = binary.BigEndian.AppendUint32(b, uint32(count-1))
	b = append(b, make([]byte, 16)...) // times
	for range 14 {
		b = append(b, 0xff) // no producer, epoch and sequence
	}
	return sealed(append(binary.BigEndian.AppendUint32(b, uint32(count)), body...))
}

// sealed sets a batch's checksum.
func sealed(b []byte) []byte {
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[offsetOfCRC:], castagnoli))
	return b
}

// numbered is a batch of the records a, b, c and so on at distances from its first.
func numbered(first int64, deltas ...int64) []byte {
	var records [][]byte
	for i, delta := range deltas {
		records = append(records, rawRecord(delta, string(rune('a'+i))))
	}
	return rawBatch(first, 0, len(deltas), records...)
}

// badBatches have checksums that hold and records that do not.
func badBatches(first int64) map[string][]byte {
	a, b, c, d := rawRecord(0, "a"), rawRecord(1, "b"), rawRecord(2, "c"), rawRecord(3, "d")
	broken := func(i int, v byte) []byte {
		r := slices.Clone(b)
		r[i] = v
		return r
	}
	return map[string][]byte{
		"an offset too far":            numbered(first, 0, 9, 2, 3),
		"an offset before it":          numbered(first, 0, -1, 2, 3),
		"one offset for all":           numbered(first, 0, 0, 0, 0),
		"offsets that go down":         numbered(first, 3, 2, 1, 0),
		"more records than it says":    rawBatch(first, 0, 3, a, b, c, d),
		"fewer records than it says":   rawBatch(first, 0, 4, a, b, c),
		"something behind":             rawBatch(first, 0, 4, a, b, c, d, []byte{0}),
		"a length too small":           rawBatch(first, 0, 4, a, broken(0, 2), c, d),
		"a length too large":           rawBatch(first, 0, 4, a, b, c, broken(0, 0x7e)),
		"a value too long":             rawBatch(first, 0, 4, a, broken(5, 0x40), c, d),
		"headers that are not there":   rawBatch(first, 0, 4, a, broken(7, 2), c, d),
		"something behind the headers": rawBatch(first, 0, 4, a, slices.Insert(slices.Clone(broken(0, b[0]+2)), 8, 0), c, d),
		"the end of no transaction":    rawBatch(first, attrControl, 4, a, b, c, d),
		"the end of one, cut":          rawBatch(first, attrControl, 1, a),
		"the end of one, and more":     rawBatch(first, attrControl, 1, a, b),
		"the end of one, packed  ":     rawBatch(first, attrControl|1, 1, a),
	}
}

// TestBadBatchIsBadAsAWhole: nothing of it is given, however often and from
// wherever it is read; what lies before it is.
func TestBadBatchIsBadAsAWhole(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	f := fetcherOf(t, broker, topic, nil)
	for name, bad := range badBatches(12) {
		t.Run(name, func(t *testing.T) {
			wantCorrupt := func(p *page, until int64) {
				t.Helper()
				got, err := f.take(t.Context(), p, until)
				var corrupt *Corrupt
				if !errors.As(err, &corrupt) || corrupt.Offset != 12 || corrupt.Next < 13 || len(got.Records) > 0 {
					t.Fatalf("from offset %d: got %q and error %v, want that the batch cannot be read", p.pos, values(got.Records), err)
				}
			}
			p := pageOf(f, slices.Concat(numbered(10, 0, 1), bad, numbered(16, 0, 1)))
			p.pos = 10
			got, err := f.take(t.Context(), p, 0)
			if err != nil || !slices.Equal(values(got.Records), []string{"a", "b"}) || got.Next != 12 {
				t.Fatalf("before it: got %q, next %d and error %v", values(got.Records), got.Next, err)
			}
			p.pos = got.Next
			wantCorrupt(p, 0)
			wantCorrupt(p, 0) // as often as one likes
			for _, r := range [][2]int64{{12, 0}, {12, 13}, {12, 14}} {
				p := pageOf(f, slices.Concat(bad, numbered(16, 0, 1)))
				p.pos = r[0]
				wantCorrupt(p, r[1])
			}
		})
	}
	// Compacted: what is left has the offsets that it had.
	compacted := numbered(16, 1, 3, 5)
	binary.BigEndian.PutUint32(compacted[23:], 7)
	p := pageOf(f, sealed(compacted))
	p.pos = 18
	if got, err := f.take(t.Context(), p, 0); err != nil || !slices.Equal(values(got.Records), []string{"b", "c"}) || got.Next != 24 {
		t.Errorf("from within a batch of which records were deleted: got %q, next %d and error %v", values(got.Records), got.Next, err)
	}
	p = pageOf(f, slices.Concat(numbered(10, 0, 1, 2), numbered(12, 0, 1)))
	p.pos = 10
	if got, err := f.take(t.Context(), p, 0); err != nil || got.Next != 13 {
		t.Errorf("before a batch that overlaps: got %q and error %v", values(got.Records), err)
	}
	p.pos = 13
	var corrupt *Corrupt
	if _, err := f.take(t.Context(), p, 0); !errors.As(err, &corrupt) {
		t.Errorf("a batch that overlaps the one before it: got error %v", err)
	}
}

// TestBatchesThatAreCut: more is asked for; what comes again less than that is an
// error, after which the caller waits, and what will not be read says where it ends.
func TestBatchesThatAreCut(t *testing.T) {
	broker := &kafkatest.NewFake(t).Admin
	topic := broker.Topic(t, 1, nil)
	whole := numbered(12, 0, 1, 2)
	for cut := 1; cut < len(whole); cut++ {
		f := fetcherOf(t, broker, topic, nil)
		cutPage := func() *page {
			p := pageOf(f, whole[:cut:cut])
			p.pos = 12
			return p
		}
		got, err := f.take(t.Context(), cutPage(), 0)
		if err != nil || len(got.Records) > 0 || got.Next != 12 {
			t.Fatalf("%d bytes: got %+v and error %v, want nothing", cut, got, err)
		}
		if want := int64(len(whole)); f.batchBytes != want && (cut >= batchHead || f.batchBytes < batchLeast) {
			t.Errorf("%d bytes: then %d are asked for, want %d", cut, f.batchBytes, want)
		}
		if _, err = f.take(t.Context(), cutPage(), 0); err == nil {
			t.Errorf("%d bytes, twice: no error", cut)
		}
		f.close()
	}
	f := fetcherOf(t, broker, topic, func(c *Config) { c.MaxDecompressed = 70 })
	for cut, want := range map[int]int64{12: 0, 26: 0, 27: 15, 60: 15} {
		p := pageOf(f, whole[:cut:cut])
		p.pos = 13
		_, err := f.take(t.Context(), p, 0)
		var corrupt *Corrupt
		if !errors.As(err, &corrupt) || corrupt.Offset != 12 || corrupt.Next != want {
			t.Errorf("%d bytes of a batch that is too large: got error %v, want one of offset 12 and the next at %d", cut, err, want)
		}
	}
}

// TestResponsesHaveOnePartition: the one that was asked for, of the topic that was.
func TestResponsesHaveOnePartition(t *testing.T) {
	id := topicID{1, 2, 3}
	response := func(id topicID, partitions ...int32) decoder {
		e := encoder{flexible: true}
		e.int32(0)
		e.int16(0)
		e.int32(0)
		e.array(1)
		e.uuid(id)
		e.array(len(partitions))
		for i, p := range partitions {
			e.int32(p)
			e.int16(0)
			for range 3 {
				e.int64(int64(i))
			}
			e.array(0)
			e.int32(-1)
			e.string("batches")
			e.tags()
		}
		e.tags()
		e.tags()
		return decoder{b: e.b, flexible: true}
	}
	r := fetchRequest{topic: "t", id: id, partition: 3}
	good := response(id, 3)
	if got, err := r.decode(&good); err != nil || string(got.batches) != "batches" {
		t.Fatalf("got %+v and error %v", got, err)
	}
	for name, d := range map[string]decoder{
		"none": response(id), "two": response(id, 3, 3), "another": response(id, 4), "another beside it": response(id, 3, 4),
		"another topic": response(topicID{9}, 3),
	} {
		if got, err := r.decode(&d); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}

// sendRaw has a broker take a batch as it is.
func sendRaw(t *testing.T, broker *kafkatest.Admin, topic string, batch []byte) error {
	t.Helper()
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batch
	in := kmsg.NewProduceRequestTopic()
	in.Topic, in.Partitions = topic, []kmsg.ProduceRequestTopicPartition{p}
	id, err := broker.Client(t).Request(t.Context(), metadataRequest(topic))
	if err != nil {
		t.Fatal(err)
	}
	in.TopicID = id.(*kmsg.MetadataResponse).Topics[0].TopicID
	request := kmsg.NewPtrProduceRequest()
	request.Acks, request.TimeoutMillis, request.Topics = -1, 10_000, []kmsg.ProduceRequestTopic{in}
	response, err := request.RequestWith(t.Context(), broker.Client(t))
	if err != nil {
		t.Fatal(err)
	}
	return kerr.ErrorForCode(response.Topics[0].Partitions[0].ErrorCode)
}

func metadataRequest(topic string) *kmsg.MetadataRequest {
	in := kmsg.NewMetadataRequestTopic()
	in.Topic = &topic
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{in}
	return request
}

// TestBrokerTakesWrongOffsets: a real broker takes batches whose records have wrong
// offsets. Nothing of them is passed over in silence: they cannot be read, and the
// log says where the next one begins.
func TestBrokerTakesWrongOffsets(t *testing.T) {
	broker := &kafkatest.Shared(t).Admin
	taken := 0
	for _, deltas := range [][]int64{{0, 9, 2, 3}, {0, -1, 2, 3}, {0, 0, 0, 0}, {3, 2, 1, 0}} {
		topic := broker.Topic(t, 1, nil)
		if err := sendRaw(t, broker, topic, numbered(0, 0, 1)); err != nil {
			t.Fatalf("a batch that is right: %v", err)
		}
		if err := sendRaw(t, broker, topic, numbered(0, deltas...)); err != nil {
			t.Logf("offsets %v: the broker refuses them: %v", deltas, err)
			continue
		}
		taken++
		send(t, broker, topic, 0, "behind")
		f := fetcherOf(t, broker, topic, nil)
		got, err := f.Fetch(t.Context(), 0, 0)
		if err != nil || !slices.Equal(values(got.Records), []string{"a", "b"}) {
			t.Fatalf("offsets %v: got %q and error %v before them", deltas, values(got.Records), err)
		}
		var corrupt *Corrupt
		for _, from := range []int64{2, 4, 2} { // from within comes the whole batch
			if got, err = f.Fetch(t.Context(), from, 0); !errors.As(err, &corrupt) || corrupt.Offset != 2 || corrupt.Next != 6 {
				t.Errorf("offsets %v, from %d: got %+v and error %v, want that they cannot be read", deltas, from, got, err)
			}
		}
		if got, err = f.Fetch(t.Context(), corrupt.Next, 0); err != nil || !slices.Equal(values(got.Records), []string{"behind"}) {
			t.Errorf("offsets %v: got %q and error %v behind them", deltas, values(got.Records), err)
		}
	}
	if taken == 0 {
		t.Skip("the broker takes none of them")
	}
}
