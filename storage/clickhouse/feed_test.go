package clickhouse

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 123_456_789, time.UTC)

func note(n int) event.Event {
	at := began.Add(time.Duration(n) * time.Second)
	return event.Event{
		ID: event.NewID(at, "note", fmt.Sprint(n)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at,
		Road: event.RoadMessages, Message: &event.Message{Author: "dana", Text: fmt.Sprint(n)},
	}
}

func exec(t *testing.T, s *Store, query string) {
	t.Helper()
	if err := s.conn.Exec(t.Context(), query); err != nil {
		t.Fatalf("%.200s: %v", query, err)
	}
}

// storeEvents stores events that no row of the journal names.
func storeEvents(t *testing.T, s *Store, events ...event.Event) {
	t.Helper()
	rows := make([]eventRow, len(events))
	for i := range events {
		var err error
		if rows[i], err = encodeEvent(&events[i]); err != nil {
			t.Fatal(err)
		}
	}
	for _, insert := range eventInserts(rows) {
		if err := s.insert(t.Context(), newToken(), insert); err != nil {
			t.Fatal(err)
		}
	}
}

// reveal writes a row of the journal that names events, some time from the
// engine's clock.
func reveal(t *testing.T, s *Store, after time.Duration, events ...event.Event) {
	t.Helper()
	var ids []string
	for _, e := range events {
		ids = append(ids, "toFixedString(unhex('"+hex.EncodeToString(e.ID[:])+"'), 16)")
	}
	exec(t, s, fmt.Sprintf("INSERT INTO journal (at, batch, events) SELECT now64(6) + toIntervalMicrosecond(%d), %d, [%s]", after.Microseconds(), randomNumber(), strings.Join(ids, ",")))
}

// follow reads the feed from a cursor to its end and returns how often it told
// of each event, by the event's text.
func follow(t *testing.T, s *Store, cursor storage.Cursor, limit int) (map[string]int, storage.Cursor) {
	t.Helper()
	told := make(map[string]int)
	for pages := 0; ; pages++ {
		page, next, err := s.Since(t.Context(), cursor, limit)
		if err != nil {
			t.Fatalf("since: %v", err)
		}
		if page.Len() == 0 {
			if next != cursor {
				t.Errorf("an empty page came with another cursor")
			}
			return told, cursor
		}
		if pages > 1000 {
			t.Fatal("the feed has no end")
		}
		for _, e := range page.Events {
			told[e.Message.Text]++
		}
		cursor = next
	}
}

func wantTold(t *testing.T, what string, got map[string]int, want ...string) {
	t.Helper()
	for _, text := range want {
		if got[text] != 1 {
			t.Errorf("%s: event %s came %d times, want once", what, text, got[text])
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// A row of the journal that becomes visible behind later ones is not missed, and
// comes once.
func TestFeedFindsLateRows(t *testing.T) {
	for _, limit := range []int{1, 100} {
		s := openNew(t)
		var notes []event.Event
		for n := range 8 {
			notes = append(notes, note(n))
		}
		storeEvents(t, s, notes...)
		reveal(t, s, -time.Hour, notes[0])
		reveal(t, s, -90*time.Second, notes[1])
		reveal(t, s, 0, notes[2])
		tip, err := s.Tip(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		told, cursor := follow(t, s, "", limit)
		wantTold(t, "from the start", told, "0", "1", "2")
		told, _ = follow(t, s, tip, limit)
		wantTold(t, "from the tip", told)

		reveal(t, s, -100*time.Second, notes[3])
		reveal(t, s, -10*time.Second, notes[4])
		reveal(t, s, -90*time.Second, notes[5])
		told, cursor = follow(t, s, cursor, limit)
		wantTold(t, "late rows", told, "3", "4", "5")
		told, tip = follow(t, s, tip, limit)
		wantTold(t, "late rows, from the tip", told, "3", "4", "5")

		reveal(t, s, -time.Second, notes[6], notes[7])
		told, cursor = follow(t, s, cursor, limit)
		wantTold(t, "a later row", told, "6", "7")
		told, _ = follow(t, s, cursor, limit)
		wantTold(t, "the end", told)
		told, _ = follow(t, s, tip, limit)
		wantTold(t, "a later row, from the tip", told, "6", "7")
	}
}

// The engine's clock is set back: what is written then has a lesser time than
// what was read.
func TestFeedAfterTheClockWasSetBack(t *testing.T) {
	for _, step := range []time.Duration{time.Minute, time.Hour, 30 * 24 * time.Hour} {
		s := openNew(t)
		var notes []event.Event
		for n := range 6 {
			notes = append(notes, note(n))
		}
		storeEvents(t, s, notes...)
		// As it was before the step: all lies ahead of the clock as it is now.
		reveal(t, s, step, notes[0])
		reveal(t, s, step+time.Second, notes[1])
		told, cursor := follow(t, s, "", 1)
		wantTold(t, "before the step", told, "0", "1")
		tip, err := s.Tip(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, from := range []storage.Cursor{cursor, tip} {
			told, _ = follow(t, s, from, 1)
			wantTold(t, "nothing new", told)
		}
		reveal(t, s, 0, notes[2])
		reveal(t, s, -time.Minute, notes[3])
		reveal(t, s, time.Second, notes[4])
		for _, from := range []storage.Cursor{cursor, tip} {
			told, after := follow(t, s, from, 1)
			wantTold(t, fmt.Sprintf("after a step of %s", step), told, "2", "3", "4")
			told, _ = follow(t, s, after, 1)
			wantTold(t, "nothing new after the step", told)
		}
		_, cursor = follow(t, s, cursor, 1)
		reveal(t, s, step+2*time.Second, notes[5])
		told, _ = follow(t, s, cursor, 1)
		wantTold(t, "ahead of all", told, "5")
	}
}

// The clock was set back further than the reader's position looks behind.
func TestFeedFromBeyondTheClock(t *testing.T) {
	s := openNew(t)
	storeEvents(t, s, note(0))
	ahead := time.Now().Add(time.Hour)
	cursor := s.feedCursor(feedPosition{low: ahead.Add(-overlap).UnixMicro(), high: ahead.UnixMicro()})
	reveal(t, s, 0, note(0))
	told, _ := follow(t, s, cursor, 10)
	wantTold(t, "behind the position", told, "0")
}

// What a page leaves to the next ones is older than the overlap.
func TestFeedLeavesNothingBehind(t *testing.T) {
	s := openNew(t)
	var notes []event.Event
	var want []string
	for n := range 12 {
		notes, want = append(notes, note(n)), append(want, fmt.Sprint(n))
	}
	storeEvents(t, s, notes...)
	for n := 0; n < len(notes); n += 2 {
		reveal(t, s, time.Duration(n-len(notes))*time.Hour, notes[n:n+2]...)
	}
	for _, limit := range []int{1, 2, 3, 5, 100} {
		told, _ := follow(t, s, "", limit)
		wantTold(t, fmt.Sprintf("by %d", limit), told, want...)
	}
}

// A row whose facts are gone is passed over: an empty page is the end.
func TestFeedPassesOverWhatIsGone(t *testing.T) {
	s := openNew(t)
	storeEvents(t, s, note(1))
	for range 30 {
		reveal(t, s, -time.Minute, note(0))
	}
	reveal(t, s, 0, note(1))
	told, _ := follow(t, s, "", 3)
	wantTold(t, "behind what is gone", told, "1")
}

// The cursor of a reader that catches up stays small, and so does one at the tip.
func TestFeedCursorStaysSmall(t *testing.T) {
	s := openNew(t)
	storeEvents(t, s, note(0), note(1))
	exec(t, s, "INSERT INTO journal (at, batch, events) SELECT now64(6) - toIntervalSecond(10000 - number), number, [toFixedString(unhex('"+hexOf(note(0).ID)+"'), 16)] FROM numbers(10000)")
	cursor, longest := storage.Cursor(""), 0
	pages := 0
	for ; ; pages++ {
		page, next, err := s.Since(t.Context(), cursor, 500)
		if err != nil {
			t.Fatal(err)
		}
		if page.Len() == 0 {
			break
		}
		cursor, longest = next, max(longest, len(next))
	}
	// 120 seconds of 8 bytes each, in base 64.
	if longest > 2000 {
		t.Errorf("the longest cursor has %d bytes, want at most 2000", longest)
	}
	if pages < 10000/500 {
		t.Errorf("the feed had %d pages of 500 rows, want all 10000 rows", pages)
	}
}

func hexOf(id event.ID) string { return hex.EncodeToString(id[:]) }

// proxied opens a store by way of a proxy, and says how to go past it.
func proxied(t *testing.T) (s *Store, proxy *enginetest.Proxy, dsn string) {
	t.Helper()
	engine := enginetest.Shared(t)
	proxy, dsn = enginetest.NewProxy(t, engine), engine.Database(t)
	return openDSN(t, proxy.DSN(dsn), Options{}), proxy, dsn
}

// An append's row of the journal is held on its way while others pass it.
func TestFeedFindsADelayedAppend(t *testing.T) {
	s, proxy, dsn := proxied(t)
	held, release := proxy.HoldNext(enginetest.Inserts("journal"))
	answer := make(chan error, 1)
	go func() { answer <- s.Append(context.Background(), event.Batch{Events: []event.Event{note(0)}}) }()
	<-held
	// Another process of hindcast appends meanwhile.
	other := openDSN(t, dsn, Options{})
	mustAppend(t, other, event.Batch{Events: []event.Event{note(1)}})
	told, cursor := follow(t, other, "", 10)
	wantTold(t, "while one is delayed", told, "1")
	release()
	if err := <-answer; err != nil {
		t.Fatalf("the delayed append: %v", err)
	}
	told, _ = follow(t, other, cursor, 10)
	wantTold(t, "the delayed one", told, "0")
}

// A page costs a few queries however many facts it has, and an idle store one.
func TestFeedTakesFewQueries(t *testing.T) {
	s, proxy, _ := proxied(t)
	var b event.Batch
	for n := range 4000 {
		b.Events = append(b.Events, note(n))
		if n < 1000 {
			at := began.Add(time.Duration(n) * time.Minute)
			b.Observations = append(b.Observations, event.Observation{Fingerprint: event.Fingerprint(n), StartsAt: at, FirstReceivedAt: at, LastReceivedAt: at})
		}
	}
	b.Chunks = []event.Chunk{{ID: event.ChunkID{1}, ReceivedAt: began, Counts: []event.Count{{CountKey: event.CountKey{Service: "a", Second: began.Unix()}, N: 1, First: began, Last: began}}}}
	mustAppend(t, s, b)
	var requests atomic.Int64
	proxy.HoldNext(func(*http.Request) bool { requests.Add(1); return false })
	page, cursor, err := s.Since(t.Context(), "", 5001)
	if err != nil {
		t.Fatal(err)
	}
	if page.Len() != 5001 {
		t.Errorf("got a page of %d facts, want 5001", page.Len())
	}
	if n := requests.Swap(0); n > 6 {
		t.Errorf("a page of 5001 facts took %d queries, want 6 at most", n)
	}
	for range 3 {
		if _, _, err := s.Since(t.Context(), cursor, 5000); err != nil {
			t.Fatal(err)
		}
	}
	if n := requests.Load(); n != 3 {
		t.Errorf("three polls of an idle store took %d queries, want 3", n)
	}
}

// Rows that an engine stored twice are one fact.
func TestFeedCountsRowsThatCameTwiceOnce(t *testing.T) {
	s := openNew(t)
	c := event.Chunk{ID: event.ChunkID{1}, ReceivedAt: began, Road: event.RoadLoki, Streams: []event.Stream{{Service: "a"}}}
	for n := range 10 {
		at := began.Add(time.Duration(n) * time.Second)
		c.Lines = append(c.Lines, event.Line{At: at, Text: fmt.Sprint(n)})
		c.Counts = append(c.Counts, event.Count{CountKey: event.CountKey{Service: "a", Second: at.Unix()}, N: 1, First: at, Last: at, Digest: uint64(n)})
	}
	for range 3 {
		mustAppend(t, s, event.Batch{Chunks: []event.Chunk{c}})
	}
	page, _, err := s.Since(t.Context(), "", 1000)
	if err != nil || len(page.Counts) != 10 {
		t.Errorf("got %d counts and error %v, want 10", len(page.Counts), err)
	}
	lines, err := s.Lines(t.Context(), storage.LineQuery{Limit: 3})
	for n := 0; ; {
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range lines.Lines {
			if l.Text != fmt.Sprint(n) {
				t.Fatalf("line %d: got %q", n, l.Text)
			}
			n++
		}
		if lines.Next == "" {
			if n != 10 {
				t.Errorf("got %d lines, want 10", n)
			}
			break
		}
		lines, err = s.Lines(t.Context(), storage.LineQuery{Limit: 3, Cursor: lines.Next})
	}
}

func TestFeedCursorsThatAreRefused(t *testing.T) {
	a, b := openNew(t), openNew(t)
	tip, err := a.Tip(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := a.feedCursor(feedPosition{low: time.Now().Add(-9 * 24 * time.Hour).UnixMicro()})
	for name, c := range map[string]storage.Cursor{
		"another store's":         b.feedCursor(feedPosition{low: time.Now().UnixMicro()}),
		"from before the journal": old,
		"a list's":                storage.Cursor(a.cursors().Encode(cursor.Lines, make([]byte, 16))),
		"cut":                     tip[:len(tip)-1],
	} {
		if _, next, err := a.Since(t.Context(), c, 1); !errors.Is(err, storage.ErrBadCursor) || next != c {
			t.Errorf("%s: got error %v, want %v and the cursor that was given", name, err, storage.ErrBadCursor)
		}
	}
}

func FuzzFeedCursor(f *testing.F) {
	s := &Store{identity: 42}
	f.Add(string(s.feedCursor(feedPosition{low: time.Now().UnixMicro(), high: time.Now().UnixMicro(), seen: map[uint64]bool{1: true, 1 << 63: true}})))
	f.Add(string(s.feedCursor(feedPosition{})))
	f.Add(s.cursors().Encode(cursor.Feed, nil))
	f.Add("AAAAAAAA")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := s.parseFeedCursor(storage.Cursor(text))
		if err != nil {
			if !errors.Is(err, storage.ErrBadCursor) {
				t.Fatalf("got error %v, want %v", err, storage.ErrBadCursor)
			}
			return
		}
		again, err := s.parseFeedCursor(s.feedCursor(p))
		if text != "" && (err != nil || again.low != p.low || again.high != p.high || len(again.seen) != len(p.seen)) {
			t.Fatalf("%q gives %+v, and that %+v and error %v", text, p, again, err)
		}
	})
}
