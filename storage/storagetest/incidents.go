package storagetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func claim(t *testing.T, s storage.Store, owner string) storage.Claim {
	t.Helper()
	return must[storage.Claim](t, "claim")(s.Claim(t.Context(), owner))
}

func publish(t *testing.T, s storage.Store, c storage.Claim, derived ...storage.Derived) {
	t.Helper()
	if err := s.Publish(t.Context(), c, derived); err != nil {
		t.Fatalf("publish: %v", err)
	}
}

func findTimeline(t *testing.T, s storage.Store, id event.ID) timeline.Timeline {
	t.Helper()
	return must[timeline.Timeline](t, "timeline of "+id.String())(s.Timeline(t.Context(), id))
}

func signal(n int) event.ID {
	return event.NewID(at(time.Duration(n)*time.Second), "signal", fmt.Sprint(n))
}

func testClaims(t *testing.T, open Open) {
	s := openStore(t, open)
	one := incident("one", 0)
	wantErr(t, "publish without a claim", s.Publish(t.Context(), storage.Claim{}, []storage.Derived{{Timeline: one}}), storage.ErrFenced)
	a := claim(t, s, "a")
	if a.Owner != "a" || a.Epoch <= 0 {
		t.Errorf("claim: got %+v, want one of a with an epoch above 0", a)
	}
	publish(t, s, a, storage.Derived{Timeline: one})
	b := claim(t, s, "b")
	if b.Epoch <= a.Epoch {
		t.Errorf("second claim: got epoch %d, want more than %d", b.Epoch, a.Epoch)
	}
	changed, another := one, incident("another", time.Hour)
	changed.Incident.Title = "of the one who was late"
	wantErr(t, "publish of an owner that was fenced", s.Publish(t.Context(), a, []storage.Derived{{Timeline: another}, {Timeline: changed}}), storage.ErrFenced)
	same(t, "timeline after a fenced publication", findTimeline(t, s, one.Incident.ID), one)
	_, err := s.Timeline(t.Context(), another.Incident.ID)
	wantErr(t, "timeline of a fenced publication", err, storage.ErrNotFound)
	wantErr(t, "publish with an epoch of one's own making", s.Publish(t.Context(), storage.Claim{Epoch: b.Epoch + 1, Owner: "a"}, []storage.Derived{{Timeline: changed}}), storage.ErrFenced)
	wantErr(t, "publish with another's epoch", s.Publish(t.Context(), storage.Claim{Epoch: b.Epoch, Owner: "a"}, []storage.Derived{{Timeline: changed}}), storage.ErrFenced)
	changed.Incident.Title = "of the owner"
	publish(t, s, b, storage.Derived{Timeline: changed})
	same(t, "timeline of the owner", findTimeline(t, s, one.Incident.ID), changed)

	// Two owners claim and publish as fast as they can. What is seen at the end
	// is of the one with the latest claim.
	var wg sync.WaitGroup
	for _, owner := range []string{"x", "y"} {
		wg.Go(func() {
			for i := range 20 {
				c, err := s.Claim(t.Context(), owner)
				if err != nil {
					t.Errorf("claim: %v", err)
					return
				}
				mine := one
				mine.Incident.Title = fmt.Sprintf("%s %d epoch %d", owner, i, c.Epoch)
				if err := s.Publish(t.Context(), c, []storage.Derived{{Timeline: mine}}); err != nil && !errors.Is(err, storage.ErrFenced) {
					t.Errorf("publish: %v", err)
				}
			}
		})
	}
	wg.Wait()
	last := claim(t, s, "z")
	if want := b.Epoch + 41; last.Epoch != want {
		t.Errorf("epoch after 40 claims: got %d, want %d", last.Epoch, want)
	}
}

func testTimelines(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	want := incident("large", 0)
	for i := range 500 {
		e := want.Entries[0]
		e.ID, e.At, e.Summary = signal(i), at(time.Duration(i)), fmt.Sprintf("entry %d", i)
		want.Entries = append(want.Entries, e)
	}
	small := incident("small", time.Hour)
	small.Incident.EndedAt, small.Entries, small.Durations = nil, nil, nil
	publish(t, s, c, storage.Derived{Timeline: want, Signals: []event.ID{signal(1)}}, storage.Derived{Timeline: small})
	same(t, "large timeline", findTimeline(t, s, want.Incident.ID), want)
	same(t, "small timeline", findTimeline(t, s, small.Incident.ID), small)
	want.Incident.Revision, want.Entries = 2, want.Entries[:3]
	publish(t, s, c, storage.Derived{Timeline: want, Signals: []event.ID{signal(1)}})
	same(t, "replaced timeline", findTimeline(t, s, want.Incident.ID), want)
	publish(t, s, c)
	_, err := s.Timeline(t.Context(), signal(999))
	wantErr(t, "timeline that nobody published", err, storage.ErrNotFound)
}

