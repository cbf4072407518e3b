package sqlite

import (
	"context"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

// Fact implements [storage.Facts].
func (s *Store) Fact(ctx context.Context, id event.ID) (storage.Fact, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.Fact{}, fmt.Errorf("fact: %w", err)
	}
	defer leave()
	return facts.Find(ctx, id, s.event, s.observation, s.logFact)
}

func (s *Store) event(ctx context.Context, id event.ID) (storage.Fact, error) {
	var receivedAt int64
	var body, raw []byte
	if err := s.row(ctx, "SELECT received_at, body, raw FROM events WHERE id = ?", []any{id[:]}, &receivedAt, &body, &raw); err != nil {
		return storage.Fact{}, err
	}
	e, err := decodeEvent(body, receivedAt, raw)
	return storage.Fact{Event: &e}, err
}

func (s *Store) observation(ctx context.Context, id event.ID) (storage.Fact, error) {
	var body, raw []byte
	if err := s.row(ctx, "SELECT body, raw FROM observations LEFT JOIN observation_raws USING (n) WHERE id = ?", []any{id[:]}, &body, &raw); err != nil {
		return storage.Fact{}, err
	}
	o, err := decodeObservation(body, raw)
	return storage.Fact{Observation: &o}, err
}

// logFact sums the counts as they are now, or gives the copy that was pinned
// when some of them are gone.
func (s *Store) logFact(ctx context.Context, id event.ID) (storage.Fact, error) {
	live, err := s.logFacts(ctx, []event.ID{id})
	if err != nil {
		return storage.Fact{}, err
	}
	kept, err := s.pinnedFact(ctx, id)
	if err != nil {
		return storage.Fact{}, err
	}
	f := live[id]
	if f == nil || (kept != nil && kept.N > f.N) {
		f = kept
	}
	if f == nil {
		return storage.Fact{}, storage.ErrNotFound
	}
	return storage.Fact{Log: f}, nil
}
