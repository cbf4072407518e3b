package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// The waits between attempts grow from the first to the last of these.
const (
	firstWait = 200 * time.Millisecond
	lastWait  = 15 * time.Second
)

// retry does something again while its store is unavailable, for at most
// Options.RetryFor without any progress: place tells where it begins.
func (c *copying) retry(ctx context.Context, what string, place func() string, do func() error) error {
	var since time.Time
	var at string
	wait := firstWait
	for {
		before := place()
		err := do()
		if err == nil || ctx.Err() != nil || isPermanent(err) || !errors.Is(err, storage.ErrUnavailable) {
			return err
		}
		if since.IsZero() || before != at {
			since, at, wait = time.Now(), before, firstWait
		}
		if time.Since(since)+wait > c.o.RetryFor {
			return err
		}
		c.waits(what, wait, err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
		wait = min(2*wait, lastWait)
	}
}

// waits tells that something is tried again, once for all that wait for it.
func (c *copying) waits(what string, wait time.Duration, err error) {
	c.telling.Lock()
	defer c.telling.Unlock()
	now := time.Now()
	if what == c.told && now.Before(c.quiet) {
		return
	}
	c.told, c.quiet = what, now.Add(wait)
	c.o.Notice(fmt.Sprintf("cannot %s, trying again in %v: %v", what, wait, err))
}