func testRedirects(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	holds := func(what string, id, want event.ID) {
		t.Helper()
		tl, err := s.Timeline(t.Context(), id)
		if want.IsZero() {
			wantErr(t, what, err, storage.ErrNotFound)
			return
		}
		if err != nil || tl.Incident.ID != want {
			t.Errorf("%s: got incident %s and error %v, want %s", what, tl.Incident.ID, err, want)
		}
	}
	one, two := incident("one", 0), incident("two", time.Hour)
	id1, id2 := one.Incident.ID, two.Incident.ID
	publish(t, s, c,
		storage.Derived{Timeline: one, Signals: []event.ID{id1, signal(1), signal(2)}},
		storage.Derived{Timeline: two, Signals: []event.ID{id2, signal(3)}})
	holds("member of one", signal(1), id1)
	holds("member of two", signal(3), id2)

	// Two is merged into one.
	one.Incident.Aliases = []event.ID{signal(100)}
	publish(t, s, c,
		storage.Derived{Timeline: timeline.Timeline{Incident: timeline.Incident{ID: id2}}, Retired: true},
		storage.Derived{Timeline: one, Signals: []event.ID{id1, id2, signal(1), signal(3)}})
	holds("ID of the merged incident", id2, id1)
	holds("member of the merged incident", signal(3), id1)
	holds("signal that is no member any more", signal(2), event.ID{})
	holds("alias", signal(100), id1)

	// A member comes before an alias, and an incident's own ID before both.
	three := incident("three", 2*time.Hour)
	id3 := three.Incident.ID
	three.Incident.Aliases = []event.ID{signal(1), id1}
	publish(t, s, c, storage.Derived{Timeline: three, Signals: []event.ID{signal(100)}})
	holds("signal of one, alias of three", signal(1), id1)
	holds("alias of one, signal of three", signal(100), id3)
	holds("ID of one, alias of three", id1, id1)
	// The order of publication does not matter.
	publish(t, s, c, storage.Derived{Timeline: one, Signals: []event.ID{id1, id2, signal(1), signal(3)}})
	holds("alias of one, signal of three, after one was published again", signal(100), id3)

	// Two becomes an incident of its own again.
	publish(t, s, c, storage.Derived{Timeline: two, Signals: []event.ID{id2}}, storage.Derived{Timeline: one, Signals: []event.ID{id1}})
	holds("ID of two", id2, id2)
	holds("signal that nobody holds", signal(3), event.ID{})

	// A retired incident's ID stays an alias of who has it.
	publish(t, s, c, storage.Derived{Timeline: one, Retired: true})
	holds("ID of the retired incident", id1, id3)
	page := must[storage.IncidentPage](t, "incidents")(s.Incidents(t.Context(), storage.IncidentQuery{}))
	same(t, "incidents after one retired", idsOf(page.Incidents), []event.ID{id3, id2})
	publish(t, s, c, storage.Derived{Timeline: timeline.Timeline{Incident: timeline.Incident{ID: signal(77)}}, Retired: true})
}

func idsOf(list []timeline.Incident) []event.ID {
	ids := make([]event.ID, 0, len(list))
	for _, i := range list {
		ids = append(ids, i.ID)
	}
	return ids
}

func testPublished(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	past, future := incident("past", 0), incident("going on", time.Hour)
	future.Incident.EndedAt, future.Incident.Status = nil, timeline.StatusOpen
	signals := []event.ID{signal(1), signal(2), signal(3)}
	publish(t, s, c,
		storage.Derived{Timeline: past, Signals: []event.ID{signals[2], signals[0], signals[1], signals[0]}, Digest: "d1"},
		storage.Derived{Timeline: future, Signals: signals[:1], Digest: "d2"})
	want := map[event.ID]storage.Published{
		past.Incident.ID:   {Incident: past.Incident, Signals: signals, Digest: "d1"},
		future.Incident.ID: {Incident: future.Incident, Signals: signals[:1], Digest: "d2"},
	}
	for _, since := range []time.Time{{}, at(5 * time.Minute)} {
		list := must[[]storage.Published](t, "published")(s.Published(t.Context(), since))
		if len(list) != 2 {
			t.Fatalf("published since %s: got %d incidents, want 2", since, len(list))
		}
		for _, p := range list {
			same(t, "published "+p.Incident.Title, p, want[p.Incident.ID])
		}
	}
	// Long after the derivation, only what goes on is of interest.
	list := must[[]storage.Published](t, "published")(s.Published(t.Context(), time.Now().Add(24*time.Hour)))
	if len(list) != 1 || list[0].Incident.ID != future.Incident.ID {
		t.Errorf("published since tomorrow: got %d incidents, want the one that goes on", len(list))
	}
	publish(t, s, c, storage.Derived{Timeline: future, Signals: signals[1:], Digest: "d3"}, storage.Derived{Timeline: past, Retired: true})
	list = must[[]storage.Published](t, "published")(s.Published(t.Context(), time.Time{}))
	same(t, "published after a change", list, []storage.Published{{Incident: future.Incident, Signals: signals[1:], Digest: "d3"}})
}

