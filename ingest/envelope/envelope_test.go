package envelope

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hindcast/hindcast/ingest/event"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

var received = time.Date(2026, 11, 22, 15, 20, 0, 0, time.UTC)

const deployed = `{"occurred_at":"2026-11-22T15:19:37.9Z","service":"payments","environment":"prod","labels":{"team":"pay"},"change":{"run":"ci/7","version":"2.0.0"}}`

func decode(t *testing.T, body string) event.Batch {
	t.Helper()
	batch, err := Decoder{}.DecodeJSON([]byte(body), received)
	if err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	return batch
}

func one(t *testing.T, body string) event.Event {
	t.Helper()
	batch := decode(t, body)
	if len(batch.Events) != 1 || batch.Len() != 1 {
		t.Fatalf("decode %s: %d events of %d facts, want one event", body, len(batch.Events), batch.Len())
	}
	return batch.Events[0]
}

func TestAProducersChange(t *testing.T) {
	got := one(t, deployed)
	want := event.Event{
		ID: got.ID, Kind: event.KindChange, OccurredAt: time.Date(2026, 11, 22, 15, 19, 37, 900e6, time.UTC), ReceivedAt: received,
		Road: event.RoadEnvelope, Service: "payments", Environment: "prod", Labels: event.Labels{"team": "pay"},
		Change: &event.Change{Run: "ci/7", Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, Version: "2.0.0"},
		Raw:    json.RawMessage(deployed),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.ID.IsZero() || !got.ID.Time().Equal(want.OccurredAt) {
		t.Errorf("ID %v begins with %v", got.ID, got.ID.Time())
	}
}

func TestFormsOfABody(t *testing.T) {
	id := one(t, deployed).ID
	camel := strings.Replace(deployed, "occurred_at", "occurredAt", 1)
	for name, test := range map[string]struct {
		body           string
		events, asides int
	}{
		"an object":            {deployed, 1, 0},
		"an indented object":   {"{\n" + deployed[1:], 1, 0},
		"lowerCamelCase":       {camel, 1, 0},
		"an unknown field":     {`{"novel":[{}],` + deployed[1:], 1, 0},
		"an array":             {"[" + deployed + "," + deployed + "]", 2, 0},
		"an empty array":       {"[]", 0, 0},
		"a Batch":              {`{"envelopes":[` + deployed + `]}`, 1, 0},
		"lines":                {deployed + "\n\n" + deployed + "\r\n", 2, 0},
		"lines, one broken":    {deployed + "\n{\"change\":\n" + deployed, 2, 1},
		"lines, the last torn": {deployed + "\n" + deployed[:50], 1, 1},
		"good and bad":         {"[" + deployed + `, {}, 7, null, {"change":{}}]`, 1, 4},
	} {
		batch := decode(t, test.body)
		if len(batch.Events) != test.events || len(batch.Asides) != test.asides {
			t.Errorf("%s: %d events and %d asides, want %d and %d", name, len(batch.Events), len(batch.Asides), test.events, test.asides)
		}
		for _, e := range batch.Events {
			if e.ID != id {
				t.Errorf("%s: another event", name)
			}
		}
		for _, a := range batch.Asides {
			if a.ID.IsZero() || a.Class == "" || a.Reason == "" || a.Road != event.RoadEnvelope {
				t.Errorf("%s: aside is %+v", name, a)
			}
		}
	}
	batch := decode(t, deployed+"\n{\"change\":{}}\n"+deployed)
	if got, want := batch.Asides[0].Reason, "line 2.service: required"; got != want {
		t.Errorf("put aside for %q, want %q", got, want)
	}
}

func TestRefuses(t *testing.T) {
	alert := `{"alert":{"labels":{"alertname":"A"},"starts_at":"2026-11-22T15:00:00Z"`
	for body, want := range map[string]string{
		``:                    "body is empty",
		`{"change":`:          "not valid JSON",
		"{\n\"change\": {\n}": "not valid JSON",
		`"x"`:                 "want an envelope or an array",
		`{"envelopes":{}}`:    "envelopes: want an envelope or an array",
		`{}`:                  "no fact: one of notification, mute, silence, change",
		`[{}]`:                "[0]: no fact",
		`{"change":{}}`:       "service: required",
		`{"service":"s","change":{"kind":"magic"}}`:                        `change.kind: "magic" is not known`,
		`{"service":"s","change":{"status":7}}`:                            "(line 1:35): invalid value for string field status: 7",
		`{"service":"s","change":{"commits":[{"sha":"a"},{}]}}`:            "change.commits[1].sha: required",
		`{"service":"s","change":{},"commit":{"sha":"a"}}`:                 "(line 1:28): error parsing",
		`{"service":"s","change":{},"occurred_at":"0001-01-01T00:00:00Z"}`: "occurred_at: 0001-01-01T00:00:00Z is outside 1970 to 2200",
		`{"service":"s","change":{},"received_at":"2200-01-01T00:00:00Z"}`: "received_at: 2200-01-01T00:00:00Z is outside",
		`{"service":"s","change":{},"id":"no"}`:                            `id: "no": not an ID`,
		`{"service":"` + strings.Repeat("s", 1025) + `","change":{}}`:      "service: longer than 1024 bytes",
		`{"notification":{}}`:                                              "notification.receiver: required",
		`{"notification":{"receiver":"r","firing":[{"fingerprint":"7"}]}}`: `notification.firing[0].fingerprint: "7" is not a fingerprint`,
		`{"mute":{}}`: "mute.fingerprint: required, or labels",
		`{"silence":{"id":"s","action":"forgotten"}}`:                                          `silence.action: "forgotten" is not known`,
		`{"silence":{"id":"s","action":"created","matcher_sets":[{"matchers":[{"op":"~"}]}]}}`: `silence.matcher_sets[0].matchers[0].op: "~" is not`,
		`{"commit":{}}`:                                                          "commit.sha: required",
		`{"message":{"text":"x"}}`:                                               "message.author: required",
		`{"message":{"author":"a"}}`:                                             "message.text: required",
		`{"acknowledgement":{}}`:                                                 "acknowledgement.actor: required",
		`{"source":{}}`:                                                          "source.status: required",
		`{"alert":{}}`:                                                           "alert.labels: required",
		`{"alert":{"labels":{"a":"b"}}}`:                                         "alert.starts_at: required",
		alert + `,"sent_fingerprints":["x"]}}`:                                   "alert.sent_fingerprints[0]: ",
		`{"log_lines":{"lines":[{"stream":1,"text":"x"}]}}`:                      "log_lines.lines[0].stream: 1 is none of the 1 streams",
		`{"log_lines":{"lines":[{"level":"loud"}]}}`:                             `log_lines.lines[0].level: "loud" is not a level`,
		`{"log_lines":{"counts":[{"n":"1","second":"1099511627776"}]}}`:          "log_lines.counts[0].second: 1099511627776 seconds is outside 1970 to 2200",
		`{"log_lines":{"counts":[{}]}}`:                                          "log_lines.counts[0].n: 0 lines",
		`{"id":"zz","log_lines":{"lines":[]}}`:                                   `id: "zz" is no ID of log lines`,
		`{"log_lines":{"lines":[` + strings.Repeat("{},", MaxLines+20) + `{}]}}`: "more than 200000 objects",
		`[` + strings.Repeat("0,", MaxEnvelopes) + `0]`:                          "more than 100000 envelopes",
		strings.Repeat("{}\n", MaxEnvelopes+2):                                   "more than 100000 envelopes",
	} {
		batch, err := Decoder{}.DecodeJSON([]byte(body), received)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("decode %.80s: error is %v, want a Malformed with %q", body, err, want)
		}
		if len(batch.Events)+len(batch.Observations)+len(batch.Chunks) != 0 {
			t.Errorf("decode %.80s: facts beside the error", body)
		}
	}
}

