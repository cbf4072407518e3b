package clickhouse

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/exporting"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// exportIncidents is how many timelines are read together.
const exportIncidents = 50

// ExportDerived implements [storage.Exporter].
func (s *Store) ExportDerived(ctx context.Context, position string, yield func([]storage.Derived, string) error) error {
	return s.life.During("export timelines", func() error { return s.exportDerived(ctx, position, yield) })
}

// publishedAs is a revision and when it was published, by the engine's clock in
// microseconds and the owner's order.
type publishedAs struct {
	incident event.ID
	key      revisionKey
	at       int64
}

func (p *publishedAs) place() string { return fmt.Sprintf("%d_%d_%x", p.at, p.key.seq, p.incident[:]) }

func (s *Store) exportDerived(ctx context.Context, position string, yield func([]storage.Derived, string) error) error {
	place, err := exporting.ParseDerived(s.Identity(), position)
	if err != nil {
		return err
	}
	list, err := s.publications(ctx, place)
	if err != nil {
		return err
	}
	for len(list) > 0 {
		if s.life.Ended() {
			return lifetime.ErrClosed
		}
		n := min(len(list), exportIncidents)
		batch, err := s.derived(ctx, list[:n])
		if err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := yield(batch, exporting.DerivedPosition(s.Identity(), list[n-1].place())); err != nil {
				return err
			}
		}
		list = list[n:]
	}
	return nil
}

// publications lists the latest revisions behind a place, in the order in which
// they were published.
func (s *Store) publications(ctx context.Context, place string) ([]publishedAs, error) {
	ctx = patient(ctx)
	after := "1"
	if place != "" {
		fields := strings.Split(place, "_")
		if len(fields) != 3 {
			return nil, storage.ErrBadCursor
		}
		at, err1 := strconv.ParseInt(fields[0], 10, 64)
		seq, err2 := strconv.ParseInt(fields[1], 10, 64)
		id, err3 := parsePlace(fields[2])
		if err1 != nil || err2 != nil || err3 != nil {
			return nil, storage.ErrBadCursor
		}
		after = fmt.Sprintf("(toUnixTimestamp64Micro(at), seq, incident) > (%d, %d, %s)", at, seq, idLiteral(id))
	}
	var list []publishedAs
	err := s.rows(ctx, "SELECT incident, epoch, owner, seq, toUnixTimestamp64Micro(at) AS micros FROM revisions WHERE "+
		s.schema.isLatest("1", "")+" AND "+after+" ORDER BY micros, seq, incident", func(r driver.Rows) error {
		var id []byte
		var p publishedAs
		if err := r.Scan(&id, &p.key.epoch, &p.key.owner, &p.key.seq, &p.at); err != nil {
			return fmt.Errorf("read revision: %w", err)
		}
		p.incident = event.ID(id)
		list = append(list, p)
		return nil
	})
	return list, err
}

// derived reads revisions, those that are still there, in the given order.
func (s *Store) derived(ctx context.Context, list []publishedAs) ([]storage.Derived, error) {
	ctx = patient(ctx)
	ids := make([]event.ID, len(list))
	for i := range list {
		ids[i] = list[i].incident
	}
	keys := inList(list, func(p publishedAs) string {
		return fmt.Sprintf("(%s, %d, %s, %d)", idLiteral(p.incident), p.key.epoch, bytesLiteral(p.key.owner), p.key.seq)
	})
	found := make(map[event.ID]storage.Derived, len(list))
	err := s.rows(ctx, "SELECT body, digest, signals, pins FROM revisions WHERE incident IN "+idList(ids)+" AND (incident, epoch, owner, seq) IN "+keys, func(r driver.Rows) error {
		var body string
		var d storage.Derived
		var signals, pins []string
		if err := r.Scan(&body, &d.Digest, &signals, &pins); err != nil {
			return fmt.Errorf("read revision: %w", err)
		}
		if err := json.Unmarshal([]byte(body), &d.Timeline); err != nil {
			return fmt.Errorf("decode timeline: %w", err)
		}
		// None is nil, as for the one who published.
		if len(signals) > 0 {
			d.Signals = idsOf(signals)
		}
		if len(pins) > 0 {
			d.Pins = idsOf(pins)
		}
		found[d.Timeline.Incident.ID] = d
		return nil
	})
	if err != nil {
		return nil, err
	}
	batch := make([]storage.Derived, 0, len(found))
	for _, id := range ids {
		if d, ok := found[id]; ok {
			batch = append(batch, d)
		}
	}
	return batch, nil
}
