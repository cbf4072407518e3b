// Package tally sums what chunks of log lines count, so that lines that came in
// several chunks count once. The backends of storage share it: what a log said
// in a second must not depend on the store.
package tally

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Set holds counts, those of the same lines once: with an equal key and digest.
// Use [NewSet]. It is not for concurrent use.
type Set struct {
	counts []event.Count
	where  map[sameLines]int
}

type sameLines struct {
	event.CountKey
	digest uint64
}

// NewSet is an empty set.
func NewSet() *Set { return &Set{where: make(map[sameLines]int)} }

// Add keeps, of two counts of the same lines, the one whose sample comes
// first, so that the order of arrival does not show.
func (s *Set) Add(c *event.Count) {
	key := sameLines{c.CountKey, c.Digest}
	i, ok := s.where[key]
	if !ok {
		s.where[key] = len(s.counts)
		s.counts = append(s.counts, *c)
		return
	}
	if strings.Compare(c.Sample, s.counts[i].Sample) < 0 {
		s.counts[i] = *c
	}
}

// Sorted is what the set holds, in ascending order of second, then of the rest
// of the key. Nil when it is empty. It shares memory with the set.
func (s *Set) Sorted() []event.Count {
	slices.SortFunc(s.counts, func(a, b event.Count) int {
		return cmp.Or(
			cmp.Compare(a.Second, b.Second), strings.Compare(a.Service, b.Service), strings.Compare(a.Environment, b.Environment),
			strings.Compare(a.Version, b.Version), cmp.Compare(a.Level, b.Level), cmp.Compare(a.Pattern, b.Pattern), cmp.Compare(a.Digest, b.Digest),
		)
	})
	return s.counts
}

// sum sums counts of one key, of which there is one at least. Template and
// sample are those of the first line.
func sum(counts []event.Count, receivedAt time.Time) *storage.LogFact {
	f := &storage.LogFact{CountKey: counts[0].CountKey, ReceivedAt: receivedAt}
	var first *event.Count
	for i := range counts {
		c := &counts[i]
		f.N += c.N
		if first == nil || c.First.Before(first.First) || (c.First.Equal(first.First) && c.Sample < first.Sample) {
			first = c
		}
		if c.Last.After(f.Last) {
			f.Last = c.Last
		}
	}
	f.First, f.Template, f.Sample = first.First, first.Template, first.Sample
	return f
}
