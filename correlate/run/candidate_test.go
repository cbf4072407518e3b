package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// sharedStore is a store of several processes: alerts, claims, beats, and the
// timelines that were published under a claim that was the latest.
type sharedStore struct {
	mu     sync.Mutex
	alerts []event.Observation
	claim  storage.Claim
	// holder is the latest claim that has beaten.
	holder    storage.Claim
	beaten    time.Time
	released  bool
	published map[event.ID]storage.Claim // the claim that it was last published under
	titles    map[event.ID]timeline.Incident
	late      int // publications that were refused
	err       error
}

func newSharedStore() *sharedStore {
	return &sharedStore{published: map[event.ID]storage.Claim{}, titles: map[event.ID]timeline.Incident{}}
}

func (s *sharedStore) alert(name string) event.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	labels := event.Labels{"alertname": name, "service": name, "severity": "critical"}
	now := time.Now().UTC()
	o := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: now, Labels: labels, Roads: []event.Road{event.RoadRecorder},
		FiringSeenAt: now, FirstReceivedAt: now, LastReceivedAt: now,
	}
	s.alerts = append(s.alerts, o)
	return o.ID()
}

func (s *sharedStore) owner() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim.Owner
}

func (s *sharedStore) latest() storage.Claim {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.claim
}

// of is who published an incident last.
func (s *sharedStore) of(id event.ID) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.published[id].Owner
}

func (s *sharedStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

// sharer is a store as one process has it.
type sharer struct {
	*sharedStore
	mu sync.Mutex
	// gate holds each call while it is not nil, until it is closed.
	gate chan struct{}
	// publishGate holds publications only.
	publishGate chan struct{}
	// windowTakes is how long reading takes the first time, in pages of a fifth.
	windowTakes time.Duration
	// claimFails is what a claim fails with; when claimCounts it counts all the
	// same, and only its first sign of life is missing.
	claimFails  error
	claimCounts bool
}

// stop is SIGSTOP, seen from the store; cont is SIGCONT.
func (p *sharer) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *sharer) cont() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
	p.gate = nil
}

