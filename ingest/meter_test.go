package ingest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest/event"
)

// TestMeterCountsFacts sends the same facts each way. One that is forwarded is
// counted as stored when it was consumed, and not before.
func TestMeterCountsFacts(t *testing.T) {
	odd := messages("from a stranger")
	odd.Events[0].Road = "\xff\xfe no UTF-8"
	observed := event.Batch{Observations: []event.Observation{{Roads: []event.Road{event.RoadPrometheus}, LastReceivedAt: testTime.Add(-time.Hour)}}}
	batches := []event.Batch{messages("a", "b"), lines("x", "y", "z"), odd, observed}

	for name, tc := range map[string]struct {
		routes            []Route
		direct, kafka     float64 // how often each fact is counted as stored
		forwarded         float64
		receivers, broker bool // who tells when the last one came
	}{
		"over HTTP":                {routes: []Route{RouteDirect}, direct: 1, receivers: true},
		"from Kafka":               {routes: []Route{RouteKafka}, kafka: 1, broker: true},
		"forwarded":                {routes: []Route{RouteForward}, forwarded: 1, receivers: true},
		"forwarded, then consumed": {routes: []Route{RouteForward, RouteKafka}, kafka: 1, forwarded: 1, receivers: true, broker: true},
	} {
		t.Run(name, func(t *testing.T) {
			reg := prometheus.NewRegistry()
			m := NewMeter(reg)
			for _, route := range tc.routes {
				to := m.Over(route, &memory{})
				for i, batch := range batches {
					if err := to.Append(t.Context(), batch); err != nil {
						t.Errorf("append %d: %v", i, err)
					}
				}
			}
			for _, f := range []struct {
				kind, road string
				n          float64
			}{
				{"message", "messages", 2}, {"log", "loki", 3}, {"message", "other", 1}, {"alert", "prometheus", 1},
			} {
				of := []string{"kind", f.kind, "road", f.road}
				for _, want := range []struct {
					name   string
					labels []string
					times  float64
				}{
					{"hindcast_ingest_facts_total", of, tc.direct + tc.kafka},
					{"hindcast_ingest_facts_total", append(of[:4:4], "from", "receivers"), tc.direct},
					{"hindcast_ingest_facts_total", append(of[:4:4], "from", "kafka"), tc.kafka},
					{"hindcast_ingest_forwarded_facts_total", of, tc.forwarded},
				} {
					if got := metric(t, reg, want.name, want.labels...); got != want.times*f.n {
						t.Errorf("%s%v = %v, want %v", want.name, want.labels, got, want.times*f.n)
					}
				}
			}
			for from, tells := range map[string]bool{"receivers": tc.receivers, "kafka": tc.broker} {
				want := 0.0
				if tells {
					want = float64(testTime.Add(-time.Hour).Unix())
				}
				got := metric(t, reg, "hindcast_ingest_last_fact_timestamp_seconds", "road", "prometheus", "from", from)
				if int64(got) != int64(want) {
					t.Errorf("last_fact_timestamp_seconds from %s = %v, want %v", from, got, want)
				}
			}
		})
	}
}

// TestMeterCountsFailures tells which end did not take a batch, and counts none of
// its facts; who gives up is no failure.
func TestMeterCountsFailures(t *testing.T) {
	reg := prometheus.NewRegistry()
	m := NewMeter(reg)
	refused := errors.New("no")
	down := AppenderFunc(func(ctx context.Context, _ event.Batch) error { return errors.Join(refused, ctx.Err()) })
	late, cancel := context.WithDeadline(t.Context(), time.Unix(0, 0))
	defer cancel()
	gone, giveUp := context.WithCancel(t.Context())
	giveUp()
	for _, route := range []Route{RouteDirect, RouteForward, RouteKafka} {
		to := m.Over(route, down)
		if got := metric(t, reg, "hindcast_ingest_append_errors_total"); got != 2*float64(route) {
			t.Errorf("%v errors before the first of the route, want %v", got, 2*route)
		}
		for _, ctx := range []context.Context{t.Context(), late, gone} {
			if err := to.Append(ctx, lines("x")); !errors.Is(err, refused) {
				t.Errorf("got error %v, want that of the store", err)
			}
		}
		large := m.Over(route, AppenderFunc(func(context.Context, event.Batch) error { return &TooLarge{Reason: "large"} }))
		if err := large.Append(t.Context(), messages("x")); !errors.Is(err, ErrTooMuch) {
			t.Errorf("got error %v, want ErrTooMuch", err)
		}
		from, end := route.ends()
		want := 0.0 // a sender's doing, but for what was taken already
		if route == RouteKafka {
			want = 1
		}
		if got := metric(t, reg, "hindcast_ingest_append_errors_total", "lane", "alerts", "from", from, "to", end); got != want {
			t.Errorf("append_errors_total of what is too large, from %s to %s = %v, want %v", from, end, got, want)
		}
		if got := metric(t, reg, "hindcast_ingest_append_errors_total", "lane", "logs", "from", from, "to", end); got != 2 {
			t.Errorf("append_errors_total from %s to %s = %v, want 2", from, end, got)
		}
		if got := metric(t, reg, "hindcast_ingest_append_duration_seconds", "lane", "logs", "from", from, "to", end); got != 3 {
			t.Errorf("append_duration_seconds from %s to %s = %v appends, want 3", from, end, got)
		}
	}
	if got := metric(t, reg, "hindcast_ingest_facts_total") + metric(t, reg, "hindcast_ingest_forwarded_facts_total"); got != 0 {
		t.Errorf("%v facts are counted that were refused", got)
	}
}
