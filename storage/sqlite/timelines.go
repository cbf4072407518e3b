package sqlite

import (
	"container/list"
	"context"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// Timeline implements [storage.Derivations]. An incident that has the ID comes
// before one that has it as a member, and that before one that had it once; of
// several, the last that was published.
func (s *Store) Timeline(ctx context.Context, id event.ID) (timeline.Timeline, error) {
	leave, err := s.enter()
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
	if tl, ok := s.timelines.get(event.ID(held), seq); ok {
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
	s.timelines.put(event.ID(held), seq, len(body), tl)
	return tl, nil
}

// timelineCacheBytes bounds the decoded timelines that are kept, counted in
// bytes of their JSON.
const timelineCacheBytes = 8 << 20

// timelineCache keeps the timelines that were read last. A timeline is known
// by its incident and the seq of its publication, so what is kept is never
// old. The zero value is empty.
type timelineCache struct {
	mu    sync.Mutex
	bytes int
	byID  map[event.ID]*list.Element
	// order begins with the one that was read last.
	order list.List
}

type cachedTimeline struct {
	id    event.ID
	seq   int64
	bytes int
	tl    timeline.Timeline
}

func (c *timelineCache) get(id event.ID, seq int64) (timeline.Timeline, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil || e.Value.(*cachedTimeline).seq != seq {
		return timeline.Timeline{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cachedTimeline).tl, true
}

func (c *timelineCache) put(id event.ID, seq int64, bytes int, tl timeline.Timeline) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id]; e != nil {
		c.drop(e)
	}
	if c.byID == nil {
		c.byID = make(map[event.ID]*list.Element)
	}
	c.byID[id] = c.order.PushFront(&cachedTimeline{id, seq, bytes, tl})
	c.bytes += bytes
	for c.bytes > timelineCacheBytes {
		c.drop(c.order.Back())
	}
}

func (c *timelineCache) drop(e *list.Element) {
	t := c.order.Remove(e).(*cachedTimeline)
	delete(c.byID, t.id)
	c.bytes -= t.bytes
}
