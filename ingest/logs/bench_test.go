package logs

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/hindcast/hindcast/ingest/event"
)

// benchPush is a push of n lines like those that were recorded, each with its
// own request.
func benchPush(b *testing.B, n int) []byte {
	b.Helper()
	var req push.PushRequest
	for s, service := range []string{"payments", "checkout", "gateway", "search"} {
		level := []string{"error", "error", "info", "info"}[s]
		stream := push.Stream{Labels: fmt.Sprintf(`{environment="prod", level=%q, service=%q, team="t"}`, level, service)}
		for i := range n / 4 {
			id := uint64(s*n+i+1) * 0x9e3779b97f4a7c15
			var line string
			switch s {
			case 0:
				line = fmt.Sprintf("level=error service=payments version=2.0.0 panic: nil pointer in charge() currency=EUR request_id=%012x", id>>16)
			case 1:
				line = fmt.Sprintf("level=error service=checkout version=1.0.0 upstream call failed upstream=payments status=502 attempt=3 trace=%016x", id)
			default:
				line = fmt.Sprintf("level=info service=%s version=1.0.0 request done path=/%s/v1/items status=200 duration_ms=%d", service, service, id%500)
			}
			stream.Entries = append(stream.Entries, push.Entry{Timestamp: time.Unix(1795360748, int64(i)*1e6), Line: line})
		}
		req.Streams = append(req.Streams, stream)
	}
	data, err := req.Marshal()
	if err != nil {
		b.Fatal(err)
	}
	return data
}

func reportLines(b *testing.B, body []byte, lines int) {
	b.SetBytes(int64(len(body)))
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
	b.ReportMetric(float64(lines), "lines/op")
}

func BenchmarkLokiProto(b *testing.B) {
	const lines = 4000
	body := benchPush(b, lines)
	d := newTestDecoder()
	b.ReportAllocs()
	for b.Loop() {
		batch, err := d.DecodeLokiProto(body, testReceived)
		if err != nil || len(batch.Chunks[0].Lines) != lines {
			b.Fatal(err)
		}
	}
	reportLines(b, body, lines)
}

func BenchmarkLokiJSON(b *testing.B) {
	bodies := recorded(b)
	body := []byte(`{"streams":[`)
	lines := 0
	for i, r := range bodies {
		if i > 0 {
			body = append(body, ',')
		}
		r = r[strings.IndexByte(string(r), '[')+1 : strings.LastIndexByte(string(r), ']')]
		body = append(body, r...)
	}
	body = append(body, "]}"...)
	d := newTestDecoder()
	b.ReportAllocs()
	for b.Loop() {
		batch, err := d.DecodeLokiJSON(body, testReceived)
		if err != nil {
			b.Fatal(err)
		}
		lines = len(batch.Chunks[0].Lines)
	}
	reportLines(b, body, lines)
}

// BenchmarkLokiMetadata has lines with structured metadata, as Loki's OTLP
// clients send them.
func BenchmarkLokiMetadata(b *testing.B) {
	const lines = 4000
	stream := push.Stream{Labels: `{service_name="payments", deployment_environment="prod"}`}
	for i := range lines {
		stream.Entries = append(stream.Entries, push.Entry{
			Timestamp: time.Unix(1795360748, int64(i)*1e6),
			Line:      fmt.Sprintf("charge %d declined by the provider after %dms", i, i%300),
			StructuredMetadata: push.LabelsAdapter{
				{Name: "severity_text", Value: "ERROR"}, {Name: "trace_id", Value: fmt.Sprintf("%032x", i*7919+1)},
				{Name: "k8s_pod_name", Value: "payments-7c9f8b6d5-x7gkz"}, {Name: "service_version", Value: "2.0.0"}, {Name: "scope_name", Value: "pay"},
			},
		})
	}
	body, err := (&push.PushRequest{Streams: []push.Stream{stream}}).Marshal()
	if err != nil {
		b.Fatal(err)
	}
	d := newTestDecoder()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.DecodeLokiProto(body, testReceived); err != nil {
			b.Fatal(err)
		}
	}
	reportLines(b, body, lines)
}

// BenchmarkLokiReader and BenchmarkLokiGenerated hold the reading of protobuf
// alone against Loki's generated code.
func BenchmarkLokiReader(b *testing.B) {
	const lines = 4000
	body := benchPush(b, lines)
	b.ReportAllocs()
	for b.Loop() {
		text, n := string(body), 0
		for pos := 0; pos < len(text); {
			stream, err := nextField(text, &pos)
			if err != nil {
				b.Fatal(err)
			}
			for at := 0; at < len(stream.bytes); {
				entry, err := nextField(stream.bytes, &at)
				if err != nil {
					b.Fatal(err)
				}
				if entry.num != streamEntries {
					continue
				}
				for in := 0; in < len(entry.bytes); {
					f, err := nextField(entry.bytes, &in)
					if err != nil {
						b.Fatal(err)
					}
					if f.num == entryTimestamp {
						if _, _, err := protoTimestamp(f.bytes); err != nil {
							b.Fatal(err)
						}
					}
				}
				n++
			}
		}
		if n != lines {
			b.Fatalf("%d lines", n)
		}
	}
	reportLines(b, body, lines)
}

func BenchmarkLokiGenerated(b *testing.B) {
	const lines = 4000
	body := benchPush(b, lines)
	b.ReportAllocs()
	for b.Loop() {
		var req push.PushRequest
		if err := req.Unmarshal(body); err != nil {
			b.Fatal(err)
		}
	}
	reportLines(b, body, lines)
}

var benchLines = map[string]string{
	"logfmt": "level=error service=payments version=2.0.0 panic: nil pointer in charge() currency=EUR request_id=d732c4667357",
	"words":  "the payment provider did not answer in time and the order was put back into the queue for a later attempt",
	"access": `10.0.0.1 - - [02/Jan/2026:15:04:05 +0000] "GET /items/123?page=2 HTTP/1.1" 502 1234 "-" "Mozilla/5.0 (X11; Linux x86_64)"`,
	"java":   "2026-01-02 15:04:05,123 ERROR [http-nio-8080-exec-3] c.acme.pay.ChargeService : charge 8812 of order 550e8400-e29b-41d4-a716-446655440000 failed",
}

func BenchmarkMask(b *testing.B) {
	for name, text := range benchLines {
		b.Run(name, func(b *testing.B) {
			m := masker{table: defaultFields}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				m.begin(MaxTemplate)
				m.text(text)
				if len(m.end()) == 0 {
					b.Fatal("nothing")
				}
			}
		})
	}
}

func BenchmarkReadLine(b *testing.B) {
	for name, text := range map[string]string{
		"logfmt": benchLines["logfmt"],
		"java":   benchLines["java"],
		"json":   `{"ts":1700000000.123,"level":"error","logger":"pay","caller":"pay/charge.go:118","msg":"charge 8812 declined","error":"timeout after 3s","trace_id":"0af7651916cd43dd8448eb211c80319c","status":502}`,
	} {
		b.Run(name, func(b *testing.B) {
			l := lineReader{}
			l.mask.table = defaultFields
			from := &source{service: "payments", environment: "prod", level: event.LevelUnknown}
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				l.read(from, nil, text)
			}
		})
	}
}
