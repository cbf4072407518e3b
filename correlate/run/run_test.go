package run_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/run"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
)

func TestMain(m *testing.M) {
	code := m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// patience bounds waits that only a broken runner needs.
const patience = 30 * time.Second

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func minute(m float64) time.Time { return noon.Add(time.Duration(m * float64(time.Minute))) }

// alert is a critical alert "name@service"; it fires when to is 0.
func alert(who string, from, to float64) event.Observation {
	name, service, _ := strings.Cut(who, "@")
	labels := event.Labels{"alertname": name, "service": service, "severity": "critical"}
	o := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: minute(from), Labels: labels, Roads: []event.Road{event.RoadRecorder},
		FiringSeenAt: minute(from), FirstReceivedAt: minute(from), LastReceivedAt: minute(from),
	}
	if to != 0 {
		o.EndedAt, o.LastReceivedAt = minute(to), minute(to)
	}
	return o
}

func say(author, text string, at float64) event.Event {
	return event.Event{
		ID: event.NewID(minute(at), "message", author, text), Kind: event.KindMessage, OccurredAt: minute(at), ReceivedAt: minute(at),
		Road: event.RoadMessages, Message: &event.Message{Author: author, Text: text},
	}
}

// store is a real store that fails when it is told to, and counts.
type store struct {
	storage.Store
	failSince, failPublish, failClaim atomic.Int32
	// forget makes the feed refuse the cursors that it gave.
	forget    atomic.Bool
	published atomic.Int32 // timelines
	news      chan struct{}
}

var errBroken = fmt.Errorf("broken on purpose: %w", storage.ErrUnavailable)

func broken(n *atomic.Int32) bool { return n.Load() > 0 && n.Add(-1) >= 0 }

func (s *store) Claim(ctx context.Context, owner string) (storage.Claim, error) {
	if broken(&s.failClaim) {
		return storage.Claim{}, errBroken
	}
	return s.Store.Claim(ctx, owner)
}

func (s *store) Since(ctx context.Context, c storage.Cursor, limit int) (storage.FactPage, storage.Cursor, error) {
	if broken(&s.failSince) {
		return storage.FactPage{}, c, errBroken
	}
	if s.forget.Swap(false) {
		return storage.FactPage{}, c, fmt.Errorf("since: %w", storage.ErrBadCursor)
	}
	return s.Store.Since(ctx, c, limit)
}

func (s *store) Publish(ctx context.Context, claim storage.Claim, derived []storage.Derived) error {
	if broken(&s.failPublish) {
		return errBroken
	}
	err := s.Store.Publish(ctx, claim, derived)
	if err == nil {
		s.published.Add(int32(len(derived)))
		select {
		case s.news <- struct{}{}:
		default:
		}
	}
	return err
}

func openStore(t *testing.T) *store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "hindcast.db"), sqlite.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return &store{Store: s, news: make(chan struct{}, 1)}
}

func (s *store) add(t *testing.T, facts ...any) {
	t.Helper()
	var b event.Batch
	for _, f := range facts {
		switch f := f.(type) {
		case event.Observation:
			b.Observations = append(b.Observations, f)
		case event.Event:
			b.Events = append(b.Events, f)
		default:
			t.Fatalf("%T is no fact", f)
		}
	}
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("append: %v", err)
	}
}

func (s *store) timeline(t *testing.T, id event.ID) *timeline.Timeline {
	t.Helper()
	tl, err := s.Timeline(t.Context(), id)
	if err != nil {
		t.Fatalf("read the timeline of %s: %v", id, err)
	}
	return &tl
}

// clock stands still until it is set.
type clock struct {
	sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.Lock()
	defer c.Unlock()
	return c.at
}

func (c *clock) set(minutes float64) {
	c.Lock()
	defer c.Unlock()
	c.at = minute(minutes)
}

// running is a runner that runs.
type running struct {
	*run.Runner
	t     *testing.T
	clock *clock
	stop  func() error
	ended chan error
}

