package correlate_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/ingest/event"
)

// These give the figures of docs/scaling.md about the correlator:
//
//	go test ./correlate -run='^$' -bench='Held|StormOver' -benchtime=3x

// BenchmarkHeldAlerts says what an alert takes of the engine's memory.
func BenchmarkHeldAlerts(b *testing.B) {
	const n = 50_000
	hold(b, n, "alert", func(e *correlate.Engine) (took time.Duration) {
		for i := range n / 1000 {
			alerts := thousandAlerts(i)
			began := time.Now()
			e.Observe(nil, alerts, nil)
			took += time.Since(began)
		}
		e.Derive(t0.Add(time.Minute)) // what it remembers of that is held as well
		return took
	})
}

// BenchmarkHeldCounts says what a count of log lines takes of the engine's memory,
// and how long one takes to be read in: 50 services with 20 patterns each, in as
// many seconds as there are counts for.
func BenchmarkHeldCounts(b *testing.B) {
	const n, services, patterns = 1_200_000, 50, 20
	for _, level := range []event.Level{event.LevelInfo, event.LevelWarn} {
		b.Run(level.String(), func(b *testing.B) {
			hold(b, n, "count", func(e *correlate.Engine) (took time.Duration) {
				counts := make([]event.Count, 0, services*patterns)
				for second := range n / (services * patterns) {
					counts = counts[:0]
					at := t0.Add(time.Duration(second) * time.Second)
					for i := range services * patterns {
						counts = append(counts, event.Count{
							CountKey: event.CountKey{
								Second: at.Unix(), Service: fmt.Sprintf("svc-%d", i%services), Environment: "prod", Level: level, Pattern: event.PatternID(i),
							},
							N: 3, First: at, Last: at.Add(900 * time.Millisecond), Digest: uint64(second*1000 + i),
							Template: fmt.Sprintf("pattern %d of a request took <n> ms", i), Sample: fmt.Sprintf("pattern %d of a request took %d ms", i, second),
						})
					}
					began := time.Now()
					e.Observe(nil, nil, counts)
					took += time.Since(began)
				}
				return took
			})
		})
	}
}

// hold measures an engine that observes n things: bytes that it holds afterwards,
// and the time that observing took, of each.
func hold(b *testing.B, n int, what string, observe func(*correlate.Engine) time.Duration) {
	b.Helper()
	var held uint64
	var took time.Duration
	for b.Loop() {
		e, err := correlate.New(correlate.DefaultConfig())
		if err != nil {
			b.Fatal(err)
		}
		before := inUse()
		took += observe(e)
		held += inUse() - before
		runtime.KeepAlive(e)
	}
	each := float64(b.N) * float64(n)
	b.ReportMetric(float64(held)/each, "B/"+what)
	b.ReportMetric(float64(took.Nanoseconds())/each, "ns/"+what)
}

// inUse is how much memory is in use once what can be freed is.
func inUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// thousandAlerts fire together, one in each of a thousand services.
func thousandAlerts(round int) []event.Observation {
	observations := make([]event.Observation, 0, 1000)
	start := t0.Add(time.Duration(round) * time.Second)
	for i := range 1000 {
		labels := event.Labels{
			"alertname": fmt.Sprintf("Alert%d", round%50), "service": fmt.Sprintf("svc-%d", i), "severity": "critical", "environment": "prod",
			"instance": fmt.Sprintf("10.%d.%d.%d:9100", round, i/256, i%256),
		}
		observations = append(observations, event.Observation{
			Fingerprint: labels.Fingerprint(), StartsAt: start, Labels: labels,
			Annotations:    event.Labels{"summary": "instance is failing", "runbook_url": "https://runbooks.example/x"},
			KeepAliveUntil: start.Add(time.Hour), FiringSeenAt: start, FirstReceivedAt: start, LastReceivedAt: start,
			Roads: []event.Road{event.RoadPrometheus},
		})
	}
	return observations
}

// BenchmarkStormOver1000Services derives 1,000 incidents again, each time that
// 10,000 more alerts of them fire beside those that do.
func BenchmarkStormOver1000Services(b *testing.B) {
	const rounds, perRound = 5, 10_000
	var took [rounds]time.Duration
	for b.Loop() {
		e, err := correlate.New(correlate.DefaultConfig())
		if err != nil {
			b.Fatal(err)
		}
		for round := range rounds {
			for i := range perRound / 1000 {
				e.Observe(nil, thousandAlerts(round*perRound/1000+i), nil)
			}
			began := time.Now()
			if got := len(e.Derive(t0.Add(time.Minute))); got != 1000 {
				b.Fatalf("%d incidents are derived, want 1,000", got)
			}
			took[round] += time.Since(began)
		}
	}
	for round, t := range took {
		b.ReportMetric(t.Seconds()/float64(b.N), fmt.Sprintf("s/%d,000-firing", (round+1)*perRound/1000))
	}
}
