package alertmanager

import (
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
