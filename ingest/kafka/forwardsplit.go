package kafka

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
)

// partBytes is how large the parts of a chunk are made. It is the same for every
// topic and never changes: a sender's second try must be split into the same
// parts, although another receiver takes it, or the topic takes more or less
// meanwhile. Else its lines would count twice.
const partBytes = 256 << 10

// splitChunk splits a chunk that is larger into parts. Which parts these are is
// a matter of the chunk's lines and counts alone, not of when it came: the same
// chunk gives the same parts, with the same IDs, again. The lines of one count
// stay together, and the count is what it was, so that lines which come by
// another road as well are still known as the same. Only the lines of a count
// that is larger by itself are divided.
func splitChunk(c *event.Chunk, size int) ([]event.Chunk, error) {
	if fits(c, size) {
		return []event.Chunk{*c}, nil
	}
	s := splitter{chunk: c, size: size, fresh: map[int]struct{}{}}
	for _, u := range unitsOf(c) {
		if chunkBytes+s.cost(u, nil) <= size {
			s.place(u)
			continue
		}
		divided, err := s.slice(u)
		if err != nil {
			return nil, err
		}
		for _, u := range divided {
			s.place(u)
		}
	}
	if len(s.parts) == 1 {
		return []event.Chunk{*c}, nil
	}
	parts := make([]event.Chunk, len(s.parts))
	for i, p := range s.parts {
		parts[i] = p.chunkOf(c, i)
	}
	return parts, nil
}

func fits(c *event.Chunk, size int) bool {
	n := chunkBytes
	for i := range c.Streams {
		n += streamBytes(&c.Streams[i])
	}
	for i := range c.Counts {
		n += countBytes(&c.Counts[i])
	}
	for i := range c.Lines {
		if n += lineBytes(&c.Lines[i]); n > size {
			return false
		}
	}
	return n <= size
}

// unit is what stays together: a count and its lines. The count is absent where
// the chunk has none for the lines.
type unit struct {
	count *event.Count
	lines []int
}

// unitsOf are the units of a chunk, in the order of its counts.
func unitsOf(c *event.Chunk) []unit {
	units := make([]unit, 0, len(c.Counts))
	byKey := make(map[event.CountKey]int, len(c.Counts))
	for i := range c.Counts {
		units = append(units, unit{count: &c.Counts[i]})
		if _, ok := byKey[c.Counts[i].CountKey]; !ok {
			byKey[c.Counts[i].CountKey] = i
		}
	}
	for i := range c.Lines {
		l := &c.Lines[i]
		stream := &c.Streams[l.Stream]
		key := event.CountKey{
			Service: stream.Service, Environment: stream.Environment, Version: l.Version,
			Level: l.Level, Pattern: l.Pattern, Second: l.At.Unix(),
		}
		at, ok := byKey[key]
		if !ok {
			at = len(units)
			byKey[key] = at
			units = append(units, unit{})
		}
		units[at].lines = append(units[at].lines, i)
	}
	return units
}

// splitter places units in parts.
type splitter struct {
	chunk *event.Chunk
	size  int
	parts []part
	// fresh are the streams of what is measured, that its part has not yet.
	fresh map[int]struct{}
}

// part is what one record holds of a chunk.
type part struct {
	counts  []event.Count
	lines   []int
	streams map[int]struct{}
	bytes   int
}

// place puts a unit in the part that is being filled, or begins another.
func (s *splitter) place(u unit) {
	if n := len(s.parts); n > 0 {
		last := &s.parts[n-1]
		if bytes := s.cost(u, last.streams); last.bytes+bytes <= s.size {
			s.add(last, u, bytes)
			return
		}
	}
	s.parts = append(s.parts, part{bytes: chunkBytes, streams: map[int]struct{}{}})
	s.add(&s.parts[len(s.parts)-1], u, s.cost(u, nil))
}

func (s *splitter) add(p *part, u unit, bytes int) {
	p.bytes += bytes
	if u.count != nil {
		p.counts = append(p.counts, *u.count)
	}
	p.lines = append(p.lines, u.lines...)
	for stream := range s.fresh {
		p.streams[stream] = struct{}{}
	}
}

// cost is what a unit takes in a part that has some streams already; those that
// it adds are fresh then.
func (s *splitter) cost(u unit, have map[int]struct{}) int {
	clear(s.fresh)
	n := 0
	if u.count != nil {
		n += countBytes(u.count)
	}
	for _, i := range u.lines {
		n += s.lineCost(i, have)
	}
	return n
}

func (s *splitter) lineCost(i int, have map[int]struct{}) int {
	l := &s.chunk.Lines[i]
	n := lineBytes(l)
	_, known := have[l.Stream]
	if _, counted := s.fresh[l.Stream]; !known && !counted {
		s.fresh[l.Stream] = struct{}{}
		n += streamBytes(&s.chunk.Streams[l.Stream])
	}
	return n
}

