package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// component is signals that belong together, and why each is in.
type component struct {
	// members are in order; the first one names the incident.
	members []*signal
	// late came when the incident of the members was sealed.
	late []*signal
	// bonds are why each member but the first is in.
	bonds map[event.ID]link
}

// linker finds the connected components of signals. Two signals are linked
// when they are near in time and akin; time alone never links. Components do
// not depend on the order in which links are found, so neither do incidents
// on the order in which facts arrive.
type linker struct {
	cfg      *Config
	topology *topology
	logs     *logs
	// parent is by the signals' indexes.
	parent []int32
	// signals are by ID, where anything asks for them.
	signals map[event.ID]*signal
	// links are all that were found, for the members' whys.
	links []link
	// cut are signals that a person said do not belong.
	cut  map[event.ID]bool
	cold *cold
	// troubles remembers what trouble found out.
	troubles map[event.ID]bool
}

// link is why two signals, of which a is the earlier, belong together.
type link struct {
	a, b *signal
	// akin says what they share, when how they are near in time.
	akin string
	when nearness
}

// nearness is how two signals are near in time.
type nearness int

const (
	notNear nearness = iota
	startedTogether
	firedAgain
	startedAfter
	startedDuring
	// whatever: it was said that they belong together.
	whatever
)

// why tells people about a link.
func (k link) why() string {
	text := k.akin
	apart, pause := k.b.start.Sub(k.a.start), k.b.start.Sub(k.a.until())
	switch k.when {
	case startedTogether:
		text += "; started " + brief(apart) + " apart"
	case firedAgain:
		text += "; fired again " + brief(pause) + " after its end"
	case startedAfter:
		text += "; started " + brief(pause) + " after its end"
	case startedDuring:
		text += "; started while it was on"
	}
	return fmt.Sprintf("%s (with %s on %s)", text, k.a.name(), orUnknown(k.a.service))
}

// compareLinks orders the links of one signal by what tells most: the link to
// the earliest one, then by what they share.
func compareLinks(a, b link) int {
	return cmp.Or(compareSignals(a.a, b.a), strings.Compare(a.akin, b.akin), cmp.Compare(a.when, b.when))
}

// Link is a person's word on two signals: that they belong together, or that
// the second does not belong to the first one's incident.
type Link struct {
	A, B     event.ID
	Together bool
}

// components groups signals, which are in order.
func (l *linker) components(signals []*signal, mutes []*event.Event, said []Link) []*component {
	l.parent = make([]int32, len(signals))
	for i, s := range signals {
		s.index = int32(i)
		l.parent[i] = s.index
	}
	if len(said) > 0 || len(signals) > 0 && signals[0].start.Before(l.cold.from) {
		l.signals = make(map[event.ID]*signal, len(signals))
		for _, s := range signals {
			for _, id := range s.ids {
				l.signals[id] = s
			}
		}
	}
	l.cut = map[event.ID]bool{}
	l.troubles = map[event.ID]bool{}
	for _, s := range said {
		if b := l.signals[s.B]; b != nil && !s.Together {
			l.cut[b.id] = true
		}
	}
	byService := map[string][]*signal{}
	byGroup := map[string][]*signal{}
	for _, s := range signals {
		if s.service != "" {
			byService[s.service] = append(byService[s.service], s)
		}
		for _, g := range s.groups {
			byGroup[g] = append(byGroup[g], s)
		}
	}
	l.linkServices(byService)
	l.linkGroups(byGroup)
	l.linkInhibited(signals, mutes)
	l.linkRemembered(signals)
	for _, s := range said {
		if a, b := l.signals[s.A], l.signals[s.B]; a != nil && b != nil && s.Together {
			l.join(link{a, b, saidByReviewer, whatever})
		}
	}
	return l.collect(signals)
}

func (l *linker) linkServices(byService map[string][]*signal) {
	for service, own := range byService {
		same := "same service, " + service
		l.sweep(own, own, func(a, b *signal) string { return same })
		for _, other := range l.topology.around(service) {
			theirs := byService[other]
			if len(theirs) == 0 || other < service {
				continue
			}
			l.sweep(own, theirs, l.neighbours)
			l.sweep(theirs, own, l.neighbours)
		}
	}
}

