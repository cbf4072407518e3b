// Package recent keeps the timelines that a store's readers asked for last:
// decoding one takes longer than finding out that it has not changed. The
// backends of storage share it.
package recent

import (
	"container/list"
	"sync"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// mostBytes bounds the decoded timelines that are kept, counted in bytes of
// their JSON.
const mostBytes = 8 << 20

// Timelines keeps decoded timelines. One is known by its incident and the
// version of its publication, of a type of the backend's own, so what is kept
// is never old. The zero value is empty. It may be used concurrently; what it
// gives out is shared.
type Timelines[V comparable] struct {
	mu    sync.Mutex
	bytes int
	byID  map[event.ID]*list.Element
	// order begins with the one that was read last.
	order list.List
}

type entry[V comparable] struct {
	id      event.ID
	version V
	bytes   int
	tl      timeline.Timeline
}

// Get returns the timeline of an incident, and false when it is not kept in
// that version.
func (c *Timelines[V]) Get(id event.ID, version V) (timeline.Timeline, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.byID[id]
	if e == nil || e.Value.(*entry[V]).version != version {
		return timeline.Timeline{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry[V]).tl, true
}

// Has reports whether some version of an incident's timeline is kept.
func (c *Timelines[V]) Has(id event.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.byID[id] != nil
}

// Put keeps a version of a timeline, whose JSON has that many bytes, in place of
// the one before. Those that were read longest ago make room.
func (c *Timelines[V]) Put(id event.ID, version V, bytes int, tl timeline.Timeline) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byID[id]; e != nil {
		c.drop(e)
	}
	if c.byID == nil {
		c.byID = make(map[event.ID]*list.Element)
	}
	c.byID[id] = c.order.PushFront(&entry[V]{id, version, bytes, tl})
	c.bytes += bytes
	for c.bytes > mostBytes {
		c.drop(c.order.Back())
	}
}

func (c *Timelines[V]) drop(e *list.Element) {
	t := c.order.Remove(e).(*entry[V])
	delete(c.byID, t.id)
	c.bytes -= t.bytes
}
