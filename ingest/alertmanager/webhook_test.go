package alertmanager

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// grafanaBody is a notification of Grafana Alerting, after its documentation.
const grafanaBody = `{
  "receiver": "My Super Webhook", "status": "firing", "orgId": 1,
  "alerts": [
    {"status": "firing", "labels": {"alertname": "High memory usage", "team": "blue", "zone": "us-1"},
     "annotations": {"description": "The system has high memory usage", "runbook_url": "https://myrunbook.com/runbook/1234"},
     "startsAt": "2026-11-22T13:51:03.11+02:00", "endsAt": "0001-01-01T00:00:00Z",
     "generatorURL": "https://play.grafana.org/alerting/1afz29v7z/edit", "fingerprint": "c6eadffa33fcdf37",
     "silenceURL": "https://play.grafana.org/alerting/silence/new", "dashboardURL": "", "panelURL": "",
     "valueString": "[ metric='' labels={} value=14151.331895396988 ]", "values": {"B": 44.23943737541908, "C": 1}, "orgId": 1},
    {"status": "resolved", "labels": {"alertname": "High CPU usage", "team": "blue", "zone": "eu-1"}, "annotations": {},
     "startsAt": "2026-11-22T13:51:03.11+02:00", "endsAt": "2026-11-22T13:55:00.5+02:00", "fingerprint": "d1e4f1a6ee6ee0ab", "values": null}
  ],
  "groupLabels": {}, "commonLabels": {"team": "blue"}, "commonAnnotations": {}, "externalURL": "https://play.grafana.org/",
  "version": "1", "groupKey": "{}:{}", "truncatedAlerts": 0, "title": "[FIRING:1]  (blue)", "state": "alerting", "message": "**Firing**"
}`

func TestGrafanaWebhook(t *testing.T) {
	b := mustDecode(t, Decoder.DecodeWebhook, grafanaBody)
	e := theEvent(t, b)
	if e.Road != event.RoadGrafana || e.Notification.Receiver != "My Super Webhook" || len(e.Notification.Firing) != 1 || len(e.Notification.Resolved) != 1 {
		t.Errorf("got %+v %+v", e, e.Notification)
	}
	if len(b.Observations) != 2 {
		t.Fatalf("got %d observations", len(b.Observations))
	}
	o := b.Observations[0]
	if o.Roads[0] != event.RoadGrafana || !o.StartsAt.Equal(at("2026-11-22T11:51:03.11Z")) || o.SentFingerprints[0].String() != "c6eadffa33fcdf37" {
		t.Errorf("got %+v", o)
	}
	if o := b.Observations[1]; !o.EndedAt.Equal(at("2026-11-22T11:55:00.5Z")) {
		t.Errorf("got %+v", o)
	}
}

// webhookWith is a webhook with the given alerts.
func webhookWith(alerts ...string) string {
	return `{"receiver":"pager","status":"firing","alerts":[` + strings.Join(alerts, ",") +
		`],"externalURL":"http://am","version":"4","groupKey":"{}:{}"}`
}

