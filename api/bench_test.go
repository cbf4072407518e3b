package api

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// usual is the sample with n entries as an outage has them.
func usual(n int) timeline.Timeline {
	t := sample()
	log := t.Entries[0].Log
	t.Entries = many(n)
	for i := range t.Entries {
		e := &t.Entries[i]
		e.Labels = event.Labels{
			"alertname": "HighErrorRate", "service": "payments", "severity": "critical", "env": "prod",
			"instance": fmt.Sprintf("10.0.0.%d:8080", i), "job": "payments",
		}
		e.Links = []string{"https://prometheus.example/graph?g0.expr=rate%28errors%5B5m%5D%29"}
		if i%4 == 0 {
			e.Kind, e.Log = timeline.EntryLogPattern, log
		}
	}
	return t
}

func BenchmarkGetTimeline(b *testing.B) {
	for _, bench := range []struct {
		name    string
		entries int
		header  []string
	}{
		{"json-200", 200, nil},
		{"markdown-200", 200, []string{"Accept", "text/markdown"}},
		{"not-modified-200", 200, []string{"If-None-Match", "*"}},
		{"json-5000", 5000, nil},
	} {
		b.Run(bench.name, func(b *testing.B) {
			h := newTestAPI(b, &fakeStore{timelines: []timeline.Timeline{usual(bench.entries)}})
			r := httptest.NewRequest(http.MethodGet, timelinePath(20), nil)
			if bench.header != nil {
				r.Header.Set(bench.header[0], bench.header[1])
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			b.SetBytes(int64(w.Body.Len()))
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Code >= http.StatusBadRequest {
					b.Fatalf("status %d: %s", w.Code, w.Body)
				}
			}
		})
	}
}
