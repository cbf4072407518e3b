package api

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// fillTimeline makes a timeline as the contract has it: lists are never null
// and times are in UTC, whatever a backend returned. The lists that it changes
// are copies, as the store may share what it returned.
func fillTimeline(t timeline.Timeline) timeline.Timeline {
	fillIncident(&t.Incident)
	t.Milestones = filledBy(t.Milestones, fillMilestone)
	t.Entries = filledBy(t.Entries, fillEntry)
	t.Context = filledBy(t.Context, fillEntry)
	t.Changes = filledBy(t.Changes, fillChange)
	t.Participants = filledBy(t.Participants, func(p *timeline.Participant) {
		p.Did, p.Stages = filled(p.Did), filled(p.Stages)
		p.FirstAt, p.LastAt = p.FirstAt.UTC(), p.LastAt.UTC()
	})
	t.Gaps = filledBy(t.Gaps, func(g *timeline.Gap) { g.Evidence = filled(g.Evidence) })
	if t.Durations == nil {
		t.Durations = map[timeline.DurationName]timeline.Duration{}
	}
	return t
}

func fillIncident(i *timeline.Incident) {
	i.Aliases, i.Services = filled(i.Aliases), filled(i.Services)
	i.StartedAt, i.EndedAt = i.StartedAt.UTC(), utc(i.EndedAt)
}

func fillMilestone(m *timeline.Milestone) {
	m.At, m.Earliest, m.Latest = utc(m.At), utc(m.Earliest), utc(m.Latest)
	m.Evidence = filled(m.Evidence)
	m.Alternatives = filledBy(m.Alternatives, func(a *timeline.Alternative) {
		a.At, a.Evidence = a.At.UTC(), filled(a.Evidence)
	})
	if m.Derived != nil {
		derived := *m.Derived
		fillMilestone(&derived)
		m.Derived = &derived
	}
}

func fillEntry(e *timeline.Entry) {
	e.At, e.Until = e.At.UTC(), utc(e.Until)
	e.Events, e.Links = filled(e.Events), filled(e.Links)
	if e.Log != nil && (e.Log.Lines == nil || !isUTC(e.Log.FirstSeen) || !isUTC(e.Log.LastSeen)) {
		l := *e.Log
		l.Lines, l.FirstSeen, l.LastSeen = filled(l.Lines), l.FirstSeen.UTC(), l.LastSeen.UTC()
		e.Log = &l
	}
}

func fillChange(c *timeline.Change) {
	c.At, c.StartedAt, c.FinishedAt = c.At.UTC(), utc(c.StartedAt), utc(c.FinishedAt)
	c.Events, c.Reasons = filled(c.Events), filled(c.Reasons)
	c.Commits = filledBy(c.Commits, func(c *timeline.Commit) { c.Reasons = filled(c.Reasons) })
}

// filled is the list, empty in place of nil.
func filled[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// filledBy is a copy of the list with every element filled.
func filledBy[T any](list []T, fill func(*T)) []T {
	list = filled(slices.Clone(list))
	for i := range list {
		fill(&list[i])
	}
	return list
}

func utc(t *time.Time) *time.Time {
	if t == nil || isUTC(*t) {
		return t
	}
	u := t.UTC()
	return &u
}

func isUTC(t time.Time) bool { return t.Location() == time.UTC }
