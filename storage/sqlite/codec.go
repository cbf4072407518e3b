package sqlite

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/hindcast/hindcast/ingest/event"
)

// Blobs are written with the few primitives below and compressed. Strings are
// bytes: what is not UTF-8 comes back as it was.

func putString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func putStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = putString(b, s)
	}
	return b
}

func putLabels(b []byte, l event.Labels) []byte {
	b = binary.AppendUvarint(b, uint64(len(l)))
	for _, name := range l.Names() {
		b = putString(putString(b, name), l[name])
	}
	return b
}

var errCorrupt = errors.New("stored blob is corrupt")

// decoder reads what the put functions wrote. After a failure it gives zero
// values and keeps the error.
type decoder struct {
	b   []byte
	err error
}

func (d *decoder) fail() {
	d.b, d.err = nil, errCorrupt
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

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	if n <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[n:]
	return v
}

func (d *decoder) fixed64() uint64 {
	if len(d.b) < 8 {
		d.fail()
		return 0
	}
	v := binary.LittleEndian.Uint64(d.b)
	d.b = d.b[8:]
	return v
}

// length is a number of things that take at least one byte each.
func (d *decoder) length() int {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return 0
	}
	return int(n)
}

// bytes are valid as long as the decoded blob is.
func (d *decoder) bytes(n int) []byte {
	if n > len(d.b) {
		d.fail()
		return nil
	}
	v := d.b[:n:n]
	d.b = d.b[n:]
	return v
}

func (d *decoder) string() string { return string(d.bytes(d.length())) }

func (d *decoder) strings() []string {
	n := d.length()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = d.string()
	}
	return list
}

func (d *decoder) labels() event.Labels {
	n := d.length()
	if n == 0 {
		return nil
	}
	l := make(event.Labels, n)
	for range n {
		k := d.string()
		l[k] = d.string()
	}
	return l
}

// maxBlob bounds what a blob may become when it is decompressed, in bytes.
const maxBlob = 256 << 20

// zstd's encoder and decoder keep buffers for as many calls as may run at
// once; more wait.
var (
	compressor = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2),
			zstd.WithLowerEncoderMem(true), zstd.WithWindowSize(256<<10), zstd.WithEncoderCRC(false))
		if err != nil {
			panic(err) // only options that do not exist fail
		}
		return e
	})
	decompressor = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxMemory(maxBlob))
		if err != nil {
			panic(err) // only options that do not exist fail
		}
		return d
	})
)

func compress(b []byte) []byte { return compressor().EncodeAll(b, nil) }

// decompress appends to buf, which may be nil.
func decompress(b, buf []byte) ([]byte, error) {
	out, err := decompressor().DecodeAll(b, buf[:0])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errCorrupt, err)
	}
	return out, nil
}

// A packed blob begins with a byte that says whether the rest is compressed.
const (
	plain      = 0
	compressed = 1
	// packFrom is the size below which compression does not pay, in bytes.
	packFrom = 512
)

// pack stores nil as nil, and everything else so that unpack gives it back.
func pack(b []byte) []byte {
	if b == nil {
		return nil
	}
	if len(b) >= packFrom {
		out := compressor().EncodeAll(b, append(make([]byte, 0, len(b)/2), compressed))
		if len(out) < len(b) {
			return out
		}
	}
	return append(append(make([]byte, 0, len(b)+1), plain), b...)
}

func unpack(b []byte) ([]byte, error) {
	switch {
	case len(b) == 0:
		return nil, nil
	case b[0] == plain:
		return b[1:], nil
	case b[0] == compressed:
		return decompress(b[1:], nil)
	}
	return nil, errCorrupt
}