// neighbours says how two signals' services hang together around the time of
// their starts; "" when nothing says so.
func (l *linker) neighbours(a, b *signal) string {
	from, to := a.start.Add(-l.cfg.LinkWithin), latest(a.start, b.start).Add(l.cfg.LinkWithin)
	path := l.topology.path(a.service, b.service, from, to)
	if path == nil {
		return ""
	}
	if len(path) == 3 {
		return fmt.Sprintf("%s and %s both hang together with %s", path[0], path[2], path[1])
	}
	if l.topology.calls(path[0], path[1], from, to) {
		return fmt.Sprintf("%s calls %s", path[0], path[1])
	}
	return fmt.Sprintf("%s calls %s", path[1], path[0])
}

// sweep links signals of two lists, in order, where a starts first. Signals
// of steady alerts that are near in time are all akin to one another, so one
// link backwards connects them all; a flapping alert may be background to one
// and not to another, so it is compared with each.
func (l *linker) sweep(as, bs []*signal, akin func(a, b *signal) string) {
	lo, hi := 0, 0
	reach := max(l.cfg.LinkWithin, l.cfg.ChronicAfter)
	steady := !slices.ContainsFunc(as, func(a *signal) bool { return a.flaps })
	for _, b := range bs {
		for lo < len(as) && b.start.Sub(as[lo].start) > reach && !l.mayReach(as[lo], b) {
			lo++
		}
		for hi < len(as) && compareSignals(as[hi], b) <= 0 {
			hi++
		}
		settled := false
		for i := hi - 1; i >= lo; i-- {
			a := as[i]
			if settled && steady && !b.flaps {
				break
			}
			if a.id == b.id || (settled && !a.flaps && !b.flaps) {
				continue
			}
			when := l.near(a, b)
			if when == notNear || l.background(a, b) {
				continue
			}
			if shared := akin(a, b); shared != "" {
				l.join(link{a, b, shared, when})
				settled = settled || !a.flaps
			}
		}
	}
}

// mayReach reports whether a signal that began long ago may still be near.
func (l *linker) mayReach(a, b *signal) bool {
	return b.start.Sub(a.until()) <= l.cfg.QuietPeriod
}

// near says how two signals, of which a starts first, are near in time. Beyond LinkWithin they must overlap, or follow within the quiet
// period, and the earlier one must be trouble: an alert that was on for long
// and hurt nobody is background.
func (l *linker) near(a, b *signal) nearness {
	apart := b.start.Sub(a.start)
	if apart <= l.cfg.LinkWithin {
		return startedTogether
	}
	pause := b.start.Sub(a.until())
	if pause > l.cfg.QuietPeriod {
		return notNear
	}
	if a.fingerprint == b.fingerprint {
		return firedAgain
	}
	if apart > l.cfg.ChronicAfter || !l.trouble(a, apart) {
		return notNear
	}
	if pause > 0 {
		return startedAfter
	}
	return startedDuring
}

// slowBurn is how long a burst of errors keeps an alert that does not page
// from being background.
const slowBurn = time.Hour

// trouble reports whether a signal that began some time before another says
// that something suffers: its severity pages, or, for the first hour, errors
// of a new kind began around its start.
func (l *linker) trouble(s *signal, apart time.Duration) bool {
	if s.paging {
		return true
	}
	if s.service == "" || apart > slowBurn {
		return false
	}
	known, ok := l.troubles[s.id]
	if !ok && !l.cold.holds(span{s.start.Add(-l.cfg.LinkWithin - baselineSpan), s.start.Add(l.cfg.LinkWithin / 3)}) {
		// What is left of the logs would make old errors look new.
		return false
	}
	if !ok {
		known = l.logs.erupted(s.service, s.start.Add(-l.cfg.LinkWithin), s.start.Add(l.cfg.LinkWithin/3))
		l.troubles[s.id] = known
	}
	return known
}

// background reports whether one of two different alerts kept flapping in the
// hour before the other one started: then they have nothing to do with each
// other. Flaps that began with the incident count for nothing here.
func (l *linker) background(a, b *signal) bool {
	if a.fingerprint == b.fingerprint {
		return false
	}
	return l.flappedBefore(a, b.start) || l.flappedBefore(b, a.start)
}

func (l *linker) flappedBefore(s *signal, at time.Time) bool {
	return s.flaps && s.firedWithin(at.Add(-l.cfg.FlapWindow), at) >= l.cfg.FlapFirings
}

func (l *linker) linkGroups(byGroup map[string][]*signal) {
	for group, signals := range byGroup {
		same := "same Alertmanager group, " + group
		l.sweep(signals, signals, func(a, b *signal) string { return same })
	}
}