func TestClampsTimesAmongOthers(t *testing.T) {
	batch := decode(t, `[{"service":"s","change":{},"occurred_at":"0001-01-01T00:00:00Z"},{"service":"s","change":{},"occurred_at":"9999-01-01T00:00:00Z"},
		{"silence":{"id":"s","action":"created","ends_at":"0001-01-01T00:00:00Z"},"occurred_at":"2026-11-22T15:19:37Z"},
		{"log_lines":{"counts":[{"n":"1","second":"-1"},{"n":"1","second":"1099511627776"}]}}]`)
	if len(batch.Events) != 3 || len(batch.Chunks) != 1 {
		t.Fatalf("%d events and %d chunks, want 3 and 1", len(batch.Events), len(batch.Chunks))
	}
	if counts := batch.Chunks[0].Counts; counts[0].Second != event.MinTime.Unix() || counts[1].Second != event.MaxTime.Unix()-1 {
		t.Errorf("counts of the seconds %d and %d", counts[0].Second, counts[1].Second)
	}
	early, late, unending := batch.Events[0], batch.Events[1], batch.Events[2]
	if !early.OccurredAt.Equal(event.MinTime) || !early.ClockSuspect || late.OccurredAt.Year() != 2199 || !late.ClockSuspect {
		t.Errorf("clamped to %v (%v) and %v (%v)", early.OccurredAt, early.ClockSuspect, late.OccurredAt, late.ClockSuspect)
	}
	if !unending.Silence.EndsAt.IsZero() || unending.ClockSuspect {
		t.Errorf("a silence without an end ends at %v, suspect %v", unending.Silence.EndsAt, unending.ClockSuspect)
	}
}

