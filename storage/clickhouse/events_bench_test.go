package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// benchEvents is how many events are appended together.
const benchEvents = 2500

// benchEventPool is made once; benchEventPost gives its events new names.
var benchEventPool = sync.OnceValue(func() []event.Event {
	list := make([]event.Event, benchEvents)
	for i := range list {
		e := testEvent(i, appendTime.Add(time.Duration(i)*time.Second))
		e.Message = nil
		e.Kind, e.Road, e.Environment = event.KindNotification, event.RoadRecorder, "prod"
		e.Notification = &event.Notification{Receiver: "payments-pager", Integration: "pagerduty", GroupKey: fmt.Sprintf(`{}:{alertname="Alert%d"}`, i%40),
			GroupLabels: event.Labels{"alertname": fmt.Sprint("Alert", i%40)}, Firing: []event.AlertRef{{Fingerprint: event.Fingerprint(i), StartsAt: e.OccurredAt}}}
		e.Raw = fmt.Appendf(nil, `{"@timestamp":%q,"instance":"am-0","event":{"notification":{"receiver":"payments-pager","integration":"pagerduty","groupKey":%q,"firingAlerts":[{"labels":{"alertname":"Alert%d","service":"payments","severity":"critical","cluster":"eu-1"},"fingerprint":"%d"}],"reason":"repeat interval"}}}`,
			e.OccurredAt.Format(time.RFC3339Nano), e.Notification.GroupKey, i%40, i)
		list[i] = e
	}
	return list
})

func benchEventPost(n int) []event.Event {
	list := make([]event.Event, benchEvents)
	copy(list, benchEventPool())
	for i := range list {
		binary.BigEndian.PutUint64(list[i].ID[8:], uint64(n*benchEvents+i))
	}
	return list
}

// BenchmarkAppendEvents appends batches of events from 16 callers, with the
// encoding of each event and the journal.
func BenchmarkAppendEvents(b *testing.B) {
	benchEventPool()
	benchAppend(b, 16, func(n int) event.Batch { return event.Batch{Events: benchEventPost(n)} })
	b.ReportMetric(float64(b.N*benchEvents)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkBareEvents inserts the same rows, encoded before, with clickhouse-go
// and nothing else: 16 batches in an insert.
func BenchmarkBareEvents(b *testing.B) {
	s := openNew(b)
	bodies := make([]string, benchEvents)
	for i := range bodies {
		row, err := encodeEvent(&benchEventPool()[i])
		if err != nil {
			b.Fatal(err)
		}
		bodies[i] = string(row.body)
	}
	b.ReportAllocs()
	b.ResetTimer()
	for sent := 0; sent < b.N; {
		batch, err := s.conn.PrepareBatch(context.Background(), "INSERT INTO events (id, kind, occurred_at, received_at, road, instance, service, environment, body, raw)")
		if err != nil {
			b.Fatal(err)
		}
		for range min(16, b.N-sent) {
			for i, e := range benchEventPost(sent) {
				if err := batch.Append(string(e.ID[:]), string(e.Kind), e.OccurredAt, e.ReceivedAt, string(e.Road), e.Instance, e.Service, e.Environment, bodies[i], string(e.Raw)); err != nil {
					b.Fatal(err)
				}
			}
			sent++
		}
		if err := batch.Send(); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	b.ReportMetric(float64(b.N*benchEvents)/b.Elapsed().Seconds(), "rows/s")
}
