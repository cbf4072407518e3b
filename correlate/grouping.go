package correlate

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

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
