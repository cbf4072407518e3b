package correlate

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// pattern is one log pattern of one service around an incident, over all
// versions that logged it.
type pattern struct {
	service  string
	level    event.Level
	template string
	id       event.PatternID
	versions []string
	// points are the seconds in which it was seen, in order.
	points []point
	series []*series
}

// point is a second (or a minute) in which a pattern was seen.
type point struct {
	first, last time.Time
	n           int64
}

// burst is a pattern that began, or became much more frequent, at a time.
type burst struct {
	*pattern
	// at is the first line after the change.
	at time.Time
	// third is the time by which at least three lines had come.
	third time.Time
	// n is the number of lines from at on, before the number before it, within
	// the look-back.
	n, before int64
	// rate is in lines a second from at to the end of the search, priorRate
	// before it.
	rate, priorRate float64
}

// isNew says that the pattern was not seen before the burst.
func (b *burst) isNew() bool { return b.before == 0 }

// What makes a burst. Fewer than three lines may be chance; less than four
// times the rate before may be load. The gain is the logarithm of how much
// more likely two rates explain the lines than one does: 6 is about 400 to 1.
const (
	burstLines = 3
	burstRatio = 4
	burstGain  = 6
	// trickle is the part of a burst's rate from which on what led into it
	// counts as its beginning; less is what the pattern says on any day.
	trickle = 0.04
	// headPause is how long a burst may pause after its very first lines.
	headPause = 5 * time.Second
)

// patternsOf collects the patterns of a service in [from, to), those of
// trouble only when asked so.
func (l *logs) patternsOf(service string, environment string, from, to time.Time, troubledOnly bool) []*pattern {
	type key struct {
		level    event.Level
		template string
	}
	byKey := map[key]*pattern{}
	var out []*pattern
	for _, s := range l.of(service) {
		if troubledOnly && !troubled(s.key.level) {
			continue
		}
		if environment != "" && s.key.environment != "" && s.key.environment != environment {
			continue
		}
		buckets := s.between(from, to)
		if len(buckets) == 0 {
			continue
		}
		k := key{s.key.level, s.template}
		p := byKey[k]
		if p == nil {
			p = &pattern{service: service, level: s.key.level, template: s.template, id: s.key.pattern}
			byKey[k] = p
			out = append(out, p)
		}
		p.series = append(p.series, s)
		p.id = min(p.id, s.key.pattern)
		if v := s.key.version; v != "" && !slices.Contains(p.versions, v) {
			p.versions = append(p.versions, v)
		}
		for _, b := range buckets {
			p.points = append(p.points, point{b.first, b.last, b.n})
		}
	}
	for _, p := range out {
		slices.SortFunc(p.points, func(a, b point) int {
			return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last), cmp.Compare(a.n, b.n))
		})
		slices.Sort(p.versions)
	}
	slices.SortFunc(out, func(a, b *pattern) int {
		return cmp.Or(cmp.Compare(b.level, a.level), strings.Compare(a.template, b.template))
	})
	return out
}

// count is the number of lines that began in [from, to).
func (p *pattern) count(from, to time.Time) (n int64) {
	for _, q := range p.points {
		if !q.first.Before(from) && q.first.Before(to) {
			n += q.n
		}
	}
	return n
}

// seen is the first and the last line in [from, to).
func (p *pattern) seen(from, to time.Time) (first, last time.Time) {
	for _, q := range p.points {
		if q.first.Before(from) || !q.first.Before(to) {
			continue
		}
		first = earliest(first, q.first)
		last = latest(last, q.last)
	}
	return first, last
}

// lines are at most n verbatim lines from [from, to).
func (p *pattern) lines(from, to time.Time, n int) []string {
	out := []string{}
	for _, s := range p.series {
		for _, text := range s.lines(from, to, n) {
			if len(out) < n && !slices.Contains(out, text) {
				out = append(out, text)
			}
		}
	}
	return out
}

// ids are the facts behind the pattern's first seconds in [from, to).
func (p *pattern) ids(from, to time.Time, n int) []event.ID {
	var out []event.ID
	for _, s := range p.series {
		for _, b := range s.between(from.Truncate(time.Second), to) {
			if b.last.Before(from) {
				continue
			}
			if len(out) == n {
				return out
			}
			out = append(out, s.countKey(b).ID())
		}
	}
	return out
}

// countKey is the key of the counts in a bucket. A bucket of a minute stands
// for the second of its first line.
func (s *series) countKey(b bucket) event.CountKey {
	return event.CountKey{
		Service: s.service, Environment: s.key.environment, Version: s.key.version,
		Level: s.key.level, Pattern: s.key.pattern, Second: b.first.Unix(),
	}
}

