package kafka

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/segmentio/kafka-go/compress"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Corrupt says that what a broker has of a partition cannot be read. Nothing
// behind it is read then: the partition waits for somebody to look at it.
type Corrupt struct {
	Topic     string
	Partition int
	// Offset is where the batch of records begins.
	Offset int64
	Reason string
}

func (e *Corrupt) Error() string {
	return fmt.Sprintf("%s/%d: the batch of records at offset %d cannot be read: %s", e.Topic, e.Partition, e.Offset, e.Reason)
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

// records decodes the batch: those from an offset on. Size is what was
// decompressed; 0 when the records refer to the batch itself.
func (b *batch) records(from int64, mostDecompressed int64) (records []delivery.Record, size int, err error) {
	text := b.body
	if c := compress.Compression(b.attributes & attrCompression); c != compress.None {
		if text, err = decompress(c, b.body, mostDecompressed); err != nil {
			return nil, 0, err
		}
		size = len(text)
	}
	if b.count > len(text)/recordLeast {
		return nil, 0, errors.New("it has fewer records than it says")
	}
	d := decoder{b: text}
	records = make([]delivery.Record, 0, min(b.count, 1024)) // what it says need not be true
	for range b.count {
		one := decoder{b: d.varbytes()}
		r, err := b.record(&one)
		if d.err != nil || err != nil {
			return nil, 0, errors.New("a record of it makes no sense")
		}
		if r.Offset >= from {
			records = append(records, r)
		}
	}
	return records, size, nil
}

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
	records, _, err := b.records(b.first, 0)
	return err == nil && len(records) > 0 && len(records[0].Key) >= 4 && binary.BigEndian.Uint16(records[0].Key[2:]) == 0
}

func decompress(c compress.Compression, b []byte, most int64) ([]byte, error) {
	codec := c.Codec()
	if codec == nil {
		return nil, fmt.Errorf("its compression %d is not known", c)
	}
	switch c {
	case compress.Zstd:
		return unzstd(b, most)
	case compress.Snappy:
		if err := plausibleSnappy(b, most); err != nil {
			return nil, err
		}
	}
	reader := codec.NewReader(bytes.NewReader(b))
	defer func() { _ = reader.Close() }()
	var out bytes.Buffer
	out.Grow(int(min(int64(len(b))*3, most)))
	n, err := io.Copy(&out, io.LimitReader(reader, most+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("decompress it (%s): %w", codec.Name(), err)
	case n > most:
		return nil, fmt.Errorf("it has more than %d bytes when it is decompressed (max_decompressed)", most)
	}
	return out.Bytes(), nil
}

// xerial is how snappy that is cut into frames begins: eight bytes, and eight more
// of versions.
var xerial = []byte{0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0}

const (
	xerialHead = 16
	// mostSnappy is how far a block of snappy can expand: a copy of 64 bytes takes
	// three.
	mostSnappy = 22
)

// plausibleSnappy refuses what claims to be larger than is taken, or than it can
// be: the decoder takes the memory for a whole block before it gives a byte.
func plausibleSnappy(b []byte, most int64) error {
	var blocks [][]byte
	if len(b) >= xerialHead && bytes.HasPrefix(b, xerial) {
		for rest := b[xerialHead:]; len(rest) > 0; {
			if len(rest) < 4 || uint64(binary.BigEndian.Uint32(rest)) > uint64(len(rest)-4) {
				return errors.New("decompress it (snappy): a frame is cut short")
			}
			n := int(binary.BigEndian.Uint32(rest))
			blocks, rest = append(blocks, rest[4:4+n]), rest[4+n:]
		}
	} else {
		blocks = [][]byte{b}
	}
	var all int64
	for _, block := range blocks {
		n, err := snappy.DecodedLen(block)
		if err != nil || n > mostSnappy*len(block) {
			return errors.New("decompress it (snappy): a block claims what it cannot hold")
		}
		all += int64(n)
	}
	if all > most {
		return fmt.Errorf("it has more than %d bytes when it is decompressed (max_decompressed)", most)
	}
	return nil
}

// unzstd decompresses with bounds of its own: kafka-go's decoder takes the memory
// that a frame asks for before it gives a byte.
func unzstd(b []byte, most int64) ([]byte, error) {
	reader, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(uint64(max(most, 1))), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("decompress it (zstd): %w", err)
	}
	defer reader.Close()
	out, err := reader.DecodeAll(b, nil)
	switch {
	case errors.Is(err, zstd.ErrDecoderSizeExceeded), err == nil && int64(len(out)) > most:
		return nil, fmt.Errorf("it has more than %d bytes when it is decompressed (max_decompressed)", most)
	case err != nil:
		return nil, fmt.Errorf("decompress it (zstd): %w", err)
	}
	return out, nil
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
