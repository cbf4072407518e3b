package clickhouse

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// Prune implements [storage.Store]. A partition of which all is old goes as a
// whole; of others the old rows are deleted, and only where there are some. Superseded
// publications are kept for a day, and so long cursors of [Store.Incidents] are
// good.
func (s *Store) Prune(ctx context.Context, policy storage.Retention) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("prune: %w", err)
	}
	defer leave()
	ctx = patient(ctx)
	// What is cited is copied before it goes.
	steps := []struct {
		what string
		do   func(context.Context, storage.Retention) error
	}{
		{"incidents", s.pruneIncidents},
		{"lines", s.pruneLines},
		{"counts", s.pruneCounts},
		{"events", s.pruneEvents},
		{"observations", s.pruneObservations},
		{"asides", s.pruneAsides},
		{"chunks", s.pruneChunks},
	}
	for _, step := range steps {
		if s.life.Ended() {
			return fmt.Errorf("prune: %w", lifetime.ErrClosed)
		}
		if err := step.do(ctx, policy); err != nil {
			return fmt.Errorf("prune %s: %w", step.what, err)
		}
	}
	return nil
}

func (s *Store) pruneLines(ctx context.Context, policy storage.Retention) error {
	if policy.LinesBefore.IsZero() {
		return nil
	}
	return s.pruneDays(ctx, "lines", "at", policy.LinesBefore)
}

func (s *Store) pruneCounts(ctx context.Context, policy storage.Retention) error {
	if policy.CountsBefore.IsZero() {
		return nil
	}
	var n uint64
	var oldest int64
	if err := s.row(ctx, "SELECT count(), toInt64(min(second)) FROM counts WHERE second < "+timeLiteral(policy.CountsBefore), &n, &oldest); err != nil || n == 0 {
		return err
	}
	// An ID of a log fact begins with its second.
	from, to := leastID(time.Unix(oldest, 0)), leastID(policy.CountsBefore.Add(time.Second))
	if err := s.refreshPins(ctx, fmt.Sprintf("id >= %s AND id < %s", idLiteral(from), idLiteral(to))); err != nil {
		return err
	}
	return s.pruneDays(ctx, "counts", "second", policy.CountsBefore)
}

func (s *Store) pruneEvents(ctx context.Context, policy storage.Retention) error {
	if policy.EventsBefore.IsZero() {
		return nil
	}
	old := "occurred_at < " + timeLiteral(policy.EventsBefore)
	if err := s.refreshPins(ctx, "id "+s.schema.global()+" IN (SELECT id FROM events WHERE "+old+")"); err != nil {
		return err
	}
	return s.pruneMonths(ctx, "events", old)
}

// pruneObservations deletes observations of which all that was said is old. Rows
// of one that are not merged yet stay together.
func (s *Store) pruneObservations(ctx context.Context, policy storage.Retention) error {
	if policy.EventsBefore.IsZero() {
		return nil
	}
	before := timeLiteral(policy.EventsBefore)
	old := "seen_until < " + before
	var younger []event.ID
	err := s.rows(ctx, fmt.Sprintf("SELECT id FROM observations WHERE id %s IN (SELECT id FROM observations WHERE %s) GROUP BY id HAVING max(seen_until) >= %s",
		s.schema.global(), old, before), func(r driver.Rows) error {
		id, err := scanID(r)
		younger = append(younger, id)
		return err
	})
	if err != nil {
		return err
	}
	if len(younger) > 0 {
		old += " AND id NOT IN " + idList(younger)
	}
	if err := s.refreshPins(ctx, "id "+s.schema.global()+" IN (SELECT id FROM observations WHERE "+old+")"); err != nil {
		return err
	}
	return s.pruneMonths(ctx, "observations", old)
}

func (s *Store) pruneAsides(ctx context.Context, policy storage.Retention) error {
	if policy.AsidesBefore.IsZero() {
		return nil
	}
	return s.pruneMonths(ctx, "asides", "received_at < "+timeLiteral(policy.AsidesBefore))
}

// oldShare is the share of old rows, one in so many, from which on a table is
// pruned that has one partition: all of it is rewritten.
const oldShare = 10

// appendLive is for how long what tells of a chunk is kept after it was written:
// its lines may be on their way.
const appendLive = 24 * time.Hour

