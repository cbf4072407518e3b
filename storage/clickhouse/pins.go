package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// A fact that an incident cites is copied when it is first cited, because what
// it is made of goes away. What arrives in between is added when its rows are
// about to go (see [Store.refreshPins]).

// The kinds of copies.
const (
	pinnedEvent       = "event"
	pinnedObservation = "observation"
	pinnedLog         = "log"
)

// copyCited copies the facts that are newly cited, unless there are copies, and
// returns which of them have one now.
func (s *Store) copyCited(ctx context.Context, fresh []holder) (map[event.ID]bool, error) {
	var ids []event.ID
	for _, h := range fresh {
		if h.role == roleCites {
			ids = append(ids, h.id)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	ids = sortedIDs(ids)
	found := make(map[event.ID]bool, len(ids))
	err := s.rows(ctx, "SELECT DISTINCT id FROM pinned WHERE id IN "+idList(ids), func(r driver.Rows) error {
		id, err := scanID(r)
		found[id] = true
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("find copies: %w", err)
	}
	var missing []event.ID
	for _, id := range ids {
		if !found[id] {
			missing = append(missing, id)
		}
	}
	copied, err := s.copyFacts(ctx, missing)
	for _, id := range copied {
		found[id] = true
	}
	return found, err
}

// copyFacts copies facts as they are now, those that are there, and returns
// their IDs.
func (s *Store) copyFacts(ctx context.Context, ids []event.ID) ([]event.ID, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	now := time.Now().UnixMicro()
	var copies []pinnedCopy
	err := s.rows(ctx, "SELECT "+eventFields+eventRaw+" FROM events FINAL WHERE id IN "+idList(ids)+finalByPartition, func(r driver.Rows) error {
		var raw string
		e, err := scanEvent(r, &raw)
		copies = append(copies, pinnedCopy{id: e.ID, kind: pinnedEvent, version: now, fact: e, raw: raw})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read cited events: %w", err)
	}
	err = s.rows(ctx, "SELECT "+observationFields+observationRaw+" FROM observations FINAL WHERE id IN "+idList(ids)+finalByPartition, func(r driver.Rows) error {
		var raw string
		o, err := scanObservation(r, &raw)
		copies = append(copies, pinnedCopy{id: o.ID(), kind: pinnedObservation, version: now, fact: o, raw: raw})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read cited observations: %w", err)
	}
	logs, err := s.logFacts(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read cited log facts: %w", err)
	}
	for id, f := range logs {
		copies = append(copies, copyOfLog(id, f))
	}
	return s.putCopies(ctx, copies)
}

// pinnedCopy is a row of the table pinned. Texts of log facts need not be UTF-8,
// so they are beside the JSON: the template where others have their payload.
type pinnedCopy struct {
	id          event.ID
	kind        string
	version     int64
	fact        any
	raw, sample string
}

func copyOfLog(id event.ID, f *storage.LogFact) pinnedCopy {
	bare := *f
	bare.Template, bare.Sample = "", ""
	return pinnedCopy{id: id, kind: pinnedLog, version: f.N, fact: bare, raw: f.Template, sample: f.Sample}
}

// decode reads what a copy tells.
func (c *pinnedCopy) decode(body string) (f storage.Fact, err error) {
	switch c.kind {
	case pinnedEvent:
		f.Event = new(event.Event)
		err = json.Unmarshal([]byte(body), f.Event)
		f.Event.Raw = payload(c.raw)
	case pinnedObservation:
		f.Observation = new(event.Observation)
		err = json.Unmarshal([]byte(body), f.Observation)
		f.Observation.Raw = payload(c.raw)
	case pinnedLog:
		f.Log = new(storage.LogFact)
		err = json.Unmarshal([]byte(body), f.Log)
		f.Log.Template, f.Log.Sample = c.raw, c.sample
	default:
		err = fmt.Errorf("kind %q is unknown", c.kind)
	}
	if err != nil {
		return storage.Fact{}, fmt.Errorf("decode pinned fact: %w", err)
	}
	return f, nil
}

var pinnedColumns = []insertColumn{
	{"id", "FixedString(16)"}, {"kind", "LowCardinality(String)"}, {"version", "Int64"},
	{"body", "String"}, {"raw", "String"}, {"sample", "String"},
}

type pinnedRows struct {
	id                      [][]byte
	kind, body, raw, sample []string
	version                 []int64
}

func (r *pinnedRows) columns() []any {
	return []any{r.id, r.kind, r.version, r.body, r.raw, r.sample}
}

func (s *Store) putCopies(ctx context.Context, copies []pinnedCopy) ([]event.ID, error) {
	var rows dealer[pinnedRows]
	var ids []event.ID
	for i := range copies {
		c := &copies[i]
		body, err := json.Marshal(c.fact)
		if err != nil {
			return nil, fmt.Errorf("encode pinned fact %s: %w", c.id, err)
		}
		r := rows.builder(monthOf(c.id))
		r.id, r.kind, r.version = append(r.id, c.id[:]), append(r.kind, c.kind), append(r.version, c.version)
		r.body, r.raw, r.sample = append(r.body, string(body)), append(r.raw, c.raw), append(r.sample, c.sample)
		ids = append(ids, c.id)
	}
	return ids, s.insertAll(ctx, inserts("pinned", pinnedColumns, rows.blocks((*pinnedRows).columns)))
}

// pinnedFact is the copy of a fact that some incident cites.
// [storage.ErrNotFound] when none does, or nothing was copied.
func (s *Store) pinnedFact(ctx context.Context, id event.ID) (storage.Fact, error) {
	literal := idLiteral(id)
	citing := fmt.Sprintf("incident %s IN (SELECT incident FROM holders WHERE id = %s AND role = %d)", s.schema.global(), literal, roleCites)
	var c pinnedCopy
	var body string
	err := s.watched(ctx, func(visible string) error {
		return s.row(ctx, fmt.Sprintf("SELECT kind, body, raw, sample FROM pinned WHERE id = %s AND (SELECT count() FROM (%s)) > 0 ORDER BY version DESC LIMIT 1",
			literal, latestOf(visible, ofLatest("NOT retired AND has(pins, "+literal+")")+" AS cites", citing, "cites")), &c.kind, &body, &c.raw, &c.sample)
	})
	if err != nil {
		if errors.Is(err, storage.ErrNotFound) {
			return storage.Fact{}, err
		}
		return storage.Fact{}, fmt.Errorf("read pinned fact: %w", err)
	}
	return c.decode(body)
}

// scanID reads a row whose one column is an ID.
func scanID(r driver.Rows) (id event.ID, err error) {
	var text []byte
	if err := r.Scan(&text); err != nil {
		return id, fmt.Errorf("read ID: %w", err)
	}
	copy(id[:], text)
	return id, nil
}