// enter waits as a process does that stands still: it does not notice the end of
// a context before it goes on.
func (p *sharer) enter(gate *chan struct{}) error {
	p.mu.Lock()
	held := *gate
	p.mu.Unlock()
	if held != nil {
		<-held
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	return p.err
}

func (p *sharer) Claim(_ context.Context, owner string) (storage.Claim, error) {
	if err := p.enter(&p.gate); err != nil {
		return storage.Claim{}, err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	if p.claimFails == nil || p.claimCounts {
		p.claim = storage.Claim{Epoch: p.claim.Epoch + 1, Owner: owner}
	}
	if p.claimFails != nil {
		return storage.Claim{}, p.claimFails
	}
	p.holder, p.beaten, p.released = p.claim, time.Now(), false
	return p.claim, nil
}

// failClaims lets claims fail, or succeed again.
func (p *sharer) failClaims(err error, counts bool) {
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	p.claimFails, p.claimCounts = err, counts
}

func (p *sharer) holds(c storage.Claim) error {
	if c != p.claim {
		return fmt.Errorf("claim %d: %w", c.Epoch, storage.ErrFenced)
	}
	return nil
}

func (p *sharer) Beat(ctx context.Context, c storage.Claim) error {
	if err := p.enter(&p.gate); err != nil || ctx.Err() != nil {
		return errors.Join(err, ctx.Err())
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	if err := p.holds(c); err != nil {
		return err
	}
	p.holder, p.beaten, p.released = c, time.Now(), false
	return nil
}

func (p *sharer) Release(_ context.Context, c storage.Claim) error {
	if err := p.enter(&p.gate); err != nil {
		return err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	if err := p.holds(c); err != nil {
		return err
	}
	p.released = true
	return nil
}

func (p *sharer) Holder(context.Context) (storage.Claim, time.Duration, error) {
	if err := p.enter(&p.gate); err != nil {
		return storage.Claim{}, 0, err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	switch {
	case p.holder.Epoch == 0:
		return storage.Claim{}, 0, storage.ErrNotFound
	case p.released:
		return p.holder, math.MaxInt64, nil
	}
	return p.holder, time.Since(p.beaten), nil
}

func (p *sharer) Publish(ctx context.Context, c storage.Claim, derived []storage.Derived) error {
	if err := p.enter(&p.gate); err != nil {
		return err
	}
	if err := p.enter(&p.publishGate); err != nil {
		return err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	if err := p.holds(c); err != nil {
		p.late++
		return err
	}
	for _, d := range derived {
		p.published[d.Timeline.Incident.ID] = c
		p.titles[d.Timeline.Incident.ID] = d.Timeline.Incident
	}
	return ctx.Err()
}

func (p *sharer) Tip(context.Context) (storage.Cursor, error) { return "0", p.enter(&p.gate) }

func (p *sharer) Since(_ context.Context, c storage.Cursor, _ int) (storage.FactPage, storage.Cursor, error) {
	if err := p.enter(&p.gate); err != nil {
		return storage.FactPage{}, c, err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	var seen int
	fmt.Sscan(string(c), &seen)
	return storage.FactPage{Observations: slices.Clone(p.alerts[seen:])}, storage.Cursor(fmt.Sprint(len(p.alerts))), nil
}

func (p *sharer) Window(ctx context.Context, _, _ time.Time, yield func(storage.FactPage) error) error {
	if err := p.enter(&p.gate); err != nil {
		return err
	}
	for range 5 {
		select {
		case <-time.After(p.windowTakes / 5):
		case <-ctx.Done():
			return ctx.Err()
		}
		p.sharedStore.mu.Lock()
		page := storage.FactPage{Observations: slices.Clone(p.alerts)}
		p.sharedStore.mu.Unlock()
		if err := yield(page); err != nil {
			return err
		}
	}
	p.windowTakes = 0
	return nil
}

func (p *sharer) Counts(context.Context, storage.CountQuery) ([]event.Count, error) {
	return nil, p.enter(&p.gate)
}

func (p *sharer) Published(context.Context, time.Time) ([]storage.Published, error) {
	if err := p.enter(&p.gate); err != nil {
		return nil, err
	}
	p.sharedStore.mu.Lock()
	defer p.sharedStore.mu.Unlock()
	var out []storage.Published
	for _, id := range slices.SortedFunc(maps.Keys(p.titles), event.ID.Compare) {
		out = append(out, storage.Published{Incident: p.titles[id], Signals: []event.ID{id}})
	}
	return out, nil
}

func (p *sharer) Timeline(context.Context, event.ID) (timeline.Timeline, error) {
	return timeline.Timeline{}, storage.ErrNotFound
}

func (p *sharer) Incidents(context.Context, storage.IncidentQuery) (storage.IncidentPage, error) {
	return storage.IncidentPage{}, nil
}

// member is a process of a test.
type member struct {
	*Runner
	*sharer
	name string
	end  func()
}

// join starts a process on a store. It ends with the test.
func join(t *testing.T, s *sharedStore, name string, change ...func(*sharer)) *member {
	t.Helper()
	m := &member{sharer: &sharer{sharedStore: s}, name: name}
	for _, f := range change {
		f(m.sharer)
	}
	var err error
	if m.Runner, err = New(m.sharer, Options{Config: correlate.DefaultConfig(), Owner: name}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- m.Run(ctx) }()
	m.end = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("%s ended with %v", name, err)
		}
	})
	t.Cleanup(m.end)
	return m
}

// wantOwner checks who publishes, and what the others say of themselves.
func wantOwner(t *testing.T, s *sharedStore, want *member, all ...*member) {
	t.Helper()
	synctest.Wait()
	id := s.alert(fmt.Sprint("alert", time.Now().UnixNano()))
	time.Sleep(2 * lookEvery)
	synctest.Wait()
	if got := s.of(id); got != want.name {
		t.Errorf("%q published what came, want %s", got, want.name)
	}
	for _, m := range all {
		gauge := testutil.ToFloat64(m.metrics.owner)
		if m.Owns() != (m == want) || (gauge == 1) != (m == want) {
			t.Errorf("%s owns: %v, by its metric %v; want it of %s alone", m.name, m.Owns(), gauge, want.name)
		}
		if err := m.Ready(); err != nil {
			t.Errorf("%s is not ready: %v", m.name, err)
		}
	}
}

// led is a store that a process leads.
func led(t *testing.T) (s *sharedStore, a *member) {
	t.Helper()
	s = newSharedStore()
	a = join(t, s, "a")
	wantOwner(t, s, a, a)
	return s, a
}

// pair is a store that a leads while b stands by.
func pair(t *testing.T) (s *sharedStore, a, b *member) {
	t.Helper()
	s, a = led(t)
	b = join(t, s, "b")
	wantOwner(t, s, a, a, b)
	return s, a, b
}

// trio is a store that a leads while b and c stand by.
func trio(t *testing.T) (s *sharedStore, a, b, c *member) {
	t.Helper()
	s, a = led(t)
	b, c = join(t, s, "b"), join(t, s, "c")
	wantOwner(t, s, a, a, b, c)
	return s, a, b, c
}

// takeOver waits until somebody else is the owner and returns how long it took.
func takeOver(t *testing.T, s *sharedStore, from *member) time.Duration {
	t.Helper()
	began := time.Now()
	for s.owner() == from.name {
		time.Sleep(10 * time.Millisecond)
		if time.Since(began) > time.Hour {
			t.Fatal("nobody takes over")
		}
	}
	return time.Since(began)
}

// TestTakeOver: a process that stands still loses the timelines within seconds.
// When it goes on, it publishes nothing that is seen, and becomes a candidate.
func TestTakeOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b, c := trio(t)
		time.Sleep(time.Hour)
		wantOwner(t, s, a, a, b, c)

		a.stop()
		missed := s.alert("missed")
		if took := takeOver(t, s, a); took > leaseFor+2*lookEvery {
			t.Errorf("the take-over took %v", took)
		}
		next := b
		time.Sleep(time.Minute)
		if s.owner() == c.name {
			next = c
		}
		wantOwner(t, s, next, b, c)
		if got := s.of(missed); got != next.name {
			t.Errorf("what came while nobody led was published by %q, want %s", got, next.name)
		}
		a.cont()
		time.Sleep(2 * beatEvery)
		wantOwner(t, s, next, a, b, c)
		if n := testutil.ToFloat64(a.metrics.takeovers) + testutil.ToFloat64(b.metrics.takeovers) + testutil.ToFloat64(c.metrics.takeovers); n < 2 || n > 3 {
			t.Errorf("%v take-overs, want one at the start, and one or two of those who saw the silence at once", n)
		}

		// It leads again when the others are gone.
		b.end()
		c.end()
		takeOver(t, s, next)
		wantOwner(t, s, a, a)
	})
}

// TestReleaseAtTheEnd: who ends cleanly need not be waited for.
func TestReleaseAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b := pair(t)
		a.end()
		if took := takeOver(t, s, a); took > 2*lookEvery {
			t.Errorf("the take-over took %v, want about %v", took, lookEvery)
		}
		wantOwner(t, s, b, b)
	})
}

