package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// windowPage is the size of a window's pages, in facts.
const windowPage = 500

// Window implements [storage.Feed]. It holds no transaction open between
// pages: what is appended meanwhile may or may not be in it.
func (s *Store) Window(ctx context.Context, from, to time.Time, yield func(storage.FactPage) error) error {
	leave, err := s.life.Enter()
	if err != nil {
		return fmt.Errorf("window: %w", err)
	}
	defer leave()
	w := window{s: s, yield: yield}
	w.from, w.to = span(from, to)
	if err := w.run(ctx); err != nil {
		return fmt.Errorf("window: %w", err)
	}
	return nil
}

// window walks events in the order of their IDs, which is that of their times,
// and puts between them what must be looked up in another order: observations,
// and the few events whose ID begins with another time.
type window struct {
	s        *Store
	from, to int64
	yield    func(storage.FactPage) error
	// aside are the IDs of those, ascending; what was yielded is cut off.
	aside []asideID
}

type asideID struct {
	id          event.ID
	observation bool
}

func (w *window) run(ctx context.Context) error {
	if w.from >= w.to {
		return nil
	}
	if err := w.collect(ctx); err != nil {
		return err
	}
	low := idBound(w.from, 0)
	after, high := low[:], idBound(w.to, 0xff)
	first := true
	for {
		events, last, err := w.events(ctx, after, high, first)
		if err != nil {
			return err
		}
		first = false
		bound := bytes.Repeat([]byte{0xff}, 16)
		if len(events) == windowPage {
			bound = last[:]
		}
		for done := false; !done; {
			n := 0
			for n < len(w.aside) && n < windowPage && bytes.Compare(w.aside[n].id[:], bound) <= 0 {
				n++
			}
			done = n < windowPage
			page, err := w.page(ctx, w.aside[:n], &events, done)
			if err != nil {
				return err
			}
			w.aside = w.aside[n:]
			if page.Len() == 0 {
				continue
			}
			if err := w.yield(page); err != nil {
				return err
			}
		}
		if bound[0] == 0xff {
			return nil
		}
		after = bound
	}
}

// page joins the asides with the events before the last of them, or with all
// events when these are all asides.
func (w *window) page(ctx context.Context, asides []asideID, events *[]event.Event, all bool) (storage.FactPage, error) {
	var page storage.FactPage
	for _, a := range asides {
		if err := w.load(ctx, a, &page); err != nil {
			return page, err
		}
	}
	n := len(*events)
	if !all {
		last := asides[len(asides)-1].id
		n, _ = slices.BinarySearchFunc(*events, last, func(e event.Event, id event.ID) int { return e.ID.Compare(id) })
	}
	page.Events = append(page.Events, (*events)[:n]...)
	*events = (*events)[n:]
	slices.SortFunc(page.Events, func(a, b event.Event) int { return a.ID.Compare(b.ID) })
	return page, nil
}

func (w *window) load(ctx context.Context, a asideID, page *storage.FactPage) error {
	var body []byte
	if a.observation {
		err := w.s.row(ctx, "SELECT body FROM observations WHERE id = ?", []any{a.id[:]}, &body)
		if err != nil {
			return ignoreGone(err)
		}
		o, err := decodeObservation(body, nil)
		page.Observations = append(page.Observations, o)
		return err
	}
	var receivedAt int64
	if err := w.s.row(ctx, "SELECT received_at, body FROM events WHERE id = ?", []any{a.id[:]}, &receivedAt, &body); err != nil {
		return ignoreGone(err)
	}
	e, err := decodeEvent(body, receivedAt, nil)
	page.Events = append(page.Events, e)
	return err
}

// ignoreGone drops the error about a row that was pruned meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, storage.ErrNotFound) {
		return nil
	}
	return err
}

// collect lists the IDs that are not in the order of time.
func (w *window) collect(ctx context.Context) error {
	for query, observation := range map[string]bool{
		"SELECT id FROM events WHERE strays = 1 AND occurred_at >= ? AND occurred_at < ?": false,
		"SELECT id FROM observations WHERE seen_until >= ? AND starts_at < ?":             true,
	} {
		rows, err := w.s.rows(ctx, query, w.from, w.to)
		if err != nil {
			return err
		}
		err = each(rows, func(r *sql.Rows) error {
			var id sql.RawBytes
			if err := r.Scan(&id); err != nil {
				return err
			}
			w.aside = append(w.aside, asideID{event.ID(id), observation})
			return nil
		})
		if err != nil {
			return classify(err)
		}
	}
	slices.SortFunc(w.aside, func(a, b asideID) int { return a.id.Compare(b.id) })
	return nil
}

// events is a page of the events behind an ID, or from it on when first.
func (w *window) events(ctx context.Context, after []byte, high event.ID, first bool) (events []event.Event, last event.ID, err error) {
	query := "SELECT received_at, body FROM events WHERE id > ? AND id <= ? AND strays = 0 AND occurred_at >= ? AND occurred_at < ? ORDER BY id LIMIT ?"
	if first {
		query = "SELECT received_at, body FROM events WHERE id >= ? AND id <= ? AND strays = 0 AND occurred_at >= ? AND occurred_at < ? ORDER BY id LIMIT ?"
	}
	rows, err := w.s.rows(ctx, query, after, high[:], w.from, w.to, windowPage)
	if err != nil {
		return nil, last, err
	}
	err = each(rows, func(r *sql.Rows) error {
		var receivedAt int64
		var body sql.RawBytes
		if err := r.Scan(&receivedAt, &body); err != nil {
			return err
		}
		e, err := decodeEvent(body, receivedAt, nil)
		events, last = append(events, e), e.ID
		return err
	})
	return events, last, classify(err)
}

// idBound is the least or the greatest ID of a time's millisecond.
func idBound(at int64, fill byte) event.ID {
	id := event.ID(bytes.Repeat([]byte{fill}, 16))
	ms := uint64(max(floorDiv(at, 1e6), 0))
	if at == math.MaxInt64 {
		ms = 1<<48 - 1
	}
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], ms<<16)
	copy(id[:6], b[:6])
	return id
}