func TestWebhookTimes(t *testing.T) {
	for _, test := range []struct {
		name, status, startsAt, endsAt  string
		keepAlive, ended, firing, gone  string
		suspect                         bool
		wantStart, asideClass, fieldEnd string
	}{
		{name: "no end", status: "firing", startsAt: "2026-11-22T11:00:00Z", endsAt: "0001-01-01T00:00:00Z", firing: "noon"},
		{name: "end in the future", status: "firing", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T12:04:00Z", firing: "noon", keepAlive: "2026-11-22T12:04:00Z"},
		{name: "resolved", status: "resolved", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T11:59:00.25Z", ended: "2026-11-22T11:59:00.25Z"},
		{name: "resolved by a clock ahead", status: "resolved", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T12:00:09Z", ended: "2026-11-22T12:00:09Z"},
		{name: "resolved without an end", status: "resolved", startsAt: "2026-11-22T11:00:00Z", gone: "noon"},
		{name: "resolved before it started", status: "resolved", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T10:00:00Z", ended: "2026-11-22T11:00:00Z", suspect: true},
		{name: "no status, over", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T11:59:00Z", ended: "2026-11-22T11:59:00Z"},
		{name: "no status, on", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-11-22T12:59:00Z", firing: "noon", keepAlive: "2026-11-22T12:59:00Z"},
		{name: "offset", status: "firing", startsAt: "2026-11-22T12:00:00+01:00", wantStart: "2026-11-22T11:00:00Z", firing: "noon"},
		{name: "many digits", status: "firing", startsAt: "2026-11-22T11:00:00.1239999999999Z", wantStart: "2026-11-22T11:00:00.123Z", firing: "noon"},
		{name: "too early", status: "firing", startsAt: "1969-12-31T23:59:59Z", wantStart: "1970-01-01T00:00:00Z", suspect: true, firing: "noon"},
		{name: "too late", status: "firing", startsAt: "9999-12-31T23:59:59Z", wantStart: "2199-12-31T23:59:59.999Z", suspect: true, firing: "noon"},
		{name: "no start", status: "firing", startsAt: "0001-01-01T00:00:00Z", asideClass: classTime, fieldEnd: "startsAt"},
		{name: "nonsense", status: "firing", startsAt: "yesterday", asideClass: classTime, fieldEnd: "startsAt"},
		{name: "a nonsensical end", status: "firing", startsAt: "2026-11-22T11:00:00Z", endsAt: "2026-13-22T11:00:00Z", asideClass: classTime, fieldEnd: "endsAt"},
	} {
		t.Run(test.name, func(t *testing.T) {
			good := `{"status":"firing","labels":{"alertname":"Good"},"startsAt":"2026-11-22T11:00:00Z"}`
			b := mustDecode(t, Decoder.DecodeWebhook, webhookWith(good, fmt.Sprintf(`{"status":%q,"labels":{"alertname":"A"},"startsAt":%q,"endsAt":%q}`, test.status, test.startsAt, test.endsAt)))
			if test.asideClass != "" {
				a := theAside(t, b)
				if a.Class != test.asideClass || !strings.HasPrefix(a.Reason, "alerts[1]."+test.fieldEnd+": ") || a.Road != event.RoadWebhook {
					t.Errorf("got %+v", a)
				}
				return
			}
			o := b.Observations[1]
			wantFiring, wantGone := time.Time{}, time.Time{}
			if test.firing != "" {
				wantFiring = noon
			}
			if test.gone != "" {
				wantGone = noon
			}
			if test.wantStart == "" {
				test.wantStart = test.startsAt
			}
			if !o.StartsAt.Equal(at(test.wantStart)) || !o.KeepAliveUntil.Equal(at(test.keepAlive)) || !o.EndedAt.Equal(at(test.ended)) ||
				!o.FiringSeenAt.Equal(wantFiring) || !o.GoneBy.Equal(wantGone) || o.ClockSuspect != test.suspect {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestWebhookTolerates(t *testing.T) {
	for name, alert := range map[string]string{
		"unknown fields":       `{"status":"firing","labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","values":{"B":[1,{"x":null}]},"new":true}`,
		"nulls":                `{"status":"firing","labels":{"a":"b","c":null},"annotations":null,"startsAt":"2026-11-22T11:00:00Z","endsAt":null,"generatorURL":null,"fingerprint":null}`,
		"empty values":         `{"status":"firing","labels":{"a":"b","c":""},"startsAt":"2026-11-22T11:00:00Z"}`,
		"duplicate keys":       `{"status":"resolved","status":"firing","labels":{"x":"y"},"labels":{"a":"c","a":"b"},"startsAt":"2026-11-22T11:00:00Z"}`,
		"escaped keys":         `{"\u0073tatus":"firing","l\u0061bels":{"\u0061":"\u0062"},"startsAt":"2026-11-22T11:00:00Z"}`,
		"a fingerprint of us":  `{"status":"firing","labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","fingerprint":"nonsense"}`,
		"wrong types aside it": `{"status":"firing","labels":{"a":"b"},"annotations":[],"startsAt":"2026-11-22T11:00:00Z","generatorURL":{}}`,
	} {
		t.Run(name, func(t *testing.T) {
			o := theAlert(t, mustDecode(t, Decoder.DecodeWebhook, webhookWith(alert)))
			if o.Labels.String() != `{a="b"}` || !o.FiringSeenAt.Equal(noon) || len(o.SentFingerprints) != 0 {
				t.Errorf("got %+v", o)
			}
		})
	}
}

func TestWebhookRefuses(t *testing.T) {
	for body, field := range map[string]string{
		``:                   "",
		` `:                  "",
		`{`:                  "",
		`nope`:               "",
		`[]`:                 "",
		`null`:               "",
		`"text"`:             "",
		`{} {}`:              "",
		`{}`:                 "alerts",
		`{"alerts":null}`:    "alerts",
		`{"alerts":[]}`:      "alerts",
		`{"alerts":{"a":1}}`: "alerts",
		`{"receiver":{},"alerts":[{"labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z"}]}`: "receiver",
		webhookWith(`null`):                                                       "alerts[0]",
		webhookWith(`{"status":"firing"}`):                                        "alerts[0].labels",
		webhookWith(`{"labels":{"a":"b"},"startsAt":12}`):                         "alerts[0].startsAt",
		webhookWith(`{"labels":{"a":{}},"startsAt":"2026-11-22T11:00:00Z"}`):      `alerts[0].labels["a"]`,
		webhookWith(`{"labels":{"":"x"},"startsAt":"2026-11-22T11:00:00Z"}`):      "alerts[0].labels",
		webhookWith(`{"labels":"a=b","startsAt":"2026-11-22T11:00:00Z"}`):         "alerts[0].labels",
		webhookWith(`{"labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z"}`)[9:]: "",
	} {
		wantMalformed(t, Decoder.DecodeWebhook, body, field)
	}
}

func TestNotificationIDs(t *testing.T) {
	firing := `{"status":"firing","labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T12:10:00Z"}`
	renewed := `{"status":"firing","labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T12:11:00Z"}`
	other := `{"status":"firing","labels":{"a":"c"},"startsAt":"2026-11-22T11:00:00Z"}`
	resolved := `{"status":"resolved","labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T11:30:00Z"}`
	id := func(body string, at time.Time) event.ID {
		b, err := Decoder{}.DecodeWebhook([]byte(body), at)
		if err != nil {
			t.Fatal(err)
		}
		return theEvent(t, b).ID
	}
	first := id(webhookWith(firing, other), noon)
	for name, same := range map[string]event.ID{
		"a retry":            id(webhookWith(firing, other), noon.Add(8*time.Second)),
		"another order":      id(webhookWith(other, firing), noon),
		"a moved keep-alive": id(webhookWith(renewed, other), noon),
	} {
		if same != first {
			t.Errorf("%s is another notification: %s, want %s", name, same, first)
		}
	}
	for name, differs := range map[string]event.ID{
		"a reminder":      id(webhookWith(firing, other), noon.Add(time.Minute)),
		"fewer alerts":    id(webhookWith(firing), noon),
		"a resolution":    id(webhookWith(resolved, other), noon),
		"another group":   id(strings.Replace(webhookWith(firing, other), `{}:{}`, `{}:{a}`, 1), noon),
		"another sender":  id(strings.Replace(webhookWith(firing, other), `http://am`, `http://am2`, 1), noon),
		"another purpose": id(strings.Replace(webhookWith(firing, other), `"receiver"`, `"notification_reason":"x","receiver"`, 1), noon),
	} {
		if differs == first {
			t.Errorf("%s has the ID of the first notification", name)
		}
	}
}

func TestLimits(t *testing.T) {
	big := strings.Repeat("x", 10<<20)
	good := `{"status":"firing","labels":{"a":"b"},"annotations":{"long":"` + big + `"},"startsAt":"2026-11-22T11:00:00Z"}`
	b := mustDecode(t, Decoder.DecodeWebhook, webhookWith(good,
		`{"labels":{"a":"`+big+`"},"startsAt":"2026-11-22T11:00:00Z"}`,
		`{"labels":{"`+big+`":"b"},"startsAt":"2026-11-22T11:00:00Z"}`))
	if len(b.Observations) != 1 || len(b.Asides) != 2 {
		t.Fatalf("got %d observations and %d asides", len(b.Observations), len(b.Asides))
	}
	if got := len(b.Observations[0].Annotations["long"]); got != DefaultLimits().LabelValue {
		t.Errorf("the annotation has %d bytes", got)
	}
	for _, a := range b.Asides {
		if a.Class != classTooLong || len(a.Reason) > 300 {
			t.Errorf("got %s %.300s", a.Class, a.Reason)
		}
	}

	d := Decoder{Limits: Limits{Entries: 2, Labels: 2}}
	many := `{"labels":{"a":"1","b":"2","c":"3"},"startsAt":"2026-11-22T11:00:00Z"}`
	one := `{"labels":{"a":"1","b":"2"},"annotations":{"a":"1","b":"2","c":"3"},"startsAt":"2026-11-22T11:00:00Z"}`
	b, err := d.DecodeWebhook([]byte(webhookWith(many, one, one, one)), noon)
	if err != nil || len(b.Observations) != 1 || len(b.Asides) != 2 || len(b.Observations[0].Annotations) != 2 {
		t.Fatalf("got %+v, %v", b, err)
	}
	if b.Asides[0].Class != classTooMany || !strings.HasPrefix(b.Asides[0].Reason, "alerts[0].labels: ") || !strings.HasPrefix(b.Asides[1].Reason, "alerts: ") {
		t.Errorf("got %s, %s", b.Asides[0].Reason, b.Asides[1].Reason)
	}
}

func TestInvalidUTF8IsReadAsAlertmanagerReadsIt(t *testing.T) {
	o := theAlert(t, mustDecode(t, Decoder.DecodeWebhook, webhookWith("{\"labels\":{\"a\":\"x\xff\xfey\"},\"startsAt\":\"2026-11-22T11:00:00Z\"}")))
	if o.Labels["a"] != "x\uFFFD\uFFFDy" {
		t.Errorf("got %q", o.Labels["a"])
	}
	o = theAlert(t, mustDecode(t, Decoder.DecodeWebhook, "\uFEFF"+webhookWith(`{"labels":{"a":"\ud800"},"startsAt":"2026-11-22T11:00:00Z"}`)))
	if o.Labels["a"] != "\uFFFD" {
		t.Errorf("got %q", o.Labels["a"])
	}
}
