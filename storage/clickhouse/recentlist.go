package clickhouse

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/storage"
)

// recentList is the incidents of the first of the windows, the latest start
// first: what nearly every question about the list is answered from. It is kept
// while it cannot change (see ifUnchanged), and so only in the process that owns
// the timelines.
type recentList struct {
	// from is the least time of the incidents' IDs, asOf when the list was made,
	// in microseconds.
	from      time.Time
	asOf      int64
	incidents []timeline.Incident
}

// recentKey is the key of the list.
type recentKey struct{}

// recentPage is the first page of a list, if it lies in what is recent.
func (s *Store) recentPage(ctx context.Context, q storage.IncidentQuery, limit int) (page storage.IncidentPage, ok bool, err error) {
	if q.Cursor != "" || s.owners.last() == (storage.Claim{}) {
		return page, false, nil
	}
	list, err := ifUnchanged(ctx, s, recentKey{}, func() (recentList, error) { return s.recentList(ctx) })
	if err != nil {
		return page, false, err
	}
	for i := range list.incidents {
		in := &list.incidents[i]
		if !selects(q, in) {
			continue
		}
		if len(page.Incidents) < limit {
			page.Incidents = append(page.Incidents, *in)
			continue
		}
		last := &page.Incidents[limit-1]
		page.Next = s.incidentCursor(incidentPlace{list.asOf, nanos(last.StartedAt), last.ID})
		// What lies before the window can be as late as idAhead into it.
		return page, in.StartedAt.After(list.from.Add(idAhead)), nil
	}
	return page, false, nil
}

func (s *Store) recentList(ctx context.Context) (l recentList, err error) {
	newest := time.Now()
	if n := s.newest.Load(); n != 0 && n < nanos(newest) {
		newest = timeOf(n)
	}
	l.from = newest.Add(-windows[0])
	all := storage.IncidentQuery{Minor: true}
	found, asOf, err := s.listIncidents(ctx, all, incidentPlace{asOf: endless, startedAt: math.MaxInt64}, l.from, math.MaxInt, true)
	if err != nil {
		return l, err
	}
	if len(found) > 0 {
		s.newest.Store(max(s.newest.Load(), found[0].startedAt))
	}
	l.asOf = asOf
	l.incidents, err = incidentsOf(found)
	return l, err
}

// selects says of an incident what [fits] says of its revision.
func selects(q storage.IncidentQuery, in *timeline.Incident) bool {
	return (q.To.IsZero() || in.StartedAt.Before(q.To)) &&
		(q.From.IsZero() || in.EndedAt == nil || !in.EndedAt.Before(q.From)) &&
		(q.Status == "" || q.Status == in.Status) &&
		(q.Service == "" || slices.Contains(in.Services, q.Service)) &&
		(q.Minor || !in.Minor)
}

// limitOf is how many incidents a page holds.
func limitOf(q storage.IncidentQuery) int {
	if q.Limit <= 0 {
		return defaultIncidents
	}
	return min(q.Limit, maxIncidents)
}
