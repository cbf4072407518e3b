package correlate

import (
	"slices"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// stretch is when an incident was on, for messages.
type stretch struct {
	*component
	span
	services []string
	// base says that somebody or something may have suffered, as far as alerts
	// tell: a message joins such an incident before it joins a minor one.
	base bool
}

// deliver gives each message to the incident that it is about: the one that
// it names by ID, else the one incident that is on and of which it names a
// service, else the one incident that is on, when the message names no service
// of another. What remains is not attached.
func (e *Engine) deliver(stretches []*stretch) map[*component][]*reading {
	messages := e.memory.shelf(event.KindMessage).all()
	if len(messages) == 0 {
		return nil
	}
	byID := map[string]*stretch{}
	known := map[string]bool{}
	for _, of := range stretches {
		for _, id := range memberIDs(of.component) {
			byID[id.String()] = of
		}
		for _, s := range of.services {
			known[s] = true
		}
	}
	for _, s := range e.memory.logs.services() {
		known[s] = true
	}
	for _, c := range e.changes {
		known[c.service] = true
	}
	services := sortedKeys(known)

	out := map[*component][]*reading{}
	threads := map[string]*stretch{}
	for _, m := range messages {
		to, why := addressee(m, stretches, byID, threads, services)
		if to == nil {
			continue
		}
		if m.Message.Thread != "" {
			threads[m.Message.Channel+"\x00"+m.Message.Thread] = to
		}
		out[to.component] = append(out[to.component], &reading{Event: m, means: e.phrases.read(m.Message.Text), why: why})
	}
	return out
}

// rivals are the incidents in which something suffers that were on beside one
// in which nothing does, in the same services: what people did there in that
// time, they did for the rival.
func rivals(of *stretch, all []*stretch) []*stretch {
	if of.base {
		return nil
	}
	var out []*stretch
	for _, s := range all {
		if s != of && s.base && s.overlaps(of.span) && slices.ContainsFunc(s.services, func(service string) bool { return slices.Contains(of.services, service) }) {
			out = append(out, s)
		}
	}
	return out
}

// covers reports whether a silence matches a member that was on, or had just
// ended, when it was made or changed.
func (c *component) covers(e *event.Event, now time.Time, grace time.Duration) bool {
	return slices.ContainsFunc(c.members, func(m *signal) bool {
		return !m.start.After(e.OccurredAt.Add(stampSlack)) && !m.until(now).Before(e.OccurredAt.Add(-grace)) && silenceMatches(e.Silence, m.labels())
	})
}

func (e *Engine) stretchOf(c *component) *stretch {
	s := &stretch{component: c}
	s.from = c.members[0].start
	fingerprints := 0
	for i, m := range c.members {
		s.to = latest(s.to, m.until(e.now))
		if m.service != "" && !slices.Contains(s.services, m.service) {
			s.services = append(s.services, m.service)
		}
		s.base = s.base || m.paging
		if i > 0 && m.fingerprint != c.members[0].fingerprint {
			fingerprints++
		}
	}
	if fingerprints == 0 && c.members[0].flaps {
		s.base = false
	}
	s.base = s.base || len(s.services) > 1
	s.to = s.to.Add(e.cfg.QuietPeriod)
	return s
}

func addressee(m *event.Event, all []*stretch, byID map[string]*stretch, threads map[string]*stretch, services []string) (*stretch, string) {
	if to := named(m.Message.Incident, byID); to != nil {
		return to, "names the incident"
	}
	if to := named(m.Message.Text, byID); to != nil {
		return to, "links to the incident"
	}
	if m.Message.Thread != "" {
		if to := threads[m.Message.Channel+"\x00"+m.Message.Thread]; to != nil {
			return to, "in the incident's thread"
		}
	}
	var on, byService []*stretch
	spoken := ""
	for _, s := range services {
		if names(m.Message.Text, s) {
			spoken = s
			break
		}
	}
	for _, s := range all {
		if m.OccurredAt.After(s.to) || m.OccurredAt.Before(s.from.Add(-reportedEarly)) {
			continue
		}
		if slices.ContainsFunc(s.services, func(service string) bool { return names(m.Message.Text, service) }) {
			byService = append(byService, s)
			continue
		}
		if !m.OccurredAt.Before(s.from) {
			on = append(on, s)
		}
	}
	if to := single(byService, m.OccurredAt); to != nil {
		return to, "names a service of the only incident that is on there"
	}
	if len(byService) > 0 || spoken != "" {
		return nil, ""
	}
	if to := single(on, m.OccurredAt); to != nil && to.base {
		return to, "written while this was the only incident"
	}
	return nil, ""
}

// single is the one stretch of several: the only one, the only one that is
// not minor, or the only one that had begun.
func single(of []*stretch, at time.Time) *stretch {
	if len(of) == 1 {
		return of[0]
	}
	for _, keep := range []func(*stretch) bool{
		func(s *stretch) bool { return s.base },
		func(s *stretch) bool { return s.base && !s.from.After(at) },
	} {
		var found []*stretch
		for _, s := range of {
			if keep(s) {
				found = append(found, s)
			}
		}
		if len(found) == 1 {
			return found[0]
		}
	}
	return nil
}

// named finds the incident whose ID a text holds, by itself or at the end of
// a link.
func named(text string, byID map[string]*stretch) *stretch {
	if len(text) < 26 || len(byID) == 0 {
		return nil
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if len(word) == 26 {
			if s := byID[strings.ToUpper(word)]; s != nil {
				return s
			}
		}
	}
	return nil
}