// findBurst looks for the time in [from, to) at which the pattern began or
// became much more frequent: the most likely change of its rate (two Poisson
// rates against one), and from there back to earlier ones that led into it,
// so that a trouble that began small is dated by its beginning.
func (p *pattern) findBurst(from, to time.Time) (burst, bool) {
	points := p.points
	lo, _ := slices.BinarySearchFunc(points, from, func(q point, at time.Time) int { return q.first.Compare(at) })
	hi, _ := slices.BinarySearchFunc(points, to, func(q point, at time.Time) int { return q.first.Compare(at) })
	points = points[lo:max(lo, hi)]
	i, ok := changePoint(points, from, to)
	if !ok {
		return burst{}, false
	}
	for i > 0 {
		next := points[i].first
		j, ok := changePoint(points[:i], from, next)
		if !ok || !leadsInto(points[j:i], next) || rate(total(points[j:i]), next.Sub(points[j].first)) < trickle*rate(total(points[i:]), to.Sub(next)) {
			break
		}
		i = j
	}
	i = firstOfHead(points, i)
	b := burst{pattern: p, at: points[i].first, before: total(points[:i]), n: total(points[i:])}
	b.rate, b.priorRate = rate(b.n, to.Sub(b.at)), rate(b.before, b.at.Sub(from))
	var n int64
	for _, q := range points[i:] {
		if n += q.n; n >= burstLines {
			b.third = q.last
			break
		}
	}
	return b, true
}

// firstOfHead goes back from a burst to the one or two first lines of a pattern
// that came right before it: too few to be a rate, and yet its beginning.
func firstOfHead(points []point, i int) int {
	if i == 0 || total(points[:i]) >= burstLines {
		return i
	}
	for j := i; j > 0; j-- {
		if points[j].first.Sub(points[j-1].last) > headPause {
			return i
		}
	}
	return 0
}

// changePoint finds the index of the first point after the most likely upward
// change of the rate.
func changePoint(points []point, from, to time.Time) (index int, found bool) {
	all := total(points)
	span := to.Sub(from).Seconds()
	if all < burstLines || span <= 0 {
		return 0, false
	}
	flat := likelihood(all, span)
	best := 0.0
	var before int64
	for i, q := range points {
		t0, t1 := q.first.Sub(from).Seconds(), to.Sub(q.first).Seconds()
		after := all - before
		if after < burstLines {
			break
		}
		gain := likelihood(before, t0) + likelihood(after, t1) - flat
		if gain > best && float64(after)/max(t1, 1) >= burstRatio*float64(before)/max(t0, 1) {
			best, index = gain, i
		}
		before += q.n
	}
	return index, best >= burstGain
}

// likelihood is the part of the logarithm of a Poisson likelihood that depends
// on where the rate changes.
func likelihood(n int64, seconds float64) float64 {
	if n == 0 {
		return 0
	}
	return float64(n) * math.Log(float64(n)/max(seconds, 1))
}

// leadsInto reports whether points go on until next, with no pause that is
// long for their rate.
func leadsInto(points []point, next time.Time) bool {
	mean := next.Sub(points[0].first) / time.Duration(max(1, total(points)))
	pause := min(max(5*mean, time.Minute), 5*time.Minute)
	for i, q := range points {
		until := next
		if i+1 < len(points) {
			until = points[i+1].first
		}
		if until.Sub(q.last) > pause {
			return false
		}
	}
	return true
}

func total(points []point) (n int64) {
	for _, q := range points {
		n += q.n
	}
	return n
}

func rate(n int64, d time.Duration) float64 { return float64(n) / max(d.Seconds(), 1) }

// subsides finds when bursts were over: the last line of the last run of lines
// that is worth a run (a straggler is not), looking at [from, to). Runs are
// separated by pauses that are long for the bursts' own rate.
// Bursts that go on to the end of what is looked at are not over, as far as
// anybody can see.
func subsides(bursts []burst, from, to time.Time) (at time.Time, ok bool) {
	var points []point
	for _, b := range bursts {
		for _, q := range b.points {
			if !q.first.Before(b.at) && !q.first.Before(from) && q.first.Before(to) {
				points = append(points, q)
			}
		}
	}
	if len(points) == 0 {
		return time.Time{}, false
	}
	slices.SortFunc(points, func(a, b point) int { return cmp.Or(a.first.Compare(b.first), a.last.Compare(b.last)) })
	all := total(points)
	mean := points[len(points)-1].last.Sub(points[0].first) / time.Duration(max(1, all))
	pause := min(max(10*mean, 3*time.Second), 3*time.Minute)
	enough := max(burstLines, all/50)
	start := 0
	var n int64
	for i, q := range points {
		if i > 0 && q.first.Sub(points[i-1].last) > pause {
			start, n = i, 0
		}
		n += q.n
		if n >= enough || start == 0 {
			at = latest(at, q.last)
		}
	}
	return at, to.Sub(at) > pause
}
