package clickhouse

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Held implements [storage.Exporter].
func (s *Store) Held(ctx context.Context, chunks []event.ChunkID) (map[event.ChunkID]storage.Held, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return nil, fmt.Errorf("find chunks: %w", err)
	}
	defer leave()
	held, err := s.held(ctx, chunks)
	if err != nil {
		return nil, fmt.Errorf("find chunks: %w", err)
	}
	return held, nil
}

func (s *Store) held(ctx context.Context, chunks []event.ChunkID) (map[event.ChunkID]storage.Held, error) {
	all := make(map[event.ChunkID]storage.Held)
	if len(chunks) == 0 {
		return all, nil
	}
	ctx = patient(ctx)
	ids := make([]event.ID, len(chunks))
	for i := range chunks {
		ids[i] = event.ID(chunks[i])
	}
	var from, until int64
	var sources []uint64
	of := make(map[uint64]event.ChunkID)
	err := s.rows(ctx, "SELECT chunk, source, from_second, until_second FROM chunks FINAL WHERE chunk IN "+idList(ids)+" AND "+shown, func(r driver.Rows) error {
		id, source, first, end := []byte(nil), uint64(0), int64(0), int64(0)
		if err := r.Scan(&id, &source, &first, &end); err != nil {
			return fmt.Errorf("read chunk: %w", err)
		}
		if len(sources) == 0 {
			from, until = first, end
		}
		from, until = min(from, first), max(until, end)
		sources, of[source] = append(sources, source), event.ChunkID(id)
		all[event.ChunkID(id)] = storage.Held{}
		return nil
	})
	if err != nil || len(sources) == 0 {
		return all, err
	}
	// Rows that are there twice and not merged yet are one.
	list := inList(sources, number)
	lines := fmt.Sprintf("SELECT source, toInt64(uniqExact(n)), toInt64(0) FROM lines WHERE at >= %s AND at < %s AND source IN %s GROUP BY source",
		timeLiteral(time.Unix(from, 0)), timeLiteral(time.Unix(until, 0)), list)
	counts := fmt.Sprintf("SELECT source, toInt64(0), toInt64(uniqExact(second, service, environment, version, level, pattern, digest)) FROM counts"+
		" WHERE minute >= %d AND minute < %d AND source IN %s GROUP BY source", minuteOf(from), minuteOf(until-1)+1, list)
	for _, query := range []string{lines, counts} {
		err := s.rows(ctx, query, func(r driver.Rows) error {
			var source uint64
			var lines, counts int64
			if err := r.Scan(&source, &lines, &counts); err != nil {
				return err
			}
			h := all[of[source]]
			h.Lines, h.Counts = h.Lines+int(lines), h.Counts+int(counts)
			all[of[source]] = h
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
