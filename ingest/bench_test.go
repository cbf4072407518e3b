package ingest

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
)

// nowhere takes everything and keeps nothing.
var nowhere = AppenderFunc(func(context.Context, event.Batch) error { return nil })

// nullWriter is a response that nobody reads.
type nullWriter struct {
	header http.Header
	code   int
}

func (w *nullWriter) Header() http.Header         { return w.header }
func (w *nullWriter) WriteHeader(code int)        { w.code = code }
func (w *nullWriter) Write(p []byte) (int, error) { return len(p), nil }

// BenchmarkReceive measures what receiving costs beside decoding ("fake"), and
// with the real decoders.
func BenchmarkReceive(b *testing.B) {
	for _, bm := range []struct {
		name, path, mediaType, body string
		formats                     Formats
		facts                       int
	}{
		{"fake", "/ingest/plain", typeJSON, `["a"]`, fakeFormats(), 1},
		{"one alert", "/api/v2/alerts", typeJSON, manyAlerts(0, 1), defaultFormats(), 1},
		{"64 alerts", "/api/v2/alerts", typeJSON, manyAlerts(0, 64), defaultFormats(), 64},
		{"1000 lines of Loki", "/loki/api/v1/push", "application/x-protobuf", string(lokiPush(b, 10, 100)), defaultFormats(), 1000},
	} {
		b.Run(bm.name, func(b *testing.B) {
			r := newRig(b, func(o *Options) { o.Appender, o.Formats = nowhere, bm.formats })
			b.SetBytes(int64(len(bm.body)))
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest(http.MethodPost, bm.path, strings.NewReader(bm.body))
				req.Header.Set("Content-Type", bm.mediaType)
				w := nullWriter{header: http.Header{}}
				r.mux.ServeHTTP(&w, req)
				if w.code/100 != 2 {
					b.Fatalf("status %d", w.code)
				}
			}
			b.ReportMetric(float64(bm.facts)*float64(b.N)/b.Elapsed().Seconds(), "facts/s")
		})
	}
}

// BenchmarkBatcher measures the batcher alone, with many callers.
func BenchmarkBatcher(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			batcher := newTestBatcher(b, nowhere, func(o *BatcherOptions) { o.Limits.Alerts.Linger = 0 })
			defer closeBatcher(b, batcher)
			batch := messages("a")
			b.SetParallelism(callers)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := batcher.Append(context.Background(), batch); err != nil {
						b.Error(err)
						return
					}
				}
			})
		})
	}
}

// BenchmarkOverTheWire is a post of one alert through a real server and the
// batcher, without its linger.
func BenchmarkOverTheWire(b *testing.B) {
	batcher := newTestBatcher(b, nowhere, func(o *BatcherOptions) { o.Limits.Alerts.Linger = 0 })
	defer closeBatcher(b, batcher)
	r := newRealRig(b, batcher)
	s := httptest.NewServer(r.mux)
	defer s.Close()
	body := manyAlerts(0, 1)
	b.ReportAllocs()
	for b.Loop() {
		resp, err := http.Post(s.URL+"/api/v2/alerts", typeJSON, strings.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			b.Fatalf("status %d", resp.StatusCode)
		}
	}
}
