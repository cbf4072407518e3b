package correlate

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

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

// knownSignals are the signals of one alert.
type knownSignals struct {
	signals []*signal
	// until is when they may differ without a new fact. Zero: never.
	until time.Time
}
