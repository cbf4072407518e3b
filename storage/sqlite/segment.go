package sqlite

import (
	"hash/fnv"
	"math/bits"

	"github.com/hindcast/hindcast/ingest/event"
)

// segment says what of one service and one minute a piece holds.
type segment struct {
	service int64
	// from and to are its first and last second, both inclusive.
	from, to int64
	levels   int64
	patterns []byte
}

// allServices is the service of the segments that cover all services.
const allServices = 0

// serviceKey is what a service is called in the directory. Two services may
// share a key: what is read is compared by name.
func serviceKey(name string) int64 {
	h := fnv.New32a()
	h.Write([]byte(name))
	return int64(h.Sum32())<<1 | 1
}

const minute = 60

func minuteOf(sec int64) int64 { return floorDiv(sec, minute) * minute }

// levelBit is a level's bit in segment.levels.
func levelBit(l event.Level) int64 { return 1 << min(l, 7) }

// levelsFrom is the bits of a level and all above.
func levelsFrom(l event.Level) int64 { return -levelBit(l) & 0xff }

// directory lists the segments of a piece of a chunk.
func directory(c *event.Chunk, order []int32, counts []event.Count) []segment {
	d := directoryMaker{open: make(map[place]*openSegment), patterns: newDictionary[event.PatternID](64)}
	keys := make([]int64, len(c.Streams))
	for _, i := range order {
		l := &c.Lines[i]
		if keys[l.Stream] == 0 {
			keys[l.Stream] = serviceKey(c.Streams[l.Stream].Service)
		}
		d.add(keys[l.Stream], floorDiv(nanos(l.At), second), l.Level, l.Pattern)
	}
	for i := range counts {
		n := &counts[i]
		d.add(serviceKey(n.Service), n.Second, n.Level, n.Pattern)
	}
	return d.segments()
}

// place is the key of a segment in the making.
type place struct{ service, minute int64 }

type openSegment struct {
	segment
	// seen has a bit for every pattern, by its number in the dictionary.
	seen []uint64
}

type directoryMaker struct {
	open     map[place]*openSegment
	patterns *dictionary[event.PatternID]
	// The segments of the line before, which are mostly those of this one.
	last      place
	one, each *openSegment
}

func (d *directoryMaker) add(service, sec int64, level event.Level, pattern event.PatternID) {
	if p := (place{service, minuteOf(sec)}); d.one == nil || p != d.last {
		d.one, d.each, d.last = d.at(p, sec), d.at(place{allServices, p.minute}, sec), p
	}
	n := d.patterns.index(pattern)
	d.one.add(sec, level, n)
	d.each.add(sec, level, n)
}

func (d *directoryMaker) at(p place, sec int64) *openSegment {
	s := d.open[p]
	if s == nil {
		s = &openSegment{segment: segment{service: p.service, from: sec, to: sec}}
		d.open[p] = s
	}
	return s
}

func (s *openSegment) add(sec int64, level event.Level, pattern uint64) {
	s.from, s.to = min(s.from, sec), max(s.to, sec)
	s.levels |= levelBit(level)
	for uint64(len(s.seen)) <= pattern/64 {
		s.seen = append(s.seen, 0)
	}
	s.seen[pattern/64] |= 1 << (pattern % 64)
}

func (d *directoryMaker) segments() []segment {
	list := make([]segment, 0, len(d.open))
	for _, s := range d.open {
		var n int
		for _, word := range s.seen {
			n += bits.OnesCount64(word)
		}
		s.patterns = newBloom(n)
		for i, p := range d.patterns.values {
			if i/64 < len(s.seen) && s.seen[i/64]&(1<<(i%64)) != 0 {
				bloomAdd(s.patterns, p)
			}
		}
		list = append(list, s.segment)
	}
	sortSegments(list)
	return list
}

// A Bloom filter of a segment's patterns has some eight bits a pattern: of the
// segments without a pattern, about one in thirty looks as if it had it.
const (
	bloomHashes  = 3
	maxBloomBits = 1 << 14
)

func newBloom(n int) []byte {
	size := 64
	for size < 8*n && size < maxBloomBits {
		size *= 2
	}
	return make([]byte, size/8)
}

func bloomAdd(b []byte, p event.PatternID) {
	for i := range bloomHashes {
		bit := bloomBit(b, p, i)
		b[bit/8] |= 1 << (bit % 8)
	}
}

// bloomHas reports whether the pattern may be in the set.
func bloomHas(b []byte, p event.PatternID) bool {
	if len(b) == 0 {
		return true
	}
	for i := range bloomHashes {
		bit := bloomBit(b, p, i)
		if b[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

func bloomBit(b []byte, p event.PatternID, i int) uint64 {
	// A multiplication spreads patterns that differ in few bits.
	h := (uint64(p) + uint64(i)) * 0x9e3779b97f4a7c15
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	return (h >> 20) % uint64(8*len(b))
}
