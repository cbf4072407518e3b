package correlate

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// Engine holds facts and derives timelines from them. Facts go in with
// [Engine.Observe]; [Engine.Derive] gives the timelines that changed since it
// was called last. What comes out depends on the facts, the configuration, the
// links and the time, and not on how the facts were divided among calls.
//
// An Engine must not be used concurrently.
type Engine struct {
	cfg     Config
	phrases phrases
	said    []Link
	now     time.Time
	memory  *memory

	// signals are by fingerprint and hold until an observation tells something
	// new or the time comes at which the alert's keep-alive elapses.
	signals map[event.Fingerprint]*knownSignals
	// sorted are all signals in order, but for heartbeats. until is when the
	// first of them may differ without a new fact, or earlier. Zero: never.
	sorted []*signal
	until  time.Time
	// pending are the alerts of which something came since.
	pending map[event.Fingerprint]struct{}
	// changes are formed of all reports; stale after a new one.
	changes      []*change
	loose        []event.Commit
	changesStale bool

	// touched are the facts that came since the last derivation; all says that
	// everything is to be derived again.
	touched touches
	all     bool
	results map[event.ID]*result
	// read is what messages mean.
	read map[readKey]meaning
	cold cold
}

// result is what was derived of a component last.
type result struct {
	key    string
	window span
	wake   time.Time
	digest string
	minor  bool
	// open says that the incident is on and matters: its logs are kept, from
	// logsFrom on.
	open     bool
	logsFrom time.Time
	// overdue says that it is to be derived as soon as its logs are at hand.
	overdue bool
	// adopted are the member IDs of a result that another engine derived.
	adopted []event.ID
}

// New makes an engine with no facts. It fails when the configuration's
// expressions do not compile or name what does not exist.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		memory: newMemory(), signals: map[event.Fingerprint]*knownSignals{},
		touched: newTouches(), pending: map[event.Fingerprint]struct{}{}, results: map[event.ID]*result{}, read: map[readKey]meaning{},
	}
	if err := e.Configure(cfg); err != nil {
		return nil, err
	}
	return e, nil
}

// Configure replaces the configuration; everything is derived again with it.
// On an error the old one stays.
func (e *Engine) Configure(cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	p, err := compilePhrases(cfg.Phrases)
	if err != nil {
		return err
	}
	e.cfg, e.phrases, e.all = cfg, p, true
	e.forgetSignals()
	clear(e.read)
	return nil
}

// Say replaces what people said about which signals belong together.
func (e *Engine) Say(links []Link) {
	e.said, e.all = slices.Clone(links), true
}

// Observe takes in facts. Facts that are known change nothing.
func (e *Engine) Observe(events []event.Event, observations []event.Observation, counts []event.Count) {
	for _, ev := range events {
		if !e.memory.record(ev) {
			continue
		}
		e.touched.event(&ev, e.serviceOf)
		if ev.Kind == event.KindChange || ev.Kind == event.KindCommit {
			e.changesStale = true
		}
	}
	for _, o := range observations {
		e.memory.observe(o)
		e.pending[o.Fingerprint] = struct{}{}
	}
	for _, c := range counts {
		if e.memory.logs.add(c) {
			e.touched.count(&c)
		}
	}
}

// serviceOf is the service of a known alert.
func (e *Engine) serviceOf(print event.Fingerprint) (string, bool) {
	known := e.memory.alerts[print]
	if len(known) == 0 {
		return "", false
	}
	return e.cfg.Labels.ServiceOf(known[0].Labels), true
}

// Derived is a timeline that changed.
type Derived struct {
	Timeline timeline.Timeline
	// Signals are all IDs by which the incident is found.
	Signals []event.ID
	// Retired says that no incident has this ID any more; only the ID of the
	// timeline's incident is set then.
	Retired bool
	// Digest is a digest of the timeline.
	Digest string
	// Pins are the log facts that it cites.
	Pins []event.ID
}

// Derive gives the timelines that differ from those it gave before, as of now,
// the retired ones first. What needs logs that are not at hand waits until they
// were lent: see [Engine.Missing].
func (e *Engine) Derive(now time.Time) []Derived {
	g := e.group(now)
	var out []Derived
	live := make(map[event.ID]bool, len(g.components))
	for i, c := range g.components {
		id := c.members[0].id
		live[id] = true
		beside := g.rivals(g.stretches[i])
		key := c.key(g.letters[c], beside)
		old := e.results[id]
		if !e.isStale(g, i, old, key) {
			continue
		}
		if !e.atHand(c) {
			if old == nil {
				old = &result{}
				e.results[id] = old
			}
			if old.window.to.IsZero() {
				old.window = e.windowOf(c) // Forget keeps what has not ended before
			}
			old.overdue = true
			continue
		}
		d, r := e.derive(c, g, g.letters[c], beside)
		r.key = key
		e.results[id] = r
		if old == nil || old.digest != r.digest {
			out = append(out, d)
		}
	}
	out = append(e.retire(live), out...)
	e.cold.remember(g.components)
	e.touched.clear()
	e.all = false
	return out
}

