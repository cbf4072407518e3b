// Package message decodes what people and bots write, and what they
// acknowledge: POST /ingest/messages.
//
// In the flow it stands between the HTTP receiver, or a Kafka consumer, and
// storage: bytes in, events of the kinds message and acknowledgement out. What a text means ("on
// it", "rolling back payments") is read by the correlator; this package only
// carries it. It does no I/O and keeps nothing.
package message

import (
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// Bounds of a message. Names that are longer are an error, a text is cut.
const (
	MaxName   = 1024     // bytes of an author, a channel, an ID
	MaxURL    = 4096     // bytes of a URL
	MaxText   = 64 << 10 // bytes of a text
	MaxAlerts = 1000     // alerts that one message acknowledges
)

// Decode decodes a body of POST /ingest/messages: a message or an array of
// them.
//
//	{"id"?, "at"?, "author", "channel"?, "thread"?, "text", "url"?, "incident"?,
//	 "acknowledges"?: true | ["<fingerprint>", …]}
//
// Without at a message was written when it was received. With acknowledges it
// is no mere text but its author's statement that they took the alerts of
// these fingerprints (16 hex digits each), or with true whatever the incident
// or the time says: an event of the kind acknowledgement, whose note is the
// text, which may then be empty. False, null and an empty list acknowledge
// nothing.
//
// The ID of an event is taken from channel and id where the sender gives an
// id, else from time, author, channel and text; the same post again is the
// same event.
//
// A single message that is wrong is an error (*event.Malformed); one of an
// array is put aside, and the others are taken; when none is left, the first
// failure is the error as well.
func Decode(b []byte, receivedAt time.Time) (event.Batch, error) {
	return body.Decode(b, event.RoadMessages, receivedAt, func(o *body.Object) event.Event {
		return read(o, receivedAt.UTC())
	})
}

func read(o *body.Object, receivedAt time.Time) event.Event {
	id := o.Text("id", MaxName)
	m := event.Message{
		Author:   o.Need("author", MaxName),
		Channel:  o.Text("channel", MaxName),
		Thread:   o.Text("thread", MaxName),
		Text:     o.Prose("text", MaxText),
		URL:      o.Text("url", MaxURL),
		Incident: o.Text("incident", MaxName),
	}
	e := event.Event{Kind: event.KindMessage, OccurredAt: o.Time("at"), Instance: m.Channel, Message: &m}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = receivedAt
	}
	alerts, acknowledges := acknowledged(o)
	e.Labels = o.NoteClipped(nil)
	if acknowledges {
		e.Kind, e.Message = event.KindAcknowledgement, nil
		e.Acknowledgement = &event.Acknowledgement{Actor: m.Author, Alerts: alerts, Incident: m.Incident, Note: m.Text}
	} else if strings.TrimSpace(m.Text) == "" {
		o.Fail("text", body.ClassMissing, "required")
	}
	if id != "" {
		e.ID = event.NewID(e.OccurredAt, string(e.Kind), "id", m.Channel, id)
		return e
	}
	identity := []string{string(e.Kind), "text", e.OccurredAt.Format(time.RFC3339Nano), m.Author, m.Channel, m.Text}
	if acknowledges {
		// An acknowledgement may have no text: then what it is of tells two apart.
		identity = append(identity, m.Incident)
		for _, alert := range alerts {
			identity = append(identity, alert.Fingerprint.String())
		}
	}
	e.ID = event.NewID(e.OccurredAt, identity...)
	return e
}

// acknowledged reads the field acknowledges: whether the message is an
// acknowledgement, and of which alerts, if it names them.
func acknowledged(o *body.Object) ([]event.AlertRef, bool) {
	const field = "acknowledges"
	if o.IsBool(field) {
		return nil, o.Bool(field)
	}
	var alerts []event.AlertRef
	for _, item := range o.List(field, MaxAlerts) {
		fingerprint, err := event.ParseFingerprint(strings.ToLower(item.Text(MaxName)))
		if err != nil {
			item.Fail(body.ClassValue, "%v", err)
			return nil, false
		}
		alerts = append(alerts, event.AlertRef{Fingerprint: fingerprint})
	}
	return alerts, len(alerts) > 0
}