// slice divides the lines of a unit that is larger than a part. Its count is
// divided with them.
func (s *splitter) slice(u unit) ([]unit, error) {
	if u.count != nil && u.count.N < int64(len(u.lines)) {
		return nil, fmt.Errorf("%w: a count says %d of %d log lines, and they do not fit in one record", ingest.ErrTooMuch, u.count.N, len(u.lines))
	}
	var list []unit
	begin, n := 0, 0
	room := s.size - chunkBytes
	if u.count != nil {
		// Each slice has its own sample.
		room -= countBytes(u.count) + s.longestSample(u)
	}
	clear(s.fresh)
	for at, i := range u.lines {
		bytes := s.lineCost(i, nil)
		if at > begin && n+bytes > room {
			list = append(list, s.sliceOf(u, begin, at, len(list)))
			clear(s.fresh)
			begin, n, bytes = at, 0, s.lineCost(i, nil)
		}
		n += bytes
	}
	list = append(list, s.sliceOf(u, begin, len(u.lines), len(list)))
	if u.count != nil && len(list) > 1 {
		// What the count says beyond its lines is not lost.
		list[0].count.N += u.count.N - int64(len(u.lines))
	}
	return list, nil
}

func (s *splitter) longestSample(u unit) int {
	n := 0
	for _, i := range u.lines {
		n = max(n, textBytes(clipSample(s.chunk.Lines[i].Text)))
	}
	return n
}

// sliceOf is the slice of a unit at a place. Its count has a digest of its own:
// counts with equal digests count once.
func (s *splitter) sliceOf(u unit, begin, end, place int) unit {
	lines := u.lines[begin:end]
	if u.count == nil || len(lines) == len(u.lines) {
		return unit{count: u.count, lines: lines}
	}
	c := *u.count
	c.N = int64(len(lines))
	c.Digest ^= uint64(place+1) * 0x9e3779b97f4a7c15
	for at, i := range lines {
		l := &s.chunk.Lines[i]
		if at == 0 || l.At.Before(c.First) || l.At.Equal(c.First) && l.Text < c.Sample {
			c.First, c.Sample = l.At, l.Text
		}
		if at == 0 || l.At.After(c.Last) {
			c.Last = l.At
		}
	}
	c.Sample = clipSample(c.Sample)
	return unit{count: &c, lines: lines}
}

// chunkOf is the chunk that a part of another is.
func (p *part) chunkOf(whole *event.Chunk, place int) event.Chunk {
	out := event.Chunk{ID: partID(whole.ID, place), ReceivedAt: whole.ReceivedAt, Road: whole.Road, Counts: p.counts}
	slices.Sort(p.lines)
	index := make(map[int]int, len(p.streams))
	for _, stream := range slices.Sorted(maps.Keys(p.streams)) {
		index[stream] = len(out.Streams)
		out.Streams = append(out.Streams, whole.Streams[stream])
	}
	for _, i := range p.lines {
		l := whole.Lines[i]
		l.Stream = index[l.Stream]
		out.Lines = append(out.Lines, l)
	}
	return out
}

// partID is the ID of a chunk's part.
func partID(whole event.ChunkID, place int) event.ChunkID {
	b := append([]byte("part of a chunk\x00"), whole[:]...)
	sum := sha256.Sum256(binary.BigEndian.AppendUint32(b, uint32(place)))
	return event.ChunkID(sum[:16])
}

func clipSample(s string) string {
	if len(s) <= event.MaxSample {
		return s
	}
	n := event.MaxSample
	for n > event.MaxSample-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// What the parts of a chunk take in an envelope, at least, whatever their
// numbers and times are.
const (
	chunkBytes = 160
	fieldBytes = 8
)

func lineBytes(l *event.Line) int {
	return 80 + textBytes(l.Version) + textBytes(l.Trace) + textBytes(l.Text) + labelBytes(l.Metadata)
}

func streamBytes(s *event.Stream) int {
	return fieldBytes + textBytes(s.Service) + textBytes(s.Environment) + labelBytes(s.Labels)
}

func countBytes(c *event.Count) int {
	n := 160 + textBytes(c.Service) + textBytes(c.Environment) + textBytes(c.Version) + textBytes(c.Template) + textBytes(c.Sample)
	for _, u := range c.Upstreams {
		n += textBytes(u)
	}
	return n
}

func labelBytes(l event.Labels) int {
	n := 0
	for name, value := range l {
		n += fieldBytes + textBytes(name) + textBytes(value)
	}
	return n
}

// textBytes counts a text as it is when it must be escaped.
func textBytes(s string) int {
	if !utf8.ValidString(s) || strings.Contains(s, "\xf4\x8f") {
		return fieldBytes + len(event.EscapeText(s))
	}
	return fieldBytes + len(s)
}
