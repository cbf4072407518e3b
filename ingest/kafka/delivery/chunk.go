package delivery

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hindcast/hindcast/ingest/event"
)

// chunk is what is appended at once.
type chunk struct {
	// mark says which offsets it holds.
	mark    Mark
	records int
	batch   event.Batch
	letters []DeadLetter
}

// cut makes a chunk of the first of the fetched records, within the limits.
func (p *partition) cut() chunk {
	n := p.prefix()
	for {
		end := p.next
		if n < len(p.fetched) {
			end = p.fetched[n].Offset
		}
		// A first record that lies behind offsets that were left out has them
		// below it: they are passed.
		first := p.fetched[0].Offset
		mark := Mark{Offset: first, Until: min(end, first+maxSpan), Topic: p.topic}
		c := p.decode(mark, p.fetched[:n])
		lines := c.batch.Len()
		p.density = float64(lines) / float64(n)
		if lines <= p.o.Chunk.Lines || n == 1 {
			return c
		}
		// How many lines records hold is known only when they are decoded.
		n = max(1, min(n-1, int(float64(p.o.Chunk.Lines)/p.density)))
	}
}

// prefix is how many of the fetched records the limits allow, as far as that
// can be told before they are decoded. It is at least one.
func (p *partition) prefix() int {
	most := min(len(p.fetched), p.o.Chunk.Records)
	if p.density > 0 {
		most = min(most, max(1, int(float64(p.o.Chunk.Lines)/p.density)))
	}
	bytes, last := 0, p.fetched[0].Offset+maxSpan
	for n := range most {
		r := &p.fetched[n]
		bytes += r.Size()
		if n > 0 && (bytes > p.o.Chunk.Bytes || r.Offset >= last) {
			return n
		}
	}
	return most
}

// decode makes a chunk of records. The mark says which range of offsets they
// are, and gets their checksum if it has none.
func (p *partition) decode(mark Mark, records []Record) chunk {
	c := chunk{mark: mark, records: len(records)}
	if p.o.Ranges && c.mark.Sum == "" {
		c.mark.Sum = checksum(records)
	}
	readable, empty := split(records)
	if len(readable) > 0 {
		c.batch, c.letters = p.o.Decode(readable)
	}
	for _, r := range empty {
		c.letters = append(c.letters, DeadLetter{Error: "the record has no value", Record: r})
	}
	now := p.o.Clock.Now().UTC()
	for i := range c.letters {
		l := &c.letters[i]
		l.Topic, l.Partition, l.Offset = p.o.Topic, p.o.Partition, l.Record.Offset
		l.Format, l.At = p.o.Format, now
	}
	if p.o.Ranges {
		for i := range c.batch.Chunks {
			c.batch.Chunks[i].ID = chunkID(c.mark, p.o.Partition, i)
			if c.batch.Chunks[i].ReceivedAt.IsZero() {
				c.batch.Chunks[i].ReceivedAt = records[0].Time
			}
		}
	}
	return c
}

// split parts records without a value, which no format can read, from the
// others.
func split(records []Record) (readable, empty []Record) {
	for i := range records {
		if len(records[i].Value) == 0 {
			empty = append(empty, records[i])
		}
	}
	if len(empty) == 0 {
		return records, nil
	}
	readable = make([]Record, 0, len(records)-len(empty))
	for _, r := range records {
		if len(r.Value) > 0 {
			readable = append(readable, r)
		}
	}
	return readable, empty
}

// chunkID is the ID of the n-th chunk of a range. It holds the records'
// checksum, so that a log whose records were replaced, under a topic ID that
// is not known, does not replace the lines of the former ones.
func chunkID(m Mark, partition, n int) event.ChunkID {
	sum := sha256.Sum256(fmt.Appendf(nil, "kafka %d %d %d %s %d %s", partition, m.Offset, m.Until, m.Sum, n, m.Topic))
	return event.ChunkID(sum[:16])
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum is a digest of the records that were in a range: it tells whether
// a log still holds the same ones. It is no protection against forgery.
func checksum(records []Record) string {
	var sum uint32
	var head [28]byte
	for i := range records {
		r := &records[i]
		binary.BigEndian.PutUint64(head[0:], uint64(r.Offset))
		binary.BigEndian.PutUint64(head[8:], uint64(r.Time.UnixMilli()))
		binary.BigEndian.PutUint32(head[16:], uint32(len(r.Key)))
		binary.BigEndian.PutUint64(head[20:], uint64(len(r.Value)))
		sum = crc32.Update(sum, castagnoli, head[:])
		sum = crc32.Update(sum, castagnoli, r.Key)
		sum = crc32.Update(sum, castagnoli, r.Value)
	}
	return fmt.Sprintf("%08x", sum)
}
