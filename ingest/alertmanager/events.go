package alertmanager

import (
	"bytes"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// DecodeEvents decodes what Alertmanager's event recorder writes as JSON: one
// event, an array of events (batch: true), or events behind one another, as in
// the recorder's file.
//
// The recorder gives up an event that is refused. So a body is an error only
// when nothing in it is a JSON object, or when it is a single event whose
// @timestamp cannot be taken; everything else that is bad is put aside, what
// is not JSON included.
func (d Decoder) DecodeEvents(body []byte, receivedAt time.Time) (event.Batch, error) {
	body = cleanBody(body)
	r := d.read(event.RoadRecorder, receivedAt)
	i := skipSpace(body, 0)
	if i == len(body) {
		return event.Batch{}, &event.Malformed{Reason: "the body is empty"}
	}
	var err error
	if body[i] == '[' {
		err = r.takeEventArray(body, i+1)
	} else if start, end, scanErr := scanValue(body, i); scanErr == nil && skipSpace(body, end) == len(body) {
		err = r.takeSingleEvent(body[start:end:end])
	} else {
		err = r.takeEventStream(body, i)
	}
	if err != nil {
		return event.Batch{}, err
	}
	return r.batch, nil
}

func (r *reading) takeSingleEvent(raw []byte) error {
	if raw[0] != '{' {
		return &event.Malformed{Reason: "must be an object, or an array of objects"}
	}
	if f := r.takeEvent(raw, ""); f != nil {
		if f.field == "@timestamp" {
			return f.malformed()
		}
		r.aside(f, raw)
	}
	return nil
}

// takeEventArray takes the entries of an array as far as it is JSON; what
// comes behind is put aside.
func (r *reading) takeEventArray(body []byte, i int) error {
	objects := 0
	i = skipSpace(body, i)
	if i < len(body) && body[i] == ']' {
		if rest := skipSpace(body, i+1); rest < len(body) {
			return malformedJSON(&syntaxError{rest, "more text behind the array"})
		}
		return nil
	}
	for n := 0; ; n++ {
		path := "[" + strconv.Itoa(n) + "]"
		start, end, err := scanValue(body, i)
		if err == nil && n == r.limits.Entries {
			r.aside(tooManyEntries("", r.limits.Entries), body[start:end])
			return nil
		}
		if err == nil {
			raw := body[start:end:end]
			if raw[0] == '{' {
				objects++
			}
			if f := r.takeEvent(raw, path); f != nil {
				r.aside(f.in(path), raw)
			}
			if end = skipSpace(body, end); end < len(body) && body[end] == ',' {
				i = end + 1
				continue
			}
			if end < len(body) && body[end] == ']' {
				i = end + 1
				break
			}
			start, err = end, unexpected(body, end, "a comma or ']'")
		}
		if objects == 0 {
			return malformedJSON(err)
		}
		r.aside(&fault{path, classJSON, err.Error()}, body[start:])
		return nil
	}
	if rest := skipSpace(body, i); rest < len(body) {
		r.aside(&fault{"", classJSON, (&syntaxError{rest, "more text behind the array"}).Error()}, body[rest:])
	}
	return nil
}

// takeEventStream takes events that stand behind one another. What is not JSON
// is put aside up to the end of its line.
func (r *reading) takeEventStream(body []byte, i int) error {
	objects := 0
	var first error
	for n := 0; ; n++ {
		if i = skipSpace(body, i); i == len(body) {
			break
		}
		path := "[" + strconv.Itoa(n) + "]"
		if n == r.limits.Entries {
			r.aside(tooManyEntries("", r.limits.Entries), body[i:])
			break
		}
		start, end, err := scanValue(body, i)
		if err != nil {
			if first == nil {
				first = err
			}
			end = len(body)
			if k := bytes.IndexByte(body[start:], '\n'); k >= 0 {
				end = start + k
			}
			r.aside(&fault{path, classJSON, err.Error()}, body[start:end])
			i = end
			continue
		}
		raw := body[start:end:end]
		if raw[0] == '{' {
			objects++
		}
		if f := r.takeEvent(raw, path); f != nil {
			r.aside(f.in(path), raw)
		}
		i = end
	}
	if objects == 0 && first != nil {
		return malformedJSON(first)
	}
	return nil
}

// recorded is the envelope of one record.
type recorded struct {
	at       time.Time
	suspect  bool
	instance string
	path     string
	raw      []byte
}

// takeEvent takes one record. A fault means that nothing was taken of it; path
// is where it stands in the body, "" when it is the body.
func (r *reading) takeEvent(raw []byte, path string) *fault {
	c := newCursor(raw)
	if !c.enter('{') {
		return &fault{"", classType, "must be an object"}
	}
	e := recorded{raw: raw, path: path}
	var (
		at         time.Time
		kind       string
		data       []byte
		bad, badAt *fault
	)
	for c.more('}') {
		switch string(c.key()) {
		case "@timestamp", "timestamp":
			at, badAt = r.instant(c, "@timestamp")
		case "instance":
			e.instance, bad = r.name(c, "instance")
		case "data":
			if !c.enter('{') {
				continue
			}
			for c.more('}') {
				key := r.keep(c.key())
				if value := c.skip(); value[0] != 'n' {
					kind, data = key, value
				}
			}
		default:
			c.skip()
		}
	}
	if badAt == nil && at.IsZero() {
		badAt = &fault{"@timestamp", classTime, "is missing"}
	}
	if badAt == nil {
		clamped, out := event.Clamp(at)
		if out && path == "" {
			badAt = outOfRange(at).in("@timestamp")
		}
		e.at, e.suspect = clamped, out
	}
	switch {
	case badAt != nil:
		return badAt
	case bad != nil:
		return bad
	case data == nil:
		return &fault{"data", classMissing, "holds no event"}
	}
	take, ok := recordKinds[kind]
	if !ok {
		return &fault{"data", classUnknown, strconv.Quote(clip(kind, 64)) + " is no event that is known"}
	}
	body := newCursor(data)
	if data[0] != '{' {
		return (&fault{"", classType, "must be an object"}).in("data." + kind)
	}
	body.enter('{')
	return take(r, &e, body).in("data." + kind)
}

// recordKinds says how each type of record is taken, under both names that
// protobuf's JSON may give it. Each is handed a cursor inside of the object.
var recordKinds = map[string]func(*reading, *recorded, *cursor) *fault{
	"alertmanagerStartupEvent":    (*reading).takeStartup,
	"alertmanager_startup_event":  (*reading).takeStartup,
	"alertmanagerShutdownEvent":   (*reading).takeShutdown,
	"alertmanager_shutdown_event": (*reading).takeShutdown,
	"alertCreated":                (*reading).takeAlertRecord,
	"alert_created":               (*reading).takeAlertRecord,
	"alertGrouped":                (*reading).takeAlertRecord,
	"alert_grouped":               (*reading).takeAlertRecord,
	"alertResolved":               (*reading).takeResolved,
	"alert_resolved":              (*reading).takeResolved,
	"notification":                (*reading).takeNotification,
	"silenceCreated":              (*reading).takeSilenceCreated,
	"silence_created":             (*reading).takeSilenceCreated,
	"silenceUpdated":              (*reading).takeSilenceUpdated,
	"silence_updated":             (*reading).takeSilenceUpdated,
	"silenceMutedAlert":           (*reading).takeSilenceMute,
	"silence_muted_alert":         (*reading).takeSilenceMute,
	"inhibitionMutedAlert":        (*reading).takeInhibition,
	"inhibition_muted_alert":      (*reading).takeInhibition,
}
