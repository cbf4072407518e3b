package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
)

// lineFormat is the first byte of a blob of lines, before compression.
const lineFormat = 1

// encodeLines writes lines in the given order of indexes: dictionaries of
// streams, patterns and versions first, then what differs line by line, then
// all texts.
func encodeLines(c *event.Chunk, order []int32) []byte {
	var texts int
	streams := newDictionary[int](8)
	patterns := newDictionary[event.PatternID](64)
	versions := newDictionary[string](4)
	records := make([]byte, 0, 24*len(order))
	var last int64
	for _, i := range order {
		l := &c.Lines[i]
		at := nanos(l.At)
		records = binary.AppendVarint(records, at-last)
		last = at
		records = binary.AppendUvarint(records, streams.index(l.Stream))
		records = append(records, byte(l.Level))
		records = binary.AppendUvarint(records, patterns.index(l.Pattern))
		records = binary.AppendUvarint(records, versions.index(l.Version))
		records = putString(records, l.Trace)
		records = putMetadata(records, l.Metadata)
		records = binary.AppendUvarint(records, uint64(len(l.Text)))
		texts += len(l.Text)
	}
	b := make([]byte, 0, len(records)+texts+8*len(patterns.values)+1024)
	b = append(b, lineFormat)
	b = binary.AppendUvarint(b, uint64(len(streams.values)))
	for _, i := range streams.values {
		s := &c.Streams[i]
		b = putLabels(putString(putString(b, s.Service), s.Environment), s.Labels)
	}
	b = binary.AppendUvarint(b, uint64(len(patterns.values)))
	for _, p := range patterns.values {
		b = binary.LittleEndian.AppendUint64(b, uint64(p))
	}
	b = putStrings(b, versions.values)
	b = binary.AppendUvarint(b, uint64(texts))
	b = binary.AppendUvarint(b, uint64(len(order)))
	b = append(b, records...)
	for _, i := range order {
		b = append(b, c.Lines[i].Text...)
	}
	return b
}

// putMetadata writes labels with their length, so that they can be skipped.
func putMetadata(b []byte, l event.Labels) []byte {
	if len(l) == 0 {
		return append(b, 0)
	}
	encoded := putLabels(nil, l)
	return append(binary.AppendUvarint(b, uint64(len(encoded))), encoded...)
}

// encodedLine is a line as it lies in a blob; its bytes are valid as long as
// the blob is.
type encodedLine struct {
	index    int
	at       int64
	stream   *event.Stream
	level    event.Level
	pattern  event.PatternID
	version  string
	trace    []byte
	metadata []byte
	text     []byte
}

// eachLine decodes what encodeLines wrote and visits the lines in their order
// until visit returns false.
func eachLine(blob []byte, visit func(*encodedLine) bool) error {
	d := decoder{b: blob}
	if format := d.bytes(1); d.err == nil && format[0] != lineFormat {
		return fmt.Errorf("%w: lines of format %d", errCorrupt, format[0])
	}
	streams := make([]event.Stream, d.length())
	for i := range streams {
		streams[i] = event.Stream{Service: d.string(), Environment: d.string(), Labels: d.labels()}
	}
	patterns := make([]event.PatternID, d.length())
	for i := range patterns {
		patterns[i] = event.PatternID(d.fixed64())
	}
	versions := d.strings()
	texts := d.length()
	lines := d.length()
	if d.err != nil {
		return d.err
	}
	if texts > len(d.b) {
		return errCorrupt
	}
	text := d.b[len(d.b)-texts:]
	d.b = d.b[:len(d.b)-texts]
	var l encodedLine
	for i := range lines {
		l.index = i
		l.at += d.varint()
		stream := d.uvarint()
		if level := d.bytes(1); d.err == nil {
			l.level = event.Level(level[0])
		}
		pattern, version := d.uvarint(), d.uvarint()
		l.trace = d.bytes(d.length())
		l.metadata = d.bytes(d.length())
		size := d.uvarint()
		if d.err != nil {
			return d.err
		}
		if stream >= uint64(len(streams)) || pattern >= uint64(len(patterns)) || version >= uint64(len(versions)) || size > uint64(len(text)) {
			return errCorrupt
		}
		l.stream, l.pattern, l.version = &streams[stream], patterns[pattern], versions[version]
		l.text, text = text[:size:size], text[size:]
		if !visit(&l) {
			return nil
		}
	}
	return nil
}

// dictionary numbers values in the order in which they are first seen.
type dictionary[T comparable] struct {
	values  []T
	numbers map[T]uint64
	last    T
	lastN   uint64
}

func newDictionary[T comparable](size int) *dictionary[T] {
	return &dictionary[T]{values: make([]T, 0, size), numbers: make(map[T]uint64, size)}
}

func (d *dictionary[T]) index(v T) uint64 {
	if len(d.values) > 0 && v == d.last {
		return d.lastN
	}
	n, ok := d.numbers[v]
	if !ok {
		n = uint64(len(d.values))
		d.values = append(d.values, v)
		d.numbers[v] = n
	}
	d.last, d.lastN = v, n
	return n
}
