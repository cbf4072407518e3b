package clickhouse

import (
	"context"
	"math/rand/v2"
	"time"
)

// codeQuorumPending says that an insert into the same table has not reached its
// quorum yet. In a cluster, inserts into one table follow one another: that is
// the price of readers that see every insert (see [promisedInCluster]).
const codeQuorumPending = 286

// Pauses before an insert that met another one is tried again.
const (
	firstQuorumPause   = 5 * time.Millisecond
	longestQuorumPause = 200 * time.Millisecond
)

// inTurn runs an insert until no other one is in its way, or ctx is done. It was
// not executed where it failed for that, or has a token.
func inTurn(ctx context.Context, insert func() error) error {
	for pause := firstQuorumPause; ; pause = min(2*pause, longestQuorumPause) {
		err := insert()
		if code(err) != codeQuorumPending {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)):
		}
	}
}
