package correlate

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// entries are the lines of the timeline, in order.
func (s *story) entries(changes []timeline.Change) []timeline.Entry {
	out := []timeline.Entry{}
	for _, m := range s.members {
		out = append(out, s.fired(m))
		if e, ok := s.ended(m); ok {
			out = append(out, e)
		}
	}
	out = append(out, s.notified()...)
	out = append(out, s.muted()...)
	out = append(out, s.silenced()...)
	out = append(out, s.changed(changes)...)
	out = append(out, s.logged()...)
	out = append(out, s.wrote()...)
	out = append(out, s.sourceEntries()...)
	sortEntries(out)
	return out
}

// sortEntries puts entries in order. They are large, so it is their places that
// are sorted.
func sortEntries(entries []timeline.Entry) {
	places := make([]int32, len(entries))
	for i := range places {
		places[i] = int32(i)
	}
	slices.SortFunc(places, func(i, j int32) int {
		a, b := &entries[i], &entries[j]
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.ID.Compare(b.ID), cmp.Compare(a.Summary, b.Summary))
	})
	sorted := make([]timeline.Entry, len(entries))
	for to, from := range places {
		sorted[to] = entries[from]
	}
	copy(entries, sorted)
}

// newEntry makes an entry that is named after its kind and its first fact.
func newEntry(kind timeline.EntryKind, at time.Time, summary, why string, facts ...event.ID) timeline.Entry {
	ids := evidence(facts)
	parts := []string{"entry", string(kind)}
	if len(ids) > 0 {
		parts = append(parts, ids[0].String())
	}
	return timeline.Entry{
		ID: event.NewID(at, parts...), At: at.UTC(), Kind: kind, Summary: summary, Why: why,
		Events: ids, Links: []string{},
	}
}

// fired is the entry of a member that began to fire.
func (s *story) fired(m *signal) timeline.Entry {
	e := alertEntry(m, s.why(m))
	if runbook := s.cfg.runbook(m); runbook != "" {
		e.Links = append(e.Links, runbook)
	}
	return e
}

func alertEntry(m *signal, why string) timeline.Entry {
	summary := m.name() + " fires"
	if text := m.annotations().First("summary", "description", "message"); text != "" {
		summary += ": " + oneLine(text, 300)
	}
	e := newEntry(timeline.EntryAlertFired, m.start, summary, why, m.ids...)
	e.Service, e.Fingerprint, e.Labels = m.service, m.fingerprint.String(), m.labels()
	if g := m.observations[0].GeneratorURL; g != "" {
		e.Links = append(e.Links, g)
	}
	return e
}

// runbook is the runbook that an alert names.
func (c *Config) runbook(m *signal) string {
	if r := m.annotations().First(c.Labels.Runbook...); r != "" {
		return r
	}
	return m.labels().First(c.Labels.Runbook...)
}

// ended is the entry of a member's end, when it is known or bounded.
func (s *story) ended(m *signal) (timeline.Entry, bool) {
	var summary string
	switch m.ending {
	case endResolved:
		summary = m.name() + " resolved"
	case endExpired:
		summary = m.name() + " was not renewed by its sender any more; this does not prove that it ended"
	case endGone:
		summary = m.name() + " was no longer in Alertmanager"
	default:
		return timeline.Entry{}, false
	}
	kind := timeline.EntryAlertResolved
	if m.ending == endExpired {
		kind = timeline.EntrySource
	}
	e := newEntry(kind, m.end, summary, "end of a member", m.id)
	e.Service, e.Fingerprint, e.Labels = m.service, m.fingerprint.String(), m.labels()
	return e, true
}

// deliveryWindow is how near two facts about one delivery must be: the arrival
// of a webhook, and the records of it by the members of a cluster.
const deliveryWindow = 2 * time.Second

