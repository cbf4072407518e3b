package alertmanager

import (
	"fmt"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// reading collects the facts of one body.
type reading struct {
	values
	decoder    Decoder
	receivedAt time.Time
	road       event.Road
	// single says that the body is one alert: then a time outside the accepted
	// range is an error, and not clamped.
	single bool
	batch  event.Batch
	// at finds an alert's observation in the batch: senders tell of one alert
	// several times in a body.
	at map[alertKey]int
	// silences are the IDs of the silence events in the batch.
	silences map[event.ID]bool
	// first is the first fault of the body.
	first *fault
}

type alertKey struct {
	fingerprint event.Fingerprint
	startsAt    int64 // in milliseconds since 1970
}

func (d Decoder) read(road event.Road, receivedAt time.Time) *reading {
	d = d.withDefaults()
	return &reading{
		values:     values{limits: d.Limits},
		decoder:    d,
		receivedAt: receivedAt.UTC(),
		road:       road,
	}
}

// aside puts an entry aside.
func (r *reading) aside(f *fault, raw []byte) {
	if r.first == nil {
		r.first = f
	}
	if len(raw) > event.MaxAside {
		raw = shorten(raw, event.MaxAside)
	}
	reason := f.malformed().Error()
	r.batch.Asides = append(r.batch.Asides, event.Aside{
		ID:         event.NewID(r.receivedAt, "aside", string(r.road), reason, string(raw)),
		ReceivedAt: r.receivedAt,
		Road:       r.road,
		Reason:     reason,
		Class:      f.class,
		Raw:        raw,
	})
}

// alert is what a sender says of one alert.
type alert struct {
	labels, annotations event.Labels
	generatorURL        string
	startsAt, endsAt    time.Time // zero: not said, or no end
	// status is "firing" or "resolved"; "" where the sender does not say.
	status   string
	resolved bool
	// fingerprint is that of the labels, sent the one that came with them.
	fingerprint, sent event.Fingerprint
	sentOK            bool
	api               apiStatus
	raw               []byte
}

// takeAlert reads an alert in any of the senders' formats.
func (r *reading) takeAlert(c *cursor, a *alert) *fault {
	*a = alert{}
	c.peek()
	start := c.i
	defer func() { a.raw = c.b[start:c.i:c.i] }()
	if !c.enter('{') {
		return &fault{"", classType, "must be an object"}
	}
	recorder := r.road == event.RoadRecorder
	var first *fault
	note := func(f *fault) {
		if first == nil {
			first = f
		}
	}
	for c.more('}') {
		var f *fault
		switch string(c.key()) {
		case "labels":
			a.labels, f = r.labels(c, "labels", false)
		case "annotations":
			a.annotations, _ = r.labels(c, "annotations", true)
		case "startsAt", "starts_at":
			a.startsAt, f = r.instant(c, "startsAt")
		case "endsAt", "ends_at":
			a.endsAt, f = r.instant(c, "endsAt")
		case "generatorURL":
			a.generatorURL = r.prose(c)
		case "status":
			if c.peek() == '{' {
				r.takeStatus(c, &a.api)
			} else {
				a.status = r.prose(c)
			}
		case "resolved":
			a.resolved = r.flag(c)
		case "fingerprint":
			a.sent, a.sentOK = r.fingerprint(c, recorder)
		default:
			c.skip()
		}
		note(f)
	}
	if first == nil && len(a.labels) == 0 {
		first = &fault{"labels", classMissing, "must hold at least one label"}
	}
	a.fingerprint = a.labels.Fingerprint()
	return first
}

// sighting is one sender's word on one alert at one time.
type sighting struct {
	alert *alert
	at    time.Time
	// firing says that the alert fired at that time, ended that it had ended.
	// Both false: the alert's end, compared with at, says which.
	firing, ended   bool
	instance, group string
	// suspect says that at is not the sender's time, which made no sense.
	suspect bool
}

// observe turns a sighting into an observation. Times outside the accepted
// range are clamped and marked, or refused for a single body.
func (r *reading) observe(s sighting) *fault {
	a := s.alert
	if a.startsAt.IsZero() {
		return &fault{"startsAt", classTime, "is missing"}
	}
	o := event.Observation{
		Labels:          a.labels,
		Annotations:     a.annotations,
		GeneratorURL:    a.generatorURL,
		Fingerprint:     a.fingerprint,
		FirstReceivedAt: r.receivedAt,
		LastReceivedAt:  r.receivedAt,
		Roads:           roads(r.road),
		ClockSuspect:    s.suspect,
		Raw:             a.raw,
	}
	var f *fault
	if o.StartsAt, f = r.accept(a.startsAt, &o.ClockSuspect); f != nil {
		return f.in("startsAt")
	}
	endsAt, f := r.accept(a.endsAt, &o.ClockSuspect)
	if f != nil {
		return f.in("endsAt")
	}
	if a.sentOK {
		o.SentFingerprints = []event.Fingerprint{a.sent}
	}
	if s.group != "" {
		o.Groups = []string{s.group}
	}
	if s.instance != "" {
		o.Instances = []string{s.instance}
	}
	if !s.firing && !s.ended {
		s.ended = !endsAt.IsZero() && !endsAt.After(s.at)
	}
	switch {
	case !s.ended:
		o.FiringSeenAt = s.at
		o.KeepAliveUntil = endsAt
	case endsAt.IsZero():
		// Over, and the sender does not say since when: a bound.
		o.GoneBy = s.at
	case endsAt.Before(o.StartsAt):
		// Alertmanager takes no such alert; some clock moved back.
		o.EndedAt, o.ClockSuspect = o.StartsAt, true
	default:
		o.EndedAt = endsAt
	}
	r.add(o)
	return nil
}

// accept brings a time of an alert or a silence into the accepted range and to
// the millisecond. The zero time stays.
func (r *reading) accept(t time.Time, suspect *bool) (time.Time, *fault) {
	if t.IsZero() {
		return t, nil
	}
	clamped, out := event.Clamp(t)
	if out {
		if r.single {
			return t, outOfRange(t)
		}
		*suspect = true
	}
	return toMillisecond(clamped), nil
}

func outOfRange(t time.Time) *fault {
	return &fault{"", classTime, fmt.Sprintf("%s is outside the accepted range, %d to %d", t.Format(time.RFC3339), event.MinTime.Year(), event.MaxTime.Year())}
}

// add puts an observation into the batch, merged with an earlier one of the
// same alert.
func (r *reading) add(o event.Observation) {
	key := alertKey{o.Fingerprint, o.StartsAt.UnixMilli()}
	if i, ok := r.at[key]; ok {
		r.batch.Observations[i] = r.batch.Observations[i].Merge(o)
		return
	}
	if r.at == nil {
		r.at = make(map[alertKey]int)
	}
	r.at[key] = len(r.batch.Observations)
	r.batch.Observations = append(r.batch.Observations, o)
}

// The sets of one road: observations are many and share them. Sets of an
// observation are read only.
var roadSets = map[event.Road][]event.Road{
	event.RoadWebhook:    {event.RoadWebhook},
	event.RoadGrafana:    {event.RoadGrafana},
	event.RoadRecorder:   {event.RoadRecorder},
	event.RoadPrometheus: {event.RoadPrometheus},
}

func roads(road event.Road) []event.Road {
	if set, ok := roadSets[road]; ok {
		return set
	}
	return []event.Road{road}
}

// ref points at an alert that was told of.
func (a *alert) ref() event.AlertRef {
	ref := event.AlertRef{Fingerprint: a.fingerprint}
	if !a.startsAt.IsZero() {
		clamped, _ := event.Clamp(a.startsAt)
		ref.StartsAt = toMillisecond(clamped)
	}
	return ref
}

// malformedJSON is the error of a body that is not JSON.
func malformedJSON(err error) *event.Malformed {
	return &event.Malformed{Reason: err.Error()}
}
