package correlate

import (
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// span is a stretch of time, ends included.
type span struct{ from, to time.Time }

func (s span) overlaps(o span) bool { return !s.to.Before(o.from) && !o.to.Before(s.from) }

// touches remember which facts came since the last derivation, so that only
// what they may concern is derived again: thousands of alerts may be on that
// have nothing to do with a new one.
type touches struct {
	// alerts and logs are by service; what concerns none or all is under "".
	alerts, logs map[string][]span
	// changes and lines concern every incident in which something suffers.
	changes, lines []span
	silences       []*event.Event
}

func newTouches() touches {
	return touches{alerts: map[string][]span{}, logs: map[string][]span{}}
}

func (t *touches) clear() {
	clear(t.alerts)
	clear(t.logs)
	t.changes, t.lines, t.silences = t.changes[:0], t.lines[:0], t.silences[:0]
}

// extend adds a stretch to a list, joining it with one that is near. Lists
// stay short: beyond maxSpans all are joined into one, which at worst derives
// something again that is the same.
func extend(list []span, s span) []span {
	for i := len(list) - 1; i >= 0 && i >= len(list)-4; i-- {
		near := span{list[i].from.Add(-time.Minute), list[i].to.Add(time.Minute)}
		if near.overlaps(s) {
			list[i] = span{minTime(list[i].from, s.from), latest(list[i].to, s.to)}
			return list
		}
	}
	if len(list) >= maxSpans {
		for _, o := range list {
			s = span{minTime(s.from, o.from), latest(s.to, o.to)}
		}
		return append(list[:0], s)
	}
	return append(list, s)
}

const maxSpans = 64

// event remembers an event. Messages are not remembered: they are delivered
// anew each time.
func (t *touches) event(e *event.Event, serviceOf func(event.Fingerprint) (string, bool)) {
	at := span{e.OccurredAt, e.OccurredAt}
	alert := func(print event.Fingerprint) {
		// An alert that is not known yet touches by itself when it comes.
		if service, ok := serviceOf(print); ok {
			t.alerts[service] = extend(t.alerts[service], at)
		}
	}
	switch e.Kind {
	case event.KindNotification:
		for _, r := range slices.Concat(e.Notification.Firing, e.Notification.Resolved) {
			alert(r.Fingerprint)
		}
	case event.KindMute:
		alert(e.Mute.Fingerprint)
		for _, print := range e.Mute.Inhibitors {
			alert(print)
		}
	case event.KindAcknowledgement:
		for _, r := range e.Acknowledgement.Alerts {
			alert(r.Fingerprint)
		}
	case event.KindSilence:
		t.silences = append(t.silences, e)
	case event.KindChange, event.KindCommit:
		t.changes = extend(t.changes, at)
		t.alerts[e.Service] = extend(t.alerts[e.Service], at)
	case event.KindSource:
		t.alerts[""] = extend(t.alerts[""], at)
	}
}

func (t *touches) count(c *event.Count) {
	s := span{c.First, c.Last}
	t.lines = extend(t.lines, s)
	t.logs[c.Service] = extend(t.logs[c.Service], s)
}

// concern reports whether facts came that a component may hang on. Logs count
// only where they are at hand.
func (t *touches) concern(c *component, services []string, r *result, top *topology, logsCount bool, grace time.Duration) bool {
	hit := func(spans []span) bool { return slices.ContainsFunc(spans, r.window.overlaps) }
	if hit(t.alerts[""]) || !r.minor && (hit(t.changes) || logsCount && hit(t.lines)) {
		return true
	}
	if slices.ContainsFunc(t.silences, func(e *event.Event) bool { return c.under(e, grace) }) {
		return true
	}
	touched := func(service string) bool { return hit(t.alerts[service]) || logsCount && hit(t.logs[service]) }
	for _, own := range services {
		if touched(own) || slices.ContainsFunc(top.near[own], touched) {
			return true
		}
	}
	return len(services) == 0 && logsCount && hit(t.logs[""])
}