func TestReceipt(t *testing.T) {
	if e := one(t, `{"received_at":"2026-11-22T15:19:00Z",`+deployed[1:]); !e.ReceivedAt.Equal(received.Add(-time.Minute)) {
		t.Errorf("received at %v: an earlier receipt did not travel along", e.ReceivedAt)
	}
	if e := one(t, `{"received_at":"2026-11-23T00:00:00Z",`+deployed[1:]); !e.ReceivedAt.Equal(received) {
		t.Errorf("received at %v, which is later than now", e.ReceivedAt)
	}
}

func TestIdentity(t *testing.T) {
	id := one(t, deployed).ID
	if got := one(t, `{"received_at":"2026-11-22T15:19:00Z","raw":"e30=",`+deployed[1:]).ID; got != id {
		t.Error("receipt and payload are part of the identity")
	}
	for name, other := range map[string]string{
		"service":  strings.Replace(deployed, "payments", "ledger", 1),
		"label":    strings.Replace(deployed, `"pay"`, `"core"`, 1),
		"version":  strings.Replace(deployed, "2.0.0", "2.0.1", 1),
		"time":     strings.Replace(deployed, "37.9Z", "37.900000001Z", 1),
		"instance": strings.Replace(deployed, "{", `{"instance":"ci-2",`, 1),
	} {
		if one(t, other).ID == id {
			t.Errorf("another %s is the same event", name)
		}
	}
	sourced := strings.Replace(deployed, "{", `{"source_id":"7",`, 1)
	if one(t, sourced).ID != one(t, strings.Replace(sourced, "2.0.0", "2.0.1", 1)).ID {
		t.Error("with a source_id, what else is said is part of the identity")
	}
	if one(t, sourced).ID == one(t, strings.Replace(sourced, `"7"`, `"8"`, 1)).ID {
		t.Error("another source_id is the same event")
	}
	given := event.NewID(received, "x")
	if got := one(t, `{"id":"`+given.String()+`",`+deployed[1:]); got.ID != given || got.Raw != nil {
		t.Errorf("ID is %v with raw %s, want the one that was given, and nothing filled in", got.ID, got.Raw)
	}
}

func TestRawPayload(t *testing.T) {
	raw := func(payload string) string {
		return `{"raw":"` + base64.StdEncoding.EncodeToString([]byte(payload)) + `",` + deployed[1:]
	}
	for payload, want := range map[string]string{`{"a": 1}`: `{"a": 1}`, "no \xff JSON": "\"no \uFFFD JSON\""} {
		if got := string(one(t, raw(payload)).Raw); got != want {
			t.Errorf("payload %q is kept as %s, want %s", payload, got, want)
		}
	}
}

