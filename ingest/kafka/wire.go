package kafka

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/segmentio/kafka-go/protocol"
)

// exchange is a request that kafka-go does not know in the version that is
// needed: metadata and fetches with topic IDs, and batches with all that
// brokers say of them. kafka-go routes it and keeps the connection; bytes are
// written and read here.
type exchange struct {
	key      protocol.ApiKey
	version  int16
	flexible bool
	clientID string
	body     func(*encoder)
	// leader finds the broker; nil: any.
	leader func(protocol.Cluster) (protocol.Broker, error)
	// most bounds the response, in bytes.
	most int64
	// loan is the memory for the response; nil: it needs none.
	loan *loan
}

// reply is the response to an exchange, behind its header.
type reply struct {
	exchange *exchange
	body     decoder
}

// ApiKey implements [protocol.Message].
func (e *exchange) ApiKey() protocol.ApiKey { return e.key } //nolint:staticcheck // The name is kafka-go's.

// ApiKey implements [protocol.Message].
func (r *reply) ApiKey() protocol.ApiKey { return r.exchange.key } //nolint:staticcheck // The name is kafka-go's.

// Required tells kafka-go to leave the bytes to RawExchange.
func (e *exchange) Required(map[protocol.ApiKey]int16) bool { return true }

// Broker tells kafka-go where to send it.
func (e *exchange) Broker(cluster protocol.Cluster) (protocol.Broker, error) {
	if e.leader == nil {
		return protocol.Broker{ID: -1}, nil
	}
	return e.leader(cluster)
}

// correlation tells responses of one connection apart. There is one request at
// a time on each, so that any number will do.
const correlation = 0x68696e64

var errBadResponse = errors.New("the broker's response makes no sense")

// oversized says that a response was not read because it is too large: for what
// memory there is, or, when final, at all. Of such a one head is the beginning.
type oversized struct {
	bytes int64
	final bool
	head  decoder
}

// oversizedHead is how much of a response is read that is too large, in bytes.
const oversizedHead = 4 << 10

func (e *oversized) Error() string {
	return fmt.Sprintf("the broker's response has %d bytes, which is too much", e.bytes)
}

// RawExchange writes the request and reads the response.
func (e *exchange) RawExchange(rw io.ReadWriter) (protocol.Message, error) {
	if !e.loan.begin() {
		return nil, errAbandoned
	}
	defer e.loan.end()
	out := encoder{b: make([]byte, 4, 256)}
	out.int16(int16(e.key))
	out.int16(e.version)
	out.int32(correlation)
	out.int16(int16(len(e.clientID)))
	out.b = append(out.b, e.clientID...)
	if out.flexible = e.flexible; e.flexible {
		out.tags()
	}
	e.body(&out)
	binary.BigEndian.PutUint32(out.b, uint32(len(out.b)-4))
	if _, err := rw.Write(out.b); err != nil {
		return nil, fmt.Errorf("send a request: %w", err)
	}
	var head [8]byte
	if _, err := io.ReadFull(rw, head[:]); err != nil {
		return nil, fmt.Errorf("read a response: %w", err)
	}
	size := int64(binary.BigEndian.Uint32(head[:])) - 4
	if size < 0 || binary.BigEndian.Uint32(head[4:]) != correlation {
		return nil, errBadResponse
	}
	switch {
	case size > e.most:
		start, err := e.read(rw, min(size, oversizedHead))
		if err != nil {
			return nil, err
		}
		return nil, &oversized{bytes: size, final: true, head: start}
	case !e.loan.covers(size):
		return nil, &oversized{bytes: size}
	}
	body, err := e.read(rw, size)
	if err != nil {
		return nil, err
	}
	return &reply{exchange: e, body: body}, nil
}

// read reads so many bytes behind the head of a response.
func (e *exchange) read(from io.Reader, size int64) (decoder, error) {
	b := make([]byte, size)
	if _, err := io.ReadFull(from, b); err != nil {
		return decoder{}, fmt.Errorf("read a response: %w", err)
	}
	d := decoder{b: b, flexible: e.flexible}
	d.tags()
	return d, nil
}