func start(t *testing.T, s run.Store, change ...func(*run.Options)) *running {
	t.Helper()
	c := &clock{at: minute(60)}
	options := run.Options{Config: correlate.DefaultConfig(), Clock: c.now, Owner: "test"}
	for _, f := range change {
		f(&options)
	}
	r, err := run.New(s, options)
	if err != nil {
		t.Fatalf("new runner: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	out := &running{Runner: r, t: t, clock: c, ended: ended}
	out.stop = sync.OnceValue(func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(patience):
			return errors.New("the runner does not end")
		}
	})
	t.Cleanup(func() { _ = out.stop() })
	return out
}

// idle waits until all facts are reflected.
func (r *running) idle() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.Idle(ctx); err != nil {
		r.t.Fatalf("wait until all is derived: %v", err)
	}
}

// TestPublishesOnce: a timeline is published when it is new or another, and
// its revision grows with it; a restart adopts what is there.
func TestPublishesOnce(t *testing.T) {
	s := openStore(t)
	a := alert("A@web", 0, 20)
	s.add(t, a, alert("B@search", 0, 20))
	r := start(t, s)
	r.idle()
	if got := s.published.Load(); got != 2 {
		t.Errorf("%d timelines are published, want 2", got)
	}
	if err := r.Ready(); err != nil {
		t.Errorf("all is derived, and it is not ready: %v", err)
	}
	first := s.timeline(t, a.ID())
	if first.Incident.Revision != 1 || len(first.Incident.Aliases) != 0 {
		t.Errorf("revision %d, aliases %v; want 1 and none", first.Incident.Revision, first.Incident.Aliases)
	}
	r.idle()
	s.add(t, a, say("eve", "lunch at search?", 500))
	r.idle()
	if got := s.published.Load(); got != 2 {
		t.Errorf("nothing changed, and %d more timelines are published", got-2)
	}
	s.add(t, say("dana", "looking at web", 2))
	r.idle()
	second := s.timeline(t, a.ID())
	if got := s.published.Load(); got != 3 || second.Incident.Revision != 2 || second.Milestone(timeline.Acknowledged) == nil {
		t.Errorf("after a claim: %d published, revision %d, acknowledged %v; want 3, 2 and by dana", got, second.Incident.Revision, second.Milestone(timeline.Acknowledged))
	}
	if err := r.stop(); err != nil {
		t.Errorf("the runner ended with %v", err)
	}

	again := start(t, s)
	again.idle()
	if got := s.published.Load(); got != 3 {
		t.Errorf("a restart published %d timelines", got-3)
	}
	s.add(t, say("dana", "web is back to normal", 21))
	again.idle()
	if third := s.timeline(t, a.ID()); s.published.Load() != 4 || third.Incident.Revision != 3 {
		t.Errorf("after the restart: %d published, revision %d; want 4 and 3", s.published.Load(), third.Incident.Revision)
	}
}

// TestOldIncidentsStay: an incident that was published lately, and whose facts
// are older than what a restart reads, stays as it is; one that the beginning of
// the window cuts is read whole.
func TestOldIncidentsStay(t *testing.T) {
	const day = 24 * 60
	s := openStore(t)
	old, cut := alert("A@web", 0, 20), alert("B@search", 1.5*day-10, 1.5*day+10)
	s.add(t, old, cut, alert("C@search", 1.5*day+5, 1.5*day+9))
	for _, at := range []float64{2 * day, 8 * day, 9.5 * day} { // the lookback is eight days
		r := start(t, s, func(o *run.Options) { o.Clock = func() time.Time { return minute(at) } })
		r.idle()
		if err := r.stop(); err != nil {
			t.Errorf("the runner ended with %v", err)
		}
		for _, a := range []event.Observation{old, cut} {
			tl := s.timeline(t, a.ID())
			if sealed := at > 7*day; tl.Incident.ID != a.ID() || tl.Incident.Sealed != sealed {
				t.Errorf("day %v: %s has incident %s, sealed %v; want its own, sealed %v", at/day, a.Labels, tl.Incident.ID, tl.Incident.Sealed, sealed)
			}
		}
	}
	if got := s.published.Load(); got != 4 {
		t.Errorf("%d timelines were published, want 4: each when it was new and when it was sealed", got)
	}
}

