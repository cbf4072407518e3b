package alertmanager

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"
)

// The benchmarks report MB/s of the body and allocations a fact.

func benchmark(b *testing.B, decode decodeFunc, body []byte) {
	var d Decoder
	batch, err := decode(d, body, noon)
	if err != nil {
		b.Fatal(err)
	}
	facts := batch.Len()
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decode(d, body, noon); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(facts), "facts/op")
}

// joined joins recorded bodies that are arrays.
func joined(b *testing.B, sort string) []byte {
	var all []json.RawMessage
	for _, r := range recordings(b, sort) {
		var some []json.RawMessage
		if err := json.Unmarshal(r.Body, &some); err != nil {
			b.Fatal(err)
		}
		all = append(all, some...)
	}
	body, err := json.Marshal(all)
	if err != nil {
		b.Fatal(err)
	}
	return body
}

func BenchmarkWebhook(b *testing.B) {
	rec := recordings(b, "webhook")
	b.Run("recorded", func(b *testing.B) { benchmark(b, Decoder.DecodeWebhook, rec[0].Body) })
	b.Run("200 alerts", func(b *testing.B) { benchmark(b, Decoder.DecodeWebhook, webhookOf(200)) })
}

func webhookOf(alerts int) []byte {
	var body bytes.Buffer
	body.WriteString(`{"receiver":"pager","status":"firing","alerts":[`)
	for i := range alerts {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"status":"firing","labels":{"alertname":"HighErrorRate","cluster":"eu-1","env":"prod","instance":"10.0.%d.%d:9100","service":"payments","severity":"critical"},"annotations":{"summary":"payments: 45.18%% of requests fail on %d"},"startsAt":"2026-11-22T11:58:03.123Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus:9090/graph?g0.expr=up","fingerprint":"6c0e9a831a758736"}`, i/250, i%250, i)
	}
	body.WriteString(`],"groupLabels":{"alertname":"HighErrorRate"},"externalURL":"http://am:9093","version":"4","groupKey":"{}:{alertname=\"HighErrorRate\"}","truncatedAlerts":0}`)
	return body.Bytes()
}

func BenchmarkEvents(b *testing.B)       { benchmark(b, Decoder.DecodeEvents, joined(b, "events")) }
func BenchmarkPostedAlerts(b *testing.B) { benchmark(b, Decoder.DecodeAlerts, joined(b, "alerts")) }

func BenchmarkPostedAlertsMany(b *testing.B) {
	var list struct{ Alerts json.RawMessage }
	if err := json.Unmarshal(webhookOf(100_000), &list); err != nil {
		b.Fatal(err)
	}
	benchmark(b, Decoder.DecodeAlerts, list.Alerts)
}

func BenchmarkScan(b *testing.B) {
	body := joined(b, "events")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := scanValue(body, 0); err != nil {
			b.Fatal(err)
		}
	}
}
