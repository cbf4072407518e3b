package logs

import (
	"maps"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// Join makes one chunk of several, in their order, as if their lines had come
// in one push: equal streams are one, lines are numbered anew, and counts of
// one key are one. The ID, the time of receipt and the road are the first
// chunk's. Without chunks it is the zero Chunk.
//
// The limit of patterns holds for the chunk that is made. Lines that were
// beyond it in a chunk of their own stay so.
//
// The chunks must be the decoder's own, with counts; nobody may use them
// afterwards.
func (d *Decoder) Join(chunks []event.Chunk) event.Chunk {
	if len(chunks) == 0 {
		return event.Chunk{}
	}
	j := joiner{
		limit:   d.limits.Patterns,
		out:     event.Chunk{ID: chunks[0].ID, ReceivedAt: chunks[0].ReceivedAt, Road: chunks[0].Road},
		streams: map[streamKey]int{}, patterns: map[event.PatternID]bool{}, counts: map[event.CountKey]int{},
	}
	lines, counts := 0, 0
	for i := range chunks {
		lines += len(chunks[i].Lines)
		counts += len(chunks[i].Counts)
	}
	j.out.Lines = slices.Grow(chunks[0].Lines[:0], lines)
	j.out.Counts = make([]event.Count, 0, counts)
	for i := range chunks {
		j.add(&chunks[i])
	}
	return j.out
}

// joiner gathers chunks into one.
type joiner struct {
	limit   int
	out     event.Chunk
	streams map[streamKey]int
	// patterns says which are told apart; the others are beyond the limit.
	patterns map[event.PatternID]bool
	told     int
	counts   map[event.CountKey]int
}

type streamKey struct {
	service, environment string
	labels               event.Fingerprint
}

var otherPattern = patternID(otherTemplate)

func (j *joiner) add(c *event.Chunk) {
	// Counts stand in the order of their first lines: so do the patterns.
	allTold := true
	for i := range c.Counts {
		allTold = j.count(c.Counts[i]) && allTold
	}
	index := make([]int, len(c.Streams))
	for i := range c.Streams {
		index[i] = j.stream(c.Streams[i])
	}
	for _, l := range c.Lines {
		l.Stream = index[l.Stream]
		if !allTold && !j.patterns[l.Pattern] {
			l.Pattern = otherPattern
		}
		j.out.Lines = append(j.out.Lines, l)
	}
}

// count adds a count, and reports whether its pattern is within the limit.
func (j *joiner) count(c event.Count) bool {
	told, seen := j.patterns[c.Pattern]
	if !seen {
		if told = j.told < j.limit; told {
			j.told++
		}
		j.patterns[c.Pattern] = told
	}
	if !told {
		c.Pattern, c.Template = otherPattern, otherTemplate
	}
	i, ok := j.counts[c.CountKey]
	if !ok {
		j.counts[c.CountKey] = len(j.out.Counts)
		j.out.Counts = append(j.out.Counts, c)
		return told
	}
	sum := &j.out.Counts[i]
	sum.N += c.N
	sum.Digest += c.Digest
	switch before := c.First.Compare(sum.First); {
	case before < 0:
		sum.First, sum.Sample = c.First, c.Sample
	case before == 0:
		sum.Sample = min(sum.Sample, c.Sample)
	}
	if c.Last.After(sum.Last) {
		sum.Last = c.Last
	}
	for _, u := range c.Upstreams {
		sum.Upstreams = addUpstream(sum.Upstreams, u)
	}
	return told
}

// stream is the index of a stream among those of the chunk that is made.
func (j *joiner) stream(s event.Stream) int {
	key := streamKey{s.Service, s.Environment, s.Labels.Fingerprint()}
	i, ok := j.streams[key]
	if ok && maps.Equal(j.out.Streams[i].Labels, s.Labels) {
		return i
	}
	j.out.Streams = append(j.out.Streams, s)
	if i = len(j.out.Streams) - 1; !ok {
		j.streams[key] = i
	}
	return i
}
