package correlate

import (
	"cmp"
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// memory holds the facts that the engine works on. Adding a fact twice, or
// facts in another order, gives the same memory.
type memory struct {
	alerts map[event.Fingerprint][]*event.Observation
	// shelves hold events by kind.
	shelves map[event.Kind]*shelf
	logs    logs
}

func newMemory() *memory {
	return &memory{
		alerts:  map[event.Fingerprint][]*event.Observation{},
		shelves: map[event.Kind]*shelf{},
		logs:    newLogs(),
	}
}

// observe merges a sighting of an alert.
func (m *memory) observe(o event.Observation) {
	o.Raw = nil
	known := m.alerts[o.Fingerprint]
	i, found := slices.BinarySearchFunc(known, o.StartsAt, func(k *event.Observation, at time.Time) int {
		return k.StartsAt.Compare(at)
	})
	if !found {
		m.alerts[o.Fingerprint] = slices.Insert(known, i, &o)
		return
	}
	merged := known[i].Merge(o)
	known[i] = &merged
}

// seenStep is how coarse the last sighting of an alert that is kept alive is
// taken: thousands of alerts are re-sent every minute, and that one was seen to
// fire once more tells nothing new.
const seenStep = 15 * time.Minute

func seenMark(t time.Time) time.Time { return t.Truncate(seenStep).Add(seenStep) }

// record adds an event and reports whether it was new.
func (m *memory) record(e event.Event) (told bool) {
	e.Raw = nil
	if e.Kind == event.KindMute && e.Mute != nil {
		return m.recordMute(&e)
	}
	if arrives(&e) {
		e.OccurredAt = e.ReceivedAt
	}
	return m.shelf(e.Kind).add(&e)
}

// arrives reports whether an event is the arrival of a webhook: it happened
// when it was first received, whichever of its deliveries came first.
func arrives(e *event.Event) bool {
	return e.Notification != nil && e.Notification.ToHindcast
}

// recordMute keeps, of the mutes that senders repeat at every flush, the first
// and the last of each hour: with thousands of muted alerts all of them would
// not fit.
func (m *memory) recordMute(e *event.Event) bool {
	s := m.shelf(event.KindMute)
	hour := e.OccurredAt.Truncate(time.Hour)
	first, last := (*event.Event)(nil), (*event.Event)(nil)
	for _, known := range s.between(hour, hour.Add(time.Hour)) {
		if known.Mute.Fingerprint == e.Mute.Fingerprint && known.Mute.SilenceID == e.Mute.SilenceID && known.Mute.Rule == e.Mute.Rule {
			if first == nil {
				first = known
			}
			last = known
		}
	}
	switch {
	case first == nil || first == last:
		return s.add(e)
	case compareEvents(e, first) < 0:
		s.remove(first)
		return s.add(e)
	case compareEvents(e, last) > 0:
		s.remove(last)
		return s.add(e)
	}
	return false
}

func (m *memory) shelf(k event.Kind) *shelf {
	s := m.shelves[k]
	if s == nil {
		s = &shelf{byID: map[event.ID]*event.Event{}}
		m.shelves[k] = s
	}
	return s
}

// forget drops facts that ended before the given time; of alerts those that
// over says may go.
func (m *memory) forget(before time.Time, over func(*event.Observation) bool) {
	for print, known := range m.alerts {
		kept := slices.DeleteFunc(known, func(o *event.Observation) bool {
			return lastSign(o).Before(before) && over(o)
		})
		if len(kept) == 0 {
			delete(m.alerts, print)
		} else {
			m.alerts[print] = kept
		}
	}
	for _, s := range m.shelves {
		s.forget(before)
	}
}

// lastSign is the last time that a sighting tells something of.
func lastSign(o *event.Observation) time.Time {
	t := o.StartsAt
	for _, u := range []time.Time{o.EndedAt, o.KeepAliveUntil, o.FiringSeenAt, o.GoneBy} {
		if u.After(t) {
			t = u
		}
	}
	return t
}

// shelf holds events of one kind in order of (OccurredAt, ID).
type shelf struct {
	byID   map[event.ID]*event.Event
	sorted []*event.Event
	stale  bool
}

// add keeps an event once; of two copies the smaller receipt counts.
func (s *shelf) add(e *event.Event) bool {
	if known := s.byID[e.ID]; known != nil {
		if !e.ReceivedAt.Before(known.ReceivedAt) {
			return false
		}
		known.ReceivedAt = e.ReceivedAt
		if arrives(known) {
			known.OccurredAt, s.stale = known.ReceivedAt, true
		}
		return true
	}
	s.byID[e.ID] = e
	if n := len(s.sorted); n > 0 && !s.stale && compareEvents(s.sorted[n-1], e) > 0 {
		s.stale = true
	}
	s.sorted = append(s.sorted, e)
	return true
}

func (s *shelf) remove(e *event.Event) {
	delete(s.byID, e.ID)
	if i := slices.Index(s.sorted, e); i >= 0 {
		s.sorted = slices.Delete(s.sorted, i, i+1)
	}
}

// all is every event in order.
func (s *shelf) all() []*event.Event {
	if s.stale {
		slices.SortFunc(s.sorted, compareEvents)
		s.stale = false
	}
	return s.sorted
}

// between is the events that occurred in [from, to), in order.
func (s *shelf) between(from, to time.Time) []*event.Event {
	all := s.all()
	lo := sortSearch(all, from)
	hi := sortSearch(all, to)
	return all[lo:max(lo, hi)]
}

func sortSearch(all []*event.Event, at time.Time) int {
	i, _ := slices.BinarySearchFunc(all, at, func(e *event.Event, at time.Time) int {
		if e.OccurredAt.Before(at) {
			return -1
		}
		return 1
	})
	return i
}

func (s *shelf) forget(before time.Time) {
	n := sortSearch(s.all(), before)
	for _, e := range s.sorted[:n] {
		delete(s.byID, e.ID)
	}
	s.sorted = slices.Delete(s.sorted, 0, n)
}

func compareEvents(a, b *event.Event) int {
	return cmp.Or(a.OccurredAt.Compare(b.OccurredAt), a.ID.Compare(b.ID))
}
