package facts_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
	"github.com/hindcast/hindcast/storage/internal/facts"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func id(name string) event.ID { return event.NewID(began, name) }

func TestJoin(t *testing.T) {
	type named struct{ id, all string }
	join := func(list []named) []named {
		return facts.Join(list, func(n *named) event.ID { return id(n.id) }, func(first, again *named) { first.all += again.all })
	}
	for _, test := range []struct{ list, want []named }{
		{nil, nil},
		{[]named{{"a", "1"}}, []named{{"a", "1"}}},
		{[]named{{"b", "1"}, {"a", "2"}}, []named{{"b", "1"}, {"a", "2"}}},
		{[]named{{"b", "1"}, {"a", "2"}, {"b", "3"}, {"b", "4"}, {"a", "5"}}, []named{{"b", "134"}, {"a", "25"}}},
	} {
		before := slices.Clone(test.list)
		if got := join(test.list); !slices.Equal(got, test.want) {
			t.Errorf("join %v: got %v, want %v", before, got, test.want)
		}
		if !slices.Equal(test.list, before) {
			t.Errorf("join %v: the list itself became %v", before, test.list)
		}
	}
}

func TestJoinObservations(t *testing.T) {
	at := func(fingerprint event.Fingerprint, minute int) event.Observation {
		seen := began.Add(time.Duration(minute) * time.Minute)
		return event.Observation{Fingerprint: fingerprint, StartsAt: began, FirstReceivedAt: seen, LastReceivedAt: seen}
	}
	got := facts.JoinObservations([]event.Observation{at(1, 3), at(2, 4), at(1, 5), at(1, 1)})
	if len(got) != 2 || got[0].Fingerprint != 1 || got[1].Fingerprint != 2 {
		t.Fatalf("got %+v, want two alerts in their order", got)
	}
	if first, last := got[0].FirstReceivedAt, got[0].LastReceivedAt; !first.Equal(began.Add(time.Minute)) || !last.Equal(began.Add(5*time.Minute)) {
		t.Errorf("the first alert: seen from %v to %v, want minutes 1 to 5", first, last)
	}
}

func TestFind(t *testing.T) {
	failed := errors.New("the disk is gone")
	place := func(n int64, err error) func(context.Context, event.ID) (storage.Fact, error) {
		return func(context.Context, event.ID) (storage.Fact, error) {
			return storage.Fact{Log: &storage.LogFact{N: n}}, err
		}
	}
	none := place(0, fmt.Errorf("no row: %w", storage.ErrNotFound))
	if f, err := facts.Find(t.Context(), id("a"), none, place(2, nil), place(3, failed)); err != nil || f.Log.N != 2 {
		t.Errorf("got %+v and error %v, want that of the second place", f.Log, err)
	}
	for want, places := range map[error][]func(context.Context, event.ID) (storage.Fact, error){
		storage.ErrNotFound: {none, none},
		failed:              {none, place(1, failed), place(2, nil)},
	} {
		f, err := facts.Find(t.Context(), id("a"), places...)
		if !errors.Is(err, want) || !strings.Contains(err.Error(), id("a").String()) || f.Log != nil {
			t.Errorf("got %+v and error %v, want %v with the ID", f.Log, err, want)
		}
	}
}

// asides are n asides, the latest first.
func asides(n int) []event.Aside {
	list := make([]event.Aside, n)
	for i := range list {
		// Several share a time.
		at := began.Add(-time.Duration(i/3) * time.Second)
		list[i] = event.Aside{ID: event.NewID(at, "aside", fmt.Sprintf("%04d", n-i)), ReceivedAt: at}
	}
	return list
}

func TestAsides(t *testing.T) {
	cursors := cursor.New([]byte("a store"))
	nanos := func(at time.Time) int64 { return at.UnixNano() }
	all := asides(2500)
	read := func(behind *facts.AsidePlace, n int) ([]event.Aside, error) {
		first := 0
		if behind != nil {
			first = 1 + slices.IndexFunc(all, func(a event.Aside) bool { return a.ID == behind.ID && nanos(a.ReceivedAt) == behind.At })
			if first == 0 {
				t.Fatalf("no aside is at %+v", behind)
			}
		}
		return all[first:min(first+n, len(all)):len(all)], nil
	}
	for _, test := range []struct{ limit, page int }{{0, 100}, {-1, 100}, {625, 625}, {1000, 1000}, {5000, 1000}} {
		var got []event.Aside
		place := ""
		for {
			page, err := facts.Asides(cursors, place, test.limit, nanos, read)
			if err != nil {
				t.Fatalf("limit %d: %v", test.limit, err)
			}
			if want := min(test.page, len(all)-len(got)); len(page.Asides) != want {
				t.Fatalf("limit %d: a page of %d behind %d, want %d", test.limit, len(page.Asides), len(got), want)
			}
			got = append(got, page.Asides...)
			if place = page.Next; place == "" {
				break
			}
		}
		if !slices.EqualFunc(got, all, func(a, b event.Aside) bool { return a.ID == b.ID }) {
			t.Errorf("limit %d: the pages hold %d asides, want all %d in their order", test.limit, len(got), len(all))
		}
	}
	for _, bad := range []string{"x", cursors.Encode(cursor.Lines, make([]byte, 24)), cursors.Encode(cursor.Asides, make([]byte, 8))} {
		if _, err := facts.Asides(cursors, bad, 1, nanos, read); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("place %q: got error %v, want %v", bad, err, storage.ErrBadCursor)
		}
	}
	failed := errors.New("the disk is gone")
	fails := func(*facts.AsidePlace, int) ([]event.Aside, error) { return nil, failed }
	if _, err := facts.Asides(cursors, "", 1, nanos, fails); !errors.Is(err, failed) {
		t.Errorf("got error %v, want that of the reading", err)
	}
}
