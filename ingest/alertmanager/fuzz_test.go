package alertmanager

import (
	"encoding/json"
	"errors"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/hindcast/hindcast/ingest/event"
)

// fuzzDecoder checks that a decoder neither panics nor gives facts that are
// not whole, and that it gives the same ones for the same body.
func fuzzDecoder(f *testing.F, decode decodeFunc) {
	f.Fuzz(func(t *testing.T, body []byte) {
		b, err := decode(Decoder{}, body, noon)
		if err != nil {
			var m *event.Malformed
			if !errors.As(err, &m) || b.Len() != 0 {
				t.Fatalf("error %v with %d facts, want an *event.Malformed and none", err, b.Len())
			}
			return
		}
		checkFacts(t, b, noon)
		again, err := decode(Decoder{}, body, noon)
		if err != nil || len(again.Events) != len(b.Events) || len(again.Observations) != len(b.Observations) {
			t.Fatalf("a second time it gives something else: %v", err)
		}
		for i := range b.Events {
			if b.Events[i].ID != again.Events[i].ID {
				t.Errorf("event %d has the ID %s, and then %s", i, b.Events[i].ID, again.Events[i].ID)
			}
		}
	})
}

func seed(f *testing.F, sort string, more ...string) {
	for i, r := range recordings(f, sort) {
		if i%5 == 0 {
			f.Add([]byte(r.Body))
		}
	}
	for _, s := range more {
		f.Add([]byte(s))
	}
}

func FuzzWebhook(f *testing.F) {
	seed(f, "webhook", grafanaBody, `{"alerts":null}`, `{"alerts":[null,{"labels":{"a":1},"startsAt":"9999-01-01T00:00:00Z"}]}`)
	fuzzDecoder(f, Decoder.DecodeWebhook)
}

func FuzzAlerts(f *testing.F) {
	seed(f, "alerts", `{"labels":{"a":"b"}}`, `[{"labels":{"a":"b"},"endsAt":"1960-01-01T00:00:00Z"}]`, `null`, `[null]`)
	fuzzDecoder(f, Decoder.DecodeAlerts)
}

func FuzzEvents(f *testing.F) {
	seed(f, "events", "{\n}\n{", `[{"@timestamp":"2026-11-22T15:19:08.336990708Z","data":{"silenceCreated":{"silence":{"id":"s","updatedAt":"0000-01-01T00:00:00Z"}}}},`)
	fuzzDecoder(f, Decoder.DecodeEvents)
}

func FuzzEventProto(f *testing.F) {
	for _, e := range everyRecord(noon) {
		body, err := proto.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	fuzzDecoder(f, Decoder.DecodeEventProto)
}

func FuzzAPI(f *testing.F) {
	f.Add([]byte(apiAlertsBody))
	f.Add([]byte(apiSilencesBody))
	f.Fuzz(func(t *testing.T, body []byte) {
		alerts, asides, err := Decoder{}.DecodeAPIAlerts(body, "am", noon)
		if err == nil {
			b := event.Batch{Asides: asides}
			for _, a := range alerts {
				b.Observations = append(b.Observations, a.Observation)
			}
			checkFacts(t, b, noon)
		}
		silences, asides, err := Decoder{}.DecodeAPISilences(body, noon)
		if err == nil {
			b := event.Batch{Asides: asides}
			for _, s := range silences {
				if !json.Valid(s.Raw) {
					t.Errorf("Raw is not JSON: %q", s.Raw)
				}
				b.Events = append(b.Events, NewSilenceEvent(s.Silence, event.RoadPoll, noon, s.Raw))
			}
			checkFacts(t, b, noon)
		}
	})
}
