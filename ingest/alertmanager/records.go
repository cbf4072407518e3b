package alertmanager

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// event begins the event of a record. It is identified by what the recorder
// says of it: the instance, the time to the nanosecond, the type and the
// subject. Every member of a cluster records, so one thing may be told by
// several events: the correlator joins them.
func (r *reading) event(e *recorded, kind event.Kind, typ string, subject ...string) event.Event {
	parts := append([]string{"recorder", e.instance, e.at.Format(time.RFC3339Nano), typ}, subject...)
	return event.Event{
		ID:           event.NewID(e.at, parts...),
		Kind:         kind,
		OccurredAt:   e.at,
		ReceivedAt:   r.receivedAt,
		Road:         r.road,
		Instance:     e.instance,
		ClockSuspect: e.suspect,
		Raw:          e.raw,
	}
}

func (r *reading) takeStartup(e *recorded, c *cursor) *fault {
	var version, build string
	for c.more('}') {
		switch string(c.key()) {
		case "version":
			version = r.prose(c)
		case "buildContext", "build_context":
			build = r.prose(c)
		default:
			c.skip()
		}
	}
	ev := r.event(e, event.KindSource, "started")
	ev.Source = &event.SourceStatus{Status: "started", Detail: strings.TrimSpace(version + " " + build)}
	r.batch.Events = append(r.batch.Events, ev)
	return nil
}

func (r *reading) takeShutdown(e *recorded, _ *cursor) *fault {
	ev := r.event(e, event.KindSource, "stopped")
	ev.Source = &event.SourceStatus{Status: "stopped"}
	r.batch.Events = append(r.batch.Events, ev)
	return nil
}

// takeAlertRecord takes alertCreated, which holds an alert, and alertGrouped,
// which holds an alert's hash and details and its group.
func (r *reading) takeAlertRecord(e *recorded, c *cursor) *fault {
	return r.takeAlertOrResolved(e, c, false)
}

func (r *reading) takeResolved(e *recorded, c *cursor) *fault {
	return r.takeAlertOrResolved(e, c, true)
}

func (r *reading) takeAlertOrResolved(e *recorded, c *cursor, ended bool) *fault {
	var (
		a     grouped
		g     group
		found bool
		bad   *fault
	)
	for c.more('}') {
		switch string(c.key()) {
		case "alert":
			if c.null() {
				continue
			}
			found = true
			bad = r.takeGrouped(c, &a)
		case "groupInfo", "group_info":
			if f := r.takeGroup(c, &g); f != nil {
				return f.in("groupInfo")
			}
		default:
			c.skip()
		}
	}
	if bad == nil && (!found || a.details == nil) {
		bad = &fault{"", classMissing, "is missing, or holds no details"}
	}
	if bad == nil {
		bad = r.observe(r.sighting(e, &a, &g, ended))
	}
	return bad.in("alert")
}

// sighting is what a record says of an alert. A record whose own time makes no
// sense was seen when it was received.
func (r *reading) sighting(e *recorded, a *grouped, g *group, ended bool) sighting {
	s := sighting{
		alert:    a.details,
		at:       e.at,
		ended:    ended || a.details.resolved,
		instance: e.instance,
		group:    g.key,
		suspect:  e.suspect,
	}
	if e.suspect {
		s.at = r.receivedAt
	}
	return s
}

// grouped is an alert in a group: its hash and, if they were sent, its
// details.
type grouped struct {
	hash    uint64
	details *alert
}

// takeGrouped reads a grouped alert, or an alert itself: the recorder writes
// the former in a group and the latter outside of one.
func (r *reading) takeGrouped(c *cursor, g *grouped) *fault {
	*g = grouped{}
	c.peek()
	start := c.i
	if !c.enter('{') {
		return &fault{"", classType, "must be an object"}
	}
	var (
		bad  *fault
		bare bool
	)
	for c.more('}') {
		switch string(c.key()) {
		case "hash":
			g.hash = r.number(c)
		case "details":
			if c.null() {
				continue
			}
			g.details = new(alert)
			bad = r.takeAlert(c, g.details).in("details")
		case "labels", "startsAt", "starts_at":
			bare = true
			c.skip()
		default:
			c.skip()
		}
	}
	if bare && g.details == nil {
		c.i = start
		g.details = new(alert)
		bad = r.takeAlert(c, g.details)
	}
	if bad != nil {
		g.details = nil
	}
	return bad
}

// group is an aggregation group.
type group struct {
	key, receiver string
	labels        event.Labels
}

