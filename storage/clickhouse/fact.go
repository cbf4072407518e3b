package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/facts"
	"github.com/hindcast/hindcast/storage/internal/tally"
)

// Fact implements [storage.Facts]. What was pruned and is pinned by an incident
// comes from its copy.
func (s *Store) Fact(ctx context.Context, id event.ID) (storage.Fact, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return storage.Fact{}, fmt.Errorf("fact: %w", err)
	}
	defer end()
	return facts.Find(ctx, id, s.event, s.observation, s.logOrPinned)
}

func (s *Store) event(ctx context.Context, id event.ID) (f storage.Fact, err error) {
	err = s.rows(ctx, "SELECT "+eventFields+eventRaw+" FROM events FINAL WHERE id = "+idLiteral(id)+finalByPartition, func(r driver.Rows) error {
		var raw string
		e, err := scanEvent(r, &raw)
		e.Raw = payload(raw)
		f.Event = &e
		return err
	})
	if err == nil && f.Event == nil {
		err = storage.ErrNotFound
	}
	return f, err
}

func (s *Store) observation(ctx context.Context, id event.ID) (f storage.Fact, err error) {
	err = s.rows(ctx, "SELECT "+observationFields+observationRaw+" FROM observations FINAL WHERE id = "+idLiteral(id)+finalByPartition, func(r driver.Rows) error {
		var raw string
		o, err := scanObservation(r, &raw)
		o.Raw = payload(raw)
		f.Observation = &o
		return err
	})
	if err == nil && f.Observation == nil {
		err = storage.ErrNotFound
	}
	return f, err
}

// logOrPinned sums the counts as they are now. It gives the copy that was pinned
// when some of them are gone, and when the fact is none of a log.
func (s *Store) logOrPinned(ctx context.Context, id event.ID) (storage.Fact, error) {
	live, err := s.logFacts(ctx, []event.ID{id})
	if err != nil {
		return storage.Fact{}, err
	}
	kept, err := s.pinnedFact(ctx, id)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return storage.Fact{}, err
	}
	if f := live[id]; f != nil && (kept.Log == nil || kept.Log.N <= f.N) {
		return storage.Fact{Log: f}, nil
	}
	return kept, err
}

// secondsAtOnce is how many seconds a query for log facts names, at most.
const secondsAtOnce = 500

// logFacts sums what logs said, for those IDs that name it. There is no row for
// a log fact: an ID begins with its second, whose keys are read and named.
func (s *Store) logFacts(ctx context.Context, ids []event.ID) (map[event.ID]*storage.LogFact, error) {
	sums := tally.NewFacts(ids)
	for seconds := range slices.Chunk(sums.Seconds(), secondsAtOnce) {
		if err := s.addLogs(ctx, sums, seconds); err != nil {
			return nil, fmt.Errorf("sum logs: %w", err)
		}
	}
	return sums.Sums(), nil
}

func (s *Store) addLogs(ctx context.Context, sums *tally.Facts, seconds []int64) error {
	var keys []event.CountKey
	err := s.rows(ctx, logKeysQuery(seconds), func(r driver.Rows) error {
		key, err := scanCountKey(r)
		if err == nil && sums.Wants(&key) {
			keys = append(keys, key)
		}
		return err
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(keys, secondsAtOnce) {
		err := s.rows(ctx, logsQuery(some), func(r driver.Rows) error {
			c, receivedAt, err := scanCount(r)
			if err == nil {
				sums.Add(&c, receivedAt)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// logKeysQuery lists the keys of the counts in some seconds, in ascending order.
func logKeysQuery(seconds []int64) string {
	return "SELECT DISTINCT " + countKeyFields + " FROM counts WHERE " + inSeconds(seconds)
}

// logsQuery reads the counts of some keys, and may read some more.
func logsQuery(keys []event.CountKey) string {
	var seconds []int64
	var services []string
	var patterns []uint64
	for i := range keys {
		seconds, services, patterns = append(seconds, keys[i].Second), append(services, keys[i].Service), append(patterns, uint64(keys[i].Pattern))
	}
	return "SELECT " + countFields + " FROM counts WHERE " + inSeconds(distinct(seconds)) +
		" AND service IN " + inList(distinct(services), bytesLiteral) + " AND pattern IN " + inList(distinct(patterns), number) + " AND " + shown
}

// inSeconds selects the counts of some seconds, which are in ascending order.
func inSeconds(seconds []int64) string {
	minutes := make([]int64, len(seconds))
	for i, sec := range seconds {
		minutes[i] = floorMinute(sec)
	}
	last := seconds[len(seconds)-1]
	return fmt.Sprintf("second >= %s AND second <= %s AND minute IN %s AND toInt64(second) IN %s",
		secondLiteral(seconds[0]), secondLiteral(last), inList(distinct(minutes), number), inList(seconds, number))
}
