package clickhouse

import (
	"context"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// exportPinned gives the facts that are there as copies only, because an
// incident cites them, and of log facts what the copies tell beyond the counts
// that are kept.
func (s *Store) exportPinned(ctx context.Context, after event.ID, b *event.Batch) (last event.ID, err error) {
	cited := "SELECT arrayJoin(pins) FROM revisions WHERE " + s.schema.isLatest("1", "")
	var ids []event.ID
	var kept []storage.Fact
	err = s.rows(ctx, fmt.Sprintf("SELECT id, kind, body, raw, sample FROM pinned FINAL WHERE id > %s AND id %s IN (%s) ORDER BY id LIMIT %d",
		idLiteral(after), s.schema.global(), cited, exportFacts)+finalByPartition, func(r driver.Rows) error {
		var id []byte
		var c pinnedCopy
		var body string
		if err := r.Scan(&id, &c.kind, &body, &c.raw, &c.sample); err != nil {
			return fmt.Errorf("read pinned fact: %w", err)
		}
		f, err := c.decode(body)
		ids, kept = append(ids, event.ID(id)), append(kept, f)
		return err
	})
	if err != nil || len(ids) == 0 {
		return last, err
	}
	there := make(map[event.ID]bool)
	for _, table := range []string{"events", "observations"} {
		err := s.rows(ctx, "SELECT DISTINCT id FROM "+table+" WHERE id IN "+idList(ids), func(r driver.Rows) error {
			id, err := scanID(r)
			there[id] = true
			return err
		})
		if err != nil {
			return last, err
		}
	}
	logs, err := s.logFacts(ctx, ids)
	if err != nil {
		return last, err
	}
	for i, id := range ids {
		switch f := kept[i]; {
		case f.Log != nil:
			if rest, ok := storage.PinnedRest(*f.Log, logs[id]); ok {
				b.Chunks = append(b.Chunks, rest)
			}
		case there[id]:
		case f.Event != nil:
			b.Events = append(b.Events, *f.Event)
		case f.Observation != nil:
			b.Observations = append(b.Observations, *f.Observation)
		}
	}
	return ids[len(ids)-1], nil
}
