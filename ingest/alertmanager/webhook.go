package alertmanager

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// DecodeWebhook decodes a webhook's body: version 4 as Alertmanager posts it,
// or version 1 of Grafana Alerting, which is nearly the same. It gives one
// notification, to hindcast itself, and an observation for every alert.
// Nothing is taken of a body without a good alert.
func (d Decoder) DecodeWebhook(body []byte, receivedAt time.Time) (event.Batch, error) {
	body = cleanBody(body)
	raw, err := wholeValue(body)
	if err != nil {
		return event.Batch{}, err
	}
	r := d.read(event.RoadWebhook, receivedAt)
	c := newCursor(raw)
	if !c.enter('{') {
		return event.Batch{}, &event.Malformed{Reason: "must be a JSON object"}
	}
	w, f := r.takeWebhook(c)
	if f != nil {
		return event.Batch{}, f.malformed()
	}
	e := event.Event{
		Kind:       event.KindNotification,
		OccurredAt: r.receivedAt,
		ReceivedAt: r.receivedAt,
		Road:       r.road,
		Instance:   w.externalURL,
		Labels:     w.commonLabels,
		Notification: &event.Notification{
			Receiver:    w.receiver,
			GroupKey:    w.groupKey,
			GroupLabels: w.groupLabels,
			Reason:      w.reason,
			Truncated:   w.truncated,
			ToHindcast:  true,
		},
		Raw: raw,
	}
	content := r.takeWebhookAlerts(&w, e.Notification)
	if len(r.batch.Observations) == 0 {
		if r.first == nil {
			r.first = &fault{"alerts", classMissing, "must hold at least one alert"}
		}
		return event.Batch{}, r.first.malformed()
	}
	e.ID = notificationID(&w, content, r.receivedAt)
	r.batch.Events = append(r.batch.Events, e)
	return r.batch, nil
}

// webhook is a webhook's body without its alerts.
type webhook struct {
	receiver, groupKey, status, reason, externalURL string
	groupLabels, commonLabels                       event.Labels
	truncated                                       int
	alerts                                          []byte
}

func (r *reading) takeWebhook(c *cursor) (w webhook, first *fault) {
	for c.more('}') {
		var f *fault
		switch string(c.key()) {
		case "receiver":
			w.receiver, f = r.name(c, "receiver")
		case "groupKey":
			w.groupKey, f = r.name(c, "groupKey")
		case "externalURL":
			w.externalURL, f = r.name(c, "externalURL")
		case "status":
			w.status = r.prose(c)
		case "notification_reason", "notificationReason":
			w.reason = r.prose(c)
		case "groupLabels":
			w.groupLabels, f = r.labels(c, "groupLabels", false)
		case "commonLabels":
			w.commonLabels, f = r.labels(c, "commonLabels", false)
		case "truncatedAlerts":
			w.truncated = int(min(r.number(c), 1<<31-1))
		case "version":
			// Grafana says "1"; Alertmanager's version 1 to 3 are of before 2016.
			if text, _ := c.text(); string(text) == "1" {
				r.road = event.RoadGrafana
			}
		case "orgId":
			r.road = event.RoadGrafana
			c.skip()
		case "alerts":
			if c.peek() != '[' && !c.null() {
				f = &fault{"alerts", classType, "must be an array"}
				c.skip()
				break
			}
			if c.b[c.i] == '[' {
				w.alerts = c.skip()
			}
		default:
			c.skip()
		}
		if first == nil {
			first = f
		}
	}
	return w, first
}

// takeWebhookAlerts observes the alerts and points the notification at them.
// It returns what identifies them in this notification.
func (r *reading) takeWebhookAlerts(w *webhook, n *event.Notification) (content [][]byte) {
	if w.alerts == nil {
		return nil
	}
	c := newCursor(w.alerts)
	c.enter('[')
	var a alert
	for i := 0; c.more(']'); i++ {
		path := func() string { return "alerts[" + strconv.Itoa(i) + "]" }
		if i == r.limits.Entries {
			r.aside(tooManyEntries("alerts", r.limits.Entries), c.skip())
			break
		}
		if f := r.takeAlert(c, &a); f != nil {
			r.aside(f.in(path()), a.raw)
			continue
		}
		seen := sighting{
			alert:    &a,
			at:       r.receivedAt,
			firing:   a.status == "firing",
			ended:    a.status == "resolved",
			instance: w.externalURL,
			group:    w.groupKey,
		}
		if f := r.observe(seen); f != nil {
			r.aside(f.in(path()), a.raw)
			continue
		}
		if seen.ended || !seen.firing && !a.endsAt.IsZero() && !a.endsAt.After(r.receivedAt) {
			n.Resolved = append(n.Resolved, a.ref())
		} else {
			n.Firing = append(n.Firing, a.ref())
			a.endsAt = time.Time{} // a keep-alive, if anything: it moves
		}
		content = append(content, identify(&a))
	}
	return content
}

func identify(a *alert) []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(a.fingerprint))
	b = binary.BigEndian.AppendUint64(b, uint64(a.startsAt.UnixMilli()))
	return binary.BigEndian.AppendUint64(b, uint64(a.endsAt.UnixMilli()))
}

// retryWindow is how long two equal notifications are one. See
// [notificationID].
const retryWindow = 30 * time.Second

// notificationID identifies a webhook's arrival. The body has no ID of its
// own. A retry, seconds after an attempt whose answer got lost, is the same
// notification and has the same content; so has the next reminder, a repeat
// interval (an hour or so, never less than a group interval) later, but that
// is another notification. Hence the identity is the content and the half
// minute it came in. A retry that crosses the border of a half minute is taken
// for a second notification: it says nothing that the first did not, and the
// correlator joins notifications of one group to one receiver.
//
// The ID begins with the start of the half minute, so its time is up to
// retryWindow before OccurredAt. Of two copies OccurredAt may differ by the
// retry's delay; ReceivedAt, of which the store keeps the least, does not
// depend on which came first.
func notificationID(w *webhook, alerts [][]byte, receivedAt time.Time) event.ID {
	slices.SortFunc(alerts, bytes.Compare)
	h := sha256.New()
	for _, a := range alerts {
		h.Write(a)
	}
	window := receivedAt.Truncate(retryWindow)
	return event.NewID(window, "webhook", w.externalURL, w.receiver, w.groupKey, w.status, w.reason,
		strconv.Itoa(w.truncated), string(h.Sum(nil)))
}

// wholeValue checks that the body is one JSON value and returns it.
func wholeValue(body []byte) ([]byte, error) {
	if skipSpace(body, 0) == len(body) {
		return nil, &event.Malformed{Reason: "the body is empty"}
	}
	start, end, err := scanValue(body, 0)
	if err != nil {
		return nil, malformedJSON(err)
	}
	if rest := skipSpace(body, end); rest < len(body) {
		return nil, malformedJSON(&syntaxError{rest, "more text behind the value"})
	}
	return body[start:end:end], nil
}

func tooManyEntries(field string, most int) *fault {
	return &fault{field, classTooMany, "holds more than " + strconv.Itoa(most) + " entries; what is beyond was left out"}
}