// linkInhibited links the source and the target of an inhibition.
func (l *linker) linkInhibited(signals []*signal, mutes []*event.Event) {
	if len(mutes) == 0 {
		return
	}
	firing := map[event.Fingerprint][]*signal{}
	for _, s := range signals {
		firing[s.fingerprint] = append(firing[s.fingerprint], s)
	}
	at := func(print event.Fingerprint, t time.Time) *signal {
		for _, s := range firing[print] {
			if !s.start.After(t) && !s.until().Before(t) {
				return s
			}
		}
		return nil
	}
	for _, m := range mutes {
		target := at(m.Mute.Fingerprint, m.OccurredAt)
		for _, print := range m.Mute.Inhibitors {
			source := at(print, m.OccurredAt)
			if source == nil || target == nil || source.id == target.id {
				continue
			}
			a, b := source, target
			if compareSignals(a, b) > 0 {
				a, b = b, a
			}
			if when := l.near(a, b); when != notNear && !l.background(a, b) {
				l.join(link{a, b, fmt.Sprintf("%s inhibits %s", source.name(), target.name()), when})
			}
		}
	}
}

// linkRemembered keeps signals whose logs are not all at hand in the incident
// that they were found to be in when they were.
func (l *linker) linkRemembered(signals []*signal) {
	for _, s := range signals {
		from := s.start.Add(-onsetWithin - baselineSpan)
		if !from.Before(l.cold.from) {
			return
		}
		if l.cold.holds(span{from, signEnd(s).Add(afterwards)}) {
			continue
		}
		if with := l.signals[l.cold.incident[s.id]]; with != nil && with.id != s.id {
			l.join(link{with, s, remembered, whatever})
		}
	}
}

const (
	remembered     = "found to belong when its logs were at hand"
	saidByReviewer = "a reviewer said that it belongs"
)

// join links two signals, unless they are of different environments or a
// person said no.
func (l *linker) join(k link) {
	a, b, said := k.a, k.b, k.akin == saidByReviewer
	if !said && (l.cut[a.id] || l.cut[b.id]) {
		return
	}
	if !said && a.environment != "" && b.environment != "" && a.environment != b.environment {
		return
	}
	l.links = append(l.links, k)
	ra, rb := l.root(a.index), l.root(b.index)
	if ra != rb {
		l.parent[ra] = rb
	}
}

func (l *linker) root(i int32) int32 {
	for l.parent[i] != i {
		l.parent[i] = l.parent[l.parent[i]]
		i = l.parent[i]
	}
	return i
}

// collect makes the components. A member's bond is its least link to an
// earlier member, which is the same whatever the order.
func (l *linker) collect(signals []*signal) []*component {
	least := make([]*link, len(signals))
	for i := range l.links {
		k := &l.links[i]
		if k.akin == remembered {
			continue // The logs said why when they were at hand.
		}
		if old := least[k.b.index]; old == nil || compareLinks(*k, *old) < 0 {
			least[k.b.index] = k
		}
	}
	byRoot := make([]*component, len(signals))
	var out []*component
	for i, s := range signals {
		root := l.root(s.index)
		c := byRoot[root]
		if c == nil {
			c = &component{bonds: map[event.ID]link{}}
			byRoot[root] = c
			out = append(out, c)
		}
		c.members = append(c.members, s)
		if least[i] != nil {
			c.bonds[s.id] = *least[i]
		}
	}
	for _, c := range out {
		c.setLateAside(l.cfg.SealAfter)
	}
	return out
}

// setLateAside takes those members out that came when the incident of the
// others was sealed. Where all came late, as when a site loads its past, all
// stay.
func (c *component) setLateAside(sealAfter time.Duration) {
	late := func(s *signal) bool { return s.received.Sub(signEnd(s)) > sealAfter }
	if !slices.ContainsFunc(c.members, late) || !slices.ContainsFunc(c.members, func(s *signal) bool { return !late(s) }) {
		return
	}
	for _, m := range c.members {
		if late(m) {
			c.late = append(c.late, m)
		}
	}
	c.members = slices.DeleteFunc(c.members, late)
}

// why says how a member came to be one.
func (c *component) why(m *signal) string {
	if m == c.members[0] {
		return "the incident's first signal"
	}
	if k, ok := c.bonds[m.id]; ok {
		return k.why()
	}
	return "linked through another member"
}

func orUnknown(s string) string {
	if s == "" {
		return "no service"
	}
	return s
}

// brief writes a duration for people: two units at most.
func brief(d time.Duration) string {
	if d < 0 {
		d = -d
	}
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return strings.TrimSuffix(fmt.Sprintf("%.1f", d.Seconds()), ".0") + " s"
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}