// TestTimePasses: what time alone changes is published without a fact.
func TestTimePasses(t *testing.T) {
	s := openStore(t)
	a := alert("A@web", 0, 20)
	s.add(t, a)
	r := start(t, s)
	r.clock.set(21)
	r.idle()
	if got := s.timeline(t, a.ID()).Incident.Status; got != timeline.StatusRestored {
		t.Errorf("a minute after its end it is %s, want restored", got)
	}
	r.clock.set(31)
	r.idle()
	if got := s.timeline(t, a.ID()).Incident; got.Status != timeline.StatusClosed || got.Revision != 2 {
		t.Errorf("after the quiet period it is %s in revision %d, want closed in 2", got.Status, got.Revision)
	}
}

// TestMergeKeepsIDs: when a late signal, earlier than all, or one between two
// incidents makes one of them, the IDs that were published lead to it.
func TestMergeKeepsIDs(t *testing.T) {
	s := openStore(t)
	b, c := alert("B@web", 5, 6), alert("C@web", 19, 30)
	b.Labels["severity"] = "warning"
	b.Fingerprint = b.Labels.Fingerprint()
	c.StartsAt = minute(21)
	s.add(t, b, c)
	r := start(t, s)
	r.idle()
	if s.timeline(t, b.ID()).Incident.ID != b.ID() || s.timeline(t, c.ID()).Incident.ID != c.ID() {
		t.Fatal("want two incidents before the late signals")
	}
	between := alert("M@web", 10, 12)
	s.add(t, between)
	r.idle()
	merged := s.timeline(t, c.ID()).Incident
	if merged.ID != b.ID() || !slices.Equal(merged.Aliases, []event.ID{c.ID()}) || merged.Revision != 2 {
		t.Errorf("merged into %s with aliases %v in revision %d; want %s, [%s], 2", merged.ID, merged.Aliases, merged.Revision, b.ID(), c.ID())
	}
	earlier := alert("A@web", 0, 7)
	s.add(t, earlier)
	r.idle()
	check := func(when string) {
		t.Helper()
		for _, id := range []event.ID{earlier.ID(), b.ID(), between.ID(), c.ID()} {
			in := s.timeline(t, id).Incident
			if in.ID != earlier.ID() || !slices.Equal(in.Aliases, []event.ID{b.ID(), c.ID()}) {
				t.Errorf("%s: %s leads to %s with aliases %v, want %s with the two that were published", when, id, in.ID, in.Aliases, earlier.ID())
			}
		}
		page, err := s.Incidents(t.Context(), storage.IncidentQuery{Minor: true})
		if err != nil || len(page.Incidents) != 1 {
			t.Errorf("%s: %d incidents are listed (%v), want 1", when, len(page.Incidents), err)
		}
	}
	check("after the earlier signal")
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	n := s.published.Load()
	start(t, s).idle()
	check("after a restart")
	if got := s.published.Load(); got != n {
		t.Errorf("a restart after a merge published %d timelines", got-n)
	}
}