func (r *reading) takeGroup(c *cursor, g *group) (first *fault) {
	if c.null() {
		return nil
	}
	if !c.enter('{') {
		return &fault{"", classType, "must be an object"}
	}
	for c.more('}') {
		var f *fault
		switch string(c.key()) {
		case "groupKey", "group_key":
			g.key, f = r.name(c, "groupKey")
		case "receiverName", "receiver_name":
			g.receiver, f = r.name(c, "receiverName")
		case "groupLabels", "group_labels":
			g.labels, f = r.labels(c, "groupLabels", false)
		default:
			c.skip()
		}
		if first == nil {
			first = f
		}
	}
	return first
}

// takeNotification takes a delivery. Its lists of firing and resolved alerts
// may hold hashes only: they are resolved through the list of all alerts. A
// bad alert is put aside and the delivery taken without it.
func (r *reading) takeNotification(e *recorded, c *cursor) *fault {
	var (
		g                event.Notification
		info             group
		firing, resolved []grouped
		details          = make(map[uint64]*alert)
		seen             []grouped
		flush            string
	)
	list := func(field string) []grouped {
		all := r.takeGroupedList(e, c, field)
		for _, a := range all {
			if a.details != nil {
				details[a.hash] = a.details
				seen = append(seen, a)
			}
		}
		return all
	}
	for c.more('}') {
		switch string(c.key()) {
		case "alerts":
			list("alerts")
		case "firingAlerts", "firing_alerts":
			firing = list("firingAlerts")
		case "resolvedAlerts", "resolved_alerts":
			resolved = list("resolvedAlerts")
		case "mutedAlerts", "muted_alerts":
			list("mutedAlerts")
		case "groupInfo", "group_info":
			if f := r.takeGroup(c, &info); f != nil {
				return f.in("groupInfo")
			}
		case "reason":
			g.Reason = notifyReason(r.prose(c))
		case "flushId", "flush_id":
			flush = r.prose(c)
		case "integration":
			if !c.enter('{') {
				continue
			}
			for c.more('}') {
				switch string(c.key()) {
				case "name":
					g.Integration = r.prose(c)
				case "index":
					g.IntegrationIndex = int(min(r.number(c), 1<<31-1))
				default:
					c.skip()
				}
			}
		default:
			c.skip()
		}
	}
	g.Receiver, g.GroupKey, g.GroupLabels = info.receiver, info.key, info.labels
	for _, a := range seen {
		if f := r.observe(r.sighting(e, &a, &info, false)); f != nil {
			r.aside(f.in("alert").in("data.notification").in(e.path), a.details.raw)
			delete(details, a.hash)
		}
	}
	refs := func(list []grouped) (all []event.AlertRef) {
		for _, a := range list {
			if d := details[a.hash]; d != nil {
				all = append(all, d.ref())
			}
		}
		return all
	}
	g.Firing, g.Resolved = refs(firing), refs(resolved)
	ev := r.event(e, event.KindNotification, "notification",
		g.GroupKey, g.Receiver, g.Integration, strconv.Itoa(g.IntegrationIndex), flush)
	ev.Notification = &g
	r.batch.Events = append(r.batch.Events, ev)
	return nil
}

func (r *reading) takeGroupedList(e *recorded, c *cursor, field string) []grouped {
	if !c.enter('[') {
		return nil
	}
	var all []grouped
	for i := 0; c.more(']'); i++ {
		c.peek()
		start := c.i
		var a grouped
		if f := r.takeGrouped(c, &a); f != nil {
			r.aside(f.in("data.notification."+field+"["+strconv.Itoa(i)+"]").in(e.path), c.b[start:c.i])
			continue
		}
		all = append(all, a)
	}
	return all
}

// notifyReason says the recorder's reasons in the words of the webhook.
func notifyReason(enum string) string {
	switch enum {
	case "", "NOTIFY_REASON_UNSPECIFIED", "0":
		return ""
	case "NOTIFY_REASON_FIRST_NOTIFICATION", "1":
		return "first notification"
	case "NOTIFY_REASON_NEW_ALERTS_IN_GROUP", "2":
		return "new alerts added"
	case "NOTIFY_REASON_NEW_RESOLVED_ALERTS", "3":
		return "some alerts resolved"
	case "NOTIFY_REASON_ALL_ALERTS_RESOLVED", "4":
		return "all alerts resolved"
	case "NOTIFY_REASON_REPEAT_INTERVAL_ELAPSED", "5":
		return "repeat interval elapsed"
	}
	enum = strings.TrimPrefix(enum, "NOTIFY_REASON_")
	return strings.ToLower(strings.ReplaceAll(enum, "_", " "))
}

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
