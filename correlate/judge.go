package correlate

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// maxPatterns bounds the log patterns that the weighing of changes looks at,
// maxChanges the changes that a timeline lists, maxAlertTexts the alerts whose words count.
const (
	maxPatterns   = 500
	maxChanges    = 50
	maxAlertTexts = 50
)

// surgeRatio is how many times as often as before a pattern must come to count
// as good as new: from a rate that nobody minds to one that alerts.
const surgeRatio = 10

// gatherChanges selects the changes that may have caused the incident or
// mended it: of its environment, from CauseWithin before the detection to its
// last sign of life.
func (s *story) gatherChanges(all []*change, loose []event.Commit, reports *shelf) {
	from, to := s.detected.Add(-s.cfg.CauseWithin), s.lastSign.Add(stampSlack)
	for _, c := range all {
		at := c.startedAt
		if at.IsZero() {
			at = c.at()
		}
		if c.at().Before(from) || at.After(to) {
			continue
		}
		if s.environment != "" && c.environment != "" && c.environment != s.environment {
			continue
		}
		if !slices.ContainsFunc(c.events, func(id event.ID) bool { e := reports.byID[id]; return e == nil || !s.tooLate(e) }) {
			s.late = append(s.late, c.events...)
			continue
		}
		s.changes = append(s.changes, c)
	}
	for _, c := range loose {
		if !c.At.Before(from) && !c.At.After(to) {
			s.commits = append(s.commits, c)
		}
	}
}

// judge weighs the changes and says what each one was to the incident. Where
// nothing suffers, only what was done to its own services is of interest.
func (s *story) judge(minor bool) []timeline.Change {
	if minor {
		s.changes = slices.DeleteFunc(s.changes, func(c *change) bool {
			return !slices.Contains(s.services, c.service) && !slices.Contains(s.nearby, c.service)
		})
		s.commits = nil
	}
	if len(s.changes) == 0 {
		return []timeline.Change{}
	}
	in := suspicion{
		onset: s.detected, detected: s.detected, environment: s.environment,
		services: s.services, alerting: s.services,
		calls: s.calls(), changes: s.changes, commits: s.commits,
	}
	if s.first != nil {
		in.onset, in.onsetKnown = s.first.at, true
		for i := range s.bursts {
			// Services that failed without an alert of their own suffer as well.
			if b := &s.bursts[i]; !slices.Contains(in.services, b.service) {
				in.services = append(slices.Clone(in.services), b.service)
			}
		}
		slices.Sort(in.services)
	}
	seen := map[event.Fingerprint]bool{}
	for _, m := range s.members {
		// What an alert says, it says at every firing.
		if seen[m.fingerprint] || len(seen) == maxAlertTexts {
			continue
		}
		seen[m.fingerprint] = true
		in.alerts = append(in.alerts, alertText{service: m.service, labels: m.labels(), annotations: m.annotations(), startsAt: m.start})
	}
	if calm := s.recovered(); calm.Equal(s.calm) {
		in.calm = calm
	}
	in.patterns = s.patternTexts(in.onset, minor)
	for _, r := range s.remedies {
		if r.change != nil && (r.worked || r.failed) {
			in.remedies = append(in.remedies, remedyText{change: r.change, worked: r.worked, failed: r.failed})
		}
	}
	out := weigh(in)
	return out[:min(len(out), maxChanges)]
}

// calls is the topology in the incident's window: of its services, and of
// those beside them.
func (s *story) calls() map[string][]string {
	from, to := s.detected.Add(-onsetWithin), s.lastSign.Add(s.cfg.LinkWithin)
	out := map[string][]string{}
	for _, own := range slices.Concat(s.services, s.nearby) {
		for _, other := range s.topology.near[own] {
			if s.topology.calls(own, other, from, to) {
				out[own] = insertSorted(out[own], other)
			}
			if s.topology.calls(other, own, from, to) {
				out[other] = insertSorted(out[other], own)
			}
		}
	}
	return out
}

func insertSorted(set []string, s string) []string {
	i, found := slices.BinarySearch(set, s)
	if found {
		return set
	}
	return slices.Insert(set, i, s)
}

// patternTexts are the log patterns of all services that logged around the
// incident, those of its own services first.
func (s *story) patternTexts(onset time.Time, minor bool) []patternText {
	from, to := onset.Add(-baselineSpan), s.lastSign.Add(stampSlack)
	since := onset.Add(-time.Second)
	services := slices.Concat(s.services, s.nearby)
	for _, other := range s.logs.services() {
		if !slices.Contains(services, other) {
			services = append(services, other)
		}
	}
	if minor {
		services = services[:len(s.services)+len(s.nearby)]
	}
	logged := s.logs.since(s.burstServices(), from, to)
	var out []patternText
	for _, service := range services {
		for _, p := range s.logs.patternsOf(service, s.environment, from, to, false) {
			if len(out) == maxPatterns {
				return out
			}
			t := patternText{
				service: service, level: p.level, template: p.template, lines: p.lines(since, to, 3),
				count: p.count(since, to), baseline: p.count(from, since),
			}
			if len(t.lines) == 0 {
				t.lines = p.lines(from, to, 3)
			}
			if len(p.versions) == 1 {
				t.version = p.versions[0]
			}
			t.first, t.last = p.seen(from, to.Add(time.Second))
			t.isNew = t.baseline == 0
			t.surged = !t.isNew && rate(t.count, to.Sub(since)) >= surgeRatio*rate(t.baseline, since.Sub(logged))
			for _, series := range p.series {
				for _, u := range series.upstreams {
					t.upstreams = insertSorted(t.upstreams, u)
				}
			}
			out = append(out, t)
		}
	}
	return out
}
