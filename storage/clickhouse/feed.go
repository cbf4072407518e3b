package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

const (
	// defaultFeed is the page of a feed when the caller asks for none, in facts.
	defaultFeed = 1000
	// journalPage is how many rows of the journal that were not seen are read at
	// once, at most.
	journalPage = 1000
)

// Since implements [storage.Feed]. A page is made of whole rows of the journal: it
// may be larger than the limit by one row's facts, about 5,000. When nothing is
// new that is one query over what the journal got in the last minutes. The zero
// cursor is before everything that the journal holds, and a cursor is good for a
// week; then it is [storage.ErrBadCursor], as the journal forgets.
func (s *Store) Since(ctx context.Context, cursor storage.Cursor, limit int) (storage.FactPage, storage.Cursor, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.FactPage{}, cursor, fmt.Errorf("since: %w", err)
	}
	defer end()
	page, next, err := s.since(ctx, cursor, limit)
	if err != nil {
		return storage.FactPage{}, cursor, fmt.Errorf("since: %w", err)
	}
	return page, next, nil
}

func (s *Store) since(ctx context.Context, given storage.Cursor, limit int) (page storage.FactPage, next storage.Cursor, err error) {
	if limit <= 0 {
		limit = defaultFeed
	}
	position, err := s.parseFeedCursor(given)
	if err != nil {
		return page, given, err
	}
	for most := min(limit, journalPage); ; {
		found, err := s.journalFrom(ctx, &position, len(position.seen)+most)
		if err != nil {
			return page, given, err
		}
		taken := found.take(&position, limit)
		if len(taken) == 0 && found.cut {
			// Rows that were seen fill the answer: look further.
			most *= 2
			continue
		}
		if len(taken) == 0 {
			return storage.FactPage{}, given, nil
		}
		if page, err = s.factsOf(ctx, taken); err != nil {
			return page, given, err
		}
		position = found.after(&position, taken)
		// The facts of rows may be gone. Only the end is an empty page.
		if page.Len() > 0 {
			return page, s.feedCursor(position), nil
		}
	}
}

// Tip implements [storage.Feed].
func (s *Store) Tip(ctx context.Context) (storage.Cursor, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return "", fmt.Errorf("tip: %w", err)
	}
	defer end()
	var now, high int64
	var batches []uint64
	if err := s.row(ctx, tipQuery(), &now, &high, &batches); err != nil {
		return "", fmt.Errorf("tip: %w", err)
	}
	p := feedPosition{low: now - overlap.Microseconds(), high: high, seen: make(map[uint64]bool, len(batches))}
	for _, batch := range batches {
		p.seen[batch] = true
	}
	return s.feedCursor(p), nil
}

// What follows is SQL about the engine's clock: the times of the journal are its
// own.

func tipQuery() string {
	return fmt.Sprintf(`SELECT toUnixTimestamp64Micro(now64(6)), toUnixTimestamp64Micro(max(at)), groupUniqArrayIf(batch, at <= now64(6) + INTERVAL %[1]d SECOND)
		FROM journal WHERE at >= now64(6) - INTERVAL %[1]d SECOND`, int(overlap.Seconds()))
}

// journalQuery lists rows of the journal that may not have been seen from a
// position, the oldest first.
func journalQuery(p *feedPosition, limit int) string {
	return fmt.Sprintf(`SELECT toUnixTimestamp64Micro(at), batch, toUInt32(length(events)), toUInt32(length(observations)), counts, from_minute, until_minute, toUnixTimestamp64Micro(now64(6))
		FROM journal
		WHERE at >= least(%s, now64(6) - INTERVAL %[3]d SECOND) AND (at <= now64(6) + INTERVAL %[3]d SECOND OR at > %[2]s)
		ORDER BY at, batch LIMIT %[4]d`, microLiteral(p.low), microLiteral(p.high), int(overlap.Seconds()), limit)
}

func microLiteral(micros int64) string {
	return fmt.Sprintf("fromUnixTimestamp64Micro(%d, 'UTC')", micros)
}

// namedRow says how many facts a row of the journal names, of each kind.
type namedRow struct {
	at                           int64
	batch                        uint64
	events, observations, counts uint32
	fromMinute, untilMinute      int32
}

func (r *namedRow) facts() int { return int(r.events) + int(r.observations) + int(r.counts) }

// foundRows are rows of the journal in ascending order of time.
type foundRows struct {
	rows []namedRow
	// now is the engine's clock, in microseconds since 1970.
	now int64
	// cut says that there may be more behind the last one.
	cut bool
}

func (s *Store) journalFrom(ctx context.Context, p *feedPosition, limit int) (found foundRows, err error) {
	err = s.rows(ctx, journalQuery(p, limit), func(rows driver.Rows) error {
		var r namedRow
		err := rows.Scan(&r.at, &r.batch, &r.events, &r.observations, &r.counts, &r.fromMinute, &r.untilMinute, &found.now)
		found.rows = append(found.rows, r)
		return err
	})
	if err != nil {
		return found, fmt.Errorf("read the journal: %w", err)
	}
	found.cut = len(found.rows) >= limit
	return found, nil
}