// TestLongWorkKeepsTheLease: an owner that reads for long lives.
func TestLongWorkKeepsTheLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSharedStore()
		a := join(t, s, "a", func(p *sharer) { p.windowTakes = 4 * hangs })
		synctest.Wait()
		b := join(t, s, "b")
		time.Sleep(3 * hangs)
		if s.owner() != a.name || b.Owns() {
			t.Errorf("%s took over from an owner that works", s.owner())
		}
		if a.Ready() == nil {
			t.Error("it is ready while it reads the store for the first time")
		}
		time.Sleep(2 * hangs)
		wantOwner(t, s, a, a, b)
	})
}

// TestHangingPublish: an owner whose publication hangs for long does not hold the
// timelines for ever, though it could beat.
func TestHangingPublish(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := led(t)
		b := join(t, s, "b")
		time.Sleep(time.Minute)
		a.sharer.mu.Lock()
		a.publishGate = make(chan struct{})
		a.sharer.mu.Unlock()
		s.alert("hangs")
		if took := takeOver(t, s, a); took < hangs || took > hangs+2*leaseFor {
			t.Errorf("the take-over took %v, want about %v", took, hangs+leaseFor)
		}
		wantOwner(t, s, b, b)
		if a.Ready() == nil {
			t.Error("the one that hangs is ready")
		}
		a.sharer.mu.Lock()
		close(a.publishGate)
		a.publishGate = nil
		a.sharer.mu.Unlock()
		time.Sleep(2 * beatEvery)
		wantOwner(t, s, b, a, b)
		if s.late != 1 {
			t.Errorf("%d publications came late, want the one that hung", s.late)
		}
	})
}

// TestOutageChangesNoOwner: an owner that could not beat, because the store was
// away, goes on as before.
func TestOutageChangesNoOwner(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b := pair(t)
		s.fail(storage.ErrUnavailable)
		time.Sleep(time.Minute)
		if a.Ready() == nil || b.Ready() == nil {
			t.Error("without a store they are ready")
		}
		s.fail(nil)
		time.Sleep(greatestTry + 2*beatEvery)
		wantOwner(t, s, a, a, b)
		if n := testutil.ToFloat64(b.metrics.takeovers); n != 0 {
			t.Errorf("the other took over %v times", n)
		}
		// While everything stood still, too.
		a.stop()
		b.stop()
		time.Sleep(time.Minute)
		a.cont()
		b.cont()
		time.Sleep(2 * beatEvery)
		wantOwner(t, s, a, a, b)
	})
}

