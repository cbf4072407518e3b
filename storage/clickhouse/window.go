package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// windowPage is the size of a window's pages, in facts of each kind. A page costs
// the engine a tenth of a second, however small it is.
const windowPage = 10_000

// Window implements [storage.Feed]. What is appended between two pages may or
// may not be in it. Each page has the time of a query; the whole has none.
func (s *Store) Window(ctx context.Context, from, to time.Time, yield func(storage.FactPage) error) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("window: %w", err)
	}
	defer leave()
	if !to.IsZero() && !from.Before(to) {
		return nil
	}
	w := window{s: s, from: from, to: to, size: s.windowPage}
	if err := w.run(ctx, yield); err != nil {
		return fmt.Errorf("window: %w", err)
	}
	return nil
}

// window walks events and observations in the order of their IDs, each by pages,
// and joins the pages as far as both are known.
type window struct {
	s            *Store
	from, to     time.Time
	size         int // of a page
	events       shelf[event.Event]
	observations shelf[event.Observation]
}

// shelf is what was read of one kind and not yielded.
type shelf[T any] struct {
	items []T
	// last is the ID up to which all is read; done says that all is.
	last event.ID
	done bool
}

func (w *window) run(ctx context.Context, yield func(storage.FactPage) error) error {
	for {
		if err := w.fill(ctx); err != nil {
			return err
		}
		page := storage.FactPage{
			Events:       w.events.upTo(w.bound(), eventID),
			Observations: w.observations.upTo(w.bound(), event.Observation.ID),
		}
		if page.Len() == 0 {
			return nil
		}
		if err := yield(page); err != nil {
			return err
		}
	}
}

func eventID(e event.Event) event.ID { return e.ID }

// fill reads of each kind until there is something or nothing more to come.
func (w *window) fill(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	for len(w.events.items) == 0 && !w.events.done {
		if err := w.readEvents(ctx); err != nil {
			return fmt.Errorf("read events: %w", err)
		}
	}
	for len(w.observations.items) == 0 && !w.observations.done {
		if err := w.readObservations(ctx); err != nil {
			return fmt.Errorf("read observations: %w", err)
		}
	}
	return nil
}

// bound is the ID up to which both kinds are read.
func (w *window) bound() event.ID {
	bound := greatestID
	if !w.events.done {
		bound = w.events.last
	}
	if !w.observations.done && w.observations.last.Compare(bound) < 0 {
		bound = w.observations.last
	}
	return bound
}

var greatestID = idAt(1 << 48)

// upTo takes the items up to an ID off the shelf.
func (f *shelf[T]) upTo(bound event.ID, id func(T) event.ID) []T {
	n := 0
	for n < len(f.items) && id(f.items[n]).Compare(bound) <= 0 {
		n++
	}
	taken := f.items[:n:n]
	f.items = f.items[n:]
	return taken
}

// advance notes how far a page reached. One that does not go on would be read for
// ever: then rows are stored under IDs that are not theirs.
func (f *shelf[T]) advance(page []T, id func(T) event.ID) error {
	if len(page) == 0 {
		return nil
	}
	last := id(page[len(page)-1])
	if last.Compare(f.last) <= 0 {
		return fmt.Errorf("the row behind %s is stored under an ID that is not its own", f.last)
	}
	f.last = last
	return nil
}

func (w *window) readEvents(ctx context.Context) error {
	events, err := w.s.eventsWhere(ctx, windowEventsQuery(w.from, w.to, w.events.last, w.size))
	if err != nil {
		return err
	}
	w.events.done = len(events) < w.size
	if err := w.events.advance(events, eventID); err != nil {
		return err
	}
	// Rows were looked for; what they merge to may lie outside.
	for _, e := range events {
		if !e.OccurredAt.Before(w.from) && (w.to.IsZero() || e.OccurredAt.Before(w.to)) {
			w.events.items = append(w.events.items, e)
		}
	}
	return nil
}

func (w *window) readObservations(ctx context.Context) error {
	observations, err := w.s.observationsWhere(ctx, windowObservationsQuery(w.from, w.to, w.observations.last, w.size))
	if err != nil {
		return err
	}
	w.observations.done = len(observations) < w.size
	if err := w.observations.advance(observations, event.Observation.ID); err != nil {
		return err
	}
	for _, o := range observations {
		if !storage.LastSighting(o).Before(w.from) && (w.to.IsZero() || o.StartsAt.Before(w.to)) {
			w.observations.items = append(w.observations.items, o)
		}
	}
	return nil
}

// windowEventsQuery finds a page of events behind an ID. An ID need not begin
// with the time at which the event occurred.
func windowEventsQuery(from, to time.Time, after event.ID, limit int) string {
	return "SELECT " + eventFields + " FROM events FINAL WHERE id IN (" + windowEventIDs(from, to, after, limit) + ") ORDER BY id" + finalByPartition
}

// windowEventIDs reads the index of occurred_at, and in the order of IDs.
func windowEventIDs(from, to time.Time, after event.ID, limit int) string {
	var where strings.Builder
	fmt.Fprintf(&where, "id > %s", idLiteral(after))
	if !from.IsZero() {
		fmt.Fprintf(&where, " AND occurred_at >= %s", timeLiteral(from))
	}
	if !to.IsZero() {
		fmt.Fprintf(&where, " AND occurred_at < %s", timeLiteral(to))
	}
	return fmt.Sprintf("SELECT DISTINCT id FROM events WHERE %s ORDER BY id LIMIT %d", where.String(), limit)
}

// windowObservationsQuery finds a page of observations behind an ID.
func windowObservationsQuery(from, to time.Time, after event.ID, limit int) string {
	return "SELECT " + observationFields + " FROM observations FINAL WHERE id IN (" + windowObservationIDs(from, to, after, limit) + ") ORDER BY id" + finalByPartition
}

// windowObservationIDs reads rows that are not merged: an observation was seen
// after a time when one of its rows was. IDs begin with the alert's start.
func windowObservationIDs(from, to time.Time, after event.ID, limit int) string {
	var where strings.Builder
	fmt.Fprintf(&where, "id > %s", idLiteral(after))
	if !to.IsZero() {
		fmt.Fprintf(&where, " AND id < %s", idLiteral(idAt(to.UnixMilli()+1)))
	}
	if !from.IsZero() {
		fmt.Fprintf(&where, " AND seen_until >= %s", timeLiteral(from))
	}
	return fmt.Sprintf("SELECT DISTINCT id FROM observations WHERE %s ORDER BY id LIMIT %d", where.String(), limit)
}

// idAt is the least ID of a millisecond since 1970, and for one that is beyond
// all IDs the greatest.
func idAt(ms int64) (id event.ID) {
	if ms >= 1<<48 {
		for i := range id {
			id[i] = 0xff
		}
		return id
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(max(ms, 0))<<16)
	copy(id[:6], b[:6])
	return id
}
