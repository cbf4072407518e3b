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

// knownSignals are the signals of one alert.
type knownSignals struct {
	signals []*signal
	// until is when they may differ without a new fact. Zero: never.
	until time.Time
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

// grouping is the signals of all facts, grouped.
type grouping struct {
	signals    []*signal
	byService  map[string][]*signal
	byBase     map[string][]*stretch
	topology   *topology
	components []*component
	stretches  []*stretch
	letters    map[*component][]*reading
}

// group forms the components as of now.
func (e *Engine) group(now time.Time) *grouping {
	if now.Before(e.now) {
		e.all = true
		e.forgetSignals()
	}
	e.now = now
	e.refreshSignals()
	e.refreshChanges()
	g := &grouping{signals: e.sorted}
	g.topology = newTopology(e.cfg.Topology, g.signals, e.changes, &e.memory.logs)
	l := &linker{cfg: &e.cfg, topology: g.topology, logs: &e.memory.logs, cold: &e.cold}
	g.components = l.components(g.signals, e.memory.shelf(event.KindMute).all(), e.said)
	g.byService, g.byBase = map[string][]*signal{}, map[string][]*stretch{}
	for _, s := range g.signals {
		g.byService[s.service] = append(g.byService[s.service], s)
	}
	g.stretches = make([]*stretch, len(g.components))
	for i, c := range g.components {
		s := e.stretchOf(c)
		g.stretches[i] = s
		if s.base {
			for _, service := range s.services {
				g.byBase[service] = append(g.byBase[service], s)
			}
		}
	}
	g.letters = e.deliver(g)
	return g
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

// refreshSignals forms signals again where needed. What differs from before is
// touched.
func (e *Engine) refreshSignals() {
	var formed []*signal
	old := map[*signal]bool{}
	form := func(print event.Fingerprint) {
		before, now := e.signals[print], e.formSignals(e.memory.alerts[print])
		e.touchDifference(before, now)
		e.signals[print] = now
		e.until = earliest(e.until, now.until)
		if before != nil {
			for _, s := range before.signals {
				old[s] = true
			}
		}
		for _, s := range now.signals {
			if !s.heartbeat {
				formed = append(formed, s)
			}
		}
	}
	if len(e.signals) == 0 {
		for print := range e.memory.alerts {
			form(print)
		}
	} else {
		for print := range e.pending {
			form(print)
		}
		if !e.until.IsZero() && !e.until.After(e.now) {
			e.until = time.Time{}
			for print, k := range e.signals {
				if !k.until.IsZero() && !k.until.After(e.now) {
					form(print)
				} else {
					e.until = earliest(e.until, k.until)
				}
			}
		}
	}
	clear(e.pending)
	if len(formed)+len(old) == 0 {
		return
	}
	slices.SortFunc(formed, compareSignals)
	e.sorted = mergeSignals(e.sorted, old, formed)
}

// mergeSignals is a list in order without those that are old and with those
// that were formed, which are in order too.
func mergeSignals(list []*signal, old map[*signal]bool, formed []*signal) []*signal {
	out := make([]*signal, 0, len(list)+len(formed))
	for _, s := range list {
		if old[s] {
			continue
		}
		for len(formed) > 0 && compareSignals(formed[0], s) < 0 {
			out, formed = append(out, formed[0]), formed[1:]
		}
		out = append(out, s)
	}
	return append(out, formed...)
}

// forgetSignals has all signals formed again.
func (e *Engine) forgetSignals() {
	clear(e.signals)
	e.sorted, e.until = nil, time.Time{}
}

// touchDifference touches the stretches of the signals that are not as they
// were.
func (e *Engine) touchDifference(old, formed *knownSignals) {
	if old == nil {
		old = &knownSignals{}
	}
	for i := range max(len(old.signals), len(formed.signals)) {
		switch {
		case i >= len(old.signals):
			e.touchSignal(formed.signals[i])
		case i >= len(formed.signals):
			e.touchSignal(old.signals[i])
		case !alike(old.signals[i], formed.signals[i]):
			e.touchSignal(old.signals[i])
			e.touchSignal(formed.signals[i])
		}
	}
}

func (e *Engine) touchSignal(s *signal) {
	e.touched.alerts[s.service] = extend(e.touched.alerts[s.service], span{s.start, signEnd(s)})
}

// alike reports whether two readings of a signal tell the same.
func alike(a, b *signal) bool {
	return a.id == b.id && a.ending == b.ending && a.end.Equal(b.end) && a.lastSeen.Equal(b.lastSeen) &&
		a.endEarliest.Equal(b.endEarliest) && a.flaps == b.flaps && len(a.starts) == len(b.starts) &&
		slices.EqualFunc(a.observations, b.observations, func(o, p *event.Observation) bool {
			return o.StartsAt.Equal(p.StartsAt) && o.FirstReceivedAt.Equal(p.FirstReceivedAt) && o.ClockSuspect == p.ClockSuspect
		}) && slices.Equal(a.groups, b.groups)
}

func (e *Engine) formSignals(observations []*event.Observation) *knownSignals {
	k := &knownSignals{}
	episodes := formEpisodes(observations, e.now)
	starts := make([]time.Time, len(episodes))
	for i, ep := range episodes {
		starts[i] = ep.start
		k.until = earliest(k.until, ep.changesAt)
	}
	for _, ep := range episodes {
		k.signals = append(k.signals, e.cfg.newSignal(ep, starts))
	}
	return k
}

func (e *Engine) refreshChanges() {
	if !e.changesStale {
		return
	}
	changes, commits := values(e.memory.shelf(event.KindChange).all()), values(e.memory.shelf(event.KindCommit).all())
	e.changes = formChanges(changes, commits)
	e.loose = looseCommits(commits, e.changes)
	e.changesStale = false
}

func values(events []*event.Event) []event.Event {
	out := make([]event.Event, len(events))
	for i, ev := range events {
		out[i] = *ev
	}
	return out
}

// key tells components apart: by members, as far as they tell, why they are
// in, and the messages that came to it.
func (c *component) key(letters []*reading, beside []*stretch) string {
	h := newDigest()
	for _, m := range c.members {
		for _, id := range m.ids {
			h.bytes(id[:])
		}
		h.int(int64(m.ending))
		h.time(m.end)
		h.time(m.lastSeen)
		if k, ok := c.bonds[m.id]; ok {
			h.bytes(k.a.id[:])
			h.text(k.akin)
			h.int(int64(k.when))
			h.time(k.a.end)
		}
	}
	for _, m := range c.late {
		h.bytes(m.id[:])
	}
	for _, r := range letters {
		h.bytes(r.ID[:])
		h.text(string(r.means))
		h.text(r.why)
	}
	for _, r := range beside {
		h.bytes(r.members[0].id[:])
		h.time(r.from)
		h.time(r.to)
	}
	return h.sum()
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
