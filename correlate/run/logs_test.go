package run

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// logStore is a store with a count in every second before noon, and so many
// in each as perSecond says. What is not asked of it here panics.
type logStore struct {
	Store
	perSecond int
	// asked are the spans that were asked for, largest is the greatest answer.
	asked   []storage.CountQuery
	largest int
	// page is what comes by the feed next.
	page      storage.FactPage
	published []storage.Derived
	refuse    error
}

func (s *logStore) Counts(_ context.Context, q storage.CountQuery) ([]event.Count, error) {
	if s.refuse != nil {
		return nil, s.refuse
	}
	s.asked = append(s.asked, q)
	var out []event.Count
	for at := q.From; at.Before(q.To) && at.Before(noon); at = at.Add(time.Second) {
		for n := range s.perSecond {
			out = append(out, count(at, uint64(n)))
		}
	}
	s.largest = max(s.largest, len(out))
	return out, nil
}

func (s *logStore) Since(_ context.Context, c storage.Cursor, _ int) (storage.FactPage, storage.Cursor, error) {
	page := s.page
	s.page = storage.FactPage{}
	if page.Len() == 0 {
		return page, c, nil
	}
	return page, c + "+", nil
}

func (s *logStore) Window(context.Context, time.Time, time.Time, func(storage.FactPage) error) error {
	return nil
}

func (s *logStore) Publish(_ context.Context, _ storage.Claim, d []storage.Derived) error {
	s.published = append(s.published, d...)
	return nil
}

func count(at time.Time, digest uint64) event.Count {
	return event.Count{
		CountKey: event.CountKey{Service: "payments", Level: event.LevelError, Pattern: 7, Second: at.Unix()},
		N:        10, First: at, Last: at, Digest: digest, Template: "charge failed", Sample: "charge failed",
	}
}

func newFollower(t *testing.T, s Store, o Options) *follower {
	t.Helper()
	o.Config = correlate.DefaultConfig()
	if o.Clock == nil {
		o.Clock = func() time.Time { return noon }
	}
	r, err := New(s, o)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := correlate.New(o.Config)
	if err != nil {
		t.Fatal(err)
	}
	return &follower{Runner: r, engine: engine, published: map[event.ID]*publication{}, lend: firstLend}
}

func TestStoredLogsAreReadInPortions(t *testing.T) {
	s := &logStore{perSecond: 100}
	f := newFollower(t, s, Options{HotLogs: time.Hour})
	if err := f.readPast(t.Context(), noon.Add(-24*time.Hour), event.MaxTime); err != nil {
		t.Fatal(err)
	}
	if got, want := f.countsRead, 100*3600; got != want {
		t.Errorf("%d counts were read of an hour, want %d", got, want)
	}
	if s.largest > 4*countsAtOnce {
		t.Errorf("%d counts were read at once, want about %d", s.largest, countsAtOnce)
	}
	// The portions join without a gap, from the future back to an hour ago.
	until := event.MaxTime
	for _, q := range s.asked {
		if !q.To.Equal(until) {
			t.Fatalf("a portion ends at %s, want %s", q.To, until)
		}
		until = q.From
	}
	if want := noon.Add(-time.Hour); !until.Equal(want) {
		t.Errorf("logs were read from %s on, want %s", until, want)
	}
}

func TestNoMoreLogsAreReadThanAreHeld(t *testing.T) {
	if testing.Short() {
		t.Skip("millions of counts")
	}
	s := &logStore{perSecond: mostHeld / 60}
	f := newFollower(t, s, Options{HotLogs: time.Hour})
	if err := f.readPast(t.Context(), noon.Add(-24*time.Hour), event.MaxTime); err != nil {
		t.Fatal(err)
	}
	if f.countsRead < mostHeld || f.countsRead > mostHeld+mostHeld/4 {
		t.Errorf("%d counts were read, want about %d", f.countsRead, mostHeld)
	}
}

func TestStoredLogsThatCannotBeRead(t *testing.T) {
	broken := errors.New("broken")
	f := newFollower(t, &logStore{refuse: broken}, Options{})
	if err := f.readPast(t.Context(), event.MinTime, event.MaxTime); !errors.Is(err, broken) {
		t.Errorf("got error %v, want %v", err, broken)
	}
}

func TestNextStep(t *testing.T) {
	for _, tc := range []struct {
		step   time.Duration
		counts int
		want   time.Duration
	}{
		{time.Minute, countsAtOnce, time.Minute},
		{time.Minute, 0, 2 * time.Minute},
		{time.Minute, 3 * countsAtOnce, 30 * time.Second},
		{time.Second, 3 * countsAtOnce, time.Second},
		{mostStep, 0, mostStep},
	} {
		if got := nextStep(tc.step, tc.counts); got != tc.want {
			t.Errorf("after %d counts in %s: got %s, want %s", tc.counts, tc.step, got, tc.want)
		}
	}
}

