package api

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// many are n entries of which no two in a row are alike.
func many(n int) []timeline.Entry {
	out := make([]timeline.Entry, n)
	for i := range out {
		out[i] = timeline.Entry{
			ID: id(i), At: after(float64(i) / 10), Kind: timeline.EntryAlertFired, Service: "payments",
			Summary: fmt.Sprint("alert ", i), Fingerprint: fmt.Sprintf("%016x", i), Events: ids(i), Links: []string{}, Why: "alike",
		}
	}
	return out
}

func TestCoalesce(t *testing.T) {
	fired := func(n int, fingerprint string) timeline.Entry {
		return timeline.Entry{ID: id(n), At: after(float64(n)), Kind: timeline.EntryAlertFired, Service: "a", Fingerprint: fingerprint, Events: ids(n), Links: []string{"l"}}
	}
	told := func(n int, receiver string) timeline.Entry {
		return timeline.Entry{ID: id(n), At: after(float64(n)), Kind: timeline.EntryNotified, Labels: event.Labels{"receiver": receiver}, Events: ids(n)}
	}
	said := func(n int, text string) timeline.Entry {
		return timeline.Entry{ID: id(n), At: after(float64(n)), Kind: timeline.EntryMessage, Summary: text, Events: ids(n)}
	}
	source := func(n int, text string) timeline.Entry {
		return timeline.Entry{ID: id(n), At: after(float64(n)), Kind: timeline.EntrySource, Summary: text, Events: ids(n)}
	}
	joined := func(e timeline.Entry, count int, until float64, events ...int) timeline.Entry {
		e.Count, e.Until, e.Events = count, at(until), ids(events...)
		return e
	}
	tests := []struct {
		name      string
		give, get []timeline.Entry
	}{
		{"nothing", nil, []timeline.Entry{}},
		{"one stays as it is", []timeline.Entry{fired(1, "f")}, []timeline.Entry{fired(1, "f")}},
		{"a run", []timeline.Entry{fired(1, "f"), fired(2, "f"), fired(3, "f")}, []timeline.Entry{joined(fired(1, "f"), 3, 3, 1, 2, 3)}},
		{"another alert", []timeline.Entry{fired(1, "f"), fired(2, "g")}, []timeline.Entry{fired(1, "f"), fired(2, "g")}},
		{
			"a run is interrupted", []timeline.Entry{fired(1, "f"), said(2, "hm"), fired(3, "f")},
			[]timeline.Entry{fired(1, "f"), said(2, "hm"), fired(3, "f")},
		},
		{
			"receivers", []timeline.Entry{told(1, "pager"), told(2, "pager"), told(3, "chat")},
			[]timeline.Entry{joined(told(1, "pager"), 2, 2, 1, 2), told(3, "chat")},
		},
		{"people are not joined", []timeline.Entry{said(1, "x"), said(2, "x")}, []timeline.Entry{said(1, "x"), said(2, "x")}},
		{
			"the summary tells where nothing else does", []timeline.Entry{source(1, "x"), source(2, "x"), source(3, "y")},
			[]timeline.Entry{joined(source(1, "x"), 2, 2, 1, 2), source(3, "y")},
		},
		{
			"counts add up", []timeline.Entry{joined(fired(1, "f"), 4, 9, 1), fired(5, "f")},
			[]timeline.Entry{joined(fired(1, "f"), 5, 9, 1, 5)},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.give)
			if got := coalesce(tt.give); !reflect.DeepEqual(got, tt.get) {
				t.Errorf("got  %+v\nwant %+v", got, tt.get)
			}
			if !reflect.DeepEqual(tt.give, before) {
				t.Error("the argument was changed")
			}
		})
	}
}

