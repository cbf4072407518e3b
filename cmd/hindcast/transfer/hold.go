package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// beatEvery is how often a copy says that it lives. A hindcast takes the timelines
// of who has been silent for four times that.
const beatEvery = 1500 * time.Millisecond

// releaseWithin bounds how long a copy tries to say that it ends.
const releaseWithin = 5 * time.Second

// hold keeps the claim from a hindcast that stands by on the target, until Close:
// a store has nobody else who could take it where it is no [storage.Lease].
func (s *Store) hold() {
	lease, ok := s.store.(storage.Lease)
	if !ok {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	claim := s.claim
	go func() {
		defer close(ended)
		for ticker := time.NewTicker(beatEvery); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				_ = lease.Beat(ctx, claim) // publishing tells when it is lost
			}
		}
	}()
	s.letGo = func() error {
		cancel()
		<-ended
		ctx, cancel := context.WithTimeout(context.Background(), releaseWithin)
		defer cancel()
		if err := lease.Release(ctx, claim); err != nil && !errors.Is(err, storage.ErrFenced) {
			return fmt.Errorf("leave the timelines to others: %w", err)
		}
		return nil
	}
}
