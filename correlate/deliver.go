package correlate

import (
	"slices"
	"strings"
	"time"
	"unicode"

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
//
// An acknowledgement that names no alert goes the same way.
func (e *Engine) deliver(g *grouping) map[*component][]*reading {
	messages, acks := e.memory.shelf(event.KindMessage).all(), e.memory.shelf(event.KindAcknowledgement).all()
	if len(messages)+len(acks) == 0 {
		return nil
	}
	p := e.newPost(g)
	out := map[*component][]*reading{}
	for _, m := range messages {
		if to, why := p.addressee(m, m.Message); to != nil {
			if m.Message.Thread != "" {
				p.threads[m.Message.Channel+"\x00"+m.Message.Thread] = to
			}
			r := &reading{Event: m, means: e.readMessage(m, p.spoken(m.Message.Text)), why: why}
			out[to.component] = append(out[to.component], r)
			if r.means != meansNothing && r.means != meansReports {
				p.acted[m.Message.Author] = append(p.acted[m.Message.Author], to)
			}
		}
	}
	for _, a := range acks {
		if len(a.Acknowledgement.Alerts) > 0 {
			continue
		}
		if to, why := p.addressee(a, &event.Message{Incident: a.Acknowledgement.Incident, Text: a.Acknowledgement.Note}); to != nil {
			out[to.component] = append(out[to.component], &reading{Event: a, means: meansAcknowledges, why: why})
		}
	}
	return out
}

// readMessage reads a message once. A service's name stands for "it": who
// writes "on payments" is on it.
func (e *Engine) readMessage(m *event.Event, services []string) meaning {
	key := readKey{m.ID, strings.Join(services, " ")}
	means, ok := e.read[key]
	if !ok {
		text := m.Message.Text
		if means = e.phrases.read(text); means == meansNothing && len(services) > 0 {
			means = e.phrases.read(withoutServices(text, services))
		}
		e.read[key] = means
	}
	return means
}

// readKey is what the reading of a message hangs on.
type readKey struct {
	id       event.ID
	services string
}

// withoutServices is a text in which "it" stands for each of the services.
func withoutServices(text string, services []string) string {
	words := strings.Fields(text)
	for i, w := range words {
		bare := strings.TrimFunc(w, func(r rune) bool { return r >= 0x80 || !nameByte(byte(unicode.ToLower(r))) })
		if bare != "" && slices.ContainsFunc(services, func(s string) bool { return strings.EqualFold(s, bare) }) {
			words[i] = strings.Replace(w, bare, "it", 1)
		}
	}
	return strings.Join(words, " ")
}

// rivals are the incidents in which something suffers that were on beside one
// in which nothing does, in the same services: what people did there in that
// time, they did for the rival.
func (g *grouping) rivals(of *stretch) []*stretch {
	if of.base {
		return nil
	}
	var out []*stretch
	for _, service := range of.services {
		for _, s := range g.byBase[service] {
			if s.overlaps(of.span) && !slices.Contains(out, s) {
				out = append(out, s)
			}
		}
	}
	return out
}

// under reports whether a member was on while a silence that matches it was in
// force, or just before.
func (c *component) under(e *event.Event, grace time.Duration) bool {
	return slices.ContainsFunc(c.members, func(m *signal) bool {
		begins, ends := e.OccurredAt, latest(e.OccurredAt, e.Silence.EndsAt)
		return !m.start.After(ends.Add(stampSlack)) && !m.until().Before(begins.Add(-grace)) && silenceMatches(e.Silence, m.labels())
	})
}

// covers reports whether a silence matches a member that was on, or had just
// ended, when it was made or changed.
func (c *component) covers(e *event.Event, grace time.Duration) bool {
	return slices.ContainsFunc(c.members, func(m *signal) bool {
		return !m.start.After(e.OccurredAt.Add(stampSlack)) && !m.until().Before(e.OccurredAt.Add(-grace)) && silenceMatches(e.Silence, m.labels())
	})
}

func (e *Engine) stretchOf(c *component) *stretch {
	s := &stretch{component: c}
	s.from = c.members[0].start
	fingerprints := 0
	for i, m := range c.members {
		s.to = latest(s.to, m.until())
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

// post knows where messages go.
type post struct {
	byID      map[event.ID]*stretch
	threads   map[string]*stretch
	byService map[string][]*stretch
	base      []*stretch
	// acted are the incidents in which an author was seen to act before.
	acted map[string][]*stretch
	// known are all services that anything told of, in lower case.
	known map[string][]string
}

func (e *Engine) newPost(g *grouping) *post {
	p := &post{byID: map[event.ID]*stretch{}, threads: map[string]*stretch{}, byService: map[string][]*stretch{}, known: map[string][]string{}, acted: map[string][]*stretch{}}
	know := func(service string) {
		low := strings.ToLower(service)
		if low != "" && !slices.Contains(p.known[low], service) {
			p.known[low] = append(p.known[low], service)
		}
	}
	for _, of := range g.stretches {
		for _, m := range of.members {
			for _, id := range m.ids {
				p.byID[id] = of
			}
		}
		for _, s := range of.services {
			p.byService[s] = append(p.byService[s], of)
			know(s)
		}
		if of.base {
			p.base = append(p.base, of)
		}
	}
	for _, s := range e.memory.logs.services() {
		know(s)
	}
	for _, c := range e.changes {
		know(c.service)
	}
	return p
}

func (p *post) addressee(at *event.Event, m *event.Message) (*stretch, string) {
	if to := p.named(m.Incident); to != nil {
		return to, "names the incident"
	}
	if to := p.named(m.Text); to != nil {
		return to, "links to the incident"
	}
	if m.Thread != "" {
		if to := p.threads[m.Channel+"\x00"+m.Thread]; to != nil {
			return to, "in the incident's thread"
		}
	}
	spoken := p.spoken(m.Text)
	var on []*stretch
	for _, service := range spoken {
		for _, s := range p.byService[service] {
			if !at.OccurredAt.After(s.to) && !at.OccurredAt.Before(s.from.Add(-reportedEarly)) && !slices.Contains(on, s) {
				on = append(on, s)
			}
		}
	}
	if to := single(on, at.OccurredAt); to != nil {
		return to, "names a service of the only incident that is on there"
	}
	if len(spoken) > 0 {
		return nil, ""
	}
	for _, s := range p.base {
		if !at.OccurredAt.After(s.to) && !at.OccurredAt.Before(s.from) {
			on = append(on, s)
		}
	}
	if len(on) == 1 {
		return on[0], "written while this was the only incident"
	}
	if own := intersect(on, p.acted[m.Author]); len(own) == 1 {
		return own[0], "its author acts in this incident and in no other that is on"
	}
	return nil, ""
}

// intersect is what both lists have, once.
func intersect(a, b []*stretch) []*stretch {
	var out []*stretch
	for _, s := range a {
		if slices.Contains(b, s) && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// spoken are the known services that a text names, each as a word of its own.
func (p *post) spoken(text string) []string {
	var out []string
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r >= 0x80 || !nameByte(byte(r)) }) {
		for _, w := range []string{word, strings.Trim(word, "-_")} {
			for _, service := range p.known[w] {
				if !slices.Contains(out, service) {
					out = append(out, service)
				}
			}
		}
	}
	return out
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
func (p *post) named(text string) *stretch {
	if len(text) < 26 || len(p.byID) == 0 {
		return nil
	}
	for word := range strings.FieldsFuncSeq(text, func(r rune) bool { return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') }) {
		if len(word) != 26 {
			continue
		}
		if id, err := event.ParseID(word); err == nil {
			if s := p.byID[id]; s != nil {
				return s
			}
		}
	}
	return nil
}
