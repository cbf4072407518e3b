package tally

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Facts sums what logs said, for those of some IDs that name a count's key. A
// key cannot be told from its ID, but its second can: the store goes through the
// counts of the [Facts.Seconds] and adds those that are wanted. Use [NewFacts].
// It is not for concurrent use.
type Facts struct {
	wanted map[int64]map[event.ID]*fact // by second
}

type fact struct {
	set      *Set
	received time.Time
}

// NewFacts waits for the counts that the IDs name. IDs of other facts do no
// harm.
func NewFacts(ids []event.ID) *Facts {
	f := &Facts{wanted: make(map[int64]map[event.ID]*fact)}
	for _, id := range ids {
		ms := id.Time().UnixMilli()
		if ms%1000 != 0 {
			continue
		}
		if f.wanted[ms/1000] == nil {
			f.wanted[ms/1000] = make(map[event.ID]*fact)
		}
		f.wanted[ms/1000][id] = nil
	}
	return f
}

// Seconds are those whose counts may be wanted, ascending, in seconds since
// 1970.
func (f *Facts) Seconds() []int64 {
	seconds := make([]int64, 0, len(f.wanted))
	for second := range f.wanted {
		seconds = append(seconds, second)
	}
	slices.Sort(seconds)
	return seconds
}

// Wants reports whether one of the IDs names the key.
func (f *Facts) Wants(k *event.CountKey) bool {
	ids := f.wanted[k.Second]
	if ids == nil {
		return false
	}
	_, ok := ids[k.ID()]
	return ok
}

// Add adds a count that is wanted, and when its chunk was received; it leaves
// others alone.
func (f *Facts) Add(c *event.Count, receivedAt time.Time) {
	if !f.Wants(&c.CountKey) {
		return
	}
	ids, id := f.wanted[c.Second], c.CountKey.ID()
	if ids[id] == nil {
		ids[id] = &fact{set: NewSet(), received: receivedAt}
	}
	ids[id].set.Add(c)
	if receivedAt.Before(ids[id].received) {
		ids[id].received = receivedAt
	}
}

// Sums are the sums of those that were found.
func (f *Facts) Sums() map[event.ID]*storage.LogFact {
	sums := make(map[event.ID]*storage.LogFact)
	for _, ids := range f.wanted {
		for id, found := range ids {
			if found != nil {
				sums[id] = sum(found.set.Sorted(), found.received)
			}
		}
	}
	return sums
}
