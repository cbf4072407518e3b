package correlate

import (
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
	why     map[event.ID]string
}

// linker finds the connected components of signals. Two signals are linked
// when they are near in time and akin; time alone never links. Components do
// not depend on the order in which links are found, so neither do incidents
// on the order in which facts arrive.
type linker struct {
	cfg      *Config
	now      time.Time
	topology *topology
	logs     *logs
	parent   map[event.ID]event.ID
	signals  map[event.ID]*signal
	// links are all that were found, for the members' whys.
	links []link
	// cut are signals that a person said do not belong.
	cut  map[event.ID]bool
	cold *cold
	// troubles remembers what trouble found out.
	troubles map[event.ID]bool
}

type link struct {
	a, b *signal
	why  string
}

// Link is a person's word on two signals: that they belong together, or that
// the second does not belong to the first one's incident.
type Link struct {
	A, B     event.ID
	Together bool
}

// components groups signals, which are in order.
func (l *linker) components(signals []*signal, mutes []*event.Event, said []Link) []*component {
	l.parent = make(map[event.ID]event.ID, len(signals))
	l.signals = make(map[event.ID]*signal, len(signals))
	for _, s := range signals {
		l.parent[s.id] = s.id
		for _, id := range s.ids {
			l.signals[id] = s
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
			l.join(a, b, "a reviewer said that it belongs")
		}
	}
	return l.collect(signals)
}

func (l *linker) linkServices(byService map[string][]*signal) {
	for service, own := range byService {
		l.sweep(own, own, func(a, b *signal) string { return "same service, " + service })
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
	lo := 0
	reach := max(l.cfg.LinkWithin, l.cfg.ChronicAfter)
	steady := !slices.ContainsFunc(as, func(a *signal) bool { return a.flaps })
	for _, b := range bs {
		for lo < len(as) && b.start.Sub(as[lo].start) > reach && !l.mayReach(as[lo], b) {
			lo++
		}
		settled := false
		for i := l.last(as, b); i >= lo; i-- {
			a := as[i]
			if settled && steady && !b.flaps {
				break
			}
			if a.id == b.id || (settled && !a.flaps && !b.flaps) {
				continue
			}
			when := l.near(a, b)
			if when == "" || l.background(a, b) {
				continue
			}
			if why := akin(a, b); why != "" {
				l.join(a, b, why+"; "+when)
				settled = settled || !a.flaps
			}
		}
	}
}

// mayReach reports whether a signal that began long ago may still be near.
func (l *linker) mayReach(a, b *signal) bool {
	return b.start.Sub(a.until(l.now)) <= l.cfg.QuietPeriod
}

// last is the index of the last of the signals that does not start after b.
func (l *linker) last(as []*signal, b *signal) int {
	i, _ := slices.BinarySearchFunc(as, b, func(a, b *signal) int {
		if compareSignals(a, b) <= 0 {
			return -1
		}
		return 1
	})
	return i - 1
}

// near says how two signals, of which a starts first, are near in time; "" is
// not near. Beyond LinkWithin they must overlap, or follow within the quiet
// period, and the earlier one must be trouble: an alert that was on for long
// and hurt nobody is background.
func (l *linker) near(a, b *signal) string {
	apart := b.start.Sub(a.start)
	if apart <= l.cfg.LinkWithin {
		return fmt.Sprintf("started %s apart", brief(apart))
	}
	pause := b.start.Sub(a.until(l.now))
	if pause > l.cfg.QuietPeriod {
		return ""
	}
	if a.fingerprint == b.fingerprint {
		return "fired again " + brief(pause) + " after its end"
	}
	if apart > l.cfg.ChronicAfter || !l.trouble(a, apart) {
		return ""
	}
	if pause > 0 {
		return "started " + brief(pause) + " after its end"
	}
	return "started while it was on"
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
		l.sweep(signals, signals, func(a, b *signal) string { return "same Alertmanager group, " + group })
	}
}

// linkInhibited links the source and the target of an inhibition.
func (l *linker) linkInhibited(signals []*signal, mutes []*event.Event) {
	firing := map[event.Fingerprint][]*signal{}
	for _, s := range signals {
		firing[s.fingerprint] = append(firing[s.fingerprint], s)
	}
	at := func(print event.Fingerprint, t time.Time) *signal {
		for _, s := range firing[print] {
			if !s.start.After(t) && !s.until(l.now).Before(t) {
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
			if l.near(a, b) != "" && !l.background(a, b) {
				l.join(a, b, fmt.Sprintf("%s inhibits %s", source.name(), target.name()))
			}
		}
	}
}

// linkRemembered keeps signals from before the logs at hand in the incident
// that they were found to be in when their logs were.
func (l *linker) linkRemembered(signals []*signal) {
	for _, s := range signals {
		if !s.start.Before(l.cold.from) {
			return
		}
		if with := l.signals[l.cold.incident[s.id]]; with != nil && with.id != s.id {
			l.join(with, s, remembered)
		}
	}
}

const remembered = "found to belong when it was derived first"

// join links two signals, unless they are of different environments or a
// person said no.
func (l *linker) join(a, b *signal, why string) {
	said := strings.HasPrefix(why, "a reviewer")
	if !said && (l.cut[a.id] || l.cut[b.id]) {
		return
	}
	if !said && a.environment != "" && b.environment != "" && a.environment != b.environment {
		return
	}
	l.links = append(l.links, link{a, b, why})
	ra, rb := l.root(a.id), l.root(b.id)
	if ra != rb {
		l.parent[ra] = rb
	}
}

func (l *linker) root(id event.ID) event.ID {
	for l.parent[id] != id {
		l.parent[id] = l.parent[l.parent[id]]
		id = l.parent[id]
	}
	return id
}

// collect makes the components. A member's why is that of its least link to
// an earlier member, which is the same whatever the order.
func (l *linker) collect(signals []*signal) []*component {
	byRoot := map[event.ID]*component{}
	var out []*component
	for _, s := range signals {
		root := l.root(s.id)
		c := byRoot[root]
		if c == nil {
			c = &component{why: map[event.ID]string{}}
			byRoot[root] = c
			out = append(out, c)
		}
		c.members = append(c.members, s)
	}
	for _, k := range l.links {
		why := fmt.Sprintf("%s (with %s on %s)", k.why, k.a.name(), orUnknown(k.a.service))
		c := byRoot[l.root(k.b.id)]
		if k.why == remembered {
			continue
		}
		if old, ok := c.why[k.b.id]; !ok || why < old {
			c.why[k.b.id] = why
		}
	}
	for _, c := range out {
		for i, m := range c.members {
			if _, ok := c.why[m.id]; !ok && i > 0 {
				c.why[m.id] = "linked through another member"
			}
		}
		c.why[c.members[0].id] = "the incident's first signal"
	}
	return out
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
