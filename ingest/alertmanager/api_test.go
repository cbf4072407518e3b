package alertmanager

import (
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

const apiAlertsBody = `[{"annotations":{"summary":"it fails"},"endsAt":"2026-11-22T12:04:00.000Z","fingerprint":"0000000000000001","receivers":[{"name":"chat"}],"startsAt":"2026-11-22T11:59:00.123Z",
"status":{"inhibitedBy":["00000000000000ff"],"mutedBy":[],"silencedBy":["s1","s2"],"state":"suppressed"},"updatedAt":"2026-11-22T12:00:00.004Z","generatorURL":"http://p","labels":{"alertname":"A"}},
{"labels":{"alertname":"B"},"startsAt":"not a time"}]`

const apiSilencesBody = `[
{"id":"s1","status":{"state":"active"},"updatedAt":"2026-11-22T11:59:00.123Z","comment":"looking","createdBy":"dana","endsAt":"2026-11-22T13:00:00.000Z","matchers":[{"isEqual":true,"isRegex":false,"name":"service","value":"payments"},{"isEqual":false,"isRegex":true,"name":"env","value":"dev"}],"startsAt":"2026-11-22T11:59:00.123Z"},
{"id":"s2","status":{"state":"active"},"updatedAt":"2026-11-22T11:59:30.000Z","endsAt":"2026-11-22T13:00:00.000Z","matchers":[{"isRegex":true,"name":"a","value":"b"}],"startsAt":"2026-11-22T11:59:00.123Z"},
{"id":"s3","status":{"state":"expired"},"updatedAt":"2026-11-22T11:59:30.000Z","endsAt":"2026-11-22T11:59:30.000Z","startsAt":"2026-11-22T11:59:00.123Z"},
{"status":{"state":"expired"},"updatedAt":"2026-11-22T11:59:30.000Z"}]`

func TestAPIAlerts(t *testing.T) {
	alerts, asides, err := Decoder{}.DecodeAPIAlerts([]byte(apiAlertsBody), "am-0", noon)
	if err != nil || len(alerts) != 1 || len(asides) != 1 {
		t.Fatalf("got %d alerts, asides %v, error %v; want 1, 1 and none", len(alerts), asides, err)
	}
	a := alerts[0]
	if a.State != "suppressed" || len(a.SilencedBy) != 2 || a.SilencedBy[1] != "s2" || len(a.InhibitedBy) != 1 || a.InhibitedBy[0] != 0xff {
		t.Errorf("got %+v", a)
	}
	o := a.Observation
	if !o.FiringSeenAt.Equal(noon) || !o.KeepAliveUntil.Equal(at("2026-11-22T12:04:00Z")) || !o.StartsAt.Equal(at("2026-11-22T11:59:00.123Z")) ||
		o.SentFingerprints[0] != 1 || o.Roads[0] != event.RoadPoll || o.Instances[0] != "am-0" {
		t.Errorf("got %+v", o)
	}
	if asides[0].Class != classTime || asides[0].Reason[:13] != "[1].startsAt:" {
		t.Errorf("got %+v", asides[0])
	}
}

func TestAPISilences(t *testing.T) {
	silences, asides, err := Decoder{}.DecodeAPISilences([]byte(apiSilencesBody), noon)
	if err != nil || len(silences) != 3 || len(asides) != 1 {
		t.Fatalf("got %d silences, asides %v, error %v; want 3, 1 and none", len(silences), asides, err)
	}
	for i, want := range []event.SilenceAction{event.SilenceCreated, event.SilenceUpdated, event.SilenceExpired} {
		if got := silences[i].Silence.Action; got != want {
			t.Errorf("silence %d is %s, want %s", i, got, want)
		}
	}
	m := silences[0].Silence.MatcherSets[0]
	if m[0] != (event.Matcher{Name: "service", Op: "=", Value: "payments"}) || m[1].Op != "!~" || silences[1].Silence.MatcherSets[0][0].Op != "=~" {
		t.Errorf("got %+v", m)
	}
	e := NewSilenceEvent(silences[2].Silence, event.RoadPoll, noon, silences[2].Raw)
	if !e.OccurredAt.Equal(at("2026-11-22T11:59:30Z")) {
		t.Errorf("the silence that was deleted ended at %v", e.OccurredAt)
	}
}
