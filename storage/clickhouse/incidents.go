package clickhouse

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultIncidents = 50
	maxIncidents     = 1000
)

// Published implements [storage.Derivations].
func (s *Store) Published(ctx context.Context, since time.Time) ([]storage.Published, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("published: %w", err)
	}
	defer end()
	list, err := s.published(ctx, since)
	if err != nil {
		return nil, fmt.Errorf("published: %w", err)
	}
	return list, nil
}

func (s *Store) published(ctx context.Context, since time.Time) ([]storage.Published, error) {
	from := timeLiteral(since)
	latest := s.schema.isLatest("1", ofLatest(fmt.Sprintf("at >= %[1]s OR ifNull(ended_at >= %[1]s, NOT sealed)", from)))
	var list []storage.Published
	err := s.rows(ctx, "SELECT summary, digest, signals FROM revisions WHERE "+latest+" ORDER BY started_at, incident", func(r driver.Rows) error {
		var p storage.Published
		var summary string
		var signals []string
		err := r.Scan(&summary, &p.Digest, &signals)
		if err != nil {
			return err
		}
		if p.Incident, err = summaryOf(summary); err != nil {
			return err
		}
		for _, id := range signals {
			p.Signals = append(p.Signals, event.ID([]byte(id)))
		}
		list = append(list, p)
		return nil
	})
	return list, err
}

// Incidents implements [storage.Derivations]. A page holds 1,000 at most. A
// cursor is good for a day.
//
// A cursor names the time of the first page beside the last place that was
// shown: the following pages show the list as it was then, so an incident whose
// start moves is neither skipped nor shown twice.
func (s *Store) Incidents(ctx context.Context, q storage.IncidentQuery) (storage.IncidentPage, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", err)
	}
	defer end()
	page, err := s.incidents(ctx, q)
	if err != nil {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", err)
	}
	return page, nil
}

// listed is an incident with its place in the list.
type listed struct {
	incident  timeline.Incident
	startedAt int64
}

// incidentPlace is what a cursor of the list holds: when the first page was
// made, in microseconds, and the last incident that was shown.
type incidentPlace struct {
	asOf, startedAt int64
	id              event.ID
}

const (
	incidentCursorBytes = 8 + 8 + 16
	// endless is later than all times that the engine can stamp, in microseconds.
	endless = int64(7_983_800_000_000_000)
)

// idAhead is how much later than the time of its ID an incident may start.
const idAhead = 24 * time.Hour

// windows is how far back a page looks for incidents, by the times of their IDs
// before the latest start; the last one is for ever. What is recent is asked for
// most.
var windows = []time.Duration{8 * 24 * time.Hour, 60 * 24 * time.Hour, 0}

func (s *Store) incidents(ctx context.Context, q storage.IncidentQuery) (page storage.IncidentPage, err error) {
	limit := q.Limit
	if limit <= 0 {
		limit = defaultIncidents
	}
	limit = min(limit, maxIncidents)
	after := incidentPlace{asOf: endless, startedAt: math.MaxInt64}
	newest := time.Now()
	if n := s.newest.Load(); n != 0 && n < nanos(newest) {
		newest = timeOf(n)
	}
	if q.Cursor != "" {
		if after, err = s.parseIncidentCursor(q.Cursor); err != nil {
			return page, err
		}
		newest = timeOf(after.startedAt)
	}
	if !q.To.IsZero() && q.To.Before(newest) {
		newest = q.To
	}
	for _, w := range windows {
		var from time.Time
		if w > 0 {
			from = newest.Add(-w)
		}
		found, asOf, err := s.listIncidents(ctx, q, after, from, limit+1)
		if err != nil {
			return page, err
		}
		// What lies before the window can be as late as idAhead into it.
		if w > 0 && (len(found) <= limit || found[limit].startedAt <= nanos(from.Add(idAhead))) {
			continue
		}
		if len(found) > limit {
			found = found[:limit]
			last := found[limit-1]
			page.Next = s.incidentCursor(incidentPlace{asOf, last.startedAt, last.incident.ID})
		}
		for _, l := range found {
			page.Incidents = append(page.Incidents, l.incident)
		}
		return page, nil
	}
	return page, nil
}