// TestReload: a new configuration derives all again; incidents that it makes
// none of are retired; one that does not hold changes nothing.
func TestReload(t *testing.T) {
	s := openStore(t)
	a, b := alert("A@web", 0, 20), alert("B@search", 0, 20)
	s.add(t, a, b)
	r := start(t, s)
	r.idle()
	bad := correlate.DefaultConfig()
	bad.QuietPeriod = 0
	if err := r.Reload(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "quiet_period") {
		t.Errorf("a bad configuration gives the error %v, want one that names quiet_period", err)
	}
	r.idle()
	if got := s.published.Load(); got != 2 {
		t.Errorf("a bad configuration published %d timelines", got-2)
	}
	quiet := correlate.DefaultConfig()
	quiet.Heartbeats = append(quiet.Heartbeats, "B")
	if err := r.Reload(t.Context(), quiet); err != nil {
		t.Fatalf("reload: %v", err)
	}
	r.idle()
	if tl, err := s.Timeline(t.Context(), b.ID()); !errors.Is(err, storage.ErrNotFound) {
		t.Errorf("an incident of a heartbeat is still there: %q, %v", tl.Incident.Title, err)
	}
	s.timeline(t, a.ID())
	if err := r.Reload(t.Context(), correlate.DefaultConfig()); err != nil {
		t.Fatalf("reload: %v", err)
	}
	r.idle()
	if in := s.timeline(t, b.ID()).Incident; in.Revision < 2 {
		t.Errorf("an incident that came back has revision %d, which was used before", in.Revision)
	}
}

// TestStoreFails: what the store refuses is tried again, and nothing is lost.
func TestStoreFails(t *testing.T) {
	for name, fail := range map[string]func(*store){
		"reading the feed": func(s *store) { s.failSince.Store(2) },
		"publishing":       func(s *store) { s.failPublish.Store(2) },
	} {
		t.Run(name, func(t *testing.T) {
			s := openStore(t)
			a, b := alert("A@web", 0, 20), alert("B@search", 0, 20)
			s.add(t, a)
			var logged bytes.Buffer // by the runner only, and read after it ended
			r := start(t, s, func(o *run.Options) { o.Logger = slog.New(slog.NewTextHandler(&logged, nil)) })
			r.idle()
			fail(s)
			s.add(t, b, say("dana", "looking at web", 2))
			r.Wake()
			r.idle()
			if s.timeline(t, a.ID()).Milestone(timeline.Acknowledged) == nil {
				t.Error("a claim that came when the store failed is lost")
			}
			if in := s.timeline(t, b.ID()).Incident; in.Revision != 1 {
				t.Errorf("an alert that came when the store failed is in revision %d, want 1", in.Revision)
			}
			if err := r.Ready(); err != nil {
				t.Errorf("the store works again, and it is not ready: %v", err)
			}
			if err := r.stop(); err != nil {
				t.Errorf("the runner ended with %v", err)
			}
			if text := strings.TrimSpace(logged.String()); !strings.HasSuffix(text, `msg="The store answers again."`) {
				t.Errorf("the last word is not that the store answers again:\n%s", text)
			}
		})
	}
	t.Run("claiming", func(t *testing.T) {
		s := openStore(t)
		a := alert("A@web", 0, 20)
		s.add(t, a)
		s.failClaim.Store(2)
		start(t, s).idle()
		s.timeline(t, a.ID())
	})
}

// TestFeedForgets: a store whose feed does not go back to where the runner was
// is read again, and nothing is missed or published twice.
func TestFeedForgets(t *testing.T) {
	s := openStore(t)
	a, b := alert("A@web", 0, 20), alert("B@search", 10, 0)
	s.add(t, a)
	r := start(t, s)
	r.idle()
	config := correlate.DefaultConfig()
	config.QuietPeriod = 5 * time.Minute
	if err := r.Reload(t.Context(), config); err != nil {
		t.Fatalf("reload: %v", err)
	}
	r.idle()
	before := s.published.Load()
	s.forget.Store(true)
	s.add(t, b)
	r.idle()
	if s.timeline(t, b.ID()) == nil || s.published.Load() != before+1 {
		t.Errorf("after the feed forgot: %d timelines are published, want the new one alone", s.published.Load()-before)
	}
	if err := r.Ready(); err != nil {
		t.Errorf("the store was read again, and the runner is not ready: %v", err)
	}
	if err := r.stop(); err != nil {
		t.Errorf("the runner ended with %v", err)
	}
}

