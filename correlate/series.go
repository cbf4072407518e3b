package correlate

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// logs holds the counts of log patterns. Warnings and worse are kept by the
// second, because milestones are read from them; the rest by the minute.
type logs struct {
	byService map[string]map[seriesKey]*series
	// edges says when lines of one service named another as called.
	edges map[edge]map[int64]struct{}
	// mentions says when lines of one service named what looks like another's
	// name: it counts once there is a service of that name.
	mentions map[edge]map[int64]struct{}
}

// edge is one service that calls another.
type edge struct{ caller, callee string }

// seriesKey is what a series is by, beside its service.
type seriesKey struct {
	environment string
	version     string
	level       event.Level
	pattern     event.PatternID
}

// series is how often one pattern was seen over time.
type series struct {
	service   string
	key       seriesKey
	template  string
	upstreams []string
	// buckets are sorted by time; stale says that they are not just now.
	buckets []bucket
	index   map[int64]int
	stale   bool
	samples map[int64]sample
}

// bucket is a second or a minute of a series. The digests of the counts that
// are in it keep a redelivery from being added again.
type bucket struct {
	at          int64 // seconds since 1970
	n           int64
	first, last time.Time
	digests     []uint64
}

// sample is the first line of a minute.
type sample struct {
	at   time.Time
	text string
}

// maxSeries bounds the patterns that are held of one service. A service whose
// lines defeat the mask would otherwise fill the memory; what is beyond the
// bound is left out.
const maxSeries = 4000

func newLogs() logs {
	return logs{
		byService: map[string]map[seriesKey]*series{},
		edges:     map[edge]map[int64]struct{}{}, mentions: map[edge]map[int64]struct{}{},
	}
}

// troubled reports whether lines of a level may tell of trouble.
func troubled(l event.Level) bool { return l >= event.LevelWarn }

// add takes in one count and reports whether it was new.
func (l *logs) add(c event.Count) bool {
	of := l.byService[c.Service]
	if of == nil {
		of = map[seriesKey]*series{}
		l.byService[c.Service] = of
	}
	key := seriesKey{c.Environment, c.Version, c.Level, c.Pattern}
	s := of[key]
	if s == nil {
		if len(of) >= maxSeries {
			return false
		}
		s = &series{service: c.Service, key: key, template: c.Template, index: map[int64]int{}, samples: map[int64]sample{}}
		of[key] = s
	}
	if !s.add(c) {
		return false
	}
	if troubled(c.Level) {
		for _, callee := range c.Upstreams {
			note(l.edges, edge{c.Service, callee}, c.Second)
		}
		for _, name := range likelyServices(c.Template) {
			note(l.mentions, edge{c.Service, name}, c.Second)
		}
	}
	return true
}

// maxEdges bounds the pairs of services that are remembered; lines full of
// made-up names cannot fill the memory.
const maxEdges = 20_000

func note(in map[edge]map[int64]struct{}, e edge, second int64) {
	if e.caller == e.callee {
		return
	}
	if in[e] == nil {
		if len(in) >= maxEdges {
			return
		}
		in[e] = map[int64]struct{}{}
	}
	in[e][minute(second)] = struct{}{}
}

func minute(second int64) int64 { return second - mod(second, 60) }

func mod(a, b int64) int64 { return ((a % b) + b) % b }

func (s *series) add(c event.Count) bool {
	at := c.Second
	if !troubled(c.Level) {
		at = minute(at)
	}
	i, known := s.index[at]
	if !known {
		if n := len(s.buckets); n > 0 && s.buckets[n-1].at > at {
			s.stale = true
		}
		i = len(s.buckets)
		s.buckets = append(s.buckets, bucket{at: at, first: c.First, last: c.Last})
		s.index[at] = i
	}
	b := &s.buckets[i]
	d, seen := slices.BinarySearch(b.digests, c.Digest)
	if seen {
		return false
	}
	b.digests = slices.Insert(b.digests, d, c.Digest)
	b.n += c.N
	if c.First.Before(b.first) {
		b.first = c.First
	}
	if c.Last.After(b.last) {
		b.last = c.Last
	}
	for _, u := range c.Upstreams {
		if j, ok := slices.BinarySearch(s.upstreams, u); !ok && len(s.upstreams) < 16 {
			s.upstreams = slices.Insert(s.upstreams, j, u)
		}
	}
	m := minute(at)
	if old, ok := s.samples[m]; !ok || cmp.Or(c.First.Compare(old.at), strings.Compare(c.Sample, old.text)) < 0 {
		s.samples[m] = sample{c.First, c.Sample}
	}
	if c.Template < s.template || s.template == "" {
		s.template = c.Template
	}
	return true
}

// sorted is the series' buckets in order of time.
func (s *series) sorted() []bucket {
	if s.stale {
		slices.SortFunc(s.buckets, func(a, b bucket) int { return cmp.Compare(a.at, b.at) })
		for i, b := range s.buckets {
			s.index[b.at] = i
		}
		s.stale = false
	}
	return s.buckets
}

// between is the buckets that begin in [from, to).
func (s *series) between(from, to time.Time) []bucket {
	all := s.sorted()
	search := func(at time.Time) int {
		i, _ := slices.BinarySearchFunc(all, at.Unix(), func(b bucket, at int64) int {
			if b.at < at {
				return -1
			}
			return 1
		})
		return i
	}
	lo, hi := search(from), search(to)
	return all[lo:max(lo, hi)]
}

