package alertmanager

import (
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

// TestRecordedTraffic decodes real traffic: nothing is put aside, the sent
// fingerprints are ours, and the same alert by three roads is one.
func TestRecordedTraffic(t *testing.T) {
	alerts := make(map[event.ID]event.Observation)
	fingerprints := make(map[event.Fingerprint]bool)
	for sort, decode := range map[string]decodeFunc{
		"webhook": Decoder.DecodeWebhook, "events": Decoder.DecodeEvents, "alerts": Decoder.DecodeAlerts,
	} {
		for _, r := range recordings(t, sort) {
			b, err := decode(Decoder{}, r.Body, r.At)
			if err != nil {
				t.Fatalf("%s: %v", sort, err)
			}
			checkFacts(t, b, r.At)
			if len(b.Asides) > 0 {
				t.Errorf("%s: put aside %+v", sort, b.Asides)
			}
			for _, o := range b.Observations {
				fingerprints[o.Fingerprint] = true
				for _, sent := range o.SentFingerprints {
					if sent != o.Fingerprint {
						t.Errorf("%s: sent fingerprint %s, ours is %s", o.Labels, sent, o.Fingerprint)
					}
				}
				if known, ok := alerts[o.ID()]; ok {
					o = known.Merge(o)
				}
				alerts[o.ID()] = o
			}
			for _, e := range b.Events {
				if n := e.Notification; n != nil && len(n.Firing)+len(n.Resolved) == 0 {
					t.Errorf("notification points at no alert: %s", e.Raw)
				}
			}
		}
	}
	three := 0
	for _, o := range alerts {
		if len(o.Roads) == 3 {
			three++
		}
		if !o.EndedAt.IsZero() && o.Expired() {
			t.Errorf("%s ended when it was to expire; in the recording all resolve", o.Labels)
		}
	}
	if three < 5 {
		t.Errorf("%d alerts came by three roads, want 5 and more of %d", three, len(alerts))
	}
}

func TestOneAlertByThreeRoads(t *testing.T) {
	const labels = `{"alertname":"A","service":"payments"}`
	bodies := []struct {
		decode decodeFunc
		body   string
	}{
		{Decoder.DecodeAlerts, `[{"labels":` + labels + `,"startsAt":"2026-11-22T11:00:00.123456789Z","endsAt":"2026-11-22T12:04:00Z"}]`},
		{Decoder.DecodeWebhook, webhookWith(`{"status":"firing","labels":` + labels + `,"startsAt":"2026-11-22T11:00:00.123456789Z","endsAt":"0001-01-01T00:00:00Z"}`)},
		{Decoder.DecodeEvents, record("2026-11-22T11:59:59Z", "alertResolved", `{"alert":{"hash":"1","details":{"labels":{"labels":[{"key":"service","value":"payments"},{"key":"alertname","value":"A"}]},"startsAt":"2026-11-22T11:00:00.123456789Z","endsAt":"2026-11-22T11:59:00Z","resolved":true}}}`)},
	}
	var merged event.Observation
	for i, b := range bodies {
		o := theAlert(t, mustDecode(t, b.decode, b.body))
		if i == 0 {
			merged = o
			continue
		}
		if o.ID() != merged.ID() || !o.StartsAt.Equal(merged.StartsAt) {
			t.Fatalf("road %d: alert %s since %v, want %s since %v", i, o.ID(), o.StartsAt, merged.ID(), merged.StartsAt)
		}
		merged = merged.Merge(o)
	}
	if len(merged.Roads) != 3 || !merged.EndedAt.Equal(at("2026-11-22T11:59:00Z")) || merged.Expired() {
		t.Errorf("got %+v", merged)
	}
	polled, _, err := Decoder{}.DecodeAPIAlerts([]byte(strings.Replace(bodies[0].body, ".123456789Z", ".123Z", 1)), "am", noon)
	if err != nil || polled[0].Observation.ID() != merged.ID() {
		t.Errorf("the poll, which is told milliseconds only, sees another alert: %v", err)
	}
}