// encoder writes Kafka's primitive types. Flexible versions have lengths as
// varints, one higher, and tagged fields.
type encoder struct {
	b        []byte
	flexible bool
}

func (e *encoder) int8(v int8)      { e.b = append(e.b, byte(v)) }
func (e *encoder) int16(v int16)    { e.b = binary.BigEndian.AppendUint16(e.b, uint16(v)) }
func (e *encoder) int32(v int32)    { e.b = binary.BigEndian.AppendUint32(e.b, uint32(v)) }
func (e *encoder) int64(v int64)    { e.b = binary.BigEndian.AppendUint64(e.b, uint64(v)) }
func (e *encoder) uuid(v [16]byte)  { e.b = append(e.b, v[:]...) }
func (e *encoder) uvarint(v uint64) { e.b = binary.AppendUvarint(e.b, v) }

// tags writes that there are no tagged fields.
func (e *encoder) tags() {
	if e.flexible {
		e.uvarint(0)
	}
}

func (e *encoder) array(n int) {
	if e.flexible {
		e.uvarint(uint64(n) + 1)
		return
	}
	e.int32(int32(n))
}

func (e *encoder) string(s string) {
	if e.flexible {
		e.uvarint(uint64(len(s)) + 1)
	} else {
		e.int16(int16(len(s)))
	}
	e.b = append(e.b, s...)
}

// decoder reads what encoder writes. After an error it gives zeros.
type decoder struct {
	b        []byte
	flexible bool
	err      error
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.b) {
		d.fail()
		return nil
	}
	taken := d.b[:n:n]
	d.b = d.b[n:]
	return taken
}

func (d *decoder) fail() {
	d.b = nil
	if d.err == nil {
		d.err = errBadResponse
	}
}

func (d *decoder) int16() int16 {
	if b := d.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (d *decoder) int32() int32 {
	if b := d.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (d *decoder) int64() int64 {
	if b := d.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

func (d *decoder) uuid() (id [16]byte) {
	copy(id[:], d.take(16))
	return id
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// varint is signed, in zigzag.
func (d *decoder) varint() int64 {
	if len(d.b) > 0 && d.b[0] < 0x80 { // most are small
		v := int64(d.b[0])
		d.b = d.b[1:]
		return v>>1 ^ -(v & 1)
	}
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

// varbytes has its length as a varint; nil when that is negative.
func (d *decoder) varbytes() []byte {
	n := d.varint()
	if n < 0 || d.err != nil {
		return nil
	}
	if n > int64(len(d.b)) {
		d.fail()
		return nil
	}
	return d.take(int(n))
}

// size reads that of something, in elements; null is 0.
func (d *decoder) size(wide bool) int64 {
	switch {
	case d.flexible:
		return max(int64(d.uvarint())-1, 0)
	case wide:
		return max(int64(d.int32()), 0)
	default:
		return max(int64(d.int16()), 0)
	}
}

// length is the size of something that holds at least least bytes an element.
func (d *decoder) length(wide bool, least int) int {
	n := d.size(wide)
	if n > int64(len(d.b)/least) {
		d.fail()
		return 0
	}
	return int(n)
}

// array is the number of elements that follow, which have at least the given
// number of bytes each.
func (d *decoder) array(least int) int { return d.length(true, least) }

func (d *decoder) string() string { return string(d.take(d.length(false, 1))) }

// bytes gives what is there also when the end is missing, and fails then.
func (d *decoder) bytes() []byte {
	n := d.size(true)
	b := d.take(int(min(n, int64(len(d.b)))))
	if n > int64(len(b)) {
		d.fail()
	}
	return b
}

// tags passes over tagged fields.
func (d *decoder) tags() {
	if !d.flexible {
		return
	}
	for n := d.uvarint(); n > 0 && d.err == nil; n-- {
		d.uvarint()
		size := d.uvarint()
		if size > uint64(len(d.b)) {
			d.fail()
			return
		}
		d.take(int(size))
	}
}
