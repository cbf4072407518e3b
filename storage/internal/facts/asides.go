package facts

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

const (
	defaultAsides = 100
	maxAsides     = 1000
)

// AsidePlace is a place in the list of what was set aside, which begins with the
// latest: that of the aside with this ID, received at At nanoseconds since 1970
// (the store's own number for the zero time).
type AsidePlace struct {
	At int64
	ID event.ID
}

// Asides is a page of what was set aside, of limit asides or 100, 1,000 at most.
// at is the page's cursor, "" for the first; one that cursors did not make is
// [storage.ErrBadCursor]. read returns the first n asides behind a place, which
// is nil for the start of the list; nanos is how the store writes times.
func Asides(cursors cursor.Codec, at string, limit int, nanos func(time.Time) int64, read func(behind *AsidePlace, n int) ([]event.Aside, error)) (storage.AsidePage, error) {
	if limit <= 0 {
		limit = defaultAsides
	}
	limit = min(limit, maxAsides)
	var behind *AsidePlace
	if at != "" {
		fields, err := cursors.Decode(cursor.Asides, 8+16, at)
		if err != nil {
			return storage.AsidePage{}, err
		}
		behind = &AsidePlace{At: cursor.Int64(fields), ID: event.ID(fields[8:])}
	}
	list, err := read(behind, limit+1)
	if err != nil || len(list) <= limit {
		return storage.AsidePage{Asides: list}, err
	}
	last := &list[limit-1]
	next := cursors.Encode(cursor.Asides, append(cursor.PutInt64(nil, nanos(last.ReceivedAt)), last.ID[:]...))
	return storage.AsidePage{Asides: list[:limit], Next: next}, nil
}
