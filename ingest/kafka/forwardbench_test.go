package kafka

import (
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// BenchmarkForward forwards log lines, 20,000 at once as a batcher joins them,
// to a real broker.
func BenchmarkForward(b *testing.B) {
	broker := kafkatest.Shared(b)
	c := DefaultConfig()
	c.Brokers = []string{broker.Addr()}
	c.ForwardTopics.Alerts, c.ForwardTopics.Logs = broker.Topic(b, 1, nil), broker.Topic(b, 12, nil)
	f, err := NewForwarder(b.Context(), ForwarderOptions{Config: c})
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	const chunks, lines = 20, 1000
	var batch event.Batch
	for i := range chunks {
		chunk := event.Chunk{ID: event.ChunkID{byte(i)}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments", Labels: event.Labels{"pod": "p1"}}}}
		for j := range lines {
			chunk.Lines = append(chunk.Lines, event.Line{
				At:   noon.Add(time.Duration(j) * time.Millisecond),
				Text: fmt.Sprintf(`level=error msg="cannot round %d.%d: no rule" trace=%x path=/pay/%d`, i, j, noise(i*lines+j, 8), j),
			})
		}
		batch.Chunks = append(batch.Chunks, counted(chunk))
	}
	began := time.Now()
	for b.Loop() {
		if err := f.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*chunks*lines)/time.Since(began).Seconds(), "lines/s")
	b.ReportMetric(0, "ns/op")
}