// TestEndsWhileStarting: a runner that is stopped before the store let it
// begin ends as one that is stopped later.
func TestEndsWhileStarting(t *testing.T) {
	s := openStore(t)
	s.failClaim.Store(1 << 30)
	r := start(t, s)
	if err := r.Ready(); err == nil {
		t.Error("it is ready before it could claim the store")
	}
	if err := r.stop(); err != nil {
		t.Errorf("stopped while it started, it ended with %v, want nil", err)
	}
}

// TestFenced: a runner ends when another one has taken over, and publishes
// nothing more; who waits is told.
func TestFenced(t *testing.T) {
	s := openStore(t)
	a := alert("A@web", 0, 20)
	s.add(t, a)
	old := start(t, s)
	old.idle()
	other := start(t, s)
	other.idle()
	s.add(t, alert("B@search", 0, 20))
	other.idle()
	n := s.published.Load()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := old.Idle(ctx); !errors.Is(err, storage.ErrFenced) {
		t.Errorf("who waits for the runner that was fenced gets %v, want ErrFenced", err)
	}
	select {
	case err := <-old.ended:
		if !errors.Is(err, storage.ErrFenced) {
			t.Errorf("the runner that was fenced ended with %v, want ErrFenced", err)
		}
		old.ended <- nil
	case <-time.After(patience):
		t.Fatal("the runner that was fenced goes on")
	}
	if got := s.published.Load(); got != n {
		t.Errorf("the runner that was fenced published %d timelines", got-n)
	}
}

