package api

import (
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// maxEntries is how many entries a timeline has before they are coalesced, and
// how many a page has after that.
const maxEntries = 1000

// entryPosition is where a page of entries ended: at which entry, and at which
// place it stood. A timeline that was derived again may have put the entry
// elsewhere, or dropped it.
type entryPosition struct {
	At    time.Time          `json:"t"`
	ID    event.ID           `json:"i"`
	Kind  timeline.EntryKind `json:"k"`
	Place int                `json:"p"`
}

// pageEntries cuts the entries of a long timeline to the page that the cursor
// asks for, and says in EntriesCursor how to go on. The first page has the
// cursor "". The pages of an unchanged timeline add up to its coalesced
// entries. A bad cursor is errBadCursor, also for a timeline that is short.
func pageEntries(t timeline.Timeline, cursor string) (timeline.Timeline, error) {
	var after entryPosition
	if cursor != "" {
		if err := decodeCursor(cursor, &after); err != nil {
			return timeline.Timeline{}, err
		}
		if after.ID.IsZero() && after.At.IsZero() {
			return timeline.Timeline{}, errBadCursor
		}
	}
	if len(t.Context) > maxEntries {
		t.Context = coalesce(t.Context)
	}
	if len(t.Entries) > maxEntries {
		t.Entries = coalesce(t.Entries)
	}
	start := 0
	if cursor != "" {
		start = after.next(t.Entries)
		t.Entries = t.Entries[start:]
	}
	t.EntriesCursor = ""
	if len(t.Entries) <= maxEntries {
		return t, nil
	}
	t.Entries = t.Entries[:maxEntries]
	last := t.Entries[maxEntries-1]
	next, err := encodeCursor(entryPosition{At: last.At, ID: last.ID, Kind: last.Kind, Place: start + maxEntries - 1})
	if err != nil {
		return timeline.Timeline{}, err
	}
	t.EntriesCursor = next
	return t, nil
}

// next is the place of the first entry after the position: after the entry
// that it names where that still is, else after its time.
func (p entryPosition) next(entries []timeline.Entry) int {
	if p.Place >= 0 && p.Place < len(entries) && p.names(&entries[p.Place]) {
		return p.Place + 1
	}
	for i := len(entries) - 1; i >= 0; i-- {
		if p.names(&entries[i]) {
			return i + 1
		}
	}
	for i := range entries {
		if entries[i].At.After(p.At) {
			return i
		}
	}
	return len(entries)
}

func (p entryPosition) names(e *timeline.Entry) bool {
	return p.ID == e.ID && p.Kind == e.Kind && p.At.Equal(e.At)
}