// lines are at most n of the first lines of different minutes in [from, to).
func (s *series) lines(from, to time.Time, n int) []string {
	var out []string
	for _, m := range slices.Sorted(maps.Keys(s.samples)) {
		if at := s.samples[m].at; at.Before(from) || !at.Before(to) {
			continue
		}
		if text := s.samples[m].text; !slices.Contains(out, text) {
			out = append(out, text)
		}
		if len(out) == n {
			break
		}
	}
	return out
}

// sum adds up buckets.
func sum(buckets []bucket) (n int64) {
	for _, b := range buckets {
		n += b.n
	}
	return n
}

// of is the series of a service in a fixed order.
func (l *logs) of(service string) []*series {
	out := slices.Collect(maps.Values(l.byService[service]))
	slices.SortFunc(out, compareSeries)
	return out
}

func compareSeries(a, b *series) int {
	return cmp.Or(
		strings.Compare(a.service, b.service), strings.Compare(a.key.environment, b.key.environment),
		cmp.Compare(b.key.level, a.key.level), strings.Compare(a.template, b.template),
		strings.Compare(a.key.version, b.key.version), cmp.Compare(a.key.pattern, b.key.pattern))
}

// services are those that have logged, in ascending order.
func (l *logs) services() []string { return slices.Sorted(maps.Keys(l.byService)) }

// called reports whether lines of the caller named the callee in [from, to].
func (l *logs) called(e edge, from, to time.Time) bool {
	return noted(l.edges[e], from, to)
}

// mentioned is called for names that only look like a service's.
func (l *logs) mentioned(e edge, from, to time.Time) bool {
	return noted(l.mentions[e], from, to)
}

func noted(minutes map[int64]struct{}, from, to time.Time) bool {
	if len(minutes) == 0 {
		return false
	}
	lo, hi := minute(from.Unix()), to.Unix()
	if int64(len(minutes)) < (hi-lo)/60 {
		for m := range minutes {
			if lo <= m && m <= hi {
				return true
			}
		}
		return false
	}
	for m := lo; m <= hi; m += 60 {
		if _, ok := minutes[m]; ok {
			return true
		}
	}
	return false
}

// since is the time of the first line of the services in [from, to): before it
// there is no log, which is not the same as a log with nothing in it.
func (l *logs) since(services []string, from, to time.Time) time.Time {
	first := to
	for _, service := range services {
		for _, s := range l.byService[service] {
			if b := s.between(from.Truncate(time.Minute), to); len(b) > 0 && b[0].first.Before(first) {
				first = b[0].first
			}
		}
	}
	return latest(first, from)
}

// erupted reports whether a pattern of trouble of the service was seen at least
// five times in [from, to) and hardly in the hour before.
func (l *logs) erupted(service string, from, to time.Time) bool {
	for _, s := range l.byService[service] {
		if !troubled(s.key.level) {
			continue
		}
		if n := sum(s.between(from, to)); n >= 5 && n > 4*sum(s.between(from.Add(-time.Hour), from)) {
			return true
		}
	}
	return false
}

// forget drops what was seen before the given time.
func (l *logs) forget(before time.Time) {
	cut := before.Unix()
	for name, of := range l.byService {
		for key, s := range of {
			kept := s.sorted()
			i, _ := slices.BinarySearchFunc(kept, cut, func(b bucket, at int64) int { return cmp.Compare(b.at, at) })
			if i == 0 {
				continue
			}
			if i == len(kept) {
				delete(of, key)
				continue
			}
			s.buckets = slices.Clone(kept[i:])
			s.index = make(map[int64]int, len(s.buckets))
			for j, b := range s.buckets {
				s.index[b.at] = j
			}
			maps.DeleteFunc(s.samples, func(m int64, _ sample) bool { return m+60 <= cut })
		}
		if len(of) == 0 {
			delete(l.byService, name)
		}
	}
	for _, in := range []map[edge]map[int64]struct{}{l.edges, l.mentions} {
		for e, minutes := range in {
			maps.DeleteFunc(minutes, func(m int64, _ struct{}) bool { return m+60 <= cut })
			if len(minutes) == 0 {
				delete(in, e)
			}
		}
	}
}

// likelyServices are the words of a pattern that look like the name of a
// service.
func likelyServices(template string) []string {
	var out []string
	for word := range strings.FieldsFuncSeq(template, notNameRune) {
		word = strings.Trim(word, "-_")
		if looksLikeService(word) && !slices.Contains(out, word) {
			out = append(out, word)
		}
	}
	return out
}

func notNameRune(r rune) bool {
	return r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
}

// looksLikeService is strict: "search" and "web" are words before they are
// services; the decoder reads those where a line says that they were called.
func looksLikeService(word string) bool {
	if len(word) < 6 || len(word) > 64 {
		return false
	}
	for _, suffix := range []string{"service", "svc", "_api"} {
		if rest, ok := strings.CutSuffix(word, suffix); ok && len(rest) >= 3 {
			return true
		}
	}
	return strings.Contains(word, "-")
}