func (s *Store) parseIncidentCursor(text string) (p incidentPlace, err error) {
	fields, err := s.parseListCursor(cursorIncidents, incidentCursorBytes, text)
	if err != nil {
		return p, err
	}
	p.asOf, p.startedAt = cursor.Int64(fields), cursor.Int64(fields[8:])
	copy(p.id[:], fields[16:])
	return p, nil
}

func (s *Store) incidentCursor(p incidentPlace) string {
	fields := cursor.PutInt64(cursor.PutInt64(nil, p.asOf), p.startedAt)
	return s.listCursor(cursorIncidents, append(fields, p.id[:]...))
}

// listIncidents finds incidents behind a place whose IDs are not older than
// from. The place of one is where it was at the time asOf; what it must be to be
// shown is what it is now.
func (s *Store) listIncidents(ctx context.Context, q storage.IncidentQuery, after incidentPlace, from time.Time, limit int) (found []listed, asOf int64, err error) {
	then := fmt.Sprintf("at <= fromUnixTimestamp64Micro(%d, 'UTC')", after.asOf)
	aggregates := []string{
		ofLatest("retired") + " AS was_retired",
		"argMaxIf(tuple(retired, started_at), " + place + ", " + then + ") AS placed",
		"countIf(" + then + ") AS was_there",
		"toUnixTimestamp64Nano(placed.2) AS placed_at",
		ofLatest("summary") + " AS now_is",
		"toUnixTimestamp64Micro(greatest(now64(6), max(at))) AS seen_at",
	}
	having := []string{
		"NOT was_retired", "was_there > 0", "NOT placed.1",
		fmt.Sprintf("(placed_at, incident) < (%d, %s)", after.startedAt, idLiteral(after.id)),
	}
	// chosen holds the latest revision against the query.
	var chosen []string
	if !q.To.IsZero() {
		chosen = append(chosen, "started_at < "+timeLiteral(q.To))
	}
	if !q.From.IsZero() {
		chosen = append(chosen, "ifNull(ended_at >= "+timeLiteral(q.From)+", 1)")
	}
	if q.Status != "" {
		chosen = append(chosen, "status = "+bytesLiteral(string(q.Status)))
	}
	if q.Service != "" {
		chosen = append(chosen, "has(services, "+bytesLiteral(q.Service)+")")
	}
	if !q.Minor {
		chosen = append(chosen, "NOT minor")
	}
	if len(chosen) > 0 {
		having = append(having, ofLatest(strings.Join(chosen, " AND ")))
	}
	where := "1"
	if !from.IsZero() {
		where = "incident >= " + idLiteral(leastID(from))
	}
	err = s.watched(ctx, func(visible string) error {
		query := "SELECT now_is, placed_at, seen_at FROM (" +
			latestOf(visible, strings.Join(aggregates, ", "), where, strings.Join(having, " AND ")) +
			fmt.Sprintf(") ORDER BY placed_at DESC, incident DESC LIMIT %d", limit)
		found, asOf = nil, after.asOf
		if asOf == endless {
			asOf = 0
		}
		return s.rows(ctx, query, func(r driver.Rows) error {
			var l listed
			var summary string
			var seenAt int64
			err := r.Scan(&summary, &l.startedAt, &seenAt)
			if err != nil {
				return err
			}
			l.incident, err = summaryOf(summary)
			found = append(found, l)
			if after.asOf == endless {
				asOf = max(asOf, seenAt)
			}
			return err
		})
	})
	if err == nil && len(found) > 0 {
		s.newest.Store(max(s.newest.Load(), found[0].startedAt))
	}
	return found, asOf, err
}