func testIncidents(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	var derived []storage.Derived
	for i := range 12 {
		// Two begin at the same time each.
		tl := incident(fmt.Sprint(i), time.Duration(i/2)*time.Hour)
		in := &tl.Incident
		in.ID = event.NewID(in.StartedAt, "listed", fmt.Sprint(i))
		in.Minor = i%4 == 3
		if i >= 10 {
			in.EndedAt, in.Status = nil, timeline.StatusOpen
		}
		if i%3 == 0 {
			in.Services = []string{"search", `quo"ted`}
		}
		derived = append(derived, storage.Derived{Timeline: tl})
	}
	publish(t, s, c, derived...)
	for _, q := range []struct {
		name  string
		query storage.IncidentQuery
		keep  func(timeline.Incident) bool
	}{
		{"all but minor", storage.IncidentQuery{}, func(i timeline.Incident) bool { return !i.Minor }},
		{"all", storage.IncidentQuery{Minor: true}, func(timeline.Incident) bool { return true }},
		{"open", storage.IncidentQuery{Minor: true, Status: timeline.StatusOpen}, func(i timeline.Incident) bool { return i.Status == timeline.StatusOpen }},
		{"a service", storage.IncidentQuery{Minor: true, Service: "search"}, func(i timeline.Incident) bool { return slices.Contains(i.Services, "search") }},
		{"an odd service", storage.IncidentQuery{Minor: true, Service: `quo"ted`}, func(i timeline.Incident) bool { return slices.Contains(i.Services, "search") }},
		{"an unknown service", storage.IncidentQuery{Minor: true, Service: "sear"}, func(timeline.Incident) bool { return false }},
		{"from", storage.IncidentQuery{Minor: true, From: at(3*time.Hour + 5*time.Minute)}, func(i timeline.Incident) bool {
			return i.EndedAt == nil || i.EndedAt.After(at(3*time.Hour+5*time.Minute))
		}},
		{"to", storage.IncidentQuery{Minor: true, To: at(2 * time.Hour)}, func(i timeline.Incident) bool { return i.StartedAt.Before(at(2 * time.Hour)) }},
		{"between", storage.IncidentQuery{Minor: true, From: at(time.Hour + time.Minute), To: at(time.Hour + 2*time.Minute)}, func(i timeline.Incident) bool {
			return i.StartedAt.Equal(at(time.Hour))
		}},
		{"now", storage.IncidentQuery{Minor: true, From: at(100 * time.Hour)}, func(i timeline.Incident) bool { return i.EndedAt == nil }},
	} {
		var want []timeline.Incident
		for _, d := range derived {
			if q.keep(d.Timeline.Incident) {
				want = append(want, d.Timeline.Incident)
			}
		}
		slices.SortFunc(want, func(a, b timeline.Incident) int {
			if c := b.StartedAt.Compare(a.StartedAt); c != 0 {
				return c
			}
			return b.ID.Compare(a.ID)
		})
		for _, limit := range []int{0, 1, 5} {
			var got []timeline.Incident
			q.query.Limit, q.query.Cursor = limit, ""
			for {
				page := must[storage.IncidentPage](t, "incidents")(s.Incidents(t.Context(), q.query))
				got = append(got, page.Incidents...)
				if q.query.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if len(got) == 0 && len(want) == 0 {
				continue
			}
			same(t, fmt.Sprintf("incidents, %s, by %d", q.name, limit), got, want)
		}
	}
	for _, bad := range []string{"x", "AAAA", "ÿ"} {
		_, err := s.Incidents(t.Context(), storage.IncidentQuery{Cursor: bad})
		wantErr(t, "incidents with cursor "+bad, err, storage.ErrBadCursor)
	}
}

// testIncidentPages pages while incidents arrive before, between and behind
// the pages: what was there at the first page is shown once.
func testIncidentPages(t *testing.T, open Open) {
	s := openStore(t, open)
	c := claim(t, s, "a")
	want := make(map[event.ID]bool)
	for i := range 40 {
		tl := incident(fmt.Sprint("old ", i), time.Duration(i)*time.Hour)
		want[tl.Incident.ID] = true
		publish(t, s, c, storage.Derived{Timeline: tl})
	}
	seen := make(map[event.ID]int)
	q := storage.IncidentQuery{Limit: 7}
	for n := 0; ; n++ {
		page := must[storage.IncidentPage](t, "incidents")(s.Incidents(t.Context(), q))
		for _, i := range page.Incidents {
			seen[i.ID]++
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
		for i, d := range []time.Duration{100 * time.Hour, time.Duration(n)*time.Hour + time.Minute, -time.Hour} {
			publish(t, s, c, storage.Derived{Timeline: incident(fmt.Sprint("new ", n, i), d)})
		}
		// One that is listed is derived again.
		again := incident("old 20", 20*time.Hour)
		again.Incident.Revision = int64(n + 2)
		publish(t, s, c, storage.Derived{Timeline: again})
	}
	for id := range want {
		if seen[id] != 1 {
			t.Errorf("incident %s was shown %d times, want once", id, seen[id])
		}
	}
	for id, n := range seen {
		if n > 1 {
			t.Errorf("incident %s was shown %d times", id, n)
		}
	}
}