// take chooses rows that were not seen, for a page of about limit facts.
func (f *foundRows) take(p *feedPosition, limit int) []namedRow {
	var taken []namedRow
	facts := 0
	for _, r := range f.rows {
		if p.seen[r.batch] {
			continue
		}
		// A page begins with a row however large it is.
		if facts > 0 && facts+r.facts() > limit {
			break
		}
		taken, facts = append(taken, r), facts+r.facts()
		if facts >= limit || len(taken) == journalPage {
			break
		}
	}
	return taken
}

// after is the position behind rows that were taken.
func (f *foundRows) after(p *feedPosition, taken []namedRow) feedPosition {
	next := feedPosition{low: f.now - overlap.Microseconds(), high: p.high, seen: make(map[uint64]bool)}
	seen := maps.Clone(p.seen)
	if seen == nil {
		seen = make(map[uint64]bool, len(taken))
	}
	for _, r := range taken {
		seen[r.batch] = true
		next.high = max(next.high, r.at)
	}
	// Nothing behind what was left to later pages may be taken for seen.
	if i := slices.IndexFunc(f.rows, func(r namedRow) bool { return !seen[r.batch] }); i >= 0 {
		next.low = min(next.low, f.rows[i].at)
	}
	if f.cut {
		next.low = min(next.low, f.rows[len(f.rows)-1].at)
	}
	found := make(map[uint64]bool, len(f.rows))
	for _, r := range f.rows {
		found[r.batch] = true
		if seen[r.batch] && r.at >= next.low && r.at <= f.now+overlap.Microseconds() {
			next.seen[r.batch] = true
		}
	}
	for batch := range p.seen {
		if f.cut && !found[batch] {
			next.seen[batch] = true
		}
	}
	return next
}

// factsOf loads what rows of the journal name. What is named twice comes once.
func (s *Store) factsOf(ctx context.Context, rows []namedRow) (page storage.FactPage, err error) {
	var all namedRow
	for _, r := range rows {
		all.events, all.observations, all.counts = all.events+r.events, all.observations+r.observations, all.counts+r.counts
	}
	if all.events > 0 {
		page.Events, err = s.eventsWhere(ctx, eventsOfQuery(rows))
		if err != nil {
			return page, fmt.Errorf("read events: %w", err)
		}
	}
	if all.observations > 0 {
		page.Observations, err = s.observationsWhere(ctx, observationsOfQuery(rows))
		if err != nil {
			return page, fmt.Errorf("read observations: %w", err)
		}
	}
	if all.counts > 0 {
		page.Counts, err = s.countsWhere(ctx, countsOfQuery(rows))
		if err != nil {
			return page, fmt.Errorf("read counts: %w", err)
		}
	}
	return page, nil
}

// named is a list of what rows of the journal name in a column. The engine looks
// it up itself: thousands of IDs in a query take it longer to read.
func named(column string, rows []namedRow) string {
	batches := make([]uint64, len(rows))
	from, to := rows[0].at, rows[0].at
	for i, r := range rows {
		batches[i], from, to = r.batch, min(from, r.at), max(to, r.at)
	}
	return fmt.Sprintf("(SELECT arrayJoin(%s) FROM journal WHERE at >= %s AND at <= %s AND batch IN %s)",
		column, microLiteral(from), microLiteral(to), inList(batches, number))
}

func eventsOfQuery(rows []namedRow) string {
	return "SELECT " + eventFields + " FROM events FINAL WHERE id IN " + named("events", rows) + finalByPartition
}

func observationsOfQuery(rows []namedRow) string {
	return "SELECT " + observationFields + " FROM observations FINAL WHERE id IN " + named("observations", rows) + finalByPartition
}

// countsOfQuery looks at the minutes alone in which the rows have counts.
func countsOfQuery(rows []namedRow) string {
	var spans []minuteSpan
	var with []namedRow
	for _, r := range rows {
		if r.counts > 0 {
			spans, with = append(spans, minuteSpan{r.fromMinute, r.untilMinute}), append(with, r)
		}
	}
	return "SELECT " + countFields + " FROM counts WHERE " + inMinutes(joinSpans(spans)) + " AND source IN " + named("sources", with) + " AND " + shown
}

// eventsWhere reads the events of a query for eventFields.
func (s *Store) eventsWhere(ctx context.Context, query string) (events []event.Event, err error) {
	err = s.rows(ctx, query, func(r driver.Rows) error {
		e, err := scanEvent(r)
		events = append(events, e)
		return err
	})
	return events, err
}

// observationsWhere reads the observations of a query for observationFields.
func (s *Store) observationsWhere(ctx context.Context, query string) (observations []event.Observation, err error) {
	err = s.rows(ctx, query, func(r driver.Rows) error {
		o, err := scanObservation(r)
		observations = append(observations, o)
		return err
	})
	return observations, err
}
