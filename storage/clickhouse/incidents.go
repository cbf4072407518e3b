package clickhouse

import (
	"context"
	"fmt"
	"math"
	"slices"
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
	page, err := ifUnchanged(ctx, s, q, func() (storage.IncidentPage, error) { return s.incidents(ctx, q) })
	if err != nil {
		return storage.IncidentPage{}, fmt.Errorf("incidents: %w", err)
	}
	page.Incidents = slices.Clone(page.Incidents) // the caller's own
	return page, nil
}

// listed is an incident with its place in the list.
type listed struct {
	id        event.ID
	key       revisionKey // of its latest revision
	startedAt int64
	summary   string // of its latest revision; "" when it was not read
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
// most: of the first, summaries are read with the rest.
var windows = []time.Duration{8 * 24 * time.Hour, 60 * 24 * time.Hour, 0}

func (s *Store) incidents(ctx context.Context, q storage.IncidentQuery) (page storage.IncidentPage, err error) {
	limit := limitOf(q)
	if page, ok, err := s.recentPage(ctx, q, limit); ok || err != nil {
		return page, err
	}
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
	for i, w := range windows {
		from := event.MinTime
		if w > 0 {
			from = newest.Add(-w)
		}
		found, asOf, err := s.listIncidents(ctx, q, after, from, limit+1, i == 0)
		if err != nil {
			return page, err
		}
		// What lies before the window can be as late as idAhead into it.
		if w > 0 && (len(found) <= limit || found[limit].startedAt <= nanos(from.Add(idAhead))) {
			continue
		}
		if len(found) > 0 {
			s.newest.Store(max(s.newest.Load(), found[0].startedAt))
		}
		if len(found) > limit {
			found = found[:limit]
			last := found[limit-1]
			page.Next = s.incidentCursor(incidentPlace{asOf, last.startedAt, last.id})
		}
		if i > 0 {
			if found, err = s.summaries(ctx, found); err != nil {
				return page, err
			}
		}
		page.Incidents, err = incidentsOf(found)
		return page, err
	}
	return page, nil
}

func (s *Store) parseIncidentCursor(text string) (p incidentPlace, err error) {
	fields, err := s.cursors().Decode(cursor.Incidents, incidentCursorBytes, text)
	if err != nil {
		return p, err
	}
	p.asOf, p.startedAt = cursor.Int64(fields), cursor.Int64(fields[8:])
	copy(p.id[:], fields[16:])
	return p, nil
}

func (s *Store) incidentCursor(p incidentPlace) string {
	fields := cursor.PutInt64(cursor.PutInt64(nil, p.asOf), p.startedAt)
	return s.cursors().Encode(cursor.Incidents, append(fields, p.id[:]...))
}

// listIncidents finds incidents behind a place whose IDs are not older than
// from, with their summaries if they are wanted. The place of one is where it was
// at the time asOf; what it must be to be shown is what it is now.
//
// The engine gives the revisions, and which of them counts is decided here: to
// analyse the aggregation that says it takes the engine longer than to read some
// thousand rows.
func (s *Store) listIncidents(ctx context.Context, q storage.IncidentQuery, after incidentPlace, from time.Time, limit int, summaries bool) (found []listed, asOf int64, err error) {
	columns := "incident, epoch, owner, seq, toUnixTimestamp64Micro(at), toUnixTimestamp64Micro(now64(6)), retired, toUnixTimestamp64Nano(started_at), toBool(" + fits(q) + "), "
	if summaries {
		columns += "summary"
	} else {
		columns += "''"
	}
	err = s.watched(ctx, func(visible string) error {
		l := revisionList{asOf: after.asOf, of: make(map[event.ID]*listedRevisions)}
		err := s.rows(ctx, "SELECT "+columns+" FROM revisions WHERE "+visible+" AND incident >= "+idLiteral(leastID(from)), l.scan)
		found, asOf = l.behind(after, limit), after.asOf
		if asOf == endless {
			asOf = l.seenAt
		}
		return err
	})
	return found, asOf, err
}

// fits is the condition that a revision is what a query selects.
func fits(q storage.IncidentQuery) string {
	conditions := []string{"1"}
	if !q.To.IsZero() {
		conditions = append(conditions, "started_at < "+timeLiteral(q.To))
	}
	if !q.From.IsZero() {
		conditions = append(conditions, "ifNull(ended_at >= "+timeLiteral(q.From)+", 1)")
	}
	if q.Status != "" {
		conditions = append(conditions, "status = "+bytesLiteral(string(q.Status)))
	}
	if q.Service != "" {
		conditions = append(conditions, "has(services, "+bytesLiteral(q.Service)+")")
	}
	if !q.Minor {
		conditions = append(conditions, "NOT minor")
	}
	return strings.Join(conditions, " AND ")
}

// summaries reads the summaries of a list, and leaves out what was pruned since
// it was made: that was superseded a day ago.
func (s *Store) summaries(ctx context.Context, list []listed) ([]listed, error) {
	if len(list) == 0 {
		return nil, nil
	}
	ids := make([]event.ID, len(list))
	at := make(map[event.ID]int, len(list))
	for i := range list {
		ids[i], at[list[i].id] = list[i].id, i
	}
	err := s.rows(ctx, "SELECT incident, epoch, owner, seq, summary FROM revisions WHERE incident IN "+idList(ids), func(r driver.Rows) error {
		var incident []byte
		var key revisionKey
		var text string
		if err := r.Scan(&incident, &key.epoch, &key.owner, &key.seq, &text); err != nil {
			return err
		}
		if l := &list[at[event.ID(incident)]]; l.key == key {
			l.summary = text
		}
		return nil
	})
	return slices.DeleteFunc(list, func(l listed) bool { return l.summary == "" }), err
}

// incidentsOf decodes the summaries of a list.
func incidentsOf(list []listed) ([]timeline.Incident, error) {
	var incidents []timeline.Incident
	for i := range list {
		incident, err := summaryOf(list[i].summary)
		if err != nil {
			return nil, err
		}
		incidents = append(incidents, incident)
	}
	return incidents, nil
}