// isStale reports whether a component is to be derived: it is new or another
// than before, facts came that it may hang on, or its time has come.
func (e *Engine) isStale(g *grouping, i int, old *result, key string) bool {
	c := g.components[i]
	if old == nil || e.all || old.overdue {
		return true
	}
	if old.adopted != nil {
		if e.atHand(c) || !slices.Equal(old.adopted, memberIDs(c)) {
			return true
		}
		old.key, old.adopted = key, nil
		old.window = e.windowOf(c)
	}
	if old.key != key || (!old.wake.IsZero() && !old.wake.After(e.now)) {
		return true
	}
	// Lines that come now say little of what began before the logs at hand.
	return e.touched.concern(c, g.stretches[i].services, old, g.topology, e.atHand(c), e.cfg.QuietPeriod)
}

// retire drops the results of components that are no more.
func (e *Engine) retire(live map[event.ID]bool) []Derived {
	var gone []event.ID
	for id := range e.results {
		if !live[id] {
			delete(e.cold.incident, id)
			gone = append(gone, id)
		}
	}
	slices.SortFunc(gone, event.ID.Compare)
	var out []Derived
	for _, id := range gone {
		delete(e.results, id)
		out = append(out, Derived{Timeline: timeline.Timeline{Incident: timeline.Incident{ID: id}}, Retired: true})
	}
	return out
}

// derive tells the story of one component.
func (e *Engine) derive(c *component, g *grouping, letters []*reading, beside []*stretch) (Derived, *result) {
	s := e.gather(c, g.topology, letters)
	s.rivals = beside
	s.gatherChanges(e.changes, e.loose, e.memory.shelf(event.KindChange))
	s.setLateAside()
	s.findBursts()
	s.findRemedies()

	var tl timeline.Timeline
	tl.Incident.Aliases = []event.ID{}
	tl.Milestones = s.milestones()
	tl.Durations = durations(tl.Milestones)
	tl.Incident.Minor = s.minor(&tl)
	tl.Changes = s.judge(tl.Incident.Minor)
	tl.Incident = s.incident(&tl)
	tl.Entries = s.entries(tl.Changes)
	tl.Context = s.background(g)
	tl.Participants = s.participants()
	tl.Gaps = s.gaps(&tl)

	d := Derived{Timeline: tl, Signals: memberIDs(c), Pins: s.pins(), Digest: digestOf(&tl)}
	return d, &result{
		window: e.windowOf(c), logsFrom: e.logsOf(c).from, wake: s.wakeAt(), digest: d.Digest,
		minor: tl.Incident.Minor,
		open:  tl.Incident.Status != timeline.StatusClosed && !tl.Incident.Minor,
	}
}

// windowOf is the time in which facts may matter to a component.
func (e *Engine) windowOf(c *component) span {
	w := span{from: c.members[0].start}
	for _, m := range c.members {
		w.to = latest(w.to, signEnd(m))
	}
	w.from = w.from.Add(-max(e.cfg.CauseWithin, onsetWithin+baselineSpan))
	w.to = w.to.Add(afterwards + notifyGrace)
	return w
}

func memberIDs(c *component) []event.ID {
	var ids []event.ID
	for _, m := range slices.Concat(c.members, c.late) {
		ids = append(ids, m.ids...)
	}
	return ids
}

// pins are the log facts that the story cites.
func (s *story) pins() []event.ID {
	var ids []event.ID
	for i := range s.bursts {
		b := &s.bursts[i]
		ids = append(ids, b.ids(b.at, b.third.Add(time.Second), 5)...)
	}
	ids = append(ids, s.lastTrouble()...)
	slices.SortFunc(ids, event.ID.Compare)
	return slices.Compact(ids)
}

// Forget drops facts that tell of nothing after the given time, and what was
// derived from them. An alert is kept while its incident goes on: an incident
// must not lose its first signal, by which it is named. The incidents stay
// published.
func (e *Engine) Forget(before time.Time) {
	last := map[event.ID]time.Time{}
	for _, k := range e.signals {
		for _, s := range k.signals {
			in := e.cold.incident[s.id]
			last[in] = latest(last[in], signEnd(s))
		}
	}
	e.memory.forget(before, func(o *event.Observation) bool {
		return last[e.cold.incident[o.ID()]].Before(before)
	})
	e.cold.forget(before)
	e.ForgetLogs(before)
	e.forgetSignals()
	clear(e.read)
	e.changesStale = true
	for id, r := range e.results {
		if r.window.to.Before(before) {
			delete(e.results, id)
		}
	}
}