func TestAlerts(t *testing.T) {
	at := received.Add(-time.Minute)
	labels := event.Labels{"alertname": "HighErrors", "service": "payments"}
	firing := decode(t, `{"instance":"vmalert","alert":{"labels":{"alertname":"HighErrors","service":"payments"},"starts_at":"2026-11-22T15:19:00Z"}}`).Observations
	ended := decode(t, `{"alert":{"labels":{"alertname":"HighErrors","service":"payments"},"ended_at":"2026-11-22T15:19:30Z"},"occurred_at":"2026-11-22T15:19:00Z"}`).Observations
	if len(firing) != 1 || len(ended) != 1 {
		t.Fatalf("%d and %d observations, want 1 and 1", len(firing), len(ended))
	}
	want := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: at, Labels: labels, FiringSeenAt: received, FirstReceivedAt: received, LastReceivedAt: received,
		Roads: []event.Road{event.RoadEnvelope}, Instances: []string{"vmalert"}, Raw: firing[0].Raw,
	}
	if !reflect.DeepEqual(firing[0], want) {
		t.Errorf("got  %+v\nwant %+v", firing[0], want)
	}
	if o := ended[0]; o.ID() != firing[0].ID() || !o.EndedAt.Equal(at.Add(30*time.Second)) || !o.FiringSeenAt.IsZero() {
		t.Errorf("the ended alert is %+v", o)
	}
}

func TestLogLines(t *testing.T) {
	body := `{"service":"payments","labels":{"pod":"p1"},"log_lines":{"lines":[{"at":"2026-11-22T15:19:58.1Z","level":"error","text":"no rule"},{"text":"later"}]}}`
	completed := 0
	d := Decoder{Complete: func(c *event.Chunk) {
		completed++
		c.Counts = []event.Count{{N: int64(len(c.Lines))}}
	}}
	batch, err := d.DecodeJSON([]byte(body), received)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Chunks) != 1 || completed != 1 || batch.Chunks[0].Counts[0].N != 2 {
		t.Fatalf("%d chunks, completed %d times: %+v", len(batch.Chunks), completed, batch.Chunks)
	}
	c := batch.Chunks[0]
	if c.ID == (event.ChunkID{}) || !c.ReceivedAt.Equal(received) || c.Road != event.RoadEnvelope {
		t.Errorf("chunk is %+v", c)
	}
	if want := []event.Stream{{Service: "payments", Labels: event.Labels{"pod": "p1"}}}; !reflect.DeepEqual(c.Streams, want) {
		t.Errorf("streams are %+v, want %+v", c.Streams, want)
	}
	want := []event.Line{
		{At: time.Date(2026, 11, 22, 15, 19, 58, 100e6, time.UTC), Level: event.LevelError, Text: "no rule"},
		{At: received, Text: "later"},
	}
	if !reflect.DeepEqual(c.Lines, want) {
		t.Errorf("lines are %+v, want %+v", c.Lines, want)
	}
	if again := decode(t, "["+body+"]").Chunks[0]; again.ID != c.ID {
		t.Error("the same lines again are another chunk")
	}
	if other := decode(t, strings.Replace(body, "no rule", "no rules", 1)).Chunks[0]; other.ID == c.ID {
		t.Error("other lines are the same chunk")
	}
	counted, err := EncodeJSON(batch)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.DecodeJSON(counted, received); err != nil || completed != 1 {
		t.Errorf("a chunk that has its counts was completed again (error %v)", err)
	}
}

func TestBoundsTheLinesOfABody(t *testing.T) {
	half := `{"log_lines":{"lines":[` + strings.Repeat(`{},`, MaxLines*2/3) + `{}]}}`
	batch := decode(t, `[`+half+`,`+half+`,`+deployed+`]`)
	if len(batch.Chunks) != 1 || len(batch.Asides) != 1 || len(batch.Events) != 1 || batch.Asides[0].Class != "size" {
		t.Errorf("%d chunks, %d asides, %d events; want one each", len(batch.Chunks), len(batch.Asides), len(batch.Events))
	}
}

