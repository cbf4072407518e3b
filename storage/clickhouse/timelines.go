package clickhouse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// revisionKey names a revision of an incident.
type revisionKey struct {
	epoch int64
	owner string
	seq   int64
}

// Timeline implements [storage.Derivations]. An incident that has the ID comes
// before one that has it as a member, and that before one that has it as an
// alias; of several, the last that was published.
func (s *Store) Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	ctx, end, err := s.read(ctx)
	if err != nil {
		return timeline.Timeline{}, fmt.Errorf("timeline: %w", err)
	}
	defer end()
	tl, err := s.timeline(ctx, id)
	if err != nil {
		return timeline.Timeline{}, fmt.Errorf("timeline of %s: %w", id, err)
	}
	return tl, nil
}

func (s *Store) timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	var body string // too large to be kept with the rest
	found, err := ifUnchanged(ctx, s, id, func() (found foundRevision, err error) {
		found, body, err = s.findRevision(ctx, id)
		return found, err
	})
	if err != nil {
		return timeline.Timeline{}, err
	}
	if tl, ok := s.timelines.Get(found.incident, found.key); ok {
		return tl, nil
	}
	if body == "" {
		err = s.row(ctx, fmt.Sprintf("SELECT body FROM revisions WHERE incident = %s AND epoch = %d AND owner = %s AND seq = %d LIMIT 1",
			idLiteral(found.incident), found.key.epoch, bytesLiteral(found.key.owner), found.key.seq), &body)
		if err != nil {
			return timeline.Timeline{}, err
		}
	}
	var tl timeline.Timeline
	if err := json.Unmarshal([]byte(body), &tl); err != nil {
		return timeline.Timeline{}, fmt.Errorf("decode: %w", err)
	}
	s.timelines.Put(found.incident, found.key, len(body), tl)
	return tl, nil
}

// foundRevision is the latest revision of the incident that has an ID.
type foundRevision struct {
	incident event.ID
	key      revisionKey
}

// findRevision finds it, with the timeline as JSON when that was read.
func (s *Store) findRevision(ctx context.Context, id event.ID) (found foundRevision, body string, err error) {
	found.incident = id
	found.key, body, err = s.ownRevision(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		body = ""
		found.incident, found.key, err = s.heldRevision(ctx, id)
	}
	return found, body, err
}

// ownRevision is the latest revision of an incident; [storage.ErrNotFound] when
// there is none, or when it is retired. The body is read with it unless one is
// kept, which is probably that of the same revision. Without a body the rows are
// few and small: the engine needs longer to plan their order than to send them.
func (s *Store) ownRevision(ctx context.Context, incident event.ID) (last revisionKey, body string, err error) {
	columns, order := "''", ""
	if !s.timelines.Has(incident) {
		columns, order = "body", " ORDER BY epoch DESC, owner DESC, seq DESC LIMIT 1"
	}
	var found, retired bool
	ctx = small(ctx)
	err = s.watched(ctx, func(visible string) error {
		found = false
		query := "SELECT epoch, owner, seq, retired, " + columns + " FROM revisions WHERE " + visible + " AND incident = " + idLiteral(incident) + order
		return s.rows(ctx, query, func(r driver.Rows) error {
			var key revisionKey
			var text string
			var gone bool
			if err := r.Scan(&key.epoch, &key.owner, &key.seq, &gone, &text); err != nil {
				return err
			}
			if !found || key.compare(last) > 0 {
				found, last, retired, body = true, key, gone, text
			}
			return nil
		})
	})
	if err == nil && (!found || retired) {
		err = storage.ErrNotFound
	}
	return last, body, err
}

// heldRevision is the latest revision of the incident that holds an ID.
func (s *Store) heldRevision(ctx context.Context, id event.ID) (held event.ID, key revisionKey, err error) {
	literal := idLiteral(id)
	aggregates := ofLatest("retired") + " AS was_retired, " + ofLatest("has(signals, "+literal+")") + " AS member, " +
		ofLatest("has(aliases, "+literal+")") + " AS alias, " + ofLatest("at") + " AS published_at"
	where := fmt.Sprintf("incident %s IN (SELECT incident FROM holders WHERE id = %s AND role = %d)", s.schema.global(), literal, roleMember)
	var incident []byte
	err = s.watched(ctx, func(visible string) error {
		query := "SELECT incident, last_epoch, last_owner, last_seq FROM (" +
			latestOf(visible, aggregates, where, "NOT was_retired AND (member OR alias)") +
			") ORDER BY member DESC, published_at DESC, last_seq DESC LIMIT 1"
		return s.row(ctx, query, &incident, &key.epoch, &key.owner, &key.seq)
	})
	copy(held[:], incident)
	return held, key, err
}
