package correlate

import (
	"maps"
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// cold is what the engine knows of the time before the logs that it holds.
// Logs are many, so it holds only the latest hours of them, and those of
// incidents that are on. What is older was derived when they were at hand: its
// grouping is remembered, and it is derived again only after its logs were lent.
type cold struct {
	// from is the time from which on the logs are complete. Zero: always.
	from time.Time
	// lent are stretches before it whose logs are at hand for now; borrowed says
	// that some logs are that must be given back.
	lent     []span
	borrowed bool
	// incident is the incident of each signal, as last grouped.
	incident map[event.ID]event.ID
}

func (c *cold) remember(components []*component) {
	if c.incident == nil {
		c.incident = map[event.ID]event.ID{}
	}
	for _, of := range components {
		for _, m := range of.members {
			c.incident[m.id] = of.members[0].id
		}
	}
}

// forget drops what is remembered of incidents that nothing is left of.
func (c *cold) forget(before time.Time) {
	maps.DeleteFunc(c.incident, func(signal, in event.ID) bool {
		return signal.Time().Before(before) && in.Time().Before(before.Add(-maxIncident))
	})
}

// maxIncident is how long an incident may go on and still be known as one.
const maxIncident = 30 * 24 * time.Hour

// logsOf is the stretch of time whose logs a component is derived from.
func (e *Engine) logsOf(c *component) span {
	w := span{from: c.members[0].start.Add(-onsetWithin - baselineSpan)}
	for _, m := range c.members {
		w.to = latest(w.to, signEnd(m))
	}
	w.to = w.to.Add(afterwards)
	return w
}

// atHand reports whether the logs of a component are held.
func (e *Engine) atHand(c *component) bool { return e.cold.holds(e.logsOf(c)) }

// holds reports whether all logs of a stretch are held or lent.
func (c *cold) holds(w span) bool {
	return !w.from.Before(c.from) || slices.ContainsFunc(c.lent, func(l span) bool {
		return !l.from.After(w.from) && !l.to.Before(minTime(w.to, c.from))
	})
}

// Span is a stretch of time, From included and To not.
type Span struct{ From, To time.Time }

// Missing gives the stretches of time whose log counts [Engine.Derive] would
// need now and that the engine no longer holds, or never held, the latest first.
// Each may be lent by itself ([Engine.Lent]) and derived from ([Engine.Derive])
// before the next one: no incident needs two, and what may turn out to be one
// incident is in one. They overlap by what incidents look back on. None is
// longer than most, unless one incident, or some that are near one another,
// need it to be.
func (e *Engine) Missing(now time.Time, most time.Duration) []Span {
	if e.cold.from.IsZero() {
		return nil
	}
	g := e.group(now)
	var needs []need
	for i, c := range g.components {
		if e.atHand(c) {
			continue
		}
		key := c.key(g.letters[c], g.rivals(g.stretches[i]))
		if !e.isStale(g, i, e.results[c.members[0].id], key) {
			continue
		}
		w := e.logsOf(c)
		needs = append(needs, need{
			on:   span{c.members[0].start.Add(-e.cfg.LinkWithin), w.to},
			logs: Span{w.from, minTime(w.to, e.cold.from)},
		})
	}
	return inPieces(joinNear(needs), most)
}

// need is the logs that incidents need which are on at one time.
type need struct {
	on   span
	logs Span
}

func (n need) with(m need) need {
	return need{
		on:   span{minTime(n.on.from, m.on.from), latest(n.on.to, m.on.to)},
		logs: Span{minTime(n.logs.From, m.logs.From), latest(n.logs.To, m.logs.To)},
	}
}

// joinNear joins the needs of incidents that are on at one time, the latest
// first: with their logs at hand they may be found to be one.
func joinNear(needs []need) []need {
	slices.SortFunc(needs, func(a, b need) int { return b.on.to.Compare(a.on.to) })
	var out []need
	for _, n := range needs {
		if last := len(out) - 1; last >= 0 && !n.on.to.Before(out[last].on.from) {
			out[last] = out[last].with(n)
			continue
		}
		out = append(out, n)
	}
	return out
}

// inPieces joins needs that follow one another as long as the logs for them are
// no longer than most.
func inPieces(needs []need, most time.Duration) []Span {
	var out []Span
	for _, n := range needs {
		if last := len(out) - 1; last >= 0 {
			joined := Span{minTime(out[last].From, n.logs.From), latest(out[last].To, n.logs.To)}
			if joined.To.Sub(joined.From) <= most {
				out[last] = joined
				continue
			}
		}
		out = append(out, n.logs)
	}
	return out
}

// Lend gives the engine log counts that it lacks, until [Engine.Return]. They
// count when [Engine.Lent] says that those of a stretch of time are complete.
func (e *Engine) Lend(counts []event.Count) {
	e.cold.borrowed = true
	for _, c := range counts {
		e.memory.logs.add(c)
	}
}

// Lent says that all log counts of a stretch of time were lent.
func (e *Engine) Lent(s Span) {
	e.cold.lent, e.cold.borrowed = append(e.cold.lent, span{s.From, s.To}), true
}

// Return drops the logs that were lent. It is called right after Derive.
func (e *Engine) Return() {
	if !e.cold.borrowed {
		return
	}
	e.cold.lent, e.cold.borrowed = nil, false
	e.memory.logs.forget(e.cold.from)
	e.rest()
}

// rest takes what was derived with lent logs for what it looks like without
// them: else it would differ from itself, and be derived again at every turn.
func (e *Engine) rest() {
	g := e.group(e.now)
	for i, c := range g.components {
		if r := e.results[c.members[0].id]; r != nil && r.adopted == nil && !r.overdue && !e.atHand(c) {
			r.key = c.key(g.letters[c], g.rivals(g.stretches[i]))
		}
	}
}

// HoldLogs says from when on the engine holds all logs. Who loads them calls it
// once, before the first Derive.
func (e *Engine) HoldLogs(from time.Time) { e.cold.from = latest(e.cold.from, from) }

// ForgetLogs drops the log counts before the given time, but for those of
// incidents that are on.
func (e *Engine) ForgetLogs(before time.Time) {
	from, limit := before, before.Add(-maxHeld)
	for _, r := range e.results {
		if r.open && r.window.to.After(before) {
			from = minTime(from, latest(r.logsFrom, limit))
		}
	}
	if from.After(e.cold.from) {
		e.cold.from = from
		e.memory.logs.forget(from)
	}
}

// maxHeld is how much more of the logs is held at most for an incident that
// lasts.
const maxHeld = 24 * time.Hour

// Adopt tells the engine of an incident that was derived before it was made.
// It is derived again only when a fact comes that touches it, or when its logs
// are at hand.
func (e *Engine) Adopt(id event.ID, signals []event.ID, digest string, wake time.Time) {
	if e.cold.incident == nil {
		e.cold.incident = map[event.ID]event.ID{}
	}
	for _, s := range signals {
		e.cold.incident[s] = id
	}
	e.results[id] = &result{digest: digest, wake: wake, adopted: slices.Clone(signals)}
}

// Waits is how many incidents the last [Engine.Derive] left out because their
// logs are not at hand.
func (e *Engine) Waits() int {
	n := 0
	for _, r := range e.results {
		if r.overdue {
			n++
		}
	}
	return n
}