// notified are the deliveries; those of one group to one receiver within
// seconds are one.
func (s *story) notified() []timeline.Entry {
	type group struct{ receiver, key, state string }
	last := map[group]*timeline.Entry{}
	var out []*timeline.Entry
	for _, n := range s.notifications {
		d := n.Notification
		state := "firing"
		if len(d.Firing) == 0 {
			state = "resolved"
		}
		g := group{d.Receiver, d.GroupKey, state}
		if e := last[g]; e != nil && n.OccurredAt.Sub(e.At) <= deliveryWindow {
			e.Events = evidence(append(e.Events, n.ID))
			continue
		}
		e := newEntry(timeline.EntryNotified, n.OccurredAt, s.notifiedSummary(n, state), "tells of a member", n.ID)
		e.Service = s.serviceOf(append(slices.Clone(d.Firing), d.Resolved...), n.OccurredAt)
		e.Labels = event.Labels{"receiver": d.Receiver, "state": state}
		last[g] = &e
		out = append(out, &e)
	}
	flat := make([]timeline.Entry, len(out))
	for i, e := range out {
		flat[i] = *e
	}
	return flat
}

func (s *story) notifiedSummary(n *event.Event, state string) string {
	d := n.Notification
	text := fmt.Sprintf("%s (%s) was told: %d firing, %d resolved", d.Receiver, s.cfg.receiverClass(d.Receiver, d.Integration), len(d.Firing), len(d.Resolved))
	if state == "resolved" {
		text = fmt.Sprintf("%s (%s) was told that %d resolved", d.Receiver, s.cfg.receiverClass(d.Receiver, d.Integration), len(d.Resolved))
	}
	if d.Reason != "" {
		text += "; " + strings.ReplaceAll(d.Reason, "_", " ")
	}
	if d.Truncated > 0 {
		text += fmt.Sprintf("; %d alerts were left out", d.Truncated)
	}
	return text
}

// serviceOf is the service of the alerts, when they have just one.
func (s *story) serviceOf(refs []event.AlertRef, at time.Time) string {
	service := ""
	for _, r := range refs {
		m := s.member(r.Fingerprint, at)
		if m == nil || m.service == service {
			continue
		}
		if service != "" {
			return ""
		}
		service = m.service
	}
	return service
}

// muted are the mutes of members, one entry for all repetitions.
func (s *story) muted() []timeline.Entry {
	type key struct {
		print event.Fingerprint
		by    string
	}
	grouped := map[key][]*event.Event{}
	var order []key
	for _, e := range s.mutes {
		by := "silence " + e.Mute.SilenceID
		if e.Mute.SilenceID == "" {
			by = "inhibition " + e.Mute.Rule
		}
		k := key{e.Mute.Fingerprint, by}
		if grouped[k] == nil {
			order = append(order, k)
		}
		grouped[k] = append(grouped[k], e)
	}
	var out []timeline.Entry
	for _, k := range order {
		events := grouped[k]
		first, last := events[0], events[len(events)-1]
		m := s.member(k.print, first.OccurredAt)
		e := newEntry(timeline.EntryMuted, first.OccurredAt, fmt.Sprintf("%s is muted by %s", m.name(), strings.TrimSpace(k.by)), "mutes a member", first.ID, last.ID)
		e.Service, e.Fingerprint = m.service, k.print.String()
		e.Labels = event.Labels{"by": strings.TrimSpace(k.by)}
		if first != last {
			e.Until = moment(last.OccurredAt)
		}
		out = append(out, e)
	}
	return out
}

// silenced are the silences, one entry for each change of one that any member
// of the cluster told.
func (s *story) silenced() []timeline.Entry {
	type key struct {
		id      string
		action  event.SilenceAction
		updated time.Time
	}
	grouped := map[key][]event.ID{}
	first := map[key]*event.Event{}
	var order []key
	for _, e := range s.silences {
		k := key{e.Silence.ID, e.Silence.Action, e.Silence.UpdatedAt.UTC()}
		if first[k] == nil {
			first[k] = e
			order = append(order, k)
		}
		grouped[k] = append(grouped[k], e.ID)
	}
	var out []timeline.Entry
	for _, k := range order {
		e, silence := first[k], first[k].Silence
		var sets []string
		for _, set := range silence.MatcherSets {
			var ms []string
			for _, m := range set {
				ms = append(ms, fmt.Sprintf("%s%s%q", m.Name, m.Op, m.Value))
			}
			sets = append(sets, "{"+strings.Join(ms, ", ")+"}")
		}
		text := fmt.Sprintf("silence %s: %s", silence.Action, strings.Join(sets, " or "))
		if silence.Comment != "" {
			text += ": " + oneLine(silence.Comment, 200)
		}
		entry := newEntry(timeline.EntrySilenced, e.OccurredAt, text, "covers a member", grouped[k]...)
		entry.Actor = silence.CreatedBy
		entry.Labels = event.Labels{"silence": silence.ID, "action": string(silence.Action)}
		out = append(out, entry)
	}
	return out
}

