package clickhouse

import (
	"crypto/sha256"
	"encoding/binary"
	"hash"

	"github.com/hindcast/hindcast/ingest/event"
)

// sourceOf is the source of a chunk's rows: a digest of the chunk's ID and of
// all that is stored of it but its time of receipt. A chunk that comes again
// has the same source and gives equal rows; with other content it has another.
func sourceOf(c *event.Chunk) uint64 {
	d := digester{hash: sha256.New()}
	d.buffer = append(d.buffer, c.ID[:]...)
	d.text(string(c.Road))
	d.number(int64(len(c.Streams)))
	for i := range c.Streams {
		s := &c.Streams[i]
		d.text(s.Service)
		d.text(s.Environment)
		d.labels(s.Labels)
	}
	d.number(int64(len(c.Lines)))
	for i := range c.Lines {
		l := &c.Lines[i]
		d.number(int64(l.Stream))
		d.number(nanos(l.At))
		d.number(int64(l.Level))
		d.number(int64(l.Pattern))
		d.text(l.Version)
		d.text(l.Trace)
		d.labels(l.Metadata)
		d.text(l.Text)
	}
	d.number(int64(len(c.Counts)))
	for i := range c.Counts {
		d.count(&c.Counts[i])
	}
	d.flush()
	var sum [sha256.Size]byte
	return binary.BigEndian.Uint64(d.hash.Sum(sum[:0]))
}

// digester hashes fields, with their lengths, by large pieces.
type digester struct {
	hash   hash.Hash
	buffer []byte
}

const digestPiece = 8 << 10

func (d *digester) flush() {
	d.hash.Write(d.buffer)
	d.buffer = d.buffer[:0]
}

func (d *digester) number(n int64) { d.buffer = binary.AppendVarint(d.buffer, n) }

func (d *digester) text(s string) {
	d.buffer = append(binary.AppendUvarint(d.buffer, uint64(len(s))), s...)
	if len(d.buffer) >= digestPiece {
		d.flush()
	}
}

func (d *digester) labels(l event.Labels) {
	d.number(int64(len(l)))
	if len(l) == 0 {
		return
	}
	for _, name := range l.Names() {
		d.text(name)
		d.text(l[name])
	}
}

func (d *digester) count(c *event.Count) {
	d.text(c.Service)
	d.text(c.Environment)
	d.text(c.Version)
	for _, n := range [...]int64{int64(c.Level), int64(c.Pattern), c.Second, c.N, nanos(c.First), nanos(c.Last), int64(c.Digest)} {
		d.number(n)
	}
	d.text(c.Template)
	d.text(c.Sample)
	d.number(int64(len(c.Upstreams)))
	for _, u := range c.Upstreams {
		d.text(u)
	}
}
