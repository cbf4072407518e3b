package alertmanager

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

func (r *reading) takeSilenceCreated(e *recorded, c *cursor) *fault {
	return r.takeSilenceRecord(e, c, event.SilenceCreated)
}

func (r *reading) takeSilenceUpdated(e *recorded, c *cursor) *fault {
	return r.takeSilenceRecord(e, c, event.SilenceUpdated)
}

func (r *reading) takeSilenceRecord(e *recorded, c *cursor, action event.SilenceAction) *fault {
	for c.more('}') {
		if string(c.key()) != "silence" || c.peek() == 'n' {
			c.skip()
			continue
		}
		s, _, suspect, f := r.takeSilence(c)
		if f == nil {
			r.addSilence(e, s, action, suspect)
		}
		return f.in("silence")
	}
	return &fault{"silence", classMissing, "is missing"}
}

// addSilence adds a silence's event, unless the batch has it.
func (r *reading) addSilence(e *recorded, s event.Silence, action event.SilenceAction, suspect bool) {
	if s.UpdatedAt.IsZero() {
		s.UpdatedAt = toMillisecond(e.at)
	}
	s.Action = action
	ev := NewSilenceEvent(s, r.road, r.receivedAt, e.raw)
	ev.ClockSuspect = suspect
	if r.silences[ev.ID] {
		return
	}
	if r.silences == nil {
		r.silences = make(map[event.ID]bool)
	}
	r.silences[ev.ID] = true
	r.batch.Events = append(r.batch.Events, ev)
}

// takeSilenceMute takes the muting of an alert by a silence. The record holds
// the silence too: one whose creation was missed is told of here.
func (r *reading) takeSilenceMute(e *recorded, c *cursor) *fault {
	var (
		s       event.Silence
		m       event.Mute
		suspect bool
		bad     *fault
	)
	for c.more('}') {
		var f *fault
		switch string(c.key()) {
		case "silence":
			s, _, suspect, f = r.takeSilence(c)
			f = f.in("silence")
		case "mutedAlert", "muted_alert":
			m, f = r.takeMuted(c)
		default:
			c.skip()
		}
		if bad == nil {
			bad = f
		}
	}
	switch {
	case bad != nil:
		return bad
	case s.ID == "":
		return &fault{"silence", classMissing, "is missing"}
	case m.Fingerprint == 0:
		return &fault{"mutedAlert", classMissing, "is missing"}
	}
	m.SilenceID = s.ID
	ev := r.event(e, event.KindMute, "silenced", s.ID, m.Fingerprint.String())
	ev.Mute = &m
	r.batch.Events = append(r.batch.Events, ev)
	if !s.UpdatedAt.IsZero() {
		r.addSilence(e, s, SilenceActionOf(s), suspect)
	}
	return nil
}

func (r *reading) takeInhibition(e *recorded, c *cursor) *fault {
	var (
		m   event.Mute
		bad *fault
	)
	for c.more('}') {
		var f *fault
		switch string(c.key()) {
		case "inhibitRules", "inhibit_rules":
			m.Rule = r.takeRules(c)
		case "mutedAlert", "muted_alert":
			rule, by := m.Rule, m.Inhibitors
			m, f = r.takeMuted(c)
			m.Rule, m.Inhibitors = rule, by
		case "inhibitingFingerprints", "inhibiting_fingerprints":
			m.Inhibitors = r.fingerprints(c, true)
		default:
			c.skip()
		}
		if bad == nil {
			bad = f
		}
	}
	switch {
	case bad != nil:
		return bad
	case m.Fingerprint == 0:
		return &fault{"mutedAlert", classMissing, "is missing"}
	}
	slices.Sort(m.Inhibitors)
	subject := []string{m.Fingerprint.String(), m.Rule}
	for _, by := range m.Inhibitors {
		subject = append(subject, by.String())
	}
	ev := r.event(e, event.KindMute, "inhibited", subject...)
	ev.Mute = &m
	r.batch.Events = append(r.batch.Events, ev)
	return nil
}

// takeMuted reads which alert was muted. Without labels it is known by the
// fingerprint that was sent.
func (r *reading) takeMuted(c *cursor) (m event.Mute, bad *fault) {
	if !c.enter('{') {
		return m, &fault{"mutedAlert", classType, "must be an object"}
	}
	var sent event.Fingerprint
	for c.more('}') {
		switch string(c.key()) {
		case "labels":
			m.Labels, bad = r.labels(c, "labels", false)
		case "fingerprint":
			sent, _ = r.fingerprint(c, true)
		default:
			c.skip()
		}
	}
	if m.Fingerprint = sent; len(m.Labels) > 0 {
		m.Fingerprint = m.Labels.Fingerprint()
	}
	return m, bad.in("mutedAlert")
}

// takeRules reads inhibition rules as one text: their names, or for one
// without a name its matchers.
func (r *reading) takeRules(c *cursor) string {
	if !c.enter('[') {
		return ""
	}
	var rules []string
	for c.more(']') {
		if !c.enter('{') {
			continue
		}
		var name, source, target string
		for c.more('}') {
			switch string(c.key()) {
			case "name":
				name = r.prose(c)
			case "sourceMatchers", "source_matchers":
				source = matchersText(r.takeMatchers(c))
			case "targetMatchers", "target_matchers":
				target = matchersText(r.takeMatchers(c))
			default:
				c.skip()
			}
		}
		if name == "" && (source != "" || target != "") {
			name = source + " inhibits " + target
		}
		if name != "" {
			rules = append(rules, name)
		}
	}
	return strings.Join(rules, ", ")
}

func matchersText(ms []event.Matcher) string {
	var b strings.Builder
	b.WriteByte('{')
	for i, m := range ms {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(m.Name + m.Op + strconv.Quote(m.Value))
	}
	b.WriteByte('}')
	return b.String()
}