// TestAlertsGoAheadOfLines: an alert is derived from at once, and lines wait
// for their turn.
func TestAlertsGoAheadOfLines(t *testing.T) {
	now := noon
	s := &logStore{}
	f := newFollower(t, s, Options{Clock: func() time.Time { return now }})
	cycle := func(page storage.FactPage) {
		t.Helper()
		s.page = page
		if err := f.cycle(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	cycle(storage.FactPage{}) // the first looks at everything
	now = now.Add(100 * time.Millisecond)
	labels := event.Labels{"alertname": "Errors", "service": "payments", "severity": "critical"}
	alert := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: noon, Labels: labels, KeepAliveUntil: noon.Add(time.Hour),
		FiringSeenAt: now, FirstReceivedAt: now, LastReceivedAt: now, Roads: []event.Road{event.RoadPrometheus},
	}
	var counts []event.Count
	for i := range 30 {
		counts = append(counts, count(noon.Add(time.Duration(i-30)*time.Second), uint64(i)))
	}
	cycle(storage.FactPage{Observations: []event.Observation{alert}, Counts: counts})
	if len(s.published) != 1 || hasLogs(s.published[0].Timeline) || len(f.counts) != len(counts) {
		t.Fatalf("after an alert and lines: %d timelines, %d counts wait; want the alert's, and %d counts that wait", len(s.published), len(f.counts), len(counts))
	}
	cycle(storage.FactPage{})
	if len(s.published) != 1 {
		t.Fatalf("%d timelines before the lines' turn, want 1", len(s.published))
	}
	now = now.Add(mostWait)
	cycle(storage.FactPage{})
	if n := len(s.published); n != 2 || !hasLogs(s.published[1].Timeline) || len(f.counts) != 0 {
		t.Errorf("after the lines' turn: %d timelines and %d counts that wait, want a second timeline, with lines", n, len(f.counts))
	}
}

func hasLogs(t timeline.Timeline) bool {
	for _, e := range t.Entries {
		if e.Kind == timeline.EntryLogPattern {
			return true
		}
	}
	return false
}

func TestTooManyLogsAreForgotten(t *testing.T) {
	f := newFollower(t, &logStore{}, Options{})
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	f.volume = []volumeMark{{at: hour(-1)}}
	for i, want := range []int{2, 3, 3, 3, 3} {
		f.countsRead += mostHeld / 2
		f.forgetLogs(hour(i))
		if len(f.volume) != want {
			t.Errorf("after %d halves of what may be held: %d marks, want %d", i+1, len(f.volume), want)
		}
		if held := f.countsRead - f.volume[0].counts; held > mostHeld+mostHeld/2 {
			t.Errorf("the oldest mark is %d counts ago, want about %d", held, mostHeld)
		}
	}
}

// TestOldLogsAreLentInPortions: after a start, what is on is derived first; then
// the past, the latest first, with no more of its logs at once than a portion.
func TestOldLogsAreLentInPortions(t *testing.T) {
	const days = 8
	s := &logStore{perSecond: 10}
	f := newFollower(t, s, Options{})
	f.engine.HoldLogs(noon.Add(-time.Hour))
	for hour := range days * 24 {
		began := noon.Add(-time.Duration(hour) * time.Hour)
		labels := event.Labels{"alertname": fmt.Sprint("Errors", hour), "service": "payments", "severity": "critical"}
		s.page.Observations = append(s.page.Observations, event.Observation{
			Fingerprint: labels.Fingerprint(), StartsAt: began, Labels: labels, EndedAt: began.Add(5 * time.Minute),
			FiringSeenAt: began, FirstReceivedAt: began, LastReceivedAt: began.Add(5 * time.Minute), Roads: []event.Road{event.RoadPrometheus},
		})
	}
	turn := func() {
		t.Helper()
		if err := f.cycle(t.Context(), false); err != nil {
			t.Fatal(err)
		}
	}
	turn()
	if len(s.asked) != 0 || !f.more {
		t.Fatalf("the first turn asked for %d stretches of old logs, and goes on: %v; want none, and true", len(s.asked), f.more)
	}
	portions, last := 0, event.MaxTime
	for ; f.more; portions++ {
		if portions > days*24 {
			t.Fatalf("after %d turns %d incidents wait for logs", portions, f.engine.Waits())
		}
		before := len(s.asked)
		turn()
		portion, lent := s.asked[before:], 0
		for i, q := range portion {
			if lent += int(q.To.Sub(q.From).Seconds()) * s.perSecond; i > 0 && q.To.After(portion[i-1].From) {
				t.Errorf("of portion %d, what is before %s was asked for after what is before %s: the latest come first", portions, q.To, portion[i-1].To)
			}
		}
		if len(portion) == 0 {
			continue
		}
		if lent > 4*lendAtOnce {
			t.Errorf("portion %d has %d counts, want no more than %d", portions, lent, 4*lendAtOnce)
		}
		if portion[0].To.After(last) {
			t.Errorf("portion %d, to %s, comes after one to %s: the latest come first", portions, portion[0].To, last)
		}
		last = portion[0].To
	}
	if n := f.engine.Waits(); n != 0 {
		t.Errorf("%d incidents wait for logs that were never lent", n)
	}
	if got := len(s.published); got != days*24 {
		t.Errorf("%d timelines are published, want %d", got, days*24)
	}
	if least := days * 24 * 3600 * s.perSecond / (4 * lendAtOnce); portions < least {
		t.Errorf("all was lent in %d portions, want %d at least", portions, least)
	}
	if most := 4 * countsAtOnce; s.largest > most {
		t.Errorf("%d counts were read at once, want no more than %d", s.largest, most)
	}
}