// TestReloadOfACandidate: what stands by takes a configuration, and leads by it.
func TestReloadOfACandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b := pair(t)
		bad := correlate.DefaultConfig()
		bad.Phrases = append(bad.Phrases, correlate.Phrase{Pattern: "("})
		if err := b.Reload(t.Context(), bad); err == nil {
			t.Error("a bad configuration was taken")
		}
		next := correlate.DefaultConfig()
		next.QuietPeriod = time.Hour
		if err := b.Reload(t.Context(), next); err != nil {
			t.Errorf("reload: %v", err)
		}
		a.end()
		wantOwner(t, s, b, b)
		if b.options.Config.QuietPeriod != time.Hour {
			t.Errorf("the quiet period is %v, want that of the reload", b.options.Config.QuietPeriod)
		}
	})
}

// TestFailedClaimLooksAgain: who could not claim does not claim again before it has
// seen that nobody else has.
func TestFailedClaimLooksAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b, c := trio(t)
		b.failClaims(storage.ErrUnavailable, false)
		c.stop()
		a.end()
		time.Sleep(2 * lookEvery) // b tries
		c.cont()
		if took := takeOver(t, s, a); took > 2*lookEvery {
			t.Errorf("the take-over took %v", took)
		}
		time.Sleep(beatEvery)
		b.failClaims(nil, false)
		time.Sleep(time.Minute)
		wantOwner(t, s, c, b, c)
		if n := testutil.ToFloat64(b.metrics.takeovers) + testutil.ToFloat64(c.metrics.takeovers); n != 1 {
			t.Errorf("%v take-overs, want the one of c", n)
		}
		c.end()
		takeOver(t, s, c)
		wantOwner(t, s, b, b)
	})
}

// TestClaimWithoutASign: a claim that counts and whose owner does not know of it,
// because its first sign of life failed, fences who led. One leads soon, and for good.
func TestClaimWithoutASign(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a, b, c := trio(t)
		for _, m := range []*member{b, c} {
			m.failClaims(storage.ErrUnavailable, true)
		}
		a.stop()
		takeOver(t, s, a)
		a.cont()
		for _, m := range []*member{b, c} {
			m.failClaims(nil, false)
		}
		began := time.Now()
		owns := func() (n int) {
			for _, m := range []*member{a, b, c} {
				if m.Owns() {
					n++
				}
			}
			return n
		}
		for time.Sleep(beatEvery); owns() != 1; time.Sleep(100 * time.Millisecond) {
			if time.Since(began) > leaseFor+grace+2*lookEvery {
				t.Fatalf("%d lead after %v", owns(), time.Since(began))
			}
		}
		time.Sleep(5 * time.Second)
		epoch := s.latest().Epoch
		time.Sleep(time.Hour)
		if now := s.latest().Epoch; now != epoch || owns() != 1 {
			t.Errorf("%d lead, and claims were made until %d, the last that was needed was %d", owns(), now, epoch)
		}
	})
}

// TestIdleOfACandidate: who asks a process that stands by is told so, once it is
// certain that another leads.
func TestIdleOfACandidate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, a := led(t)
		b := join(t, s, "b")
		for range 2 {
			began := time.Now()
			if err := b.Idle(t.Context()); !errors.Is(err, ErrStandsBy) {
				t.Errorf("got error %v, want %v", err, ErrStandsBy)
			}
			if took := time.Since(began); took > 2*beatEvery+lookEvery {
				t.Errorf("that took %v", took)
			}
		}
		if err := a.Idle(t.Context()); err != nil {
			t.Errorf("the owner: %v", err)
		}

		// One that begins behind an owner that is dead waits until it leads.
		b.end()
		a.stop()
		c := join(t, s, "c")
		id := s.alert("behind")
		if err := c.Idle(t.Context()); err != nil {
			t.Errorf("behind a dead owner: %v", err)
		}
		if got := s.of(id); got != c.name {
			t.Errorf("%q published what came, want %s", got, c.name)
		}
		a.cont()
		c.end()
		if err := c.Idle(context.Background()); !errors.Is(err, ErrEnded) {
			t.Errorf("after the end: got error %v, want %v", err, ErrEnded)
		}
	})
}