func TestProtobuf(t *testing.T) {
	change := &hindcastv1.Envelope{
		OccurredAt: timestamppb.New(received), Service: "payments",
		Fact: &hindcastv1.Envelope_Change{Change: &hindcastv1.Change{Version: "2.0.0"}},
	}
	good, err := proto.Marshal(&hindcastv1.Batch{Envelopes: []*hindcastv1.Envelope{change, {}, {
		Service: "s", OccurredAt: &timestamppb.Timestamp{Seconds: -1 << 62, Nanos: -1}, Fact: &hindcastv1.Envelope_Change{Change: &hindcastv1.Change{}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	// An envelope whose service is not UTF-8, and a field of the Batch that is
	// not known yet.
	good = append(good, 0x0a, 0x03, 0x3a, 0x01, 0xff, 0x12, 0x01, 'x')
	batch, err := Decoder{}.DecodeProto(good, received)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 2 || len(batch.Asides) != 2 {
		t.Fatalf("%d events and %d asides, want 2 and 2: %+v", len(batch.Events), len(batch.Asides), batch.Asides)
	}
	if got, want := string(batch.Events[0].Raw), `{"occurred_at":"2026-11-22T15:20:00Z","service":"payments","change":{"version":"2.0.0"}}`; got != want {
		t.Errorf("raw is %s, want %s", got, want)
	}
	if e := batch.Events[1]; !e.ClockSuspect || !e.OccurredAt.Equal(event.MinTime) {
		t.Errorf("an absurd time is %v, suspect %v", e.OccurredAt, e.ClockSuspect)
	}
	if got, want := batch.Asides[1].Reason, "envelopes[3]: "; !strings.HasPrefix(got, want) {
		t.Errorf("put aside for %q, want %q…", got, want)
	}
	viaJSON := one(t, `{"occurred_at":"2026-11-22T15:20:00Z","service":"payments","change":{"version":"2.0.0"}}`)
	if viaJSON.ID != batch.Events[0].ID {
		t.Error("in protobuf and in JSON it is two events")
	}

	many := append([]byte{0xea, 0x01}, protoLength(2*(MaxLines+1))...)
	many = append(many, strings.Repeat("\x12\x00", MaxLines+1)...)
	flood := append([]byte{0x0a}, protoLength(len(many))...)
	for name, test := range map[string]struct {
		body []byte
		want string
	}{
		"nothing":        {nil, "envelopes: none"},
		"JSON":           {[]byte(deployed), "not a hindcast.v1.Batch in protobuf, at byte"},
		"torn":           {good[:20], "not a hindcast.v1.Batch in protobuf, at byte 1: unexpected EOF"},
		"a flood":        {append(flood, many...), "envelopes[0].log_lines.lines: more than 200000"},
		"many envelopes": {[]byte(strings.Repeat("\x0a\x00", MaxEnvelopes+1)), "more than 100000 envelopes"},
		"an empty one":   {[]byte{0x0a, 0x00}, "envelopes[0]: no fact"},
	} {
		_, err := Decoder{}.DecodeProto(test.body, received)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s: error is %v, want a Malformed with %q", name, err, test.want)
		}
	}
}

// protoLength is a varint.
func protoLength(n int) []byte {
	var b []byte
	for ; n > 0x7f; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestCutsWhatIsTooLong(t *testing.T) {
	long, err := proto.Marshal(&hindcastv1.Batch{Envelopes: []*hindcastv1.Envelope{{
		OccurredAt: timestamppb.New(received), Service: "s", Labels: map[string]string{"a": "b"},
		Fact: &hindcastv1.Envelope_Change{Change: &hindcastv1.Change{Commits: []*hindcastv1.Commit{{
			Sha: "x", Diff: strings.Repeat("d", 70_000), Files: strings.Split(strings.Repeat("f,", 2000), ","),
		}}}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := Decoder{}.DecodeProto(long, received)
	if err != nil {
		t.Fatal(err)
	}
	e := batch.Events[0]
	if c := e.Change.Commits[0]; len(c.Diff) != 65536 || len(c.Files) != 1000 {
		t.Errorf("diff of %d bytes, %d files", len(c.Diff), len(c.Files))
	}
	want := "change.commits[0].diff: 65536 of 70000 bytes, change.commits[0].files: the first 1000"
	if got := e.Labels["hindcast_clipped"]; got != want || e.Labels["a"] != "b" {
		t.Errorf("labels are %s, want %q in them", e.Labels, want)
	}
	if strings.Contains(string(e.Raw), "hindcast_clipped") {
		t.Error("the note stands in the raw payload")
	}
}
