package alertmanager

import (
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// DecodeAlerts decodes a post to /api/v2/alerts, as Prometheus and the rulers
// of Loki, Mimir and Thanos make it: an array of alerts, or one alert.
// Defaults and checks are Alertmanager's. An empty array is no error.
//
// Alertmanager keeps the good alerts of a body and answers 400 when one was
// bad: so should who calls this, when the batch has asides.
func (d Decoder) DecodeAlerts(body []byte, receivedAt time.Time) (event.Batch, error) {
	body = cleanBody(body)
	raw, err := wholeValue(body)
	if err != nil {
		return event.Batch{}, err
	}
	r := d.read(event.RoadPrometheus, receivedAt)
	c := newCursor(raw)
	switch c.peek() {
	case '{':
		r.single = true
		r.takePosted(c, -1)
	case '[':
		c.enter('[')
		for i := 0; c.more(']'); i++ {
			if i == r.limits.Entries {
				r.aside(tooManyEntries("", r.limits.Entries), c.skip())
				break
			}
			r.takePosted(c, i)
		}
	default:
		return event.Batch{}, &event.Malformed{Reason: "must be an array of alerts"}
	}
	if len(r.batch.Observations) == 0 && r.first != nil {
		return event.Batch{}, r.first.malformed()
	}
	return r.batch, nil
}

// takePosted observes the next alert, the i-th of an array or -1, with
// Alertmanager's defaults.
func (r *reading) takePosted(c *cursor, i int) {
	var (
		a       alert
		suspect bool
	)
	f := r.takeAlert(c, &a)
	if f == nil {
		a.startsAt, f = r.accept(a.startsAt, &suspect)
		f = f.in("startsAt")
	}
	if f == nil {
		a.endsAt, f = r.accept(a.endsAt, &suspect)
		f = f.in("endsAt")
	}
	if f == nil {
		if a.startsAt.IsZero() {
			if a.startsAt = a.endsAt; a.endsAt.IsZero() {
				a.startsAt = r.receivedAt
			}
		}
		if a.endsAt.IsZero() {
			a.endsAt = r.receivedAt.Add(r.decoder.ResolveTimeout)
		}
		if a.endsAt.Before(a.startsAt) {
			f = &fault{"endsAt", classTime, "is before startsAt"}
		}
	}
	if f == nil {
		f = r.observe(sighting{alert: &a, at: r.receivedAt, suspect: suspect})
	}
	if f != nil {
		if i >= 0 {
			f = f.in("[" + strconv.Itoa(i) + "]")
		}
		r.aside(f, a.raw)
	}
}
