package sqlite

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// A chunk is split into pieces of at most this many lines, bytes of text and
// counts, so that reading a few lines never decompresses much. Most chunks are
// one piece.
const (
	pieceLines  = 4096
	pieceText   = 1 << 20
	pieceCounts = 1024
)

// piece is a part of a chunk as it is stored. It is made by the caller of
// Append, so that the writer only inserts.
type piece struct {
	segments []segment
	until    int64
	places   []byte
	digest   []byte
	grave    []byte
	mild     []byte
	lines    []byte
}

func (p *piece) size() int64 {
	return int64(len(p.grave) + len(p.mild) + len(p.lines) + len(p.places) + 128*len(p.segments) + 256)
}

// split makes a chunk's pieces. A line of a stream that the chunk does not
// have is an error.
func split(c *event.Chunk) ([]piece, error) {
	order := make([]int32, len(c.Lines))
	sorted := true
	for i := range order {
		order[i] = int32(i)
		if s := c.Lines[i].Stream; s < 0 || s >= len(c.Streams) {
			return nil, fmt.Errorf("chunk %s: line %d is of stream %d of %d", c.ID, i, s, len(c.Streams))
		}
		sorted = sorted && (i == 0 || !c.Lines[i].At.Before(c.Lines[i-1].At))
	}
	if !sorted {
		slices.SortStableFunc(order, func(i, j int32) int { return c.Lines[i].At.Compare(c.Lines[j].At) })
	}
	var pieces []piece
	counts := c.Counts
	for len(order) > 0 || len(counts) > 0 {
		lines := lineShare(c, order)
		these := counts[:min(len(counts), pieceCounts)]
		pieces = append(pieces, makePiece(c, order[:lines], these))
		order, counts = order[lines:], counts[len(these):]
	}
	return pieces, nil
}

// lineShare is how many of the lines a piece takes.
func lineShare(c *event.Chunk, order []int32) int {
	var text int
	for n, i := range order {
		text += len(c.Lines[i].Text)
		if n == pieceLines || (n > 0 && text > pieceText) {
			return n
		}
	}
	return len(order)
}

func makePiece(c *event.Chunk, order []int32, counts []event.Count) piece {
	var p piece
	p.segments = directory(c, order, counts)
	p.until = p.segments[0].to
	for _, s := range p.segments {
		p.until = max(p.until, s.to)
	}
	if len(order) > 0 {
		p.lines = compress(encodeLines(c, order))
	}
	grave, mild := make([]event.Count, 0, len(counts)), make([]event.Count, 0, len(counts))
	for _, n := range counts {
		if n.Level >= event.LevelWarn {
			grave = append(grave, n)
		} else {
			mild = append(mild, n)
		}
	}
	if b := encodeCounts(grave); b != nil {
		p.grave = compress(b)
	}
	if b := encodeCounts(mild); b != nil {
		p.mild = compress(b)
	}
	p.places = places(p.segments)
	h := sha256.New()
	for _, b := range [][]byte{p.places, p.grave, p.mild, p.lines} {
		h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		h.Write(b)
	}
	p.digest = h.Sum(nil)[:16]
	return p
}

// places lists the keys of a piece's segments, so that they can be deleted.
func places(segments []segment) []byte {
	b := binary.AppendUvarint(nil, uint64(len(segments)))
	for _, s := range segments {
		b = binary.AppendVarint(b, s.service)
		b = binary.AppendVarint(b, s.from)
	}
	return b
}

func eachPlace(b []byte, visit func(service, from int64) error) error {
	d := decoder{b: b}
	for range d.length() {
		service, from := d.varint(), d.varint()
		if d.err != nil {
			break
		}
		if err := visit(service, from); err != nil {
			return err
		}
	}
	return d.err
}

// putChunk puts the chunk's pieces in the place of those that are stored. A
// chunk that comes again as it was changes nothing but the time of receipt,
// which only gets earlier.
func (t *tx) putChunk(id event.ChunkID, road event.Road, receivedAt int64, pieces []piece) error {
	old, err := t.chunk(id)
	if err != nil {
		return err
	}
	same := len(old) == len(pieces)
	for i := range old {
		receivedAt = min(receivedAt, old[i].receivedAt)
		same = same && bytes.Equal(old[i].digest, pieces[i].digest)
	}
	if same {
		if len(old) > 0 && receivedAt < old[0].receivedAt {
			_, err = t.exec("UPDATE pieces SET received_at = ? WHERE chunk = ?", receivedAt, id[:])
		}
		return err
	}
	for _, o := range old {
		if err := t.deletePiece(o.seq, o.places); err != nil {
			return err
		}
	}
	for i := range pieces {
		if err := t.insertPiece(id, i, road, receivedAt, &pieces[i]); err != nil {
			return err
		}
	}
	return nil
}

type storedPiece struct {
	seq, receivedAt int64
	digest, places  []byte
}

func (t *tx) chunk(id event.ChunkID) ([]storedPiece, error) {
	rows, err := t.rows("SELECT seq, received_at, digest, places FROM pieces WHERE chunk = ? ORDER BY piece", id[:])
	if err != nil {
		return nil, fmt.Errorf("find chunk: %w", err)
	}
	defer rows.Close()
	var list []storedPiece
	for rows.Next() {
		var p storedPiece
		if err := rows.Scan(&p.seq, &p.receivedAt, &p.digest, &p.places); err != nil {
			return nil, fmt.Errorf("find chunk: %w", err)
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

func (t *tx) insertPiece(id event.ChunkID, n int, road event.Road, receivedAt int64, p *piece) error {
	seq := t.next()
	if _, err := t.exec(`INSERT INTO pieces (seq, chunk, piece, received_at, road, until, places, digest, grave, mild)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		seq, id[:], n, receivedAt, string(road), p.until, p.places, p.digest, p.grave, p.mild); err != nil {
		return fmt.Errorf("insert counts: %w", err)
	}
	if p.lines != nil {
		if _, err := t.exec("INSERT INTO lines (seq, until, body) VALUES (?, ?, ?)", seq, p.until, p.lines); err != nil {
			return fmt.Errorf("insert lines: %w", err)
		}
	}
	for i := range p.segments {
		s := &p.segments[i]
		if _, err := t.exec("INSERT INTO segments (service, from_sec, seq, to_sec, levels, patterns) VALUES (?, ?, ?, ?, ?, ?)",
			s.service, s.from, seq, s.to, s.levels, s.patterns); err != nil {
			return fmt.Errorf("insert directory: %w", err)
		}
	}
	t.bytes += p.size()
	return nil
}

func (t *tx) deletePiece(seq int64, places []byte) error {
	err := eachPlace(places, func(service, from int64) error {
		_, err := t.exec("DELETE FROM segments WHERE service = ? AND from_sec = ? AND seq = ?", service, from, seq)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete directory: %w", err)
	}
	if _, err := t.exec("DELETE FROM lines WHERE seq = ?", seq); err != nil {
		return fmt.Errorf("delete lines: %w", err)
	}
	if _, err := t.exec("DELETE FROM pieces WHERE seq = ?", seq); err != nil {
		return fmt.Errorf("delete counts: %w", err)
	}
	return nil
}

// sortSegments gives a directory its order, which is part of the digest.
func sortSegments(s []segment) {
	slices.SortFunc(s, func(a, b segment) int {
		return cmp.Or(cmp.Compare(a.service, b.service), cmp.Compare(a.from, b.from))
	})
}
