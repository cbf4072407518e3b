package message

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var received = time.Date(2026, 11, 22, 15, 20, 20, 0, time.UTC)

func one(t *testing.T, body string) event.Event {
	t.Helper()
	batch, err := Decode([]byte(body), received)
	if err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	if len(batch.Events) != 1 || len(batch.Asides) != 0 {
		t.Fatalf("decode %s: %d events and %d asides, want one event", body, len(batch.Events), len(batch.Asides))
	}
	return batch.Events[0]
}

func TestDecodesEveryField(t *testing.T) {
	body := `{"id": "m1", "at": "2026-11-22T15:20:19.901Z", "author": "dana", "channel": "#incidents", "thread": "t1",
		"text": "looking at it\n", "url": "https://chat.example/m1", "incident": "https://hindcast.example/incidents/X"}`
	got := one(t, body)
	want := event.Event{
		ID: got.ID, Kind: event.KindMessage, OccurredAt: time.Date(2026, 11, 22, 15, 20, 19, 901e6, time.UTC), ReceivedAt: received,
		Road: event.RoadMessages, Instance: "#incidents",
		Message: &event.Message{
			Author: "dana", Channel: "#incidents", Thread: "t1", Text: "looking at it\n",
			URL: "https://chat.example/m1", Incident: "https://hindcast.example/incidents/X",
		},
		Raw: json.RawMessage(body),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAcknowledgements(t *testing.T) {
	tests := map[string]struct {
		body string
		want *event.Acknowledgement
	}{
		"true": {
			`{"author":"dana","acknowledges":true}`,
			&event.Acknowledgement{Actor: "dana"},
		},
		"fingerprints": {
			`{"author":"dana","text":"on it","incident":"X","acknowledges":["00000000000000AB","fedcba9876543210"]}`,
			&event.Acknowledgement{Actor: "dana", Note: "on it", Incident: "X", Alerts: []event.AlertRef{{Fingerprint: 0xab}, {Fingerprint: 0xfedcba9876543210}}},
		},
		"false":      {`{"author":"dana","text":"no","acknowledges":false}`, nil},
		"null":       {`{"author":"dana","text":"no","acknowledges":null}`, nil},
		"empty list": {`{"author":"dana","text":"no","acknowledges":[]}`, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			e := one(t, test.body)
			if !reflect.DeepEqual(e.Acknowledgement, test.want) {
				t.Errorf("acknowledgement is %+v, want %+v", e.Acknowledgement, test.want)
			}
			if isAck := e.Kind == event.KindAcknowledgement; isAck != (test.want != nil) || (e.Message != nil) == isAck {
				t.Errorf("kind is %s, message %+v", e.Kind, e.Message)
			}
		})
	}
}

func TestRefuses(t *testing.T) {
	for body, want := range map[string]string{
		`{"text":"x"}`:                  "author: required",
		`{"author":"dana"}`:             "text: required",
		`{"author":"dana","text":"  "}`: "text: required",
		`{"author":"dana","text":"x","at":"2300-01-01T00:00:00Z"}`:       "at: ",
		`{"author":"dana","text":{}}`:                                    "text: want a text, got an object",
		`{"author":"dana","text":"x","acknowledges":["zz"]}`:             `acknowledges[0]: "zz" is not a fingerprint`,
		`{"author":"dana","text":"x","acknowledges":"00000000000000ab"}`: "acknowledges: want an array",
	} {
		_, err := Decode([]byte(body), received)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("decode %s: error is %v, want a Malformed with %q", body, err, want)
		}
	}
	batch, err := Decode([]byte(`[{"author":"a","text":"x"},{"author":"b"}]`), received)
	if err != nil || len(batch.Events) != 1 || len(batch.Asides) != 1 || batch.Asides[0].Reason != "[1].text: required" {
		t.Errorf("of a good and a bad entry: %+v, %v", batch, err)
	}
}

func TestIdentity(t *testing.T) {
	const base = `{"at":"2026-11-22T15:20:19Z","author":"dana","channel":"#a","text":"x"}`
	id := one(t, base).ID
	if got := one(t, `[{"text":"x","url":"u","channel":"#a","author":"dana","at":"2026-11-22T16:20:19+01:00"}]`).ID; got != id {
		t.Error("the same message, written otherwise, is another event")
	}
	for name, other := range map[string]string{
		"author":  strings.Replace(base, "dana", "omar", 1),
		"channel": strings.Replace(base, "#a", "#b", 1),
		"text":    strings.Replace(base, `"x"`, `"y"`, 1),
		"time":    strings.Replace(base, "19Z", "19.0001Z", 1),
		"kind":    strings.Replace(base, "{", `{"acknowledges":true,`, 1),
		"id":      strings.Replace(base, "{", `{"id":"1",`, 1),
	} {
		if one(t, other).ID == id {
			t.Errorf("another %s is the same event", name)
		}
	}
	withID := strings.Replace(base, "{", `{"id":"1",`, 1)
	if one(t, strings.Replace(withID, `"x"`, `"edited"`, 1)).ID != one(t, withID).ID {
		t.Error("with an id of the sender's, the text is part of the identity")
	}
	if one(t, strings.Replace(withID, `#a`, `#b`, 1)).ID == one(t, withID).ID {
		t.Error("an id of the sender's is not by channel")
	}
	acked := `{"at":"2026-11-22T15:20:19Z","author":"dana","acknowledges":["00000000000000ab"]}`
	if one(t, acked).ID == one(t, strings.Replace(acked, "ab", "ac", 1)).ID {
		t.Error("acknowledgements of two alerts are one event")
	}
}

func TestCutsALongText(t *testing.T) {
	e := one(t, `{"author":"bot","text":"`+strings.Repeat("ä", MaxText)+`"}`)
	if got := len(e.Message.Text); got != MaxText || e.Labels["hindcast_clipped"] != "text: 65536 of 131072 bytes" {
		t.Errorf("text of %d bytes, labels %s", got, e.Labels)
	}
}

func FuzzDecode(f *testing.F) {
	recorded, err := os.Open("testdata/messages.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer recorded.Close()
	for s := bufio.NewScanner(recorded); s.Scan(); {
		f.Add(s.Bytes())
	}
	f.Add([]byte(`[{"author":"dana","acknowledges":["00000000000000ab",null]},{"author":1,"text":2,"at":"9999-01-01T00:00:00Z"}]`))
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := Decode(body, received)
		if err != nil {
			var malformed *event.Malformed
			if !errors.As(err, &malformed) || len(batch.Events) != 0 {
				t.Fatalf("error is %v with %d events, want a Malformed with none", err, len(batch.Events))
			}
			return
		}
		for _, e := range batch.Events {
			if e.ID.IsZero() || !event.InRange(e.OccurredAt) || (e.Message == nil) == (e.Acknowledgement == nil) || !json.Valid(e.Raw) {
				t.Fatalf("event is %+v", e)
			}
		}
	})
}
