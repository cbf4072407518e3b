package clickhouse

import (
	"context"
	"fmt"
	"math"
	"strings"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage"
)

// fenceCache keeps the claims that the store has seen as a condition of SQL:
// joining them to each query takes the engine longer than the query itself. How
// many claims there are is asked beside each query, so a claim that was made
// meanwhile, wherever, is noticed. The zero value is empty.
type fenceCache struct {
	last atomic.Pointer[knownFences]
}

// knownFences are the fences of so many claims.
type knownFences struct {
	claims  uint64
	latest  storage.Claim
	visible string // a condition of revisions
}

// mostFences is how many fences a condition names. Revisions of owners before
// these are visible when they are older than all of these claims; late ones of
// theirs were pruned long ago.
const mostFences = 100

// watched runs a query that is given the condition for visible revisions, again
// when there are claims that the condition does not know. What a run that is
// repeated has found must be forgotten.
func (s *Store) watched(ctx context.Context, run func(visible string) error) error {
	known := s.fences.last.Load()
	for {
		if known == nil {
			var err error
			if known, err = s.readFences(ctx); err != nil {
				return fmt.Errorf("read the claims: %w", err)
			}
			s.fences.last.Store(known)
		}
		var claims uint64
		asked := make(chan error, 1)
		go func() {
			var err error
			claims, err = s.countClaims(ctx)
			asked <- err
		}()
		err := run(known.visible)
		if err := <-asked; err != nil {
			return err
		}
		if claims == known.claims {
			return err
		}
		known = nil
	}
}

// readFences reads the claims and makes the condition of them, which says what
// [schema.visible] says.
func (s *Store) readFences(ctx context.Context) (*knownFences, error) {
	var f knownFences
	var keys, times []string
	fencedAt := int64(math.MaxInt64)
	last := ""
	// The greatest come first; what fences a claim is the first of those. A claim
	// that was inserted twice does not fence itself.
	err := s.rows(ctx, "SELECT epoch, owner, toUnixTimestamp64Micro(min(claimed_at)), count() FROM claims GROUP BY epoch, owner ORDER BY epoch DESC, owner DESC", func(r driver.Rows) error {
		var owner string
		var e, claimedAt int64
		var rows uint64
		if err := r.Scan(&e, &owner, &claimedAt, &rows); err != nil {
			return err
		}
		if f.claims == 0 {
			f.latest = storage.Claim{Epoch: e, Owner: owner}
		}
		f.claims += rows
		if len(keys) < mostFences {
			if fencedAt < math.MaxInt64 {
				keys, times = append(keys, bytesLiteral(fmt.Sprint(e, " ", owner))), append(times, fmt.Sprintf("toInt64(%d)", fencedAt))
			}
			last, fencedAt = fmt.Sprintf("(%d, %s)", e, bytesLiteral(owner)), min(fencedAt, claimedAt)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.visible = "1"
	if len(keys) > 0 {
		f.visible = fmt.Sprintf("toUnixTimestamp64Micro(at) < transform(concat(toString(epoch), ' ', owner), [%s], [%s], toInt64(%d))",
			strings.Join(keys, ","), strings.Join(times, ","), int64(math.MaxInt64))
	}
	if len(keys) == mostFences {
		f.visible += fmt.Sprintf(" AND ((epoch, owner) >= %s OR toUnixTimestamp64Micro(at) < %d)", last, fencedAt)
	}
	return &f, nil
}
