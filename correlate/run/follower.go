package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// follower is the state of one ownership: an engine, the place in the feed,
// and what was published. It belongs to Run's goroutine.
type follower struct {
	*Runner
	engine *correlate.Engine
	claim  storage.Claim
	cursor storage.Cursor
	read   int
	// last is the greatest receipt time of all facts, lines the latest line.
	last, lines time.Time
	// published are the incidents that were ever published, as far as known.
	published map[event.ID]*publication
	// unpublished wait because the store did not take them.
	unpublished []correlate.Derived
	// counts came and wait for the next derivation that looks at logs.
	counts     []event.Count
	countsRead int
	// volume is how many counts had been read when the runner last tidied up, and
	// before that.
	volume []volumeMark
	// derived, tidied and reread are when that was done last; derived is when
	// logs and the passing of time were last looked at, and took how long that
	// lasted.
	derived, tidied, reread time.Time
	took                    time.Duration
	// rest is how long to leave the processor to others after a derivation: as
	// long as it took. In a storm of alerts those that come meanwhile are then
	// derived from at once, and whoever sends them gets an answer in time.
	rest time.Duration
	// begun says that everything whose logs are held was derived once. What needs
	// older logs comes after that, a stretch of time in a turn; lend is how long
	// one is, and lendStep how much of it is read at once. more says that it is worth going on, and lasted is how long the last
	// turn took: so long others have the processor and the store.
	begun, more  bool
	lend, lasted time.Duration
	lendStep     time.Duration
	// fresh are receipts that no timeline reflects yet, for the lag.
	fresh []time.Time
}

// publication is what is known of a published incident.
type publication struct {
	revision int64
	digest   string
	aliases  []event.ID
	signals  []event.ID
	retired  bool
}

// pageSize is how many facts are read of the feed at once.
const pageSize = 5000

// follow reads the part of the store that can still change a timeline.
func (r *Runner) follow(ctx context.Context, claim storage.Claim) (*follower, error) {
	engine, err := correlate.New(r.options.Config)
	if err != nil {
		return nil, err
	}
	f := &follower{Runner: r, engine: engine, claim: claim, published: map[event.ID]*publication{}, lend: firstLend, lendStep: firstStep}
	// The place in the feed is taken first: what is appended while the window is
	// read comes again, and not never.
	if f.cursor, err = r.store.Tip(ctx); err != nil {
		return nil, fmt.Errorf("find the end of the feed: %w", err)
	}
	from, to := event.MinTime, event.MaxTime
	if r.options.Settle == 0 {
		from = r.options.Clock().Add(-r.options.Lookback)
	}
	known, err := r.store.Published(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("read what is published: %w", err)
	}
	from = f.reach(from, known)
	if err := f.readPast(ctx, from, to); err != nil {
		return nil, err
	}
	f.adopt(known, from)
	f.fresh = nil
	return f, nil
}

