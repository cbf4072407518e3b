package alertmanager

import (
	"fmt"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

// record is one of the recorder's events, as JSON.
func record(at, typ, data string) string {
	return fmt.Sprintf(`{"@timestamp":%q,"instance":"am-0","data":{%q:%s}}`, at, typ, data)
}

func recordedAlert(name, endsAt string) string {
	return fmt.Sprintf(`{"fingerprint":"12","labels":{"labels":[{"key":"alertname","value":%q}]},"startsAt":"2026-11-22T11:00:00Z","endsAt":%q}`, name, endsAt)
}

var (
	startup = record("2026-11-22T11:59:00.336990708Z", "alertmanagerStartupEvent", `{}`)
	created = record("2026-11-22T11:59:01.5Z", "alertCreated", `{"alert":`+recordedAlert("A", "2026-11-22T12:03:00Z")+`}`)
)

func TestShapesOfRecorderBodies(t *testing.T) {
	for name, test := range map[string]struct {
		body           string
		events, alerts int
		asides         []string // class and start of the reason
	}{
		"one":                    {startup, 1, 0, nil},
		"array":                  {"[" + startup + " , " + created + "]\n", 1, 1, nil},
		"empty array":            {"[]", 0, 0, nil},
		"lines":                  {startup + "\n" + created + "\n", 1, 1, nil},
		"lines with CRLF":        {startup + "\r\n\r\n" + created, 1, 1, nil},
		"no newline between":     {startup + created, 1, 1, nil},
		"a broken line":          {startup + "\n{\"@time\n" + created + "\n", 1, 1, []string{"bad_json [1]: not valid JSON"}},
		"a line that ends early": {startup + "\n" + created[:60], 1, 0, []string{"bad_json [1]: not valid JSON"}},
		"array that ends early":  {"[" + startup + "," + created[:60], 1, 0, []string{"bad_json [1]: not valid JSON"}},
		"no comma":               {"[" + startup + " " + created + "]", 1, 0, []string{"bad_json [0]: not valid JSON"}},
		"text behind the array":  {"[" + startup + "] x", 1, 0, []string{"bad_json not valid JSON"}},
		"entries that are none":  {"[null,1," + startup + "]", 1, 0, []string{"bad_type [0]: must be", "bad_type [1]: must be"}},
		"unknown type":           {record("2026-11-22T11:59:00Z", "alertPondered", `{"a":1}`), 0, 0, []string{`unknown_type data: "alertPondered" is no event`}},
		"no data":                {`[{"@timestamp":"2026-11-22T11:59:00Z"},` + startup + `]`, 1, 0, []string{"missing_field [0].data: holds no event"}},
		"data is null":           {`{"@timestamp":"2026-11-22T11:59:00Z","data":null}`, 0, 0, []string{"missing_field data: "}},
		"bad times in a batch": {`[{"@timestamp":"soon","data":{}},{"@timestamp":null,"data":{}},` + startup + `]`, 1, 0,
			[]string{"bad_time [0].@timestamp: ", "bad_time [1].@timestamp: is missing"}},
		"a payload of another type": {record("2026-11-22T11:59:00Z", "alertCreated", `[]`), 0, 0, []string{"bad_type data.alertCreated: must be an object"}},
		"no alert":                  {record("2026-11-22T11:59:00Z", "alertCreated", `{"alert":null}`), 0, 0, []string{"missing_field data.alertCreated.alert: "}},
		"an alert without labels":   {record("2026-11-22T11:59:00Z", "alert_created", `{"alert":{"startsAt":"2026-11-22T11:00:00Z"}}`), 0, 0, []string{"missing_field data.alert_created.alert.labels: "}},
		"a silence without ID":      {record("2026-11-22T11:59:00Z", "silenceCreated", `{"silence":{"id":""}}`), 0, 0, []string{"missing_field data.silenceCreated.silence.id: "}},
		"no silence":                {record("2026-11-22T11:59:00Z", "silenceCreated", `{}`), 0, 0, []string{"missing_field data.silenceCreated.silence: "}},
		"a mute of nothing":         {record("2026-11-22T11:59:00Z", "silenceMutedAlert", `{"silence":{"id":"s"}}`), 0, 0, []string{"missing_field data.silenceMutedAlert.mutedAlert: "}},
		"an inhibition of nothing":  {record("2026-11-22T11:59:00Z", "inhibitionMutedAlert", `{"inhibitRules":null,"mutedAlert":null}`), 0, 0, []string{"bad_type data.inhibitionMutedAlert.mutedAlert: "}},
	} {
		t.Run(name, func(t *testing.T) {
			b := mustDecode(t, Decoder.DecodeEvents, test.body)
			if len(b.Events) != test.events || len(b.Observations) != test.alerts || len(b.Asides) != len(test.asides) {
				t.Fatalf("got %d events, %d alerts and asides %+v; want %d, %d and %d", len(b.Events), len(b.Observations), b.Asides, test.events, test.alerts, len(test.asides))
			}
			for i, want := range test.asides {
				if got := b.Asides[i].Class + " " + b.Asides[i].Reason; !strings.HasPrefix(got, want) || b.Asides[i].Road != event.RoadRecorder {
					t.Errorf("aside %d: got %q, want %q", i, got, want)
				}
			}
		})
	}
}

func TestRecorderBodiesRefused(t *testing.T) {
	for body, field := range map[string]string{
		``:                 "",
		`{`:                "",
		"no\nJSON\nat all": "",
		`[`:                "",
		`[1,`:              "",
		`[] x`:             "",
		`7`:                "",
		startup[:50]:       "",
		`{}`:               "@timestamp",
		`{"@timestamp":"soon","data":{"alertmanagerStartupEvent":{}}}`:   "@timestamp",
		record("1066-10-14T09:00:00Z", "alertmanagerStartupEvent", `{}`): "@timestamp",
		record("2400-01-01T00:00:00Z", "alertmanagerStartupEvent", `{}`): "@timestamp",
	} {
		wantMalformed(t, Decoder.DecodeEvents, body, field)
	}
	wantMalformed(t, Decoder.DecodeEventProto, "", "")
	wantMalformed(t, Decoder.DecodeEventProto, "\xff\xff\xff", "")
}

func TestAbsurdTimeInABatchOfRecords(t *testing.T) {
	b := mustDecode(t, Decoder.DecodeEvents, "["+record("2400-01-01T00:00:00Z", "alertmanagerStartupEvent", `{}`)+","+
		record("2400-01-01T00:00:00Z", "alertCreated", `{"alert":`+recordedAlert("A", "")+`}`)+"]")
	if e := theEvent(t, b); !e.ClockSuspect || e.OccurredAt.Year() != 2199 {
		t.Errorf("got %+v", e)
	}
	if o := theAlert(t, b); !o.ClockSuspect || !o.FiringSeenAt.Equal(noon) {
		t.Errorf("an alert of a record without a time was seen at %v, want its receipt", o.FiringSeenAt)
	}
}

func TestFingerprintSpellings(t *testing.T) {
	for spelling, want := range map[string]string{
		`"12079940074386872253"`: "a7a4917ed1d5d7bd",
		`12079940074386872253`:   "a7a4917ed1d5d7bd",
		`"a7a4917ed1d5d7bd"`:     "a7a4917ed1d5d7bd",
		`"1234567890123456"`:     "000462d53c8abac0", // decimal, as the recorder writes
	} {
		v := values{}
		got, ok := v.fingerprint(newCursor([]byte(spelling)), true)
		if !ok || got.String() != want {
			t.Errorf("recorder: %s is read as %s, %t; want %s", spelling, got, ok, want)
		}
	}
	v := values{}
	if got, _ := v.fingerprint(newCursor([]byte(`"1234567890123456"`)), false); got != 0x1234567890123456 {
		t.Errorf("webhook: 16 digits are read as %s, want them as hex", got)
	}
	for _, bad := range []string{`""`, `null`, `{}`, `"-1"`, `1.5`, `"18446744073709551616"`, `"zz"`} {
		if got, ok := v.fingerprint(newCursor([]byte(bad)), true); ok {
			t.Errorf("%s is read as %s", bad, got)
		}
	}
}

func TestDeliveryWithABadAlertIsKept(t *testing.T) {
	b := mustDecode(t, Decoder.DecodeEvents, record("2026-11-22T11:59:00Z", "notification", `{
		"firing_alerts":[{"hash":"1"},{"hash":2},{"hash":"99"}],
		"resolved_alerts":[{"hash":"3"}],
		"alerts":[{"hash":1,"details":`+recordedAlert("A", "0001-01-01T00:00:00Z")+`},{"hash":"2","details":{"labels":{"labels":[]}}},{"hash":"3","details":`+recordedAlert("C", "2026-11-22T11:58:00Z")+`}],
		"muted_alerts":[{"hash":"4","details":`+recordedAlert("D", "0001-01-01T00:00:00Z")+`}],
		"group_info":{"group_key":"g","receiver_name":"pager"},"reason":"NOTIFY_REASON_FUTURE","integration":{"name":"slack","index":"1"}}`))
	n := theEvent(t, b).Notification
	if len(n.Firing) != 1 || len(n.Resolved) != 1 || n.Firing[0].Fingerprint != (event.Labels{"alertname": "A"}).Fingerprint() ||
		n.Reason != "future" || n.Integration != "slack" || n.IntegrationIndex != 1 {
		t.Errorf("got %+v", n)
	}
	if len(b.Observations) != 3 {
		t.Errorf("got %d alerts, want those of A, C and the muted D", len(b.Observations))
	}
	if a := theAside(t, b); !strings.HasPrefix(a.Reason, "data.notification.alerts[1].details.labels: ") {
		t.Errorf("got %q", a.Reason)
	}
}

// A silence is told of by its creation, by every mute and by the poll: it is
// one event.
func TestSilenceIsOneEventHoweverItIsTold(t *testing.T) {
	b := mustDecode(t, Decoder.DecodeEvents, "["+
		record("2026-11-22T11:59:00.904350012Z", "silenceCreated", `{"silence":{"id":"s","startsAt":"2026-11-22T11:59:00.904157036Z","endsAt":"2026-11-22T12:30:00Z","updatedAt":"2026-11-22T11:59:00.904157036Z"}}`)+","+
		record("2026-11-22T11:59:30Z", "silenceMutedAlert", `{"silence":{"id":"s","startsAt":"2026-11-22T11:59:00.904157036Z","endsAt":"2026-11-22T12:30:00Z","updatedAt":"2026-11-22T11:59:00.904157036Z"},"mutedAlert":{"fingerprint":"7"}}`)+"]")
	if len(b.Events) != 2 || b.Events[0].Kind != event.KindSilence || b.Events[1].Kind != event.KindMute {
		t.Fatalf("got %d events, want the silence once and the mute", len(b.Events))
	}
	silences, _, err := Decoder{}.DecodeAPISilences([]byte(`[{"id":"s","status":{"state":"active"},"startsAt":"2026-11-22T11:59:00.904Z","endsAt":"2026-11-22T12:30:00.000Z","updatedAt":"2026-11-22T11:59:00.904Z"}]`), noon)
	if err != nil {
		t.Fatal(err)
	}
	if polled := NewSilenceEvent(silences[0].Silence, event.RoadPoll, noon, silences[0].Raw); polled.ID != b.Events[0].ID || !polled.OccurredAt.Equal(b.Events[0].OccurredAt) {
		t.Errorf("polled: %s at %v, recorded: %s at %v", polled.ID, polled.OccurredAt, b.Events[0].ID, b.Events[0].OccurredAt)
	}
}

func TestReplicasRecordApart(t *testing.T) {
	one := theEvent(t, mustDecode(t, Decoder.DecodeEvents, startup))
	two := theEvent(t, mustDecode(t, Decoder.DecodeEvents, strings.Replace(startup, "am-0", "am-1", 1)))
	if one.ID == two.ID {
		t.Error("two instances gave one event")
	}
}
