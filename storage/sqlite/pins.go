package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// A log fact that an incident cites is copied when it is first cited, because
// the counts that it is made of go away a chunk at a time.

// citedFacts sums the log facts that are cited and not pinned yet. It reads, so
// that the writer need not; what arrives in between is added when the counts
// are about to go (see [Store.refreshPins]).
func (s *Store) citedFacts(ctx context.Context, derived []storage.Derived) (map[event.ID]*storage.LogFact, error) {
	var ids []event.ID
	for i := range derived {
		if derived[i].Retired {
			continue
		}
		for _, id := range derived[i].Pins {
			var n int
			err := s.row(ctx, "SELECT 1 FROM pinned WHERE id = ?", []any{id[:]}, &n)
			if errors.Is(err, storage.ErrNotFound) {
				ids = append(ids, id)
			} else if err != nil {
				return nil, fmt.Errorf("find pins: %w", err)
			}
		}
	}
	facts, err := s.logFacts(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("read what is cited: %w", err)
	}
	return facts, nil
}

// putPins replaces an incident's pins. The copies that nobody may need any more
// are looked at when the whole publication is written: another incident of it
// may take them over.
func (p *publication) putPins(t *tx, incident event.ID, pins []event.ID) error {
	want := make(map[event.ID]bool, len(pins))
	for _, id := range pins {
		want[id] = true
	}
	rows, err := t.rows("SELECT fact FROM pins WHERE incident = ?", incident[:])
	if err != nil {
		return fmt.Errorf("read pins: %w", err)
	}
	var gone []event.ID
	err = each(rows, func(r *sql.Rows) error {
		var id sql.RawBytes
		if err := r.Scan(&id); err != nil {
			return err
		}
		if !want[event.ID(id)] {
			gone = append(gone, event.ID(id))
		}
		delete(want, event.ID(id))
		return nil
	})
	if err != nil {
		return fmt.Errorf("read pins: %w", err)
	}
	for _, id := range gone {
		if _, err := t.exec("DELETE FROM pins WHERE incident = ? AND fact = ?", incident[:], id[:]); err != nil {
			return fmt.Errorf("delete pin: %w", err)
		}
	}
	p.unpinned = append(p.unpinned, gone...)
	for id := range want {
		if _, err := t.exec("INSERT INTO pins (incident, fact) VALUES (?, ?)", incident[:], id[:]); err != nil {
			return fmt.Errorf("write pin: %w", err)
		}
		if f := p.facts[id]; f != nil {
			if err := t.putPinned(id, f, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// dropUnpinned deletes the copies that no incident needs.
func (p *publication) dropUnpinned(t *tx) error {
	for _, id := range p.unpinned {
		if _, err := t.exec("DELETE FROM pinned WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM pins WHERE fact = ?1)", id[:]); err != nil {
			return fmt.Errorf("delete pinned fact: %w", err)
		}
	}
	return nil
}

// putPinned stores a copy, unless the one that is stored counts more.
func (t *tx) putPinned(id event.ID, f *storage.LogFact, final bool) error {
	var body []byte
	err := t.row("SELECT body FROM pinned WHERE id = ?", id[:]).Scan(&body)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("read pinned fact: %w", err)
	}
	if err == nil {
		old, err := decodePinned(body, 0)
		if err != nil {
			return err
		}
		if old.N > f.N {
			_, err := t.exec("UPDATE pinned SET final = max(final, ?) WHERE id = ?", final, id[:])
			return err
		}
	}
	if _, err := t.exec("INSERT OR REPLACE INTO pinned (id, second, received_at, final, body) VALUES (?, ?, ?, ?, ?)",
		id[:], f.Second, nanos(f.ReceivedAt), final, encodePinned(f)); err != nil {
		return fmt.Errorf("write pinned fact: %w", err)
	}
	return nil
}

func encodePinned(f *storage.LogFact) []byte {
	return encodeCounts([]event.Count{{
		CountKey: f.CountKey, N: f.N, First: f.First, Last: f.Last, Template: f.Template, Sample: f.Sample,
	}})
}

func decodePinned(body []byte, receivedAt int64) (*storage.LogFact, error) {
	var f storage.LogFact
	err := eachCount(body, anyCount, func(c *event.Count) {
		f = storage.LogFact{
			CountKey: c.CountKey, N: c.N, First: c.First, Last: c.Last, ReceivedAt: timeOf(receivedAt),
			Template: c.Template, Sample: c.Sample,
		}
	})
	if err != nil {
		return nil, fmt.Errorf("decode pinned fact: %w", err)
	}
	return &f, nil
}

// pinnedFact is the copy of a log fact that some incident pins; nil when none
// does.
func (s *Store) pinnedFact(ctx context.Context, id event.ID) (*storage.LogFact, error) {
	var body []byte
	var receivedAt int64
	err := s.row(ctx, "SELECT body, received_at FROM pinned WHERE id = ?", []any{id[:]}, &body, &receivedAt)
	if errors.Is(err, storage.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return decodePinned(body, receivedAt)
}