// readPast gives the engine what the store holds of a stretch of time. Logs and
// everything else are read beside one another: the store has more to do for it
// than the engine.
func (f *follower) readPast(ctx context.Context, from, to time.Time) error {
	pages := make(chan storage.FactPage)
	readers, ctx := errgroup.WithContext(ctx)
	yield := func(p storage.FactPage) error {
		select {
		case pages <- p:
			return nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	readers.Go(func() error {
		if err := f.store.Window(ctx, from, to, yield); err != nil {
			return fmt.Errorf("read events and alerts: %w", err)
		}
		return nil
	})
	var held time.Time
	readers.Go(func() (err error) {
		held, err = f.readLogs(ctx, from, to, yield)
		return err
	})
	read := make(chan error, 1)
	go func() {
		read <- readers.Wait()
		close(pages)
	}()
	for p := range pages {
		f.observe(p)
		f.observeCounts()
	}
	if err := <-read; err != nil {
		return err
	}
	f.holdLogs(held)
	return nil
}

// reach moves the beginning of the window back to that of the oldest incident
// that goes on, or that the window cuts: it is named by its first signal, which
// must be read.
func (f *follower) reach(from time.Time, known []storage.Published) time.Time {
	floor, cut := from.Add(-maxReach), from
	for _, p := range known {
		goesOn := !p.Incident.Sealed || p.Incident.EndedAt == nil || !p.Incident.EndedAt.Before(cut)
		if at := p.Incident.ID.Time(); goesOn && at.Before(from) && at.After(floor) {
			from = at
		}
	}
	return from
}

// maxReach bounds how far before its window a runner reads.
const maxReach = 30 * 24 * time.Hour

// adopt tells the engine what is published, so that only what changed is
// published again. An incident that began before what was read is not for the
// engine: it would miss the signals, and retire it.
func (f *follower) adopt(known []storage.Published, from time.Time) {
	for _, p := range known {
		f.published[p.Incident.ID] = &publication{
			revision: p.Incident.Revision, digest: p.Digest, aliases: p.Incident.Aliases, signals: p.Signals,
		}
		if p.Incident.ID.Time().Before(from) {
			continue
		}
		var seal time.Time
		if !p.Incident.Sealed {
			seal = p.Incident.StartedAt.Add(f.options.Config.SealAfter)
			if p.Incident.EndedAt != nil {
				seal = p.Incident.EndedAt.Add(f.options.Config.SealAfter)
			}
		}
		f.engine.Adopt(p.Incident.ID, p.Signals, p.Digest, seal)
	}
}

// observe gives facts to the engine; counts only after observeCounts.
func (f *follower) observe(p storage.FactPage) {
	f.engine.Observe(p.Events, p.Observations, nil)
	if len(f.counts)+len(p.Counts) > maxCounts {
		f.observeCounts()
		f.engine.Observe(nil, nil, p.Counts)
	} else {
		f.counts = append(f.counts, p.Counts...)
	}
	f.countsRead += len(p.Counts)
	f.last = later(f.last, receipt(p))
	f.read += p.Len()
	f.metrics.read(p)
	for i := range p.Counts {
		f.lines = later(f.lines, p.Counts[i].Last)
	}
	if f.options.Settle > 0 {
		return
	}
	for i := range p.Events {
		f.fresh = append(f.fresh, p.Events[i].ReceivedAt)
	}
	for i := range p.Observations {
		f.fresh = append(f.fresh, p.Observations[i].LastReceivedAt)
	}
}

// now is the engine's time.
func (f *follower) now() time.Time {
	if f.options.Settle > 0 {
		if f.last.IsZero() {
			return event.MinTime
		}
		return f.last.Add(f.options.Settle)
	}
	return f.options.Clock()
}

// cycle reads what came, derives and publishes. Lines wait a moment, unless it
// is urgent: they come all the time and concern many incidents, and an alert is
// to be seen at once.
func (f *follower) cycle(ctx context.Context, urgent bool) error {
	news, err := f.readFeed(ctx)
	if err != nil {
		return err
	}
	if f.options.Settle == 0 && f.reread.Add(tidyEvery).Before(f.options.Clock()) {
		if err := f.readAgain(ctx); err != nil {
			return err
		}
	}
	switch {
	case urgent || f.isDue():
		err = f.deriveAll(ctx)
	case news:
		err = f.derive(ctx)
	}
	if err != nil {
		return err
	}
	return f.catchUp(ctx, urgent)
}

// catchUp derives what needs older logs than are held: all of it when it is
// urgent, else a part. The first turn leaves it out, so that the runner is ready
// and what is on now need not wait for the past.
func (f *follower) catchUp(ctx context.Context, urgent bool) (err error) {
	switch {
	case urgent:
		f.more, err = false, f.deriveAllOld(ctx)
	case !f.begun:
		f.more = f.engine.Waits() > 0
	case f.engine.Waits() > 0:
		began := time.Now()
		f.more, err = f.deriveOld(ctx)
		f.lasted = time.Since(began)
	default:
		f.more = false
	}
	f.begun = true
	return err
}

// isDue reports whether it is time to look at lines, and at what the passing of
// time alone has changed.
func (f *follower) isDue() bool {
	since := f.options.Clock().Sub(f.derived)
	return since < 0 || since >= min(max(linesWait, waitPerWork*f.took), mostWait)
}

func (f *follower) deriveAll(ctx context.Context) error {
	began := time.Now()
	f.observeCounts()
	if err := f.derive(ctx); err != nil {
		return err
	}
	f.derived, f.took = f.options.Clock(), time.Since(began)
	f.tidy()
	return nil
}

// readFeed reads the feed to its end and reports whether anything but log
// counts came.
func (f *follower) readFeed(ctx context.Context) (news bool, err error) {
	for {
		page, next, err := f.store.Since(ctx, f.cursor, pageSize)
		if err != nil {
			return news, fmt.Errorf("read the feed: %w", err)
		}
		if page.Len() == 0 && next == f.cursor {
			return news, nil
		}
		f.observe(page)
		f.cursor = next
		news = news || len(page.Events) > 0 || len(page.Observations) > 0
	}
}

// overlap is how far behind others an append may become visible.
const overlap = 2 * time.Minute

// readAgain reads the latest events once more: a slow append may have become
// visible behind a faster one, where the feed's cursor no longer looks.
func (f *follower) readAgain(ctx context.Context) error {
	now := f.options.Clock()
	err := f.store.Window(ctx, now.Add(-tidyEvery-overlap), now.Add(overlap), func(p storage.FactPage) error {
		f.engine.Observe(p.Events, p.Observations, nil)
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the latest events again: %w", err)
	}
	f.reread = now
	return nil
}

// derive derives, and publishes what changed. What needs logs that the engine
// lacks waits: see catchUp.
func (f *follower) derive(ctx context.Context) error {
	began := time.Now()
	now := f.now()
	f.unpublished = append(f.unpublished, f.engine.Derive(now)...)
	f.metrics.derive.Observe(time.Since(began).Seconds())
	if err := f.publish(ctx); err != nil {
		return err
	}
	f.rest = min(time.Since(began), mostRest)
	f.metrics.reflected(f.fresh, f.options.Clock())
	f.fresh = f.fresh[:0]
	return nil
}

// publishAtOnce bounds how many timelines are published in one call.
const publishAtOnce = 100

// publish writes what was derived and differs from what is stored.
func (f *follower) publish(ctx context.Context) error {
	f.unpublished = lastOfEach(f.unpublished)
	for len(f.unpublished) > 0 {
		n := min(len(f.unpublished), publishAtOnce)
		var out []storage.Derived
		for _, d := range f.unpublished[:n] {
			if s, ok := f.stored(d); ok {
				out = append(out, s)
			}
		}
		if len(out) > 0 {
			if err := f.store.Publish(ctx, f.claim, out); err != nil {
				return fmt.Errorf("publish %d timelines: %w", len(out), err)
			}
			f.metrics.published.Add(float64(len(out)))
		}
		f.remember(out)
		f.unpublished = slices.Delete(f.unpublished, 0, n)
	}
	return nil
}

// lastOfEach keeps, of several derivations of one incident that wait, the last:
// one that was gone and came back is not gone.
func lastOfEach(derived []correlate.Derived) []correlate.Derived {
	last := make(map[event.ID]int, len(derived))
	for i := range derived {
		last[derived[i].Timeline.Incident.ID] = i
	}
	kept := derived[:0]
	for i := range derived {
		if last[derived[i].Timeline.Incident.ID] == i {
			kept = append(kept, derived[i])
		}
	}
	clear(derived[len(kept):])
	return kept
}

// stored is a derived timeline as it is to be stored, with its history; not ok
// when that is stored already.
func (f *follower) stored(d correlate.Derived) (storage.Derived, bool) {
	id := d.Timeline.Incident.ID
	old := f.published[id]
	if d.Retired {
		return storage.Derived{Timeline: timeline.Timeline{Incident: timeline.Incident{ID: id}}, Retired: true}, old != nil && !old.retired
	}
	aliases := f.aliases(id, d.Signals)
	if old != nil && !old.retired && old.digest == d.Digest && slices.Equal(old.aliases, aliases) && slices.Equal(old.signals, d.Signals) {
		return storage.Derived{}, false
	}
	t := d.Timeline
	t.Incident.Aliases = aliases
	t.Incident.Revision = 1
	if old != nil {
		t.Incident.Revision = old.revision + 1
	}
	return storage.Derived{Timeline: t, Signals: d.Signals, Digest: d.Digest, Pins: d.Pins}, true
}

// aliases are the IDs under which an incident, or a part of it, was published.
func (f *follower) aliases(id event.ID, signals []event.ID) []event.ID {
	out := []event.ID{}
	add := func(ids ...event.ID) {
		for _, a := range ids {
			if p := f.published[a]; a != id && (p == nil || p.retired || slices.Contains(signals, a)) && !slices.Contains(out, a) {
				out = append(out, a)
			}
		}
	}
	if p := f.published[id]; p != nil {
		add(p.aliases...)
	}
	for _, s := range signals {
		if p := f.published[s]; p != nil && s != id {
			add(s)
			add(p.aliases...)
		}
	}
	slices.SortFunc(out, event.ID.Compare)
	return out
}

func (f *follower) remember(stored []storage.Derived) {
	for _, s := range stored {
		id := s.Timeline.Incident.ID
		p := f.published[id]
		if p == nil {
			p = &publication{}
			f.published[id] = p
		}
		if p.retired = s.Retired; p.retired {
			continue
		}
		p.revision, p.digest = s.Timeline.Incident.Revision, s.Digest
		p.aliases, p.signals = s.Timeline.Incident.Aliases, s.Signals
	}
}

// tidy forgets what cannot change a timeline any more.
func (f *follower) tidy() {
	now := f.options.Clock()
	if now.Sub(f.tidied) < tidyEvery {
		return
	}
	f.tidied = now
	if f.options.Settle > 0 {
		return
	}
	f.forgetLogs(now)
	f.engine.Forget(now.Add(-f.options.Lookback))
}
