package kafka

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
)

// States says which letters are copies, and what is known of their being redriven.
//
// The same record may be kept twice: its process ended between keeping it and
// committing, or a write was tried again. The copies are one letter: what was done
// with one was done with all.
type States struct {
	// said is by the first of each record's copies, once all was read; before, by
	// the place that a mark names.
	said   map[Place]Redriven
	first  map[letterID]Place
	copies map[Place]Place
}

func newStates() *States {
	return &States{said: map[Place]Redriven{}, first: map[letterID]Place{}, copies: map[Place]Place{}}
}

// Redriven is what is known of a letter, or of a copy of it.
func (s *States) Redriven(at Place) Redriven { return s.said[s.First(at)] }

// First is the place of the first of a letter's copies: its own, where it is that
// one or has none.
func (s *States) First(at Place) Place {
	if first, ok := s.copies[at]; ok {
		return first
	}
	return at
}

// CopyOf is the place of the letter that one is a copy of, if it is any's.
func (s *States) CopyOf(at Place) (first Place, ok bool) {
	first, ok = s.copies[at]
	return first, ok
}

// letter takes note of a letter.
func (s *States) letter(l *Letter) {
	if l.Topic == "" {
		return
	}
	id := idOf(l)
	if first, ok := s.first[id]; ok {
		s.copies[l.Place] = first
		return
	}
	s.first[id] = l.Place
}

// mark takes note of what a mark says.
func (s *States) mark(partition int, mark string, value []byte) {
	var offsets []int64
	if json.Unmarshal(value, &offsets) != nil {
		return // not a mark of ours
	}
	state := PerhapsRedriven
	if mark == redriveDone {
		state = WasRedriven
	}
	for _, offset := range offsets {
		place := Place{partition, offset}
		s.said[place] = max(s.said[place], state)
	}
}

// settle makes what was said of one copy hold for all, when all was read.
func (s *States) settle() {
	said := make(map[Place]Redriven, len(s.said))
	for place, state := range s.said {
		first := s.First(place)
		said[first] = max(said[first], state)
	}
	s.said, s.first = said, nil
}

// letterID tells the records that letters are of apart.
type letterID [16]byte

// idOf is the same for copies only. Its place alone is no name for a record: a topic
// that was deleted and created again has the same ones for others. What a record
// holds, and its time, belong to it. Why and when it was given up do not: the next
// process may say otherwise.
func idOf(l *Letter) letterID {
	h := sha256.New()
	var length [8]byte
	put := func(b []byte) {
		binary.BigEndian.PutUint64(length[:], uint64(len(b)))
		h.Write(length[:])
		h.Write(b)
	}
	number := func(n int64) {
		binary.BigEndian.PutUint64(length[:], uint64(n))
		h.Write(length[:])
	}
	put([]byte(l.Topic))
	number(int64(l.Origin.Partition))
	number(l.Origin.Offset)
	if !l.Time.IsZero() {
		number(l.Time.UnixNano())
	}
	put([]byte(l.Cut))
	putOrNil := func(b []byte) {
		if b == nil {
			number(-1)
			return
		}
		put(b)
	}
	putOrNil(l.Key)
	putOrNil(l.Value)
	for _, header := range l.Headers {
		put([]byte(header.Name))
		putOrNil(header.Value)
	}
	return letterID(h.Sum(nil)[:16])
}
