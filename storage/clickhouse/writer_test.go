package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// hold opens a store whose next insert into a table waits for release.
func hold(t *testing.T, o Options, table string) (s *Store, proxy *enginetest.Proxy, held <-chan struct{}, release func()) {
	t.Helper()
	engine := enginetest.Shared(t)
	proxy = enginetest.NewProxy(t, engine)
	s = openDSN(t, proxy.DSN(engine.Database(t)), o)
	held, release = proxy.HoldNext(insertsInto(table))
	t.Cleanup(release) // before the store is closed
	return s, proxy, held, release
}

// until waits for a condition that other goroutines bring about.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for range 10_000 {
		if done() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatalf("still not: %s", what)
}

// Appends that come while one is under way are stored together.
func TestAppendsAreJoined(t *testing.T) {
	var commits atomic.Int64
	s, _, held, release := hold(t, Options{Batching: Batching{OnCommit: func(Commit) { commits.Add(1) }}}, "events")
	var wg sync.WaitGroup
	send := func(i int) {
		wg.Go(func() {
			b := event.Batch{Events: []event.Event{testEvent(i, appendTime.Add(time.Duration(i)*time.Second))}}
			b.Observations = []event.Observation{testObservation(1, appendTime, appendTime.Add(time.Duration(i)*time.Second))}
			if err := s.Append(t.Context(), b); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	send(0)
	<-held
	const more = 99
	for i := range more {
		send(1 + i)
	}
	until(t, "all wait", func() bool { n, _ := s.QueueDepth(); return n == more })
	release()
	wg.Wait()
	if got := commits.Load(); got != 2 {
		t.Errorf("%d appends were written in %d groups, want 2", 1+more, got)
	}
	for table, want := range map[string]uint64{"journal": 2, "events": 1 + more, "observations": 2} {
		if got := count(t, s, table); got != want {
			t.Errorf("%s: got %d rows, want %d", table, got, want)
		}
	}
	o, err := s.Fact(t.Context(), testObservation(1, appendTime, appendTime).ID())
	if want := appendTime.Add(more * time.Second); err != nil || !o.Observation.LastReceivedAt.Equal(want) {
		t.Errorf("the observation was last received at %v (error %v), want %s", o.Observation, err, want)
	}
}

// Batches that were joined fail together, and each of them can be sent again.
func TestJoinedAppendsShareTheirFate(t *testing.T) {
	s, proxy, held, release := hold(t, Options{}, "events")
	batch := func(i int) event.Batch {
		return event.Batch{Events: []event.Event{testEvent(i, appendTime.Add(time.Duration(i)*time.Second))}}
	}
	first := make(chan error, 1)
	go func() { first <- s.Append(context.Background(), batch(0)) }()
	<-held
	const more = 20
	errs := make(chan error, more)
	for i := range more {
		go func() { errs <- s.Append(context.Background(), batch(1+i)) }()
	}
	until(t, "all wait", func() bool { n, _ := s.QueueDepth(); return n == more })
	proxy.RefuseNext(insertsInto("journal")) // of the first group: it is tried again
	proxy.RefuseNext(func(r *http.Request) bool { return insertsInto("events")(r) })
	proxy.RefuseNext(func(r *http.Request) bool { return insertsInto("events")(r) })
	release()
	if err := <-first; err != nil {
		t.Errorf("the first append: %v", err)
	}
	for range more {
		if err := <-errs; !errors.Is(err, storage.ErrUnavailable) {
			t.Errorf("append: got error %v, want %v", err, storage.ErrUnavailable)
		}
	}
	for i := range more {
		mustAppend(t, s, batch(1+i))
	}
	if got := count(t, s, "events FINAL"); got != 1+more {
		t.Errorf("got %d events, want %d", got, 1+more)
	}
}

// Alerts do not wait for logs, and those who bring more than there is room for
// wait until there is, or until they give up.
func TestRoomIsBounded(t *testing.T) {
	const queue = 1 << 20
	s, _, held, release := hold(t, Options{Batching: Batching{Queue: queue, Bytes: 64 << 10}}, "lines")
	chunk := func(i int) event.Batch {
		c := testChunk(fmt.Sprint("room ", i), "1", 50, time.Millisecond)
		c.Lines[0].Text = string(make([]byte, 64<<10))
		return event.Batch{Chunks: []event.Chunk{c}}
	}
	const senders = 40
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			if err := s.Append(t.Context(), chunk(i)); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	<-held
	waits := func() int {
		r := &s.writer.rooms[bulk]
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.used > r.limit {
			t.Errorf("%d bytes are in hand, want %d at most", r.used, r.limit)
		}
		return len(r.waiters)
	}
	ctx, cancel := context.WithCancel(t.Context())
	until(t, "somebody waits for room", func() bool { return waits() > 0 })
	gaveUp := make(chan error, 1)
	go func() { gaveUp <- s.Append(ctx, chunk(senders)) }()
	// The held insert keeps one of the two bulk writers; alerts have their own.
	mustAppend(t, s, event.Batch{Events: []event.Event{testEvent(1, appendTime)}})
	cancel()
	if err := <-gaveUp; err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("append that gave up: got error %v, want %v", err, context.Canceled)
	}
	release()
	wg.Wait()
	if got := waits(); got != 0 {
		t.Errorf("%d still wait", got)
	}
	until(t, "the room is free again", func() bool {
		r := &s.writer.rooms[bulk]
		r.mu.Lock()
		defer r.mu.Unlock()
		return r.used == 0
	})
	if got := count(t, s, "chunks"); got < senders {
		t.Errorf("got %d chunks, want %d", got, senders)
	}
}

// Of one chunk that several senders bring at once one content stays, whichever
// writer has it.
func TestOneChunkFromManySenders(t *testing.T) {
	s := openNew(t)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			b := event.Batch{Chunks: []event.Chunk{testChunk("same", fmt.Sprint(i%3), 5+i%3, time.Hour)}}
			if i%2 == 0 {
				b.Events = []event.Event{testEvent(i, appendTime)}
			}
			if err := s.Append(t.Context(), b); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
	got := versionsOf(t, s)
	if len(got) != 1 {
		t.Errorf("got lines %v, want those of one version", got)
	}
	for version, n := range got {
		if want := map[string]uint64{"0": 5, "1": 6, "2": 7}[version]; n != want {
			t.Errorf("version %s: got %d lines, want %d", version, n, want)
		}
	}
}

// A caller that gives up before its batch is begun takes it along.
func TestAbandonedAppend(t *testing.T) {
	s, _, held, release := hold(t, Options{}, "events")
	first := make(chan error, 1)
	go func() {
		first <- s.Append(context.Background(), event.Batch{Events: []event.Event{testEvent(1, appendTime)}})
	}()
	<-held
	ctx, cancel := context.WithCancel(t.Context())
	second := make(chan error, 1)
	go func() { second <- s.Append(ctx, event.Batch{Events: []event.Event{testEvent(2, appendTime)}}) }()
	until(t, "the second waits", func() bool { n, _ := s.QueueDepth(); return n == 1 })
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("append that was cancelled: got error %v, want %v", err, context.Canceled)
	}
	release()
	if err := <-first; err != nil {
		t.Errorf("append: %v", err)
	}
	mustAppend(t, s, event.Batch{Events: []event.Event{testEvent(3, appendTime)}})
	if got := count(t, s, "events"); got != 2 {
		t.Errorf("got %d events, want 2", got)
	}
}

// Close answers everybody: who was taken is stored, who was not is told so, and
// nothing of the writer is left.
func TestCloseAnswersEverybody(t *testing.T) {
	engine := enginetest.Shared(t)
	proxy := enginetest.NewProxy(t, engine)
	dsn := proxy.DSN(engine.Database(t))
	before := goleak.IgnoreCurrent()
	s, err := Open(t.Context(), dsn, Options{Batching: Batching{Queue: 64 << 10}})
	if err != nil {
		t.Fatal(err)
	}
	held, release := proxy.HoldNext(insertsInto("events"))
	const senders = 60
	errs := make([]error, senders)
	var wg sync.WaitGroup
	for i := range senders {
		wg.Go(func() {
			errs[i] = s.Append(context.Background(), event.Batch{Events: []event.Event{testEvent(i, appendTime)}})
		})
	}
	<-held
	until(t, "somebody waits for room", func() bool {
		r := &s.writer.rooms[urgent]
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.waiters) > 0
	})
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	until(t, "closing", s.life.Ended)
	release()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	wg.Wait()
	stored := uint64(0)
	for i, err := range errs {
		switch {
		case err == nil:
			stored++
		case !errors.Is(err, storage.ErrUnavailable):
			t.Errorf("append %d: got error %v, want %v", i, err, storage.ErrUnavailable)
		}
	}
	if stored == 0 || stored == senders {
		t.Errorf("%d of %d appends were stored, want some and not all", stored, senders)
	}
	goleak.VerifyNone(t, before, goleak.IgnoreTopFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http/httptest.(*Server).goServe.func1"),
		goleak.IgnoreAnyFunction("net/http.(*conn).serve"), goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"), goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"))
	again := openDSN(t, dsn, Options{})
	if got := count(t, again, "events"); got != stored {
		t.Errorf("got %d events, want the %d that were answered", got, stored)
	}
}

