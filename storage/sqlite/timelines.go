package sqlite

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// Timeline implements [storage.Derivations]. An incident that has the ID comes
// before one that has it as a member, and that before one that had it once; of
// several, the last that was published.
func (s *Store) Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return timeline.Timeline{}, fmt.Errorf("timeline: %w", err)
	}
	defer leave()
	tl, err := s.timeline(ctx, id)
	if err != nil {
		return timeline.Timeline{}, fmt.Errorf("timeline of %s: %w", id, err)
	}
	return tl, nil
}

// timeline asks the file which publication it is, and decodes that only when
// nobody did lately: decoding takes most of the time.
func (s *Store) timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	var seq int64
	var held []byte
	err := s.row(ctx, `SELECT id, seq FROM incidents WHERE id = coalesce(
		(SELECT id FROM incidents WHERE id = ?1),
		(SELECT s.incident FROM signals s JOIN incidents i ON i.id = s.incident WHERE s.id = ?1 ORDER BY s.alias, i.seq DESC LIMIT 1))`,
		[]any{id[:]}, &held, &seq)
	if err != nil {
		return timeline.Timeline{}, err
	}
	if tl, ok := s.timelines.Get(event.ID(held), seq); ok {
		return tl, nil
	}
	var packed []byte
	if err := s.row(ctx, "SELECT seq, body FROM incidents WHERE id = ?", []any{held}, &seq, &packed); err != nil {
		return timeline.Timeline{}, err
	}
	body, err := unpack(packed)
	if err != nil {
		return timeline.Timeline{}, err
	}
	var tl timeline.Timeline
	if err := json.Unmarshal(body, &tl); err != nil {
		return timeline.Timeline{}, fmt.Errorf("decode: %w", err)
	}
	s.timelines.Put(event.ID(held), seq, len(body), tl)
	return tl, nil
}
