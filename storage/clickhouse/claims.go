package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// owners is what this process knows of the claims that were made through it, and
// of what was published under the last one. It guards itself.
type owners struct {
	claiming sync.Mutex // one claim at a time

	mu    sync.Mutex
	seq   int64
	claim storage.Claim
	held  map[event.ID]heldIDs // by incident, under the claim
	ids   int                  // in held
}

// Claim implements [storage.Derivations]. When another process claims the same
// epoch at the same time, the greater owner has it, and the other takes the
// next. A claim is its owner's first sign of life.
//
// After an error the claim may count, and who led is fenced: another claim is due,
// and [Store.Holder] says so to all.
func (s *Store) Claim(ctx context.Context, owner string) (storage.Claim, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return storage.Claim{}, fmt.Errorf("claim: %w", err)
	}
	defer leave()
	s.owners.claiming.Lock()
	defer s.owners.claiming.Unlock()
	claim, err := s.newClaim(ctx, owner)
	if err == nil {
		if err = s.insertBeat(ctx, claim, false); err != nil {
			s.forsake(ctx, claim)
		}
	}
	if err != nil {
		return storage.Claim{}, fmt.Errorf("claim: %w", err)
	}
	s.unchanged.forget() // before the claim is known to be this process's
	s.owners.begin(claim)
	return claim, nil
}

func (s *Store) newClaim(ctx context.Context, owner string) (storage.Claim, error) {
	latest, err := s.latestClaim(ctx)
	if err != nil {
		return storage.Claim{}, err
	}
	for {
		mine := storage.Claim{Epoch: latest.Epoch + 1, Owner: owner}
		if err := s.command(ctx, fmt.Sprintf("INSERT INTO claims (epoch, owner) SELECT %d, %s", mine.Epoch, bytesLiteral(owner))); err != nil {
			return storage.Claim{}, err
		}
		if latest, err = s.latestClaim(ctx); err != nil {
			return storage.Claim{}, err
		}
		// A greater epoch was claimed after this one, and fences it as it should.
		if latest == mine || latest.Epoch > mine.Epoch {
			return mine, nil
		}
	}
}

// latestClaim is the claim that counts, and the zero Claim when there is none.
func (s *Store) latestClaim(ctx context.Context) (c storage.Claim, err error) {
	err = s.row(ctx, "SELECT epoch, owner FROM claims ORDER BY epoch DESC, owner DESC LIMIT 1", &c.Epoch, &c.Owner)
	if err != nil && !errors.Is(err, storage.ErrNotFound) {
		return c, fmt.Errorf("read the latest claim: %w", err)
	}
	return c, nil
}

// Owner is who claimed the derived state last; "" when nobody has.
func (s *Store) Owner(ctx context.Context) (string, error) {
	leave, err := s.life.Enter()
	if err != nil {
		return "", fmt.Errorf("owner: %w", err)
	}
	defer leave()
	claim, err := s.latestClaim(ctx)
	if err != nil {
		return "", fmt.Errorf("owner: %w", err)
	}
	return claim.Owner, nil
}

// holds returns [storage.ErrFenced] unless a claim is the latest.
func (s *Store) holds(ctx context.Context, claim storage.Claim) error {
	latest, err := s.latestClaim(ctx)
	if err != nil {
		return err
	}
	if latest == (storage.Claim{}) || latest != claim {
		return fmt.Errorf("claim %d, the latest is %d: %w", claim.Epoch, latest.Epoch, storage.ErrFenced)
	}
	return nil
}

// command runs a statement that gives no rows, however long it is.
func (s *Store) command(ctx context.Context, statement string) error {
	ctx, cancel := context.WithTimeout(ctx, insertTimeout)
	defer cancel()
	if len(statement) >= longStatement {
		ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_query_size": len(statement) + 1}))
	}
	return classify(ctx, inTurn(ctx, func() error { return s.conn.Exec(ctx, statement) }))
}

// longStatement is the length, in bytes, from which on a statement says itself
// that the engine should take it.
const longStatement = 1 << 20

// last is the claim that was made last through this process, and the zero Claim
// when none was.
func (o *owners) last() storage.Claim {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.claim
}

// next is a number greater than all before it from this process: microseconds
// since 1970 where the clock allows.
func (o *owners) next() int64 {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq = max(o.seq+1, time.Now().UnixMicro())
	return o.seq
}