// When the engine has gone, Close does not try everything that waits.
func TestCloseWithoutEngine(t *testing.T) {
	s, proxy, held, release := hold(t, Options{Batching: Batching{Rows: 1}}, "events")
	alsoHeld, alsoRelease := proxy.HoldNext(insertsInto("events")) // as many as are in flight
	const senders = 30
	errs := make(chan error, senders)
	for i := range senders {
		go func() {
			errs <- s.Append(context.Background(), event.Batch{Events: []event.Event{testEvent(i, appendTime)}})
		}()
	}
	<-held
	<-alsoHeld
	until(t, "all wait", func() bool { n, _ := s.QueueDepth(); return n == senders-inFlight })
	proxy.Down(true)
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	until(t, "closing", s.life.Ended)
	release()
	alsoRelease()
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
	for range senders {
		if err := <-errs; !errors.Is(err, storage.ErrUnavailable) && err != nil {
			t.Errorf("append: got error %v, want %v", err, storage.ErrUnavailable)
		}
	}
}

// After a burst, groups go one an age.
func TestPace(t *testing.T) {
	p := pace{every: time.Second}
	now := appendTime
	for i := range burst {
		if got := p.wait(now); got > 0 {
			t.Fatalf("group %d of a burst waits %s", i, got)
		}
		p.spend(now)
	}
	if got := p.wait(now); got != time.Second {
		t.Errorf("behind a burst: got a wait of %s, want 1s", got)
	}
	now = now.Add(time.Second)
	if got := p.wait(now); got != 0 {
		t.Errorf("an age later: got a wait of %s, want none", got)
	}
	p.spend(now)
	if got := p.wait(now); got != time.Second {
		t.Errorf("and one more: got a wait of %s, want 1s", got)
	}
	now = now.Add(time.Hour)
	for i := range burst {
		if got := p.wait(now); got > 0 {
			t.Fatalf("group %d of the second burst waits %s", i, got)
		}
		p.spend(now)
	}
}
