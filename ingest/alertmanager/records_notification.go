package alertmanager

import (
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

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
