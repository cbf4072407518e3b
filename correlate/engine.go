package correlate

import (
	"cmp"
	"fmt"
	"maps"
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
	// pending are the alerts of which something came since.
	pending map[event.Fingerprint]struct{}
	// changes are formed of all reports; stale after a new one.
	changes      []*change
	loose        []event.Commit
	changesStale bool

	// touched are the stretches of time of which facts came since the last
	// derivation; all says that everything is to be derived again.
	touched []span
	all     bool
	results map[event.ID]*result
}

// span is a stretch of time, ends included.
type span struct{ from, to time.Time }

func (s span) overlaps(o span) bool { return !s.to.Before(o.from) && !o.to.Before(s.from) }

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
}

// New makes an engine with no facts. It fails when the configuration's
// expressions do not compile or name what does not exist.
func New(cfg Config) (*Engine, error) {
	e := &Engine{
		memory: newMemory(), signals: map[event.Fingerprint]*knownSignals{},
		pending: map[event.Fingerprint]struct{}{}, results: map[event.ID]*result{},
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
	clear(e.signals)
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
		e.touch(ev.OccurredAt, ev.OccurredAt)
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
			e.touch(c.First, c.Last)
		}
	}
}

// maxTouched bounds the stretches that are remembered one by one.
const maxTouched = 4096

