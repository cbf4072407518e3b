package alertmanager

import (
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// APIAlert is an alert as Alertmanager's API lists it.
type APIAlert struct {
	// Observation is the sighting: it fires, and what its end is announced to
	// be.
	Observation event.Observation
	// State is "active", "suppressed" or "unprocessed".
	State string
	// SilencedBy are the IDs of the silences that mute it, InhibitedBy the
	// fingerprints of the alerts that inhibit it.
	SilencedBy  []string
	InhibitedBy []event.Fingerprint
}

// APISilence is a silence as Alertmanager's API lists it. Its Action is
// "expired" for one that has expired, and otherwise what [SilenceActionOf]
// tells.
type APISilence struct {
	Silence event.Silence
	// State is "pending", "active" or "expired".
	State string
	// ClockSuspect says that one of its times was clamped.
	ClockSuspect bool
	Raw          []byte
}

// apiStatus is what only the API says of an alert.
type apiStatus struct {
	state       string
	silencedBy  []string
	inhibitedBy []event.Fingerprint
}

// DecodeAPIAlerts decodes the answer to GET /api/v2/alerts that was asked for
// at the time at. Instance names the Alertmanager. Bad entries are put aside.
func (d Decoder) DecodeAPIAlerts(body []byte, instance string, at time.Time) ([]APIAlert, []event.Aside, error) {
	raw, err := wholeValue(cleanBody(body))
	if err != nil {
		return nil, nil, err
	}
	c := newCursor(raw)
	if !c.enter('[') {
		return nil, nil, &event.Malformed{Reason: "must be an array of alerts"}
	}
	r := d.read(event.RoadPoll, at)
	var all []APIAlert
	for i := 0; c.more(']'); i++ {
		if i == r.limits.Entries {
			r.aside(tooManyEntries("", r.limits.Entries), c.skip())
			break
		}
		var a alert
		f := r.takeAlert(c, &a)
		if f == nil {
			f = r.observe(sighting{alert: &a, at: r.receivedAt, firing: true, instance: instance})
		}
		if f != nil {
			r.aside(f.in("["+strconv.Itoa(i)+"]"), a.raw)
			continue
		}
		if len(r.batch.Observations) > len(all) { // else it was listed twice
			all = append(all, APIAlert{State: a.api.state, SilencedBy: a.api.silencedBy, InhibitedBy: a.api.inhibitedBy})
		}
	}
	for i := range all {
		all[i].Observation = r.batch.Observations[i]
	}
	return all, r.batch.Asides, nil
}

// DecodeAPISilences decodes the answer to GET /api/v2/silences that was asked
// for at the time at. Bad entries are put aside.
func (d Decoder) DecodeAPISilences(body []byte, at time.Time) ([]APISilence, []event.Aside, error) {
	raw, err := wholeValue(cleanBody(body))
	if err != nil {
		return nil, nil, err
	}
	c := newCursor(raw)
	if !c.enter('[') {
		return nil, nil, &event.Malformed{Reason: "must be an array of silences"}
	}
	r := d.read(event.RoadPoll, at)
	var all []APISilence
	for i := 0; c.more(']'); i++ {
		if i == r.limits.Entries {
			r.aside(tooManyEntries("", r.limits.Entries), c.skip())
			break
		}
		c.peek()
		start := c.i
		s, state, suspect, f := r.takeSilence(c)
		entry := c.b[start:c.i:c.i]
		if f == nil && s.UpdatedAt.IsZero() {
			f = &fault{"updatedAt", classMissing, "is missing"}
		}
		if f != nil {
			r.aside(f.in("["+strconv.Itoa(i)+"]"), entry)
			continue
		}
		if state == "expired" {
			s.Action = event.SilenceExpired
		} else {
			s.Action = SilenceActionOf(s)
		}
		all = append(all, APISilence{Silence: s, State: state, ClockSuspect: suspect, Raw: entry})
	}
	return all, r.batch.Asides, nil
}

// takeStatus reads an alert's status as the API writes it.
func (r *reading) takeStatus(c *cursor, s *apiStatus) {
	c.enter('{')
	for c.more('}') {
		switch string(c.key()) {
		case "state":
			s.state = r.prose(c)
		case "silencedBy":
			s.silencedBy = nil
			if !c.enter('[') {
				continue
			}
			for c.more(']') {
				if id := r.prose(c); id != "" {
					s.silencedBy = append(s.silencedBy, id)
				}
			}
		case "inhibitedBy":
			s.inhibitedBy = r.fingerprints(c, false)
		default:
			c.skip()
		}
	}
}

// fingerprints takes an array of fingerprints; what is none is left out.
func (r *reading) fingerprints(c *cursor, decimal bool) []event.Fingerprint {
	if !c.enter('[') {
		return nil
	}
	var all []event.Fingerprint
	for c.more(']') {
		if fp, ok := r.fingerprint(c, decimal); ok {
			all = append(all, fp)
		}
	}
	return all
}