// pruneChunks forgets chunks of which nothing is left, and then that they were
// hidden.
func (s *Store) pruneChunks(ctx context.Context, policy storage.Retention) error {
	if policy.CountsBefore.IsZero() {
		return nil
	}
	now, err := s.engineTime(ctx)
	if err != nil {
		return err
	}
	written := timeLiteral(now.Add(-appendLive))
	// A chunk with lines goes when they may.
	lines := "lines = 0"
	if !policy.LinesBefore.IsZero() {
		lines = fmt.Sprintf("(lines = 0 OR until_second <= %d)", policy.LinesBefore.Unix())
	}
	err = s.pruneWhole(ctx, "chunks", fmt.Sprintf("until_second <= %d AND %s AND appended_at < %s", policy.CountsBefore.Unix(), lines, written))
	if err != nil {
		return err
	}
	var gone []uint64
	err = s.rows(ctx, fmt.Sprintf("SELECT DISTINCT source FROM replaced WHERE replaced_at < %s AND source %s NOT IN (SELECT source FROM chunks) LIMIT %d",
		written, s.schema.global(), sourcesAtOnce), func(r driver.Rows) error {
		var source uint64
		err := r.Scan(&source)
		gone = append(gone, source)
		return err
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	return s.pruneWhole(ctx, "replaced", "source IN "+inList(gone, number)+" AND replaced_at < "+written)
}

// sourcesAtOnce is how many sources one deletion names.
const sourcesAtOnce = 20_000

// pruneWhole deletes rows of a table that has one partition, if they are a share
// of it that makes it worth the while.
func (s *Store) pruneWhole(ctx context.Context, table, old string) error {
	var all, n uint64
	if err := s.row(ctx, "SELECT count(), countIf("+old+") FROM "+table, &all, &n); err != nil {
		return err
	}
	if n == 0 || n*oldShare < all {
		return nil
	}
	return s.mutate(ctx, fmt.Sprintf("ALTER TABLE %s %s DELETE WHERE %s", s.schema.local(table), s.schema.on(), old))
}

// pruneDays deletes the rows from before a time of a table whose partitions are
// days. What may come into a day that is over is old as well, so it is dropped;
// the day that the time is in has rows deleted.
func (s *Store) pruneDays(ctx context.Context, table, column string, before time.Time) error {
	old := column + " < " + timeLiteral(before)
	found, err := s.countRows(ctx, table, old)
	if err != nil {
		return err
	}
	var d days
	today := fmt.Sprint(d.of(before))
	for _, p := range slices.Sorted(maps.Keys(found)) {
		if s.life.Ended() {
			return lifetime.ErrClosed
		}
		if p != today {
			err = s.mutate(ctx, fmt.Sprintf("ALTER TABLE %s %s DROP PARTITION ID %s", s.schema.local(table), s.schema.on(), quoteText(p)))
		} else {
			err = s.deleteRows(ctx, table, p, old)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p, err)
		}
	}
	return nil
}

// pruneMonths deletes the rows that a condition holds for of a table whose
// partitions are the months of IDs. A partition of which all is old is not
// dropped but emptied, which spares what is inserted meanwhile.
func (s *Store) pruneMonths(ctx context.Context, table, old string) error {
	found, err := s.countRows(ctx, table, old)
	if err != nil || len(found) == 0 {
		return err
	}
	partitions := slices.Sorted(maps.Keys(found))
	all, err := s.countRows(ctx, table, "_partition_id IN "+inList(partitions, quoteText))
	if err != nil {
		return err
	}
	for _, p := range partitions {
		if s.life.Ended() {
			return lifetime.ErrClosed
		}
		if found[p] == all[p] {
			err = s.mutate(ctx, fmt.Sprintf("ALTER TABLE %s %s DELETE IN PARTITION ID %s WHERE %s", s.schema.local(table), s.schema.on(), quoteText(p), old))
		} else {
			err = s.deleteRows(ctx, table, p, old)
		}
		if err != nil {
			return fmt.Errorf("partition %s: %w", p, err)
		}
	}
	return nil
}

// countRows counts rows by their partition's ID.
func (s *Store) countRows(ctx context.Context, table, where string) (map[string]uint64, error) {
	counts := make(map[string]uint64)
	err := s.rows(ctx, "SELECT _partition_id, count() FROM "+table+" WHERE "+where+" GROUP BY _partition_id", func(r driver.Rows) error {
		var partition string
		var n uint64
		err := r.Scan(&partition, &n)
		counts[partition] = n
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("count old rows: %w", err)
	}
	return counts, nil
}

// engineTime is the time by which the engine stamps what it inserts.
func (s *Store) engineTime(ctx context.Context) (time.Time, error) {
	var now int64
	if err := s.row(ctx, "SELECT toUnixTimestamp64Nano(now64(9))", &now); err != nil {
		return time.Time{}, fmt.Errorf("ask for the time: %w", err)
	}
	return time.Unix(0, now), nil
}

// deleteRows deletes rows of one partition, and returns when nobody sees them
// any more.
func (s *Store) deleteRows(ctx context.Context, table, partition, where string) error {
	return s.mutate(ctx, fmt.Sprintf("DELETE FROM %s %s IN PARTITION ID %s WHERE %s",
		s.schema.local(table), s.schema.on(), quoteText(partition), where))
}

// mutate runs a statement that changes rows, and waits until it is done, for
// [patientTimeout] at most.
func (s *Store) mutate(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, patientTimeout)
	defer cancel()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{
		"mutations_sync": 1, "lightweight_deletes_sync": 1, "max_execution_time": int(patientTimeout / time.Second),
	}))
	return classify(ctx, s.conn.Exec(ctx, statement))
}

// refreshAtOnce is how many copies are brought up to date together.
const refreshAtOnce = 500

// refreshPins brings the copies of cited facts up to date, before what they are
// made of goes. The condition is one of holders.
func (s *Store) refreshPins(ctx context.Context, where string) error {
	var ids []event.ID
	err := s.rows(ctx, fmt.Sprintf("SELECT DISTINCT id FROM holders WHERE role = %d AND %s", roleCites, where), func(r driver.Rows) error {
		id, err := scanID(r)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return fmt.Errorf("find what is cited: %w", err)
	}
	for some := range slices.Chunk(ids, refreshAtOnce) {
		if s.life.Ended() {
			return lifetime.ErrClosed
		}
		if _, err := s.copyFacts(ctx, some); err != nil {
			return fmt.Errorf("copy what is cited: %w", err)
		}
	}
	return nil
}

// leastID is the least ID of a time.
func leastID(t time.Time) event.ID {
	id := event.NewID(t)
	clear(id[6:])
	return id
}