// TestWake: facts are published after a wake-up, and without one at the next
// look. Waking blocks never, not even when nothing runs.
func TestWake(t *testing.T) {
	s := openStore(t)
	r := start(t, s)
	r.idle()
	for _, wake := range []bool{true, false} {
		name := fmt.Sprintf("A%v", wake)
		s.add(t, alert(name+"@"+name, 0, 20))
		if wake {
			r.Wake()
		}
		select {
		case <-s.news:
		case <-time.After(patience):
			t.Fatalf("nothing is published (woken: %v)", wake)
		}
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	for range 100 {
		r.Wake()
	}
	if err := r.Idle(context.Background()); !errors.Is(err, run.ErrEnded) {
		t.Errorf("waiting for a runner that ended gives %v, want ErrEnded", err)
	}
	if err := r.Reload(context.Background(), correlate.DefaultConfig()); !errors.Is(err, run.ErrEnded) {
		t.Errorf("reloading a runner that ended gives %v, want ErrEnded", err)
	}
}

// TestSettle: in a replay "now" hangs on the receipts, not on the clock.
func TestSettle(t *testing.T) {
	s := openStore(t)
	a := alert("A@web", 0, 20)
	s.add(t, a)
	r := start(t, s, func(o *run.Options) { o.Settle = 5 * time.Minute })
	r.clock.set(-1e6)
	r.idle()
	if got := s.timeline(t, a.ID()).Incident.Status; got != timeline.StatusRestored {
		t.Errorf("five minutes after the last receipt it is %s, want restored", got)
	}
	s.add(t, say("eve", "lunch", 40))
	r.idle()
	if got := s.timeline(t, a.ID()).Incident.Status; got != timeline.StatusClosed {
		t.Errorf("25 minutes after its end it is %s, want closed", got)
	}
}

// TestColdLogs: an incident whose logs are no longer held is derived from
// them when a late fact comes, also after a restart.
func TestColdLogs(t *testing.T) {
	s := openStore(t)
	a := alert("A@web", 0, 20)
	chunk := event.Chunk{ID: event.ChunkID{1}, ReceivedAt: minute(20), Road: event.RoadLoki, Streams: []event.Stream{{Service: "web"}}}
	for i := range 60 {
		at := minute(-2 + float64(i)/10)
		chunk.Lines = append(chunk.Lines, event.Line{At: at, Level: event.LevelError, Pattern: 7, Text: "call failed"})
		chunk.Counts = append(chunk.Counts, event.Count{
			CountKey: event.CountKey{Service: "web", Level: event.LevelError, Pattern: 7, Second: at.Unix()},
			N:        1, First: at, Last: at, Digest: uint64(i + 1), Template: "call failed", Sample: "call failed",
		})
	}
	if err := s.Append(t.Context(), event.Batch{Observations: []event.Observation{a}, Chunks: []event.Chunk{chunk}}); err != nil {
		t.Fatal(err)
	}
	r := start(t, s)
	r.idle()
	onset := s.timeline(t, a.ID()).Milestone(timeline.Onset)
	if onset == nil || onset.At == nil || !onset.At.Equal(minute(-2)) {
		t.Fatalf("onset is %+v, want minute -2", onset)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	n := s.published.Load()
	later := start(t, s, func(o *run.Options) { o.HotLogs = time.Hour })
	later.clock.set(24 * 60)
	later.idle()
	s.add(t, say("dana", "looking at web", 2))
	later.idle()
	tl := s.timeline(t, a.ID())
	if m := tl.Milestone(timeline.Onset); m == nil || m.At == nil || !m.At.Equal(minute(-2)) {
		t.Errorf("derived again without its logs at hand, onset is %+v, want minute -2", m)
	}
	if tl.Milestone(timeline.Acknowledged) == nil {
		t.Error("a late claim is not seen")
	}
	if got := s.published.Load() - n; got != 1 {
		t.Errorf("%d timelines are published after the restart, want 1", got)
	}
}

// TestEdgeOfHeldLogs: where the edge of the logs that are held cuts a burst,
// the rest of it looks new; that is no reason to group alerts otherwise.
func TestEdgeOfHeldLogs(t *testing.T) {
	s := openStore(t)
	first, warning, second := alert("A@web", 0, 0), alert("A@web", 893.0/60, 0), alert("A@web", 1794.0/60, 0)
	first.KeepAliveUntil = minute(4)
	warning.Labels = event.Labels{"alertname": "A", "service": "web", "severity": "warning"}
	warning.Fingerprint = warning.Labels.Fingerprint()
	chunk := event.Chunk{ID: event.ChunkID{1}, ReceivedAt: minute(1), Road: event.RoadLoki, Streams: []event.Stream{{Service: "web"}}}
	for second := -10; second <= 4; second += 2 {
		at := noon.Add(time.Duration(second) * time.Second)
		chunk.Lines = append(chunk.Lines, event.Line{At: at, Level: event.LevelError, Pattern: 7, Text: "call failed"})
		chunk.Counts = append(chunk.Counts, event.Count{
			CountKey: event.CountKey{Service: "web", Level: event.LevelError, Pattern: 7, Second: at.Unix()},
			N:        3, First: at, Last: at, Digest: uint64(second + 100), Template: "call failed", Sample: "call failed",
		})
	}
	if err := s.Append(t.Context(), event.Batch{Observations: []event.Observation{first, warning, second}, Chunks: []event.Chunk{chunk}}); err != nil {
		t.Fatal(err)
	}
	r := start(t, s)
	r.idle()
	if got := s.timeline(t, second.ID()).Incident.ID; got != second.ID() {
		t.Fatalf("with all logs the last alert is in %s, want an incident of its own", got)
	}
	if err := r.stop(); err != nil {
		t.Fatal(err)
	}
	n := s.published.Load()
	again := start(t, s, func(o *run.Options) { o.HotLogs = time.Hour })
	again.idle()
	again.idle()
	if got := s.published.Load(); got != n {
		t.Errorf("nothing came, and %d timelines are published after a restart", got-n)
	}
	if got := s.timeline(t, second.ID()).Incident.ID; got != second.ID() {
		t.Errorf("after a restart the last alert is in %s, want its own incident as before", got)
	}
}

func TestNewRefuses(t *testing.T) {
	if _, err := run.New(nil, run.Options{}); err == nil {
		t.Error("a runner takes a configuration that says nothing")
	}
}
