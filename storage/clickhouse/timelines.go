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
	held := id
	key, err := s.ownRevision(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		held, key, err = s.heldRevision(ctx, id)
	}
	if err != nil {
		return timeline.Timeline{}, err
	}
	if tl, ok := s.timelines.Get(held, key); ok {
		return tl, nil
	}
	var body string
	err = s.row(ctx, fmt.Sprintf("SELECT body FROM revisions WHERE incident = %s AND epoch = %d AND owner = %s AND seq = %d LIMIT 1",
		idLiteral(held), key.epoch, bytesLiteral(key.owner), key.seq), &body)
	if err != nil {
		return timeline.Timeline{}, err
	}
	var tl timeline.Timeline
	if err := json.Unmarshal([]byte(body), &tl); err != nil {
		return timeline.Timeline{}, fmt.Errorf("decode: %w", err)
	}
	s.timelines.Put(held, key, len(body), tl)
	return tl, nil
}

// ownRevision is the latest revision of an incident; [storage.ErrNotFound] when
// there is none, or when it is retired. Its rows are few and small: the engine
// needs longer to plan their order than to send them.
func (s *Store) ownRevision(ctx context.Context, incident event.ID) (last revisionKey, err error) {
	var found, retired bool
	err = s.watched(ctx, func(visible string) error {
		found = false
		return s.rows(ctx, "SELECT epoch, owner, seq, retired FROM revisions WHERE "+visible+" AND incident = "+idLiteral(incident), func(r driver.Rows) error {
			var key revisionKey
			var gone bool
			if err := r.Scan(&key.epoch, &key.owner, &key.seq, &gone); err != nil {
				return err
			}
			if !found || key.compare(last) > 0 {
				found, last, retired = true, key, gone
			}
			return nil
		})
	})
	if err == nil && (!found || retired) {
		err = storage.ErrNotFound
	}
	return last, err
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
