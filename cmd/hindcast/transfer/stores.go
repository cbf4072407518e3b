package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Store is a store as a source or a target. It does not close the store.
type Store struct {
	store storage.Store
	out   storage.Exporter
	// owner is who publishes.
	owner string
	claim storage.Claim
	// letGo ends what hold began; nil before.
	letGo func() error
	// takeOver claims the timelines whoever had them before.
	takeOver bool
	// known are the revisions of the incidents that a target has; nil before
	// they are asked for. empty says that there were none then.
	known map[event.ID]int64
	empty bool
	kept  atomic.Int64
	// from is what is copied to a target; nil when that is a backup.
	from TimelineSource
}

var (
	_ Source         = (*Store)(nil)
	_ Target         = (*Store)(nil)
	_ TimelineSource = (*Store)(nil)
	_ TimelineTarget = (*Store)(nil)
)

// CopyOwner begins the names under which copies claim timelines: what was claimed
// under another is, or was, served.
const CopyOwner = "copy"

// NewStore makes a source or a target of a store. owner is the name under which
// it claims the timelines of a target; it begins with [CopyOwner].
func NewStore(s storage.Store, owner string) (*Store, error) {
	out, ok := s.(storage.Exporter)
	if !ok {
		return nil, fmt.Errorf("a store of type %T cannot be copied", s)
	}
	return &Store{store: s, out: out, owner: owner}, nil
}

// Identity implements [Source] and [Target].
func (s *Store) Identity() string { return s.out.Identity() }

// Size implements [Source].
func (s *Store) Size(ctx context.Context) (storage.ExportSize, error) { return s.out.ExportSize(ctx) }

// Export implements [Source].
func (s *Store) Export(ctx context.Context, position string, yield func(Piece) error) error {
	return s.out.Export(ctx, position, func(b event.Batch, position string) error {
		return yield(Piece{Batch: b, Position: position})
	})
}

// ExportDerived implements [TimelineSource].
func (s *Store) ExportDerived(ctx context.Context, position string, yield func([]storage.Derived, string) error) error {
	return s.out.ExportDerived(ctx, position, yield)
}