func TestCoalesceLogs(t *testing.T) {
	entry := func(n int, count, baseline int64, lines ...string) timeline.Entry {
		return timeline.Entry{ID: id(n), At: after(float64(n)), Kind: timeline.EntryLogPattern, Log: &timeline.LogExcerpt{
			Pattern: 7, Count: count, Baseline: baseline, FirstSeen: after(float64(n)), LastSeen: after(float64(n) + 1), Lines: lines,
		}}
	}
	give := []timeline.Entry{entry(1, 10, 0, "a", "b"), entry(5, 20, 3, "c", "d", "e", "f")}
	got := coalesce(give)
	want := timeline.LogExcerpt{Pattern: 7, Count: 30, Baseline: 3, FirstSeen: after(1), LastSeen: after(6), Lines: []string{"a", "b", "c", "d", "e"}}
	if len(got) != 1 || !reflect.DeepEqual(*got[0].Log, want) {
		t.Errorf("got %+v, want one entry with %+v", got, want)
	}
	if give[0].Log.Count != 10 {
		t.Error("the argument was changed")
	}
}

// Coalescing loses no fact and keeps the order.
func TestCoalesceProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entries := drawEntries(t, 60)
		got := coalesce(entries)
		var facts, events int
		var order []event.ID
		for i := range entries {
			facts += max(entries[i].Count, 1)
			events += len(entries[i].Events)
		}
		for i := range got {
			facts -= max(got[i].Count, 1)
			events -= len(got[i].Events)
			order = append(order, got[i].Events...)
			if i > 0 && like(&got[i-1], &got[i]) {
				t.Errorf("entries %d and %d are alike and not joined", i-1, i)
			}
		}
		if facts != 0 || events != 0 {
			t.Errorf("%d facts and %d events were lost", facts, events)
		}
		var want []event.ID
		for i := range entries {
			want = append(want, entries[i].Events...)
		}
		if !slices.Equal(order, want) {
			t.Error("the order of the events changed")
		}
	})
}

func drawEntries(t *rapid.T, most int) []timeline.Entry {
	n := rapid.IntRange(0, most).Draw(t, "entries")
	out := make([]timeline.Entry, n)
	for i := range out {
		out[i] = timeline.Entry{
			// Few IDs and times: some are equal.
			ID: id(rapid.IntRange(0, most/2+1).Draw(t, "id")), At: after(float64(i / 3)),
			Kind:        rapid.SampledFrom([]timeline.EntryKind{timeline.EntryAlertFired, timeline.EntryNotified, timeline.EntryMessage}).Draw(t, "kind"),
			Fingerprint: rapid.SampledFrom([]string{"", "f", "g"}).Draw(t, "fingerprint"),
			Count:       rapid.IntRange(0, 3).Draw(t, "count"),
			Events:      ids(i),
		}
	}
	return out
}

// pages asks for all pages over HTTP.
func pages(t *testing.T, store Store, change func(page int)) (entries []timeline.Entry, count int) {
	t.Helper()
	h := newTestAPI(t, store)
	cursor := ""
	for {
		got := decode[timeline.Timeline](t, get(t, h, timelinePath(20)+"?entries_cursor="+url.QueryEscape(cursor)))
		if len(got.Entries) > maxEntries {
			t.Fatalf("page %d has %d entries", count, len(got.Entries))
		}
		if len(got.Milestones) != len(sample().Milestones) {
			t.Errorf("page %d has %d milestones", count, len(got.Milestones))
		}
		entries = append(entries, got.Entries...)
		count++
		if cursor = got.EntriesCursor; cursor == "" || count > 50 {
			return entries, count
		}
		change(count)
	}
}

func TestEntriesPages(t *testing.T) {
	tests := []struct{ entries, pages int }{{0, 1}, {1000, 1}, {1001, 2}, {2000, 2}, {5000, 5}}
	for _, tt := range tests {
		store := sampleStore()
		store.timelines[0].Entries = many(tt.entries)
		got, count := pages(t, store, func(int) {})
		if count != tt.pages {
			t.Errorf("%d entries come in %d pages, want %d", tt.entries, count, tt.pages)
		}
		if !sameEntries(got, store.timelines[0].Entries) {
			t.Errorf("the pages of %d entries do not add up: %d", tt.entries, len(got))
		}
	}
}

