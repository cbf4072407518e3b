package correlate_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/ingest/event"
)

// storm is n alerts of one incident with their notifications.
func storm(n int) (observations []event.Observation, events []event.Event) {
	for i := range n {
		start := t0.Add(time.Duration(i) * 20 * time.Millisecond)
		labels := event.Labels{
			"alertname": fmt.Sprintf("Alert%d", i%50), "service": fmt.Sprintf("shop-%d", i%4), "severity": "critical",
			"instance": fmt.Sprintf("10.0.%d.%d:9100", i/256, i%256), "group": "shop",
		}
		observations = append(observations, event.Observation{
			Fingerprint: labels.Fingerprint(), StartsAt: start, Labels: labels,
			Annotations:    event.Labels{"summary": "instance is failing", "runbook_url": "https://runbooks.example/x"},
			KeepAliveUntil: start.Add(24 * time.Hour), FiringSeenAt: start,
			FirstReceivedAt: start.Add(time.Millisecond), LastReceivedAt: start.Add(time.Millisecond),
			Roads: []event.Road{event.RoadPrometheus}, Groups: []string{`{}:{group="shop"}`},
		})
		if i%10 == 0 {
			at := start.Add(10 * time.Second)
			events = append(events, event.Event{
				ID: event.NewID(at, "notification", fmt.Sprint(i)), Kind: event.KindNotification, OccurredAt: at, ReceivedAt: at, Road: event.RoadRecorder,
				Notification: &event.Notification{Receiver: "pager", GroupKey: `{}:{group="shop"}`, Firing: []event.AlertRef{{Fingerprint: labels.Fingerprint(), StartsAt: start}}},
			})
		}
	}
	return observations, events
}

// BenchmarkDeriveIncidentOf10000Signals derives one incident again after one
// more alert of it came.
func BenchmarkDeriveIncidentOf10000Signals(b *testing.B) {
	observations, events := storm(10_000)
	e, err := correlate.New(correlate.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	e.Observe(events, observations, nil)
	now := t0.Add(time.Hour)
	if got := len(e.Derive(now)); got != 1 {
		b.Fatalf("%d incidents, want 1", got)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		late := observations[i%len(observations)]
		late.FirstReceivedAt = late.FirstReceivedAt.Add(-time.Duration(i+1) * time.Microsecond)
		e.Observe(nil, []event.Observation{late}, nil)
		e.Derive(now)
	}
}

// BenchmarkDeriveBeside5000Firing derives one small incident beside 5,000
// alerts that fire and have nothing to do with it.
func BenchmarkDeriveBeside5000Firing(b *testing.B) {
	e, err := correlate.New(correlate.DefaultConfig())
	if err != nil {
		b.Fatal(err)
	}
	for i := range 5000 {
		start := t0.Add(-time.Duration(i) * time.Minute)
		labels := event.Labels{"alertname": "Chronic", "service": fmt.Sprintf("svc-%d", i), "severity": "warning"}
		e.Observe(nil, []event.Observation{{
			Fingerprint: labels.Fingerprint(), StartsAt: start, Labels: labels, KeepAliveUntil: t0.Add(24 * time.Hour),
			FiringSeenAt: t0, FirstReceivedAt: start, LastReceivedAt: t0, Roads: []event.Road{event.RoadPrometheus},
		}}, nil)
	}
	now := t0.Add(time.Hour)
	e.Derive(now)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		labels := event.Labels{"alertname": "New", "service": fmt.Sprintf("new-%d", i), "severity": "critical"}
		start := t0.Add(time.Duration(i) * time.Second)
		e.Observe(nil, []event.Observation{{
			Fingerprint: labels.Fingerprint(), StartsAt: start, Labels: labels, KeepAliveUntil: t0.Add(24 * time.Hour),
			FiringSeenAt: start, FirstReceivedAt: start, LastReceivedAt: start, Roads: []event.Road{event.RoadPrometheus},
		}}, nil)
		e.Derive(now)
	}
}
