package clickhouse

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// unchanged keeps what readers were given and what cannot have changed since:
// while the latest claim is that of this process, nothing but its own
// publications, and retention, changes what is visible. How many claims there are is asked each
// time, which takes the engine a fraction of the reading. The zero value is
// empty; it guards itself.
type unchanged struct {
	mu      sync.Mutex
	entries map[any]keptAnswer
	// changes counts the publications that were begun, those that have ended, the
	// claims, and what retention deleted; under is how many publications are under way.
	changes, under int
	// notBefore is until when nothing is kept: a publication failed, and may
	// arrive yet.
	notBefore time.Time
}

// keptAnswer is an answer with the number of claims that there were.
type keptAnswer struct {
	value  any
	claims uint64
	until  time.Time
}

const (
	// mostUnchanged bounds the answers that are kept.
	mostUnchanged = 256
	// unchangedLive bounds how long one is kept, so that what somebody changes
	// in the database by hand is seen.
	unchangedLive = 10 * time.Second
)

// ifUnchanged is the answer that was given for a key, of a type of the
// question's own, if it still holds; else what read gives. What it returns is
// shared.
func ifUnchanged[T any](ctx context.Context, s *Store, key any, read func() (T, error)) (T, error) {
	if kept, ok := s.unchanged.look(key); ok {
		claims, err := s.countClaims(ctx)
		if err != nil {
			var none T
			return none, err
		}
		if claims == kept.claims {
			return kept.value.(T), nil
		}
	}
	changes := s.unchanged.now()
	value, err := read()
	if err == nil {
		s.unchanged.keep(s.fences.last.Load(), s.owners.last(), key, value, changes)
	}
	return value, err
}

func (s *Store) countClaims(ctx context.Context) (n uint64, err error) {
	if err := s.row(small(ctx), "SELECT count() FROM claims", &n); err != nil {
		return 0, fmt.Errorf("count the claims: %w", err)
	}
	return n, nil
}

func (u *unchanged) look(key any) (keptAnswer, bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	kept, ok := u.entries[key]
	return kept, ok && time.Now().Before(kept.until)
}

func (u *unchanged) now() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.changes
}

// keep keeps an answer that was read under known claims and after so many
// changes, unless it may be old by now or the latest claim is not mine.
func (u *unchanged) keep(known *knownFences, mine storage.Claim, key, value any, changes int) {
	if known == nil || known.latest != mine || mine == (storage.Claim{}) {
		return
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	now := time.Now()
	if u.changes != changes || u.under > 0 || now.Before(u.notBefore) {
		return
	}
	if u.entries == nil || len(u.entries) >= mostUnchanged {
		u.entries = make(map[any]keptAnswer)
	}
	u.entries[key] = keptAnswer{value, known.claims, now.Add(unchangedLive)}
}

// publishing forgets everything. The caller calls done when its publication has
// ended.
func (u *unchanged) publishing() (done func(err error)) {
	u.change(1)
	return func(err error) {
		u.change(-1)
		if err != nil {
			u.mu.Lock()
			defer u.mu.Unlock()
			u.notBefore = time.Now().Add(2 * insertTimeout)
		}
	}
}

// forget forgets everything.
func (u *unchanged) forget() { u.change(0) }

func (u *unchanged) change(under int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changes++
	u.under += under
	u.entries = nil
}
