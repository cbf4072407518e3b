package clickhouse

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"time"

	"github.com/hindcast/hindcast/storage"
)

var _ storage.Lease = (*Store)(nil)

// Beat implements [storage.Lease]. A beat that arrives after its owner was fenced
// does no harm: only beats of the latest claim are looked at.
func (s *Store) Beat(ctx context.Context, claim storage.Claim) error {
	if err := s.sign(ctx, claim, false); err != nil {
		return fmt.Errorf("beat: %w", err)
	}
	return nil
}

// Release implements [storage.Lease].
func (s *Store) Release(ctx context.Context, claim storage.Claim) error {
	if err := s.sign(ctx, claim, true); err != nil {
		return fmt.Errorf("release: %w", err)
	}
	return nil
}

// forsakeTimeout bounds what is done for a claim that failed.
const forsakeTimeout = 3 * time.Second

// forsake releases a claim of which its owner is not told, because the first sign of
// life failed: it may have arrived, or arrive yet, and then all would wait for an
// owner that does not know of itself. They do when this fails too, for as long as an
// owner may be silent.
func (s *Store) forsake(ctx context.Context, claim storage.Claim) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), forsakeTimeout)
	defer cancel()
	_ = s.insertBeat(ctx, claim, true)
}

// sign writes a sign of life of the owner of the latest claim, or its last.
func (s *Store) sign(ctx context.Context, claim storage.Claim, last bool) error {
	leave, err := s.life.Enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := s.holds(small(ctx), claim); err != nil {
		return err
	}
	return s.insertBeat(ctx, claim, last)
}

func (s *Store) insertBeat(ctx context.Context, claim storage.Claim, last bool) error {
	released := 0
	if last {
		released = 1
	}
	// A cluster would drop a row that it had before, if it had no token of its own.
	return s.command(withToken(ctx, rand.Text()), fmt.Sprintf("INSERT INTO beats (epoch, owner, at, released) SELECT %d, %s, now64(6), %d",
		claim.Epoch, bytesLiteral(claim.Owner), released))
}

// holderQuery finds the claim that signed as the greatest, for how many
// microseconds it has been silent, and whether it was released. It reads one small
// table: candidates ask all the time.
const holderQuery = "SELECT epoch, owner, toUnixTimestamp64Micro(now64(6)) - toUnixTimestamp64Micro(max(at)), max(released) " +
	"FROM beats GROUP BY epoch, owner ORDER BY epoch DESC, owner DESC LIMIT 1"

// Holder implements [storage.Lease]. A claim whose owner died before it signed is
// not seen; the one before it can sign no more and is silent soon, so another is
// made.
func (s *Store) Holder(ctx context.Context) (storage.Claim, time.Duration, error) {
	var c storage.Claim
	leave, err := s.life.Enter()
	if err != nil {
		return c, 0, fmt.Errorf("holder: %w", err)
	}
	defer leave()
	var silent int64
	var released uint8
	if err := s.row(small(ctx), holderQuery, &c.Epoch, &c.Owner, &silent, &released); err != nil {
		return storage.Claim{}, 0, fmt.Errorf("holder: %w", err)
	}
	if released != 0 {
		return c, math.MaxInt64, nil
	}
	return c, time.Duration(max(silent, 0)) * time.Microsecond, nil
}
