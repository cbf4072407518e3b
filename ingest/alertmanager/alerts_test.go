package alertmanager

import (
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestPostedAlertTimes(t *testing.T) {
	now := toMillisecond(noon)
	for _, test := range []struct {
		name, times                string
		startsAt, keepAlive, ended time.Time
		firing                     bool
	}{
		{"firing", `"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T12:04:00Z"`, at("2026-11-22T11:00:00Z"), at("2026-11-22T12:04:00Z"), time.Time{}, true},
		{"resolved", `"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T11:30:00Z"`, at("2026-11-22T11:00:00Z"), time.Time{}, at("2026-11-22T11:30:00Z"), false},
		{"nothing said", `"x":1`, now, toMillisecond(noon.Add(5 * time.Minute)), time.Time{}, true},
		{"no end", `"startsAt":"2026-11-22T11:00:00Z","endsAt":"0001-01-01T00:00:00.000Z"`, at("2026-11-22T11:00:00Z"), toMillisecond(noon.Add(5 * time.Minute)), time.Time{}, true},
		{"no start", `"startsAt":null,"endsAt":"2026-11-22T11:30:00Z"`, at("2026-11-22T11:30:00Z"), time.Time{}, at("2026-11-22T11:30:00Z"), false},
		{"start in the future", `"startsAt":"2026-11-22T12:30:00Z","endsAt":"2026-11-22T12:34:00Z"`, at("2026-11-22T12:30:00Z"), at("2026-11-22T12:34:00Z"), time.Time{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := theAlert(t, mustDecode(t, Decoder.DecodeAlerts, `[{"labels":{"alertname":"A","empty":""},`+test.times+`}]`))
			if !o.StartsAt.Equal(test.startsAt) || !o.KeepAliveUntil.Equal(test.keepAlive) || !o.EndedAt.Equal(test.ended) ||
				o.FiringSeenAt.Equal(noon) != test.firing || o.Roads[0] != event.RoadPrometheus || len(o.Labels) != 1 {
				t.Errorf("got %+v", o)
			}
		})
	}
	d := Decoder{ResolveTimeout: time.Minute}
	b, err := d.DecodeAlerts([]byte(`{"labels":{"a":"b"}}`), noon)
	if err != nil || !theAlert(t, b).KeepAliveUntil.Equal(toMillisecond(noon.Add(time.Minute))) {
		t.Errorf("with another resolve timeout: %+v, %v", b, err)
	}
}

func TestPostedAlertsKeepTheGood(t *testing.T) {
	b := mustDecode(t, Decoder.DecodeAlerts, `[
		{"labels":{"alertname":"A"}},
		{"labels":{}},
		{"labels":{"a":"b"},"startsAt":"2026-11-22T11:00:00Z","endsAt":"2026-11-22T10:00:00Z"},
		null,
		{"labels":{"a":"b"},"startsAt":"1066-10-14T09:00:00Z"},
		{"labels":{"alertname":"B"}}]`)
	if len(b.Observations) != 3 || !b.Observations[1].ClockSuspect || b.Observations[2].Labels["alertname"] != "B" {
		t.Fatalf("got %+v", b.Observations)
	}
	var reasons []string
	for _, a := range b.Asides {
		reasons = append(reasons, a.Reason)
	}
	got := strings.Join(reasons, "\n")
	if want := "[1].labels: must hold at least one label\n[2].endsAt: is before startsAt\n[3]: must be an object"; got != want {
		t.Errorf("put aside for\n%s\nwant\n%s", got, want)
	}
}

func TestPostedAlertsRefused(t *testing.T) {
	for body, field := range map[string]string{
		``:                         "",
		`[`:                        "",
		`[{"labels":{"a":"b"}}`:    "",
		`"x"`:                      "",
		`null`:                     "",
		`{}`:                       "labels",
		`[{"labels":{"a":["b"]}}]`: `[0].labels["a"]`,
		`{"labels":{"a":"b"},"startsAt":"9999-01-01T00:00:00Z"}`: "startsAt",
		`{"labels":{"a":"b"},"endsAt":"2300-01-01T00:00:00Z"}`:   "endsAt",
	} {
		wantMalformed(t, Decoder.DecodeAlerts, body, field)
	}
	if b := mustDecode(t, Decoder.DecodeAlerts, ` [ ] `); b.Len() != 0 {
		t.Errorf("an empty array gives %+v", b)
	}
}

func TestManyAlertsInOneBody(t *testing.T) {
	body := webhookOf(100_001)
	body = body[strings.Index(string(body), "["):]
	b, err := Decoder{}.DecodeAlerts(body[:strings.Index(string(body), "],")+1], noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Observations) != 100_000 || theAside(t, b).Class != classTooMany {
		t.Errorf("got %d observations and %d asides", len(b.Observations), len(b.Asides))
	}
}