// Holds implements [TimelineSource].
func (s *Store) Holds(ctx context.Context, id event.ID) (bool, error) {
	tl, err := s.store.Timeline(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	return tl.Incident.ID == id, err
}

// Said implements [TimelineSource].
func (s *Store) Said(ctx context.Context, id event.ID) (int64, error) {
	f, err := s.store.Fact(ctx, id)
	switch {
	case errors.Is(err, storage.ErrNotFound):
		return 0, nil
	case err != nil || f.Log == nil:
		return 0, err
	}
	return f.Log.N, nil
}

// Follow implements [TimelineTarget].
func (s *Store) Follow(from TimelineSource) { s.from = from }

// Append implements [Target]. A chunk of which the store keeps more than comes
// stays as it is: its lines may have been deleted for their age at the source.
func (s *Store) Append(ctx context.Context, b event.Batch) error {
	if len(b.Chunks) > 0 {
		chunks, err := s.missing(ctx, b.Chunks)
		if err != nil {
			return err
		}
		s.kept.Add(int64(len(b.Chunks) - len(chunks)))
		b.Chunks = chunks
	}
	return s.store.Append(ctx, b)
}

// missing are the chunks that the store has not, or less of.
func (s *Store) missing(ctx context.Context, list []event.Chunk) ([]event.Chunk, error) {
	ids := make([]event.ChunkID, len(list))
	for i := range list {
		ids[i] = list[i].ID
	}
	held, err := s.out.Held(ctx, ids)
	if err != nil {
		return nil, err
	}
	chunks := make([]event.Chunk, 0, len(list))
	for _, c := range list {
		there, known := held[c.ID]
		switch {
		case there.MoreThan(&c):
			continue
		case storage.IsPinnedRest(&c) && s.from != nil:
			rest, err := s.rest(ctx, c, known)
			if err != nil {
				return nil, err
			}
			if rest.Counts[0].N <= 0 {
				continue
			}
			c = rest
		}
		chunks = append(chunks, c)
	}
	return chunks, nil
}

// rest is what a pinned log fact tells at the source beyond the counts of this
// store, which may keep counts that the source does not.
func (s *Store) rest(ctx context.Context, c event.Chunk, known bool) (event.Chunk, error) {
	id := c.Counts[0].CountKey.ID()
	there, err := s.from.Said(ctx, id)
	if err != nil {
		return c, err
	}
	here, err := s.Said(ctx, id)
	if err != nil {
		return c, err
	}
	if here < there && known {
		return c, nil // it is part of what is here, and is replaced
	}
	c.Counts = slices.Clone(c.Counts)
	c.Counts[0].N = there - here
	return c, nil
}

// Kept is how many chunks stayed as they are in this store, because it keeps
// more of them.
func (s *Store) Kept() int64 { return s.kept.Load() }

// Parallel implements [Target]: stores join appends that wait.
func (s *Store) Parallel() int { return 4 }

// Mark implements [Target]: what was appended is durable.
func (s *Store) Mark() (string, error) { return "", nil }

// Finish implements [Target].
func (s *Store) Finish() error { return nil }

// Close implements [Source] and [Target]: timelines that were claimed are left to
// a hindcast that stands by. The store stays open.
func (s *Store) Close() error {
	if s.letGo == nil {
		return nil
	}
	letGo := s.letGo
	s.letGo = nil
	return letGo()
}

// ErrOwned says that a hindcast that serves keeps taking the target's timelines
// over.
var ErrOwned = errors.New("another hindcast derives the target's timelines: stop it, and copy again, or copy the facts only")

// ServedError says that the timelines of a target are another hindcast's, which
// may still serve it, and would not derive any while a copy has them.
type ServedError struct{ Owner string }

func (e *ServedError) Error() string {
	return fmt.Sprintf("the target is or was served by another hindcast (%s)", e.Owner)
}

// TakeOver makes a target claim its timelines also when they are those of a
// hindcast that may serve it; call it before Publish.
func (s *Store) TakeOver() { s.takeOver = true }

// owned is a store that several may open at once, and that knows who claimed its
// timelines last.
type owned interface {
	Owner(ctx context.Context) (string, error)
}

// takeTimelines claims the timelines, unless another hindcast had them.
func (s *Store) takeTimelines(ctx context.Context) error {
	if shared, ok := s.store.(owned); ok && !s.takeOver {
		owner, err := shared.Owner(ctx)
		if err != nil {
			return err
		}
		if owner != "" && !strings.HasPrefix(owner, CopyOwner) {
			return &ServedError{owner}
		}
	}
	claim, err := s.store.Claim(ctx, s.owner)
	if err != nil {
		return err
	}
	s.claim = claim
	s.hold()
	return nil
}

// Publish implements [TimelineTarget]. The timelines are claimed only when there
// is anything to store; those of a store that another hindcast claimed are not,
// unless [Store.TakeOver] was called: that is a [ServedError].
func (s *Store) Publish(ctx context.Context, list []storage.Derived) (int, error) {
	var news []storage.Derived
	for _, d := range list {
		known, err := s.knows(ctx, d.Timeline.Incident.ID, d.Timeline.Incident.Revision)
		if err != nil {
			return 0, fmt.Errorf("incident %s: %w", d.Timeline.Incident.ID, err)
		}
		if !known {
			news = append(news, d)
		}
	}
	if len(news) == 0 {
		return 0, nil
	}
	if s.claim.Epoch == 0 {
		if err := s.takeTimelines(ctx); err != nil {
			return 0, err
		}
	}
	err := s.store.Publish(ctx, s.claim, news)
	if errors.Is(err, storage.ErrFenced) {
		return 0, fmt.Errorf("%w (%w)", ErrOwned, err)
	}
	if err != nil {
		return 0, err
	}
	for i := range news {
		s.known[news[i].Timeline.Incident.ID] = news[i].Timeline.Incident.Revision
	}
	return len(news), nil
}

// knows reports whether the store has an incident as of that revision or a
// later one, or has merged it by itself into another that the source has not.
func (s *Store) knows(ctx context.Context, id event.ID, revision int64) (bool, error) {
	if s.known == nil {
		if err := s.readKnown(ctx); err != nil {
			return false, err
		}
	}
	if has, ok := s.known[id]; ok || s.empty {
		return ok && has >= revision, nil
	}
	tl, err := s.store.Timeline(ctx, id)
	if errors.Is(err, storage.ErrNotFound) {
		return false, nil
	}
	if err != nil || tl.Incident.ID == id {
		return tl.Incident.Revision >= revision, err
	}
	holds, err := s.from.Holds(ctx, tl.Incident.ID)
	return !holds, err
}

func (s *Store) readKnown(ctx context.Context) error {
	list, err := s.store.Published(ctx, time.Time{})
	if err != nil {
		return err
	}
	s.known = make(map[event.ID]int64, len(list))
	for i := range list {
		s.known[list[i].Incident.ID] = list[i].Incident.Revision
	}
	s.empty = len(list) == 0
	return nil
}
