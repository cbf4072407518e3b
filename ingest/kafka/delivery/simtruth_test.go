package delivery

import (
	"encoding/binary"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
)

// A record's value is its serial, a byte that says whether it can be decoded,
// and how many lines it holds.
func value(serial uint64, good bool, lines int) []byte {
	b := binary.BigEndian.AppendUint64(nil, serial)
	if !good {
		return append(b, 0, 0)
	}
	return append(b, 1, byte(lines))
}

func readValue(v []byte) (serial uint64, good bool, lines int) {
	return binary.BigEndian.Uint64(v), v[8] == 1, int(v[9])
}

// lineID names the n-th line of a record, or its n-th fact.
func lineID(serial uint64, n int) event.PatternID { return event.PatternID(serial<<8 | uint64(n)) }

func factID(line event.PatternID) (id event.ID) {
	binary.BigEndian.PutUint64(id[:], uint64(line))
	return id
}

// decodeLines and decodeFacts are the decoders of the two kinds of topics.
func decodeLines(records []Record) (event.Batch, []DeadLetter) {
	var c event.Chunk
	letters := eachLine(records, func(id event.PatternID) { c.Lines = append(c.Lines, event.Line{Pattern: id}) })
	if len(c.Lines) == 0 {
		return event.Batch{}, letters
	}
	return event.Batch{Chunks: []event.Chunk{c}}, letters
}

func decodeFacts(records []Record) (event.Batch, []DeadLetter) {
	var b event.Batch
	letters := eachLine(records, func(id event.PatternID) { b.Events = append(b.Events, event.Event{ID: factID(id)}) })
	return b, letters
}

// eachLine visits the lines, or facts, of records that are good, and returns
// letters of the others.
func eachLine(records []Record, visit func(event.PatternID)) (letters []DeadLetter) {
	for _, r := range records {
		serial, good, lines := readValue(r.Value)
		if !good {
			letters = append(letters, DeadLetter{Error: "bad", Record: r})
			continue
		}
		for n := range lines {
			visit(lineID(serial, n))
		}
	}
	return letters
}

// simStore replaces chunks by their ID and keeps facts by theirs.
type simStore struct {
	chunks map[event.ChunkID][]event.Line
	lines  map[event.PatternID]int
	facts  map[event.ID]bool
}

// put makes a batch, or a part of it, visible. It returns what it found amiss.
func (s *simStore) put(b event.Batch, part bool) string {
	for _, e := range b.Events {
		s.facts[e.ID] = true
		if part {
			return ""
		}
	}
	for _, c := range b.Chunks {
		lines, old := c.Lines, s.chunks[c.ID]
		if part {
			lines = lines[:(len(lines)+1)/2]
		}
		for i := range min(len(old), len(lines)) {
			if old[i].Pattern != lines[i].Pattern {
				return fmt.Sprintf("chunk %s was replaced by other lines", c.ID)
			}
		}
		for _, line := range lines[min(len(old), len(lines)):] {
			s.lines[line.Pattern]++
		}
		if len(lines) > len(old) {
			s.chunks[c.ID] = lines
		}
	}
	return ""
}

func serialOf(r Record) uint64 {
	v := r.Value
	if len(v) == 0 {
		v = r.Key
	}
	serial, _, _ := readValue(v)
	return serial
}

// missing says what of a record is not durable, and what is there too often.
func (w *world) missing(r Record) (lost string, often string) {
	serial := serialOf(r)
	good, lines := false, 0
	if len(r.Value) > 0 {
		_, good, lines = readValue(r.Value)
	}
	if !good {
		if w.letters[serial] == 0 {
			return fmt.Sprintf("record %d at %d is not among the dead letters", serial, r.Offset), ""
		}
		return "", ""
	}
	for n := range lines {
		id := lineID(serial, n)
		have := w.store.lines[id]
		if !w.knobs.ranges && w.store.facts[factID(id)] {
			have = 1
		}
		switch {
		case have == 0:
			return fmt.Sprintf("line %d of record %d at %d is not in the store", n, serial, r.Offset), ""
		case have > 1:
			return "", fmt.Sprintf("line %d of record %d at %d is counted %d times", n, serial, r.Offset, have)
		}
	}
	return "", ""
}

// audit holds the end against what is true.
func (w *world) audit() {
	for _, l := range w.logs {
		for _, r := range l.records {
			lost, often := w.missing(r)
			if lost != "" && !l.isExcused(r) {
				w.violate("at the end, of %s: %s", l.id, lost)
			}
			if often != "" && !l.repeats {
				w.violate("at the end, of %s: %s", l.id, often)
			}
		}
		for _, r := range l.lost {
			if _, often := w.missing(r); often != "" && !l.repeats {
				w.violate("at the end, of what %s lost: %s", l.id, often)
			}
		}
	}
}
