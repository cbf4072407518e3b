package logs

import (
	"fmt"
	"math"
	"time"
	"unsafe"

	"github.com/hindcast/hindcast/ingest/event"
	"google.golang.org/protobuf/encoding/protowire"
)

// The fields of Loki's push.proto that are read. Reading them with protowire
// beats the generated code of github.com/grafana/loki/pkg/push, which is the
// reference of the tests: the lines stay parts of one string instead of a copy
// each (see BenchmarkLokiProto and BenchmarkLokiGenerated), and the binary
// does without gogo/protobuf and grpc.
const (
	pushStreams protowire.Number = 1

	streamLabels  protowire.Number = 1
	streamEntries protowire.Number = 2

	entryTimestamp protowire.Number = 1
	entryLine      protowire.Number = 2
	entryMetadata  protowire.Number = 3

	timestampSeconds protowire.Number = 1
	timestampNanos   protowire.Number = 2

	pairName  protowire.Number = 1
	pairValue protowire.Number = 2
)

// lokiProto reads a PushRequest. Framing that is broken at the outer level
// makes the whole malformed; within a stream or an entry it costs that stream
// or entry alone.
func (b *builder) lokiProto(body string) error {
	for pos := 0; pos < len(body); {
		f, err := nextField(body, &pos)
		if err != nil {
			return &event.Malformed{Reason: "not a Loki push in protobuf: " + err.Error()}
		}
		if f.num != pushStreams {
			continue
		}
		if err := b.countStream(); err != nil {
			return err
		}
		if f.typ != protowire.BytesType {
			b.aside(classStream, "has the wrong wire type", "")
			continue
		}
		if err := b.protoStream(f.bytes); err != nil {
			return err
		}
	}
	return nil
}

// protoStream reads a StreamAdapter: first its labels, wherever they stand,
// then its entries. Its error is about limits alone.
func (b *builder) protoStream(msg string) error {
	labels, entries := "", 0
	for pos := 0; pos < len(msg); {
		f, err := nextField(msg, &pos)
		if err != nil {
			b.aside(classStream, err.Error(), msg)
			return nil
		}
		if f.num == streamLabels && f.typ == protowire.BytesType {
			labels = f.bytes
		}
		if f.num == streamEntries {
			entries++
		}
	}
	b.expect(entries)
	parsed, err := parseLabels(labels)
	if err != nil {
		b.aside(classLabels, err.Error(), msg)
		return nil
	}
	b.stream(parsed)
	for pos := 0; pos < len(msg); {
		f, err := nextField(msg, &pos)
		if err != nil {
			return nil //nolint:nilerr // not reached: the first pass has read the same
		}
		if f.num != streamEntries {
			continue
		}
		if err := b.countLine(); err != nil {
			return err
		}
		if f.typ != protowire.BytesType {
			b.aside(classEntry, "has the wrong wire type", "")
			continue
		}
		if err := b.protoEntry(f.bytes); err != nil {
			b.aside(classEntry, err.Error(), f.bytes)
		}
	}
	return nil
}

// protoEntry reads an EntryAdapter.
func (b *builder) protoEntry(msg string) error {
	var (
		text      string
		sec, nsec int64
		haveTime  bool
	)
	b.metadata = b.metadata[:0]
	for pos := 0; pos < len(msg); {
		f, err := nextField(msg, &pos)
		if err != nil {
			return err
		}
		if f.typ != protowire.BytesType {
			continue
		}
		switch f.num {
		case entryTimestamp:
			haveTime = true
			if sec, nsec, err = protoTimestamp(f.bytes); err != nil {
				return fmt.Errorf("timestamp: %w", err)
			}
		case entryLine:
			text = f.bytes
		case entryMetadata:
			name, value, err := protoPair(f.bytes)
			if err != nil {
				return fmt.Errorf("structuredMetadata: %w", err)
			}
			b.metadata = append(b.metadata, pair{name, value})
		}
	}
	if !haveTime {
		return errNoTimestamp
	}
	b.line(sec, nsec, text)
	return nil
}

func protoTimestamp(msg string) (sec, nsec int64, err error) {
	for pos := 0; pos < len(msg); {
		f, err := nextField(msg, &pos)
		if err != nil {
			return 0, 0, err
		}
		if f.typ != protowire.VarintType {
			continue
		}
		switch f.num {
		case timestampSeconds:
			sec = int64(f.varint)
		case timestampNanos:
			nsec = int64(int32(f.varint))
		}
	}
	if nsec < 0 || nsec >= int64(time.Second) {
		// Outside of what protobuf allows: as far out of range as can be.
		return math.MaxInt64, 0, nil
	}
	return sec, nsec, nil
}

func protoPair(msg string) (name, value string, err error) {
	for pos := 0; pos < len(msg); {
		f, err := nextField(msg, &pos)
		if err != nil {
			return "", "", err
		}
		if f.typ != protowire.BytesType {
			continue
		}
		switch f.num {
		case pairName:
			name = f.bytes
		case pairValue:
			value = f.bytes
		}
	}
	return name, value, nil
}

// wireField is one field of a message: varint or bytes is set by its type.
type wireField struct {
	num    protowire.Number
	typ    protowire.Type
	varint uint64
	bytes  string
}

// nextField reads the field at pos and moves pos behind it.
func nextField(msg string, pos *int) (wireField, error) {
	rest := readOnly(msg[*pos:])
	num, typ, n := protowire.ConsumeTag(rest)
	if n < 0 {
		return wireField{}, protowire.ParseError(n)
	}
	f := wireField{num: num, typ: typ}
	start := *pos + n
	var m int
	switch typ {
	case protowire.VarintType:
		f.varint, m = protowire.ConsumeVarint(rest[n:])
	case protowire.BytesType:
		var length uint64
		length, m = protowire.ConsumeVarint(rest[n:])
		if m > 0 {
			if length > uint64(len(rest)-n-m) {
				return wireField{}, fmt.Errorf("field %d: %d bytes announced, %d there", num, length, len(rest)-n-m)
			}
			f.bytes = msg[start+m : start+m+int(length)]
			m += int(length)
		}
	default:
		m = protowire.ConsumeFieldValue(num, typ, rest[n:])
	}
	if m < 0 {
		return wireField{}, fmt.Errorf("field %d: %w", num, protowire.ParseError(m))
	}
	*pos = start + m
	return f, nil
}

// readOnly is the string's bytes without a copy, for protowire, which takes
// bytes and does not write.
func readOnly(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }
