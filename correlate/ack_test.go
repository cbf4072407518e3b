package correlate_test

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestAcknowledgementWithoutAlerts holds that an acknowledgement that names no
// alert joins the incident that it names, or of which its note names a service.
func TestAcknowledgementWithoutAlerts(t *testing.T) {
	labels := event.Labels{"alertname": "HighErrorRate", "service": "payments", "severity": "critical"}
	firing := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: t0, Labels: labels, Roads: []event.Road{event.RoadWebhook},
		FiringSeenAt: t0, FirstReceivedAt: t0, LastReceivedAt: t0,
	}
	at := t0.Add(3 * time.Minute)
	for name, ack := range map[string]event.Acknowledgement{
		"by the incident's ID": {Actor: "dana", Incident: firing.ID().String()},
		"by a service's name":  {Actor: "dana", Note: "payments is mine"},
		"the only incident":    {Actor: "dana"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEngine(t)
			e.Observe([]event.Event{{
				ID: event.NewID(at, "ack"), Kind: event.KindAcknowledgement, OccurredAt: at, ReceivedAt: at,
				Road: event.RoadMessages, Acknowledgement: &ack,
			}}, []event.Observation{firing}, nil)
			d := e.Derive(t0.Add(10 * time.Minute))
			if len(d) != 1 {
				t.Fatalf("%d incidents, want 1", len(d))
			}
			m := d[0].Timeline.Milestone(timeline.Acknowledged)
			if m == nil || m.Actor != "dana" || !m.At.Equal(at) {
				t.Errorf("acknowledged: got %+v, want by dana at %s", m, at)
			}
		})
	}
}