// changed are the changes that matter: all with a verdict that says so, and
// those of the incident's services.
func (s *story) changed(changes []timeline.Change) []timeline.Entry {
	var out []timeline.Entry
	for _, c := range changes {
		near := slices.Contains(s.services, c.Service) || slices.Contains(s.nearby, c.Service)
		if c.Verdict == timeline.VerdictUnlikely && (!near || c.At.Before(s.detected.Add(-onsetWithin))) || c.Verdict == timeline.VerdictExonerated && !near {
			continue
		}
		what := fmt.Sprintf("%s of %s", c.Kind, c.Service)
		if c.Version != "" {
			what += " to " + c.Version
		}
		why := string(c.Verdict)
		if len(c.Reasons) > 0 {
			why += ": " + c.Reasons[0]
		}
		add := func(at *time.Time, state string) {
			if at == nil {
				return
			}
			e := newEntry(timeline.EntryChange, *at, what+" "+state, why, c.Events...)
			e.Service, e.Actor = c.Service, c.Actor
			e.Labels = event.Labels{"change": c.ID.String(), "state": state}
			e.ID = event.NewID(*at, "entry", "change", c.ID.String(), state)
			if c.URL != "" {
				e.Links = append(e.Links, c.URL)
			}
			out = append(out, e)
		}
		add(c.StartedAt, string(event.ChangeStarted))
		if c.FinishedAt != nil {
			add(c.FinishedAt, string(c.Status))
		} else if c.StartedAt == nil {
			add(moment(c.At), string(c.Status))
		}
	}
	return out
}

// maxExcerpts bounds the log patterns of a timeline.
const maxExcerpts = 40

// logged are the patterns of trouble that were new or much more frequent.
func (s *story) logged() []timeline.Entry {
	from, to := s.window()
	began := s.detected
	if s.first != nil {
		began = minTime(began, s.first.at)
	}
	var out []timeline.Entry
	for _, service := range slices.Concat(s.services, s.nearby) {
		for _, p := range s.logs.patternsOf(service, s.environment, from.Add(-baselineSpan), to, true) {
			since := began.Add(-5 * time.Second)
			n, baseline := p.count(since, to), p.count(began.Add(-baselineSpan), since)
			first, last := p.seen(since, to)
			if n == 0 || first.After(s.lastSign) {
				continue
			}
			span := max(last.Sub(first), time.Minute)
			if baseline > 0 && rate(n, span) < burstRatio*rate(baseline, baselineSpan) {
				continue
			}
			out = append(out, excerpt(p, n, baseline, first, last, to))
		}
	}
	slices.SortStableFunc(out, func(a, b timeline.Entry) int {
		return cmp.Or(cmp.Compare(b.Log.Level, a.Log.Level), cmp.Compare(b.Log.Count, a.Log.Count), a.At.Compare(b.At), cmp.Compare(a.Service, b.Service), cmp.Compare(a.Summary, b.Summary))
	})
	return out[:min(len(out), maxExcerpts)]
}

func excerpt(p *pattern, n, baseline int64, first, last, to time.Time) timeline.Entry {
	what := "rose to"
	if baseline == 0 {
		what = "new:"
	}
	text := fmt.Sprintf("%s %s %d lines: %s", p.level, what, n, oneLine(p.template, 200))
	e := newEntry(timeline.EntryLogPattern, first, text, "a pattern of trouble on "+p.service, p.ids(first, first.Add(5*time.Second), 3)...)
	e.ID = event.NewID(first, "entry", "log", p.service, p.level.String(), p.template)
	e.Service = p.service
	e.Until = moment(last)
	e.Log = &timeline.LogExcerpt{
		Pattern: p.id, Template: p.template, Level: p.level, Count: n, FirstSeen: first.UTC(), LastSeen: last.UTC(),
		New: baseline == 0, Baseline: baseline, Lines: p.lines(first, to, 3),
	}
	return e
}

