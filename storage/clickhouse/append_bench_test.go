package clickhouse

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// The benchmarks compare rows a second through the store with those of
// clickhouse-go alone, in one run on one engine:
//
//	go test -run '^$' -bench 'Append|BareInsert' -benchtime 5s ./storage/clickhouse

// benchLines is how many lines a chunk has, benchChunks how many chunks are
// appended together: a chunk is what a shipper posts.
const (
	benchLines  = 1000
	benchChunks = 64
)

// benchChunk is what a shipper sends: lines of eight services within a second,
// of some sixty patterns.
func benchChunk(n int) event.Chunk {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	began := appendTime.Add(time.Duration(n) * 20 * time.Millisecond)
	c := event.Chunk{ReceivedAt: began, Road: event.RoadLoki}
	id := event.NewID(began, "bench", fmt.Sprint(n))
	copy(c.ID[:], id[:])
	for i := range 8 {
		service := fmt.Sprintf("service-%d", i)
		c.Streams = append(c.Streams, event.Stream{Service: service, Environment: "prod", Labels: event.Labels{"app": service, "pod": service + "-7d4b9c-x2x1z", "cluster": "eu-1"}})
	}
	counts := make(map[event.CountKey]int)
	for i := range benchLines {
		p := min(r.IntN(60), r.IntN(60))
		stream, level := p%8, event.LevelInfo
		if p > 50 {
			level = event.LevelError
		}
		at := began.Add(time.Duration(i) * time.Microsecond)
		l := event.Line{
			Stream: stream, At: at, Level: level, Pattern: event.PatternID(uint64(p) * 0x9e3779b97f4a7c15), Version: "1.42.0", Trace: fmt.Sprintf("%016x", r.Uint64()),
			Text: fmt.Sprintf("level=info ts=%s caller=server.go:%d msg=\"request done\" path=/api/v1/orders/%d status=200 duration=%dms user=%08x", at.Format(time.RFC3339Nano), p, r.IntN(1e6), r.IntN(1000), r.Uint32()),
		}
		c.Lines = append(c.Lines, l)
		key := event.CountKey{Service: c.Streams[stream].Service, Environment: "prod", Version: l.Version, Level: level, Pattern: l.Pattern, Second: at.Unix()}
		at0, known := counts[key]
		if !known {
			at0 = len(c.Counts)
			counts[key] = at0
			c.Counts = append(c.Counts, event.Count{CountKey: key, First: at, Template: "level=info ts=<*> caller=server.go:<*> msg=\"request done\" path=/api/v1/orders/<*> status=<*> duration=<*>ms user=<*>", Sample: l.Text})
		}
		count := &c.Counts[at0]
		count.N++
		count.Last = at
		count.Digest += uint64(i)*0x9e3779b97f4a7c15 + uint64(n)
	}
	return c
}

// benchPool is made once; benchPost gives its chunks new names.
var benchPool = sync.OnceValue(func() []event.Chunk {
	chunks := make([]event.Chunk, benchChunks)
	for i := range chunks {
		chunks[i] = benchChunk(i)
	}
	return chunks
})

func benchPost(n int) event.Chunk {
	c := benchPool()[n%benchChunks]
	binary.BigEndian.PutUint64(c.ID[8:], uint64(n))
	return c
}

// reportLines reports lines and all rows, counts included, a second.
func reportLines(b *testing.B, chunks int) {
	rows := 0
	for i := range chunks {
		rows += benchLines + len(benchPool()[i%benchChunks].Counts)
	}
	b.ReportMetric(float64(chunks*benchLines)/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// benchAppend appends a batch for each turn of the benchmark to a new store, from
// that many callers at once; post makes the n-th.
func benchAppend(b *testing.B, callers int, post func(n int) event.Batch) {
	b.Helper()
	s := openNew(b)
	b.ReportAllocs()
	b.SetParallelism(max(1, callers/runtime.GOMAXPROCS(0)))
	var sent atomic.Int64
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Append(context.Background(), post(int(sent.Add(1)))); err != nil {
				b.Error(err)
			}
		}
	})
	b.StopTimer()
}

// BenchmarkAppendLines appends chunks from 64 callers, as receivers do, with all
// that belongs to it: counts, the chunks' names and the journal.
func BenchmarkAppendLines(b *testing.B) {
	benchPool()
	benchAppend(b, 64, func(n int) event.Batch { return event.Batch{Chunks: []event.Chunk{benchPost(n)}} })
	reportLines(b, b.N)
}

