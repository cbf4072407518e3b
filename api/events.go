package api

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// fact is the body of GET /events/{id}: one fact of any kind. What is told of
// its kind stands in the field that has the kind's name.
type fact struct {
	event.Event
	// Road is "" for log facts: they are sums over what came by any road.
	Road event.Road `json:"road,omitempty" doc:"How it came; of an alert that came by several, one of alert.roads"`
	// Alert is all that is known of an alert, merged from every sighting.
	Alert *event.Observation `json:"alert,omitempty"`
	// Log is what the log said in one second.
	Log *logFact `json:"log,omitempty"`
	// Raw is the payload: of an alert that of the first sighting, of a log fact
	// the first line.
	Raw         json.RawMessage `json:"raw,omitempty" doc:"The payload as the sender wrote it, in the form that raw_encoding says"`
	RawEncoding rawEncoding     `json:"raw_encoding,omitempty" enum:"json,text,base64" doc:"json: raw is the sender's JSON; text: raw is the payload as a string; base64: the payload is not UTF-8"`
}

type logFact struct {
	Version  string          `json:"version,omitempty"`
	Level    event.Level     `json:"level"`
	Pattern  event.PatternID `json:"pattern"`
	Template string          `json:"template" doc:"The lines with their variable parts masked"`
	// Second is the second that is summed up; First and Last are lines' times.
	Second time.Time `json:"second"`
	Count  int64     `json:"count"`
	First  time.Time `json:"first"`
	Last   time.Time `json:"last"`
	Sample string    `json:"sample" doc:"The first line, verbatim"`
}

type eventInput struct {
	conditions
	ID string `path:"id" doc:"The ID of an event, as timelines have it in events and evidence"`
}

func (a *api) describeEvent(h huma.API) huma.Operation {
	return huma.Operation{
		OperationID:        "get-event",
		Method:             http.MethodGet,
		Path:               "/events/{id}",
		Summary:            "Get a fact with its raw payload and both of its times",
		Description:        "occurred_at is the sender's claim, received_at is when hindcast first acknowledged it.",
		Tags:               []string{"facts"},
		Parameters:         describeConditions(),
		Responses:          responses(h, content[fact](h, "The fact"), 304, 404, 503),
		SkipValidateParams: true,
	}
}

const missingFact = "No fact with this ID is stored. The IDs in the events and evidence of a timeline name facts; " +
	"facts are deleted when their retention ends."

func (a *api) getEvent(ctx context.Context, in *eventInput) (*reply, error) {
	id, err := pathID(in.ID, missingFact)
	if err != nil {
		return nil, err
	}
	stored, err := a.Store.Fact(ctx, id)
	if err != nil {
		return nil, a.failure(ctx, err, "read a fact", missingFact)
	}
	f, err := a.present(id, stored)
	if err != nil {
		return nil, a.failure(ctx, err, "present a fact", "")
	}
	return a.replyJSON(ctx, &in.conditions, f)
}

// present brings facts of all kinds into one form.
func (a *api) present(id event.ID, stored storage.Fact) (fact, error) {
	var f fact
	var payload []byte
	switch {
	case stored.Event != nil:
		f.Event, f.Road, payload = *stored.Event, stored.Event.Road, stored.Event.Raw
	case stored.Observation != nil:
		o := *stored.Observation
		payload = o.Raw
		o.Raw = nil
		o.Roads = filled(o.Roads)
		if o.Labels == nil {
			o.Labels = event.Labels{}
		}
		f.Event = event.Event{
			Kind: event.KindAlert, OccurredAt: o.StartsAt, ReceivedAt: o.FirstReceivedAt,
			Service: a.Labels.ServiceOf(o.Labels), Environment: a.Labels.EnvironmentOf(o.Labels),
			ClockSuspect: o.ClockSuspect,
		}
		if len(o.Roads) > 0 {
			f.Road = o.Roads[0]
		}
		f.Alert = &o
	case stored.Log != nil:
		l := stored.Log
		payload = []byte(l.Sample)
		f.Event = event.Event{
			Kind: event.KindLog, OccurredAt: l.First, ReceivedAt: l.ReceivedAt,
			Service: l.Service, Environment: l.Environment,
		}
		f.Log = &logFact{
			Version: l.Version, Level: l.Level, Pattern: l.Pattern, Template: l.Template,
			Second: time.Unix(l.Second, 0).UTC(), Count: l.N,
			First: l.First.UTC(), Last: l.Last.UTC(), Sample: l.Sample,
		}
	}
	f.ID = id
	f.OccurredAt, f.ReceivedAt = f.OccurredAt.UTC(), f.ReceivedAt.UTC()
	var err error
	f.Raw, f.RawEncoding, err = rawPayload(payload)
	return f, err
}
