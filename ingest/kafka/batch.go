package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/segmentio/kafka-go/compress"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Corrupt says that what a broker has of a partition cannot be read. Nothing
// behind it is read then: the partition waits for somebody to look at it.
type Corrupt struct {
	Topic     string
	Partition int
	// Offset is where the batch of records begins, or where it was to be read
	// from.
	Offset int64
	// Next is the offset behind it; 0 when that is not known.
	Next   int64
	Reason string
}

// Error also says where the batch ends: whoever wants to pass over it needs that.
func (e *Corrupt) Error() string {
	until := ""
	if e.Next > 0 {
		until = fmt.Sprintf(" (the next one begins at offset %d)", e.Next)
	}
	return fmt.Sprintf("%s/%d: the batch of records at offset %d%s cannot be read, and nothing behind it is: %s", e.Topic, e.Partition, e.Offset, until, e.Reason)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// What the attributes of a batch say, beside its compression.
const (
	attrCompression   = 0x07
	attrLogAppendTime = 0x08
	attrTransactional = 0x10
	attrControl       = 0x20
)

const (
	// batchHead is the offset and the length in front of a batch, batchLeast
	// all of what is in front of its records.
	batchHead  = 12
	batchLeast = 61
	// offsetOfCRC is what the checksum covers.
	offsetOfCRC = 21
	// recordLeast is the size of the smallest record.
	recordLeast = 7
)

// batch is records as a producer sent them together: Kafka's format 2.
type batch struct {
	first, last int64
	attributes  int16
	firstTime   int64
	maxTime     int64
	producer    int64
	count       int
	// body is the records, compressed or not.
	body []byte
}

// errPartial says that only the beginning of a batch is there: brokers cut at
// the size that was asked for.
var errPartial = errors.New("a part of a batch")

// nextBatch takes a batch from the front. After errPartial, need is the size
// that the whole would have, 0 if not even that is there.
func nextBatch(b []byte) (head batch, rest []byte, need int, err error) {
	if len(b) < batchHead {
		return batch{}, b, 0, errPartial
	}
	head.first = int64(binary.BigEndian.Uint64(b))
	size := int64(int32(binary.BigEndian.Uint32(b[8:]))) + batchHead
	if size < batchHead+5 {
		return head, b, 0, fmt.Errorf("its length is %d", size)
	}
	if size > int64(len(b)) {
		return head, b, int(size), errPartial
	}
	text, rest := b[:size:size], b[size:]
	if magic := text[16]; magic != 2 {
		return head, rest, 0, fmt.Errorf("it is of the format %d, from before Kafka 0.11, and only 2 is supported", magic)
	}
	if size < batchLeast {
		return head, rest, 0, fmt.Errorf("it has %d bytes", size)
	}
	if crc32.Checksum(text[offsetOfCRC:], castagnoli) != binary.BigEndian.Uint32(text[17:]) {
		return head, rest, 0, errors.New("its checksum is wrong")
	}
	d := decoder{b: text[offsetOfCRC:]}
	head.attributes = d.int16()
	head.last = head.first + int64(d.int32())
	head.firstTime, head.maxTime = d.int64(), d.int64()
	head.producer = d.int64()
	d.int16() // the producer's epoch
	d.int32() // its sequence
	head.count = int(d.int32())
	head.body = d.b
	if d.err != nil || head.last < head.first || head.first < 0 || head.count < 0 {
		return head, rest, 0, errors.New("its head makes no sense")
	}
	return head, rest, 0, nil
}

func (b *batch) control() bool { return b.attributes&attrControl != 0 }

// compressed reports whether body must be unpacked.
func (b *batch) compressed() bool { return b.attributes&attrCompression != 0 }

// unpack is the text of the records. For room see there.
func (b *batch) unpack(most int64, room func(all int64) error) ([]byte, error) {
	return unpack(compress.Compression(b.attributes&attrCompression), b.body, most, room)
}

// cursor gives the records of a batch one by one: all of them at once would take
// far more memory than their text where they are small. They refer to the text.
type cursor struct {
	batch batch
	rest  decoder
	// left is how many come behind current.
	left    int
	current *delivery.Record
	record  delivery.Record
}

// read begins with the first of a batch's records. Text is the body, unpacked.
func (b *batch) read(text []byte) (*cursor, error) {
	if b.count > len(text)/recordLeast {
		return nil, errors.New("it has fewer records than it says")
	}
	return &cursor{batch: *b, rest: decoder{b: text}, left: b.count}, nil
}

// peek is the record that comes next, nil at the end. It is the same until skip.
func (c *cursor) peek() (*delivery.Record, error) {
	if c.current != nil || c.left == 0 {
		return c.current, nil
	}
	one := decoder{b: c.rest.varbytes()}
	r, err := c.batch.record(&one)
	if c.rest.err != nil || err != nil {
		return nil, errors.New("a record of it makes no sense")
	}
	c.left--
	c.record, c.current = r, &c.record
	return c.current, nil
}

func (c *cursor) skip() { c.current = nil }

// mostHeaders is how many headers of a record are kept: each takes 40 bytes of
// memory or more, and two of a batch. Of a dead letter those that hindcast put
// before them are kept as well.
const mostHeaders = 64

func (b *batch) record(d *decoder) (delivery.Record, error) {
	var r delivery.Record
	d.take(1) // attributes, of which there are none
	at := b.firstTime + d.varint()
	if b.attributes&attrLogAppendTime != 0 {
		at = b.maxTime
	}
	r.Time = time.UnixMilli(at).UTC()
	r.Offset = b.first + d.varint()
	r.Key, r.Value = d.varbytes(), d.varbytes()
	headers := d.varint()
	if headers < 0 || headers > int64(len(d.b)/2) {
		d.fail()
	}
	most := int64(mostHeaders)
	for i := int64(0); i < headers && d.err == nil; i++ {
		name, value := d.varbytes(), d.varbytes()
		if i == 0 {
			if string(name) == headerTopic {
				most += letterHeaders
			}
			r.Headers = make([]delivery.Header, 0, min(headers, most))
		}
		if i < most {
			r.Headers = append(r.Headers, delivery.Header{Name: string(name), Value: value})
		}
	}
	r.HeadersLeft = int(max(headers-most, 0))
	if r.Offset < b.first || r.Offset > b.last {
		d.fail()
	}
	return r, d.err
}

// aborts says of a control batch whether it ends a transaction of its producer
// by dropping it.
func (b *batch) aborts() bool {
	if b.compressed() {
		return false // they are not
	}
	c, err := b.read(b.body)
	if err != nil {
		return false
	}
	r, err := c.peek()
	return err == nil && r != nil && len(r.Key) >= 4 && binary.BigEndian.Uint16(r.Key[2:]) == 0
}

// aborted is a transaction that was dropped: records of the producer from the
// offset on, up to the producer's next control record, do not count.
type aborted struct{ producer, first int64 }

// transactions filters what was aborted out of a response's batches.
type transactions struct {
	// coming is in the order of offsets.
	coming  []aborted
	dropped map[int64]bool
}

// takes says whether a batch's records count. Batches are asked for in order.
func (t *transactions) takes(b *batch) bool {
	for len(t.coming) > 0 && t.coming[0].first <= b.last {
		if t.dropped == nil {
			t.dropped = map[int64]bool{}
		}
		t.dropped[t.coming[0].producer] = true
		t.coming = t.coming[1:]
	}
	if b.control() {
		if b.aborts() {
			delete(t.dropped, b.producer)
		}
		return false
	}
	return b.attributes&attrTransactional == 0 || !t.dropped[b.producer]
}
