package sqlite

import (
	"encoding/binary"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
)

// countFormat is the first byte of a blob of counts, before compression.
const countFormat = 1

// encodeCounts writes counts; nil for none.
func encodeCounts(counts []event.Count) []byte {
	if len(counts) == 0 {
		return nil
	}
	names := newDictionary[string](16)
	records := make([]byte, 0, 256*len(counts))
	for i := range counts {
		c := &counts[i]
		records = binary.AppendUvarint(records, names.index(c.Service))
		records = binary.AppendUvarint(records, names.index(c.Environment))
		records = binary.AppendUvarint(records, names.index(c.Version))
		records = append(records, byte(c.Level))
		records = binary.LittleEndian.AppendUint64(records, uint64(c.Pattern))
		records = binary.AppendVarint(records, c.Second)
		records = binary.AppendVarint(records, c.N)
		// The zero time overflows here and comes back when it is read.
		records = binary.AppendVarint(records, nanos(c.First)-c.Second*second)
		records = binary.AppendVarint(records, nanos(c.Last)-c.Second*second)
		records = binary.LittleEndian.AppendUint64(records, c.Digest)
		records = putString(records, c.Template)
		records = putString(records, c.Sample)
		records = binary.AppendUvarint(records, uint64(len(c.Upstreams)))
		for _, u := range c.Upstreams {
			records = binary.AppendUvarint(records, names.index(u))
		}
	}
	b := make([]byte, 0, len(records)+1024)
	b = append(b, countFormat)
	b = putStrings(b, names.values)
	b = binary.AppendUvarint(b, uint64(len(counts)))
	return append(b, records...)
}

// eachCount decodes what encodeCounts wrote and visits the counts that want
// accepts. Texts of the others are not copied.
func eachCount(blob []byte, want func(*event.CountKey) bool, visit func(*event.Count)) error {
	if len(blob) == 0 {
		return nil
	}
	d := decoder{b: blob}
	if format := d.bytes(1); d.err == nil && format[0] != countFormat {
		return fmt.Errorf("%w: counts of format %d", errCorrupt, format[0])
	}
	names := d.strings()
	name := func() string {
		i := d.uvarint()
		if i >= uint64(len(names)) {
			d.fail()
			return ""
		}
		return names[i]
	}
	for range d.length() {
		var c event.Count
		c.Service, c.Environment, c.Version = name(), name(), name()
		if level := d.bytes(1); d.err == nil {
			c.Level = event.Level(level[0])
		}
		c.Pattern = event.PatternID(d.fixed64())
		c.Second, c.N = d.varint(), d.varint()
		first, last := d.varint(), d.varint()
		c.Digest = d.fixed64()
		template, sample := d.bytes(d.length()), d.bytes(d.length())
		upstreams := make([]string, d.length())
		for i := range upstreams {
			upstreams[i] = name()
		}
		if d.err != nil {
			return d.err
		}
		if !want(&c.CountKey) {
			continue
		}
		c.First, c.Last = timeOf(first+c.Second*second), timeOf(last+c.Second*second)
		c.Template, c.Sample = string(template), string(sample)
		if len(upstreams) > 0 {
			c.Upstreams = upstreams
		}
		visit(&c)
	}
	return d.err
}