// touch remembers that facts of a stretch of time came, joining it with the
// last one when they are near.
func (e *Engine) touch(from, to time.Time) {
	if n := len(e.touched); n > 0 {
		last := &e.touched[n-1]
		if near := (span{last.from.Add(-time.Minute), last.to.Add(time.Minute)}); near.overlaps(span{from, to}) {
			last.from, last.to = minTime(last.from, from), latest(last.to, to)
			return
		}
	}
	if len(e.touched) >= maxTouched {
		e.all = true
		return
	}
	e.touched = append(e.touched, span{from, to})
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
// in order of their IDs, the retired ones first.
func (e *Engine) Derive(now time.Time) []Derived {
	if now.Before(e.now) {
		e.all = true
		clear(e.signals)
	}
	e.now = now
	signals := e.refreshSignals()
	e.refreshChanges()
	var beats []*signal
	signals = slices.DeleteFunc(signals, func(s *signal) bool {
		if e.cfg.heartbeat(s.labels()) {
			beats = append(beats, s)
			return true
		}
		return false
	})
	t := newTopology(e.cfg.Topology, signals, &e.memory.logs)
	l := &linker{cfg: &e.cfg, now: now, topology: t, logs: &e.memory.logs}
	components := l.components(signals, e.memory.shelf(event.KindMute).all(), e.said)
	stretches := make([]*stretch, len(components))
	for i, c := range components {
		stretches[i] = e.stretchOf(c)
	}
	letters, answered := e.deliver(stretches), e.answered(stretches)

	var out []Derived
	live := make(map[event.ID]bool, len(components))
	for _, c := range components {
		id := c.members[0].id
		live[id] = true
		key := c.key(letters[c], answered[c])
		old := e.results[id]
		if old != nil && old.key == key && !e.isStale(old) {
			continue
		}
		d, r := e.derive(c, t, letters[c], answered[c], signals)
		r.key = key
		e.results[id] = r
		if old == nil || old.digest != r.digest {
			out = append(out, d)
		}
	}
	out = append(e.retire(live), out...)
	e.touched, e.all = e.touched[:0], false
	return out
}

// isStale reports whether facts came that a result may hang on, or its time
// has come.
func (e *Engine) isStale(r *result) bool {
	if e.all || (!r.wake.IsZero() && !r.wake.After(e.now)) {
		return true
	}
	return slices.ContainsFunc(e.touched, r.window.overlaps)
}

// retire drops the results of components that are no more.
func (e *Engine) retire(live map[event.ID]bool) []Derived {
	var gone []event.ID
	for id := range e.results {
		if !live[id] {
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

// refreshSignals is all signals in order, formed again where needed. What
// differs from before is touched.
func (e *Engine) refreshSignals() []*signal {
	var out []*signal
	for print, observations := range e.memory.alerts {
		k := e.signals[print]
		_, pending := e.pending[print]
		if k == nil || pending || (!k.until.IsZero() && !k.until.After(e.now)) {
			formed := e.formSignals(observations)
			e.touchDifference(k, formed)
			k = formed
			e.signals[print] = k
		}
		out = append(out, k.signals...)
	}
	clear(e.pending)
	slices.SortFunc(out, compareSignals)
	return out
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

func (e *Engine) touchSignal(s *signal) { e.touch(s.start, signEnd(s)) }

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
func (c *component) key(letters []*reading, answered map[event.ID]bool) string {
	h := newDigest()
	for _, m := range c.members {
		for _, o := range m.observations {
			id := o.ID()
			h.bytes(id[:])
		}
		h.int(int64(m.ending))
		h.time(m.end)
		h.time(m.lastSeen)
		h.text(c.why[m.id])
	}
	for _, r := range letters {
		h.bytes(r.ID[:])
		h.text(r.why)
	}
	h.int(int64(len(answered)))
	for _, id := range slices.SortedFunc(maps.Keys(answered), event.ID.Compare) {
		h.bytes(id[:])
	}
	return h.sum()
}

// derive tells the story of one component.
func (e *Engine) derive(c *component, t *topology, letters []*reading, answered map[event.ID]bool, signals []*signal) (Derived, *result) {
	s := e.gather(c, t, letters)
	s.answered = answered
	s.gatherChanges(e.changes, e.loose)
	s.findBursts()
	s.findRemedies()

	var tl timeline.Timeline
	tl.Incident.Aliases = []event.ID{}
	tl.Milestones = s.milestones()
	tl.Durations = durations(tl.Milestones)
	tl.Changes = s.judge()
	tl.Incident = s.incident(&tl)
	tl.Entries = s.entries(tl.Changes)
	tl.Context = s.background(outsiders(signals, c))
	tl.Participants = s.participants()
	tl.Gaps = s.gaps(&tl)

	d := Derived{Timeline: tl, Signals: memberIDs(c), Pins: s.pins(), Digest: digestOf(&tl)}
	from, to := s.window()
	return d, &result{
		window: span{minTime(from.Add(-baselineSpan), s.detected.Add(-e.cfg.CauseWithin)), to.Add(notifyGrace)},
		wake:   s.wakeAt(), digest: d.Digest,
	}
}

// outsiders are the signals that are no members.
func outsiders(signals []*signal, c *component) []*signal {
	members := make(map[event.ID]bool, len(c.members))
	for _, m := range c.members {
		members[m.id] = true
	}
	out := make([]*signal, 0, max(0, len(signals)-len(members)))
	for _, s := range signals {
		if !members[s.id] {
			out = append(out, s)
		}
	}
	return out
}

func memberIDs(c *component) []event.ID {
	var ids []event.ID
	for _, m := range c.members {
		ids = append(ids, observationIDs(m.episode)...)
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
// derived from them.
func (e *Engine) Forget(before time.Time) {
	e.memory.forget(before)
	e.memory.logs.forget(before)
	clear(e.signals)
	e.changesStale = true
	for id, r := range e.results {
		if r.window.to.Before(before) {
			delete(e.results, id)
		}
	}
}

// Validate says what is wrong with a configuration, naming the key.
func (c *Config) Validate() error {
	for _, d := range []struct {
		key   string
		value time.Duration
	}{
		{"link_within", c.LinkWithin}, {"quiet_period", c.QuietPeriod}, {"seal_after", c.SealAfter},
		{"chronic_after", c.ChronicAfter}, {"flap_window", c.FlapWindow}, {"late_detection", c.LateDetection},
		{"notified_late", c.NotifiedLate}, {"no_acknowledgement", c.NoAcknowledgement},
		{"storm_window", c.StormWindow}, {"cause_within", c.CauseWithin},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s: must be greater than zero", d.key)
		}
	}
	if c.FlapFirings < 2 {
		return fmt.Errorf("flap_firings: must be at least 2")
	}
	if c.StormNotifications < 2 {
		return fmt.Errorf("storm_notifications: must be at least 2")
	}
	for i, r := range c.Receivers {
		if r.Class != "" && !slices.Contains(receiverClasses, r.Class) {
			return fmt.Errorf("receivers[%d].class: %q is none of page, chat, self, heartbeat, other", i, r.Class)
		}
	}
	_, err := compilePhrases(c.Phrases)
	return cmp.Or(err)
}