// wrote are the messages and acknowledgements.
func (s *story) wrote() []timeline.Entry {
	var out []timeline.Entry
	for _, m := range s.messages {
		kind := timeline.EntryMessage
		if m.means == meansAcknowledges && !m.OccurredAt.Before(s.detected) {
			kind = timeline.EntryAcknowledged
		}
		e := newEntry(kind, m.OccurredAt, oneLine(m.Message.Text, 500), m.why, m.ID)
		e.Actor = m.Message.Author
		if m.Message.Channel != "" {
			e.Labels = event.Labels{"channel": m.Message.Channel}
		}
		if m.Message.URL != "" {
			e.Links = append(e.Links, m.Message.URL)
		}
		out = append(out, e)
	}
	for _, a := range s.acks {
		e := newEntry(timeline.EntryAcknowledged, a.OccurredAt, strings.TrimSpace("acknowledged "+oneLine(a.Acknowledgement.Note, 300)), "names a member", a.ID)
		e.Actor = a.Acknowledgement.Actor
		out = append(out, e)
	}
	return out
}

// sourceEntries tell when a sender started, stopped or could not be reached
// while the incident was on.
func (s *story) sourceEntries() []timeline.Entry {
	var out []timeline.Entry
	for _, e := range s.sources {
		if e.OccurredAt.Before(s.detected) || e.OccurredAt.After(s.lastSign) {
			continue
		}
		entry := newEntry(timeline.EntrySource, e.OccurredAt, strings.TrimSpace(fmt.Sprintf("%s %s %s", orSource(e), e.Source.Status, oneLine(e.Source.Detail, 200))), "a source of this incident's facts", e.ID)
		out = append(out, entry)
	}
	return out
}

func orSource(e *event.Event) string {
	name := map[event.Road]string{event.RoadRecorder: "Alertmanager", event.RoadPoll: "Alertmanager"}[e.Road]
	if name == "" {
		name = string(e.Road)
	}
	if e.Instance != "" {
		name += " " + e.Instance
	}
	return name
}

// background are the alerts that were on beside the incident in its services,
// or next to them, and are no members.
func (s *story) background(g *grouping) []timeline.Entry {
	type seen struct {
		first *signal
		n     int
	}
	members := make(map[event.ID]bool, len(s.members))
	for _, m := range slices.Concat(s.members, s.component.late) {
		members[m.id] = true
	}
	found := map[event.Fingerprint]*seen{}
	for _, service := range slices.Concat(s.services, s.nearby) {
		for _, o := range g.byService[service] {
			if members[o.id] || o.start.After(s.lastSign) || signEnd(o).Before(s.detected) {
				continue
			}
			if s.environment != "" && o.environment != "" && o.environment != s.environment {
				continue
			}
			if f := found[o.fingerprint]; f == nil {
				found[o.fingerprint] = &seen{o, 1}
			} else {
				f.n++
			}
		}
	}
	out := []timeline.Entry{}
	for _, print := range slices.Sorted(maps.Keys(found)) {
		f := found[print]
		why := "on beside it, and not linked to a member"
		if f.first.flaps {
			why = "kept flapping before it began"
		} else if s.chronic(f.first) {
			why = "was on long before it began"
		}
		e := alertEntry(f.first, why)
		if f.n > 1 {
			e.Count = f.n
		}
		out = append(out, e)
	}
	sortEntries(out)
	return out[:min(len(out), maxExcerpts)]
}

// chronic reports whether an alert began long before the incident.
func (s *story) chronic(o *signal) bool {
	return s.detected.Sub(o.start) > s.cfg.LinkWithin
}

// oneLine shortens a text to about n bytes, at a rune's boundary, on one line.
func oneLine(text string, n int) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "…"
}