// BenchmarkBareInsert inserts the same lines and counts with clickhouse-go and
// nothing else, by 64 chunks.
func BenchmarkBareInsert(b *testing.B) {
	for name, insert := range map[string]func(*Store, []event.Chunk) error{"rows": bareRows, "columns": bareColumns} {
		b.Run(name, func(b *testing.B) {
			s := openNew(b)
			benchPool()
			b.ReportAllocs()
			b.ResetTimer()
			for sent := 0; sent < b.N; {
				var chunks []event.Chunk
				for sent < b.N && len(chunks) < benchChunks {
					chunks, sent = append(chunks, benchPost(sent)), sent+1
				}
				if err := insert(s, chunks); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			reportLines(b, b.N)
		})
	}
}

// bareRows is what the driver's documentation shows: a batch, and Append for
// each row.
func bareRows(s *Store, chunks []event.Chunk) error {
	ctx := context.Background()
	lines, err := s.conn.PrepareBatch(ctx, "INSERT INTO lines (service, at, source, n, environment, level, pattern, version, trace, labels, metadata, text)")
	if err != nil {
		return err
	}
	defer lines.Close()
	for i := range chunks {
		c := &chunks[i]
		labels := make([]string, len(c.Streams))
		for j := range labels {
			labels[j] = labelsJSON(c.Streams[j].Labels)
		}
		for j := range c.Lines {
			l := &c.Lines[j]
			if err := lines.Append(c.Streams[l.Stream].Service, l.At, uint64(i), uint32(j), c.Streams[l.Stream].Environment, int8(l.Level), uint64(l.Pattern),
				l.Version, l.Trace, labels[l.Stream], "", l.Text); err != nil {
				return err
			}
		}
	}
	if err := lines.Send(); err != nil {
		return err
	}
	return bareCounts(ctx, s, chunks)
}

func bareCounts(ctx context.Context, s *Store, chunks []event.Chunk) error {
	counts, err := s.conn.PrepareBatch(ctx, `INSERT INTO counts (minute, service, level, pattern, second, environment, version, source, n, first, last, digest,
		received_at, template, sample, upstreams)`)
	if err != nil {
		return err
	}
	defer counts.Close()
	for i := range chunks {
		c := &chunks[i]
		for j := range c.Counts {
			n := &c.Counts[j]
			if err := counts.Append(int32(n.Second/60), n.Service, int8(n.Level), uint64(n.Pattern), time.Unix(n.Second, 0), n.Environment, n.Version, uint64(i), uint64(n.N),
				n.First, n.Last, n.Digest, c.ReceivedAt, n.Template, n.Sample, n.Upstreams); err != nil {
				return err
			}
		}
	}
	return counts.Send()
}

// bareColumns is the fastest way that the driver has: a slice for each column of
// the lines.
func bareColumns(s *Store, chunks []event.Chunk) error {
	ctx := context.Background()
	var r lineRows
	r.grow(benchLines * len(chunks))
	for i := range chunks {
		c := &chunks[i]
		labels := make([]string, len(c.Streams))
		for j := range labels {
			labels[j] = labelsJSON(c.Streams[j].Labels)
		}
		for j := range c.Lines {
			l := &c.Lines[j]
			r.service, r.at = append(r.service, c.Streams[l.Stream].Service), append(r.at, l.At)
			r.source, r.n = append(r.source, uint64(i)), append(r.n, uint32(j))
			r.environment, r.level = append(r.environment, c.Streams[l.Stream].Environment), append(r.level, int8(l.Level))
			r.pattern, r.version = append(r.pattern, uint64(l.Pattern)), append(r.version, l.Version)
			r.trace, r.labels = append(r.trace, l.Trace), append(r.labels, labels[l.Stream])
			r.metadata, r.text = append(r.metadata, ""), append(r.text, l.Text)
		}
	}
	lines, err := s.conn.PrepareBatch(ctx, "INSERT INTO lines (service, at, source, n, environment, level, pattern, version, trace, labels, metadata, text)")
	if err != nil {
		return err
	}
	defer lines.Close()
	for i, column := range r.columns() {
		if err := lines.Column(i).Append(column); err != nil {
			return err
		}
	}
	if err := lines.Send(); err != nil {
		return err
	}
	return bareCounts(ctx, s, chunks)
}

// BenchmarkAppendAlerts appends sightings of alerts from many callers, ten in a
// batch, each with the notification of the webhook that brought them.
func BenchmarkAppendAlerts(b *testing.B) {
	s := openNew(b)
	const callers, alerts = 256, 10
	b.ReportAllocs()
	sent := 0
	for i := 0; b.Loop(); i++ {
		var wg sync.WaitGroup
		for c := range callers {
			var batch event.Batch
			at := appendTime.Add(time.Duration(i) * time.Minute)
			for a := range alerts {
				batch.Observations = append(batch.Observations, testObservation(c*alerts+a, appendTime, at))
			}
			batch.Events = []event.Event{testEvent(c, at)}
			sent += alerts
			wg.Go(func() {
				if err := s.Append(context.Background(), batch); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "alerts/s")
}

// TestBytesOnDisk prints what an event, an alert, a line and a count take on
// disk, when the parts are merged, against what they are as text.
func TestBytesOnDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("writes a hundred thousand lines")
	}
	engine := enginetest.Shared(t)
	s := openDSN(t, engine.Database(t), Options{})
	raw := make(map[string]int)
	var batch event.Batch
	for i := range 100 {
		c := benchChunk(i)
		for j := range c.Lines {
			raw["lines"] += len(c.Lines[j].Text)
		}
		for j := range c.Counts {
			raw["counts"] += len(c.Counts[j].Template) + len(c.Counts[j].Sample)
		}
		batch.Chunks = append(batch.Chunks, c)
	}
	for i := range 20_000 {
		at := appendTime.Add(time.Duration(i) * 37 * time.Second)
		o := testObservation(i%500, at, at.Add(time.Minute))
		o.Labels = event.Labels{"alertname": fmt.Sprint("Alert", i%40), "service": fmt.Sprint("service-", i%80), "severity": "critical", "instance": fmt.Sprintf("10.0.%d.%d:9090", i%16, i%250), "cluster": "eu-1"}
		o.Annotations = event.Labels{"summary": fmt.Sprintf("The error rate is %d.%d %%", i%100, i%10), "runbook_url": "https://runbooks.example.com/errors"}
		o.Fingerprint = o.Labels.Fingerprint()
		o.Raw = []byte(fmt.Sprintf(`{"status":"firing","labels":{"alertname":"Alert%d","service":"service-%d","severity":"critical","instance":"10.0.%d.%d:9090","cluster":"eu-1"},"annotations":{"summary":"The error rate is %d.%d %%","runbook_url":"https://runbooks.example.com/errors"},"startsAt":%q,"endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus/graph","fingerprint":"%s"}`,
			i%40, i%80, i%16, i%250, i%100, i%10, at.Format(time.RFC3339Nano), o.Fingerprint))
		e := testEvent(i, at)
		e.Message = nil
		e.Kind = event.KindNotification
		e.Notification = &event.Notification{Receiver: "payments-pager", Integration: "pagerduty", GroupKey: fmt.Sprintf(`{}:{alertname="Alert%d"}`, i%40), GroupLabels: event.Labels{"alertname": fmt.Sprint("Alert", i%40)}, Firing: []event.AlertRef{{Fingerprint: o.Fingerprint, StartsAt: at}}}
		e.Raw = o.Raw
		batch.Observations, batch.Events = append(batch.Observations, o), append(batch.Events, e)
		raw["events"] += len(e.Raw)
		raw["observations"] += len(o.Raw)
	}
	mustAppend(t, s, batch)
	optimize(t, s)
	for _, table := range []string{"lines", "counts", "events", "observations"} {
		var rows, bytes uint64
		if err := s.row(t.Context(), "SELECT sum(rows), sum(bytes_on_disk) FROM system.parts WHERE active AND database = currentDatabase() AND table = "+quoteText(table), &rows, &bytes); err != nil {
			t.Fatal(err)
		}
		each := float64(bytes) / float64(rows)
		t.Logf("%-12s %6d rows, %6.1f bytes each on disk, %6.1f as text (1 : %.1f)", table, rows, each, float64(raw[table])/float64(rows), float64(raw[table])/float64(bytes))
		if limit := map[string]float64{"lines": 120, "counts": 200, "events": 400, "observations": 500}[table]; each > limit {
			t.Errorf("%s: %.1f bytes each, want %.0f at most", table, each, limit)
		}
	}
}
