package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// postedAlert is an alert as Prometheus posts it.
type postedAlert struct {
	Labels       event.Labels `json:"labels"`
	Annotations  event.Labels `json:"annotations"`
	StartsAt     time.Time    `json:"startsAt"`
	EndsAt       time.Time    `json:"endsAt"`
	GeneratorURL string       `json:"generatorURL"`
}

// An alert that fires is announced until keepAlive after each sending, and sent
// again every resend. Prometheus puts at most 64 into a body.
const (
	keepAlive     = 4 * time.Minute
	resend        = time.Minute
	alertsPerPost = 64
)

func newAlert(name, service, instance string, startsAt time.Time) postedAlert {
	return postedAlert{
		Labels: event.Labels{"alertname": name, "service": service, "instance": instance, "severity": "critical", "env": "prod", "job": service},
		Annotations: event.Labels{
			"summary":     name + " on " + instance + " of " + service,
			"description": "The share of requests that fail was 12.4% over the last five minutes, with 2% allowed.",
			"runbook_url": "https://runbooks.example/" + name,
		},
		StartsAt:     startsAt.UTC().Truncate(time.Millisecond),
		GeneratorURL: "http://prometheus.example:9090/graph?g0.expr=rate%28http_requests_failed_total%5B5m%5D%29",
	}
}

// id is how the server knows the alert.
func (a *postedAlert) id() event.ID {
	return event.Observation{Fingerprint: a.Labels.Fingerprint(), StartsAt: a.StartsAt}.ID()
}

// post sends alerts as firing, or as ended where they have an end.
func (c *client) postAlerts(ctx context.Context, alerts []postedAlert) error {
	now := time.Now().UTC()
	out := make([]postedAlert, len(alerts))
	for i, a := range alerts {
		if a.EndsAt.IsZero() {
			a.EndsAt = now.Add(keepAlive)
		}
		out[i] = a
	}
	body, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	return c.post(ctx, "/api/v2/alerts", jsonType, body)
}

// firing are alerts that fire all the time, ten a service.
func firing(n int, from time.Time) []postedAlert {
	alerts := make([]postedAlert, n)
	for i := range alerts {
		alerts[i] = newAlert(fmt.Sprintf("HighErrorRate%d", i%10), fmt.Sprintf("firing-%03d", i/10), fmt.Sprintf("10.0.%d.%d:9100", i/250, i%250), from.Add(time.Duration(i)*time.Millisecond))
	}
	return alerts
}

// sendAll sends alerts once, from some connections.
func sendAll(ctx context.Context, c *client, alerts []postedAlert, senders int) error {
	var next atomic.Int64
	return parallel(ctx, senders, func(ctx context.Context) (bool, error) {
		from := int(next.Add(alertsPerPost)) - alertsPerPost
		if from >= len(alerts) {
			return false, nil
		}
		return true, c.postAlerts(ctx, alerts[from:min(from+alertsPerPost, len(alerts))])
	})
}

// parallel calls f from several goroutines until it says that it is enough or
// fails.
func parallel(ctx context.Context, n int, f func(context.Context) (more bool, err error)) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			for ctx.Err() == nil {
				more, err := f(ctx)
				if err != nil {
					cancel(err)
				}
				if !more {
					return
				}
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// keepFiring sends alerts again every minute until ctx is done, spread over a
// few seconds as rule groups are.
func keepFiring(ctx context.Context, c *client, alerts []postedAlert, say func(string, ...any)) {
	for range beats(ctx, resend) {
		for from := 0; from < len(alerts); from += alertsPerPost {
			if err := c.postAlerts(ctx, alerts[from:min(from+alertsPerPost, len(alerts))]); err != nil && ctx.Err() == nil {
				say("an alert that fires was not taken: %v", err)
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
}