func TestLongTimelinesAreCoalesced(t *testing.T) {
	store := sampleStore()
	entries := many(5000)
	for i := range entries {
		entries[i].Fingerprint = fmt.Sprintf("%016x", i/3) // runs of three
	}
	store.timelines[0].Entries = entries
	got, count := pages(t, store, func(int) {})
	if want := coalesce(entries); !sameEntries(got, want) || count != 2 {
		t.Errorf("got %d entries in %d pages, want %d in 2", len(got), count, len(want))
	}
	facts := 0
	for i := range got {
		facts += max(got[i].Count, 1)
	}
	if facts != 5000 {
		t.Errorf("the counts add up to %d, want 5000", facts)
	}
	// A short one is as it was derived.
	store.timelines[0].Entries = entries[:1000]
	if got, _ := pages(t, store, func(int) {}); len(got) != 1000 || got[0].Count != 0 {
		t.Errorf("a timeline of 1000 entries was coalesced to %d", len(got))
	}
}

// Entries that arrive while somebody pages are none that was there skipped for.
func TestEntriesPagesWhileTheyChange(t *testing.T) {
	store := sampleStore()
	before := many(3000)
	store.timelines[0].Entries = before
	got, _ := pages(t, store, func(page int) {
		late := timeline.Entry{ID: id(100_000 + page), At: after(-5), Kind: timeline.EntryMessage, Summary: "late"}
		now := append([]timeline.Entry{late}, store.timelines[0].Entries...)
		if page == 2 {
			now = slices.Delete(now, 1999+2, 2000+2) // where the second page ended
		}
		store.timelines[0].Entries = now
	})
	if !sameEntries(got, before) {
		t.Errorf("got %d entries, want the %d that were there at first", len(got), len(before))
	}
}

func sameEntries(a, b []timeline.Entry) bool {
	return slices.EqualFunc(a, b, func(a, b timeline.Entry) bool { return a.ID == b.ID && a.Count == b.Count && a.At.Equal(b.At) })
}

func TestEntriesPagesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Pages of a thousand entries out of a few that repeat, with equal IDs.
		entries := slices.Repeat(drawEntries(t, 60), 100)
		whole := entries
		if len(entries) > maxEntries {
			whole = coalesce(entries)
		}
		var got []timeline.Entry
		for cursor := ""; ; {
			page, err := pageEntries(timeline.Timeline{Entries: entries}, cursor)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, page.Entries...)
			if cursor = page.EntriesCursor; cursor == "" {
				break
			}
		}
		if !sameEntries(got, whole) {
			t.Errorf("the pages hold %d entries, want %d", len(got), len(whole))
		}
	})
}

func FuzzEntriesCursor(f *testing.F) {
	tl := timeline.Timeline{Entries: many(2500)}
	first, err := pageEntries(tl, "")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(first.EntriesCursor)
	for _, s := range []string{
		"", "null", "{}", `{"p":-1}`, `{"p":99999999999999999999}`, `{"t":"0001-01-01T00:00:00Z","i":"x"}`,
		`{"t":"9999-01-01T00:00:00Z","i":"01KJMMA3K3AQ4V4X5BKDKBNPHN","p":9223372036854775807}`, "[]",
	} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(s)))
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		page, err := pageEntries(tl, cursor)
		if err != nil {
			if !errors.Is(err, errBadCursor) {
				t.Errorf("pageEntries = %v, want a bad cursor", err)
			}
			return
		}
		if len(page.Entries) > maxEntries {
			t.Errorf("a page of %d entries", len(page.Entries))
		}
		if (page.EntriesCursor == "") != (len(page.Entries) < maxEntries || page.Entries[maxEntries-1].ID == tl.Entries[2499].ID) {
			t.Errorf("a page of %d entries ends with the cursor %q", len(page.Entries), page.EntriesCursor)
		}
	})
}
