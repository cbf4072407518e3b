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

// placeOf is where a batch begins and where the next one does, of which only the
// beginning need be there. What is not known is 0.
func placeOf(b []byte) (first, next int64) {
	d := decoder{b: b}
	first = d.int64()
	d.take(8) // the length and an epoch
	magic := d.take(1)
	d.take(6) // the checksum and attributes
	if last := first + int64(d.int32()); d.err == nil && magic[0] == 2 && last >= first {
		next = last + 1
	}
	return first, next
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
//
// All of the batch is checked before anything of it is given: what it is said to
// be must not depend on which part of it is read, or on where reading began.
func (b *batch) read(text []byte) (*cursor, error) {
	if err := b.check(text); err != nil {
		return nil, err
	}
	return &cursor{batch: *b, rest: decoder{b: text}, left: b.count}, nil
}

// check holds that the records are as many as the batch says, that nothing else is
// there, and that each has an offset of its own, behind that of the one before it.
// Brokers do not see to that: a record with the offset of another one would be lost.
func (b *batch) check(text []byte) error {
	rest, last := decoder{b: text}, int64(-1)
	for n := range b.count {
		one := decoder{b: rest.varbytes()}
		f := fieldsOf(&one)
		for i := int64(0); i < f.headers && one.err == nil; i++ {
			one.varbytes()
			one.varbytes()
		}
		switch {
		case rest.err != nil || one.err != nil || len(one.b) > 0:
			return fmt.Errorf("record %d of its %d makes no sense", n+1, b.count)
		case f.offset <= last || f.offset > b.last-b.first:
			return fmt.Errorf("record %d of its %d is at offset %d, want from %d to %d", n+1, b.count, b.first+f.offset, b.first+last+1, b.last)
		}
		last = f.offset
	}
	if len(rest.b) > 0 {
		return fmt.Errorf("it has more than the %d records that it says", b.count)
	}
	return nil
}

// peek is the record that comes next, nil at the end. It is the same until skip.
func (c *cursor) peek() *delivery.Record {
	if c.current == nil && c.left > 0 {
		c.left--
		c.record = c.batch.record(decoder{b: c.rest.varbytes()})
		c.current = &c.record
	}
	return c.current
}

func (c *cursor) skip() { c.current = nil }

// fields is what a record has in front of its headers. Time and offset are the
// distances from those of its batch.
type fields struct {
	time, offset int64
	key, value   []byte
	headers      int64
}

// fieldsOf leaves the decoder at the headers.
func fieldsOf(d *decoder) fields {
	d.take(1) // attributes, of which there are none
	f := fields{time: d.varint(), offset: d.varint(), key: d.varbytes(), value: d.varbytes(), headers: d.varint()}
	if f.headers < 0 || f.headers > int64(len(d.b)/2) {
		d.fail()
		f.headers = 0
	}
	return f
}

// mostHeaders is how many headers of a record are kept: each takes 40 bytes of
// memory or more, and two of a batch. Of a dead letter those that hindcast put
// before them are kept as well.
const mostHeaders = 64

// record is one of a batch that was checked.
func (b *batch) record(d decoder) delivery.Record {
	f := fieldsOf(&d)
	at := b.firstTime + f.time
	if b.attributes&attrLogAppendTime != 0 {
		at = b.maxTime
	}
	r := delivery.Record{Offset: b.first + f.offset, Time: time.UnixMilli(at).UTC(), Key: f.key, Value: f.value}
	most := int64(mostHeaders)
	for i := int64(0); i < min(f.headers, most); i++ {
		name, value := d.varbytes(), d.varbytes()
		if i == 0 {
			if string(name) == headerTopic {
				most += letterHeaders
			}
			r.Headers = make([]delivery.Header, 0, min(f.headers, most))
		}
		r.Headers = append(r.Headers, delivery.Header{Name: string(name), Value: value})
	}
	r.HeadersLeft = int(max(f.headers-most, 0))
	return r
}

// aborts says of a control batch whether it ends a transaction of its producer
// by dropping it. One without records, which were deleted, ends none.
func (b *batch) aborts() (bool, error) {
	if b.compressed() {
		return false, errors.New("it ends a transaction and is compressed")
	}
	c, err := b.read(b.body)
	if err != nil {
		return false, err
	}
	r := c.peek()
	if r == nil {
		return false, nil
	}
	if len(r.Key) < 4 {
		return false, errors.New("it does not say how a transaction ends")
	}
	return binary.BigEndian.Uint16(r.Key[2:]) == 0, nil
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

// takes says whether a batch's records count. Batches are asked for in order. The
// error is one of a batch that should end a transaction: which one is not known
// then, and so not what of those behind it counts.
func (t *transactions) takes(b *batch) (bool, error) {
	for len(t.coming) > 0 && t.coming[0].first <= b.last {
		if t.dropped == nil {
			t.dropped = map[int64]bool{}
		}
		t.dropped[t.coming[0].producer] = true
		t.coming = t.coming[1:]
	}
	if b.control() {
		aborts, err := b.aborts()
		if aborts {
			delete(t.dropped, b.producer)
		}
		return false, err
	}
	return b.attributes&attrTransactional == 0 || !t.dropped[b.producer], nil
}
