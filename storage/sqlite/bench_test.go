package sqlite_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
)

// The benchmarks measure a store that already holds HINDCAST_BENCH_LINES log
// lines (default 200,000; the figures in docs are for 10,000,000).

func benchLines(b *testing.B) int {
	text := os.Getenv("HINDCAST_BENCH_LINES")
	if text == "" {
		return 200_000
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		b.Fatalf("HINDCAST_BENCH_LINES: %v", err)
	}
	return n
}

// benchStore is filled once for all benchmarks.
var benchStore = struct {
	sync.Mutex
	store *sqlite.Store
	dir   string
	lines int
}{}

func openBench(b *testing.B) *sqlite.Store {
	b.Helper()
	benchStore.Lock()
	defer benchStore.Unlock()
	if benchStore.store != nil {
		return benchStore.store
	}
	dir, err := os.MkdirTemp("", "hindcast-bench")
	if err != nil {
		b.Fatal(err)
	}
	s, err := sqlite.Open(context.Background(), filepath.Join(dir, "hindcast.db"), sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	benchStore.store, benchStore.dir = s, dir
	began := time.Now()
	for benchStore.lines < benchLines(b) {
		if err := s.Append(context.Background(), event.Batch{Chunks: []event.Chunk{logChunk(benchStore.lines, 1000)}}); err != nil {
			b.Fatal(err)
		}
		benchStore.lines += 1000
	}
	var sizes [2]int64
	for i, name := range []string{"hindcast.db", "hindcast.db-wal"} {
		if fi, err := os.Stat(filepath.Join(dir, name)); err == nil {
			sizes[i] = fi.Size()
		}
	}
	b.Logf("filled with %d lines in %s; %d bytes and %d in the write-ahead log; %s", benchStore.lines, time.Since(began).Round(time.Second), sizes[0], sizes[1], residentMemory())
	return s
}

// closeBench is called when all tests have run.
func closeBench() {
	if benchStore.store != nil {
		benchStore.store.Close()
		os.RemoveAll(benchStore.dir)
	}
}

func residentMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "memory unknown"
	}
	var out []string
	for line := range strings.Lines(string(status)) {
		if strings.HasPrefix(line, "VmHWM") || strings.HasPrefix(line, "VmRSS") {
			out = append(out, strings.Join(strings.Fields(line), " "))
		}
	}
	return strings.Join(out, ", ")
}

var benchTime = time.Date(2026, 3, 14, 0, 0, 0, 0, time.UTC)

// logChunk is what a shipper sends: size lines of eight services within a
// second, of some sixty patterns.
func logChunk(n, size int) event.Chunk {
	r := rand.New(rand.NewPCG(uint64(n), 1))
	began := benchTime.Add(time.Duration(n) * time.Millisecond / 50)
	c := event.Chunk{ReceivedAt: began, Road: event.RoadLoki}
	for i := range c.ID {
		c.ID[i] = byte(r.Uint32())
	}
	for i := range 8 {
		service := fmt.Sprintf("service-%d", i)
		c.Streams = append(c.Streams, event.Stream{Service: service, Environment: "prod", Labels: event.Labels{"app": service, "pod": service + "-7d4b9c-x2x1z", "cluster": "eu-1"}})
	}
	counts := make(map[event.CountKey]*event.Count)
	for i := range size {
		p := min(r.IntN(60), r.IntN(60))
		stream := p % 8
		level := event.LevelInfo
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
		if counts[key] == nil {
			counts[key] = &event.Count{CountKey: key, First: at, Template: "level=info ts=<*> caller=server.go:<*> msg=\"request done\" path=/api/v1/orders/<*> status=<*> duration=<*>ms user=<*>", Sample: l.Text}
		}
		counts[key].N++
		counts[key].Last = at
		counts[key].Digest += uint64(i) * 0x9e3779b97f4a7c15
	}
	for _, n := range counts {
		c.Counts = append(c.Counts, *n)
	}
	return c
}

func BenchmarkAppendLogs(b *testing.B) {
	s := openBench(b)
	benchStore.Lock()
	defer benchStore.Unlock()
	chunks := make([]event.Chunk, 64)
	for i := range chunks {
		chunks[i] = logChunk(benchStore.lines+i*1000, 1000)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		c := chunks[n%len(chunks)]
		c.ID[0], c.ID[1], c.ID[2], c.ID[3] = byte(n), byte(n>>8), byte(n>>16), 0xff
		if err := s.Append(context.Background(), event.Batch{Chunks: []event.Chunk{c}}); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)*1000/b.Elapsed().Seconds(), "lines/s")
	b.ReportMetric(b.Elapsed().Seconds()*1e6/float64(n)/1000, "µs/line")
	b.Log(residentMemory())
}

// BenchmarkAppendObservations appends re-sends of 5,000 firing alerts in
// batches of 64, from eight callers.
func BenchmarkAppendObservations(b *testing.B) {
	s := openBench(b)
	var observations []event.Observation
	for i := range 5000 {
		labels := event.Labels{"alertname": "HighErrorRate", "service": fmt.Sprintf("service-%d", i%50), "instance": fmt.Sprintf("10.0.%d.%d:9090", i/250, i%250), "severity": "critical", "cluster": "eu-1"}
		observations = append(observations, event.Observation{
			Fingerprint: labels.Fingerprint(), StartsAt: benchTime, Labels: labels,
			Annotations:  event.Labels{"summary": "Too many requests fail", "description": strings.Repeat("Some words about it. ", 10), "runbook_url": "https://example.com/runbooks/high-error-rate"},
			GeneratorURL: "http://prometheus.example.com:9090/graph?g0.expr=rate%28http_requests_total%5B5m%5D%29", Roads: []event.Road{event.RoadPrometheus},
			SentFingerprints: []event.Fingerprint{labels.Fingerprint()}, Raw: []byte(`{"labels": {}, "annotations": {"description": "` + strings.Repeat("Some words about it. ", 20) + `"}}`),
			FirstReceivedAt: benchTime,
		})
	}
	b.ReportAllocs()
	const batch, callers = 64, 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	n := 0
	next := func() (event.Batch, bool) {
		mu.Lock()
		defer mu.Unlock()
		if !b.Loop() {
			return event.Batch{}, false
		}
		var out event.Batch
		for range batch {
			o := observations[n%len(observations)]
			seen := benchTime.Add(time.Duration(n) * time.Millisecond)
			o.FirstReceivedAt, o.LastReceivedAt, o.FiringSeenAt, o.KeepAliveUntil = seen, seen, seen, seen.Add(4*time.Minute)
			out.Observations = append(out.Observations, o)
			n++
		}
		return out, true
	}
	// b.Loop wants one goroutine; the others only help to fill transactions.
	queue := make(chan event.Batch)
	for range callers {
		wg.Go(func() {
			for batch := range queue {
				if err := s.Append(context.Background(), batch); err != nil {
					b.Error(err)
				}
			}
		})
	}
	for {
		batch, ok := next()
		if !ok {
			break
		}
		queue <- batch
	}
	close(queue)
	wg.Wait()
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "observations/s")
}

// benchTimeline has 200 entries.
func benchTimeline(n int) timeline.Timeline {
	began := benchTime.Add(time.Duration(n) * time.Hour)
	ended := began.Add(20 * time.Minute)
	id := event.NewID(began, "bench", fmt.Sprint(n))
	tl := timeline.Timeline{Incident: timeline.Incident{ID: id, Title: fmt.Sprintf("Incident %d", n), Status: timeline.StatusClosed, Severity: "critical", Services: []string{fmt.Sprintf("service-%d", n%50)}, StartedAt: began, EndedAt: &ended}}
	for i := range 200 {
		tl.Entries = append(tl.Entries, timeline.Entry{
			ID: event.NewID(began, "entry", fmt.Sprint(n, i)), At: began.Add(time.Duration(i) * time.Second), Kind: timeline.EntryAlertFired, Service: "payments",
			Summary: fmt.Sprintf("HighErrorRate fired on service-%d: too many requests fail", i), Labels: event.Labels{"alertname": "HighErrorRate", "severity": "critical", "instance": fmt.Sprint(i)},
			Events: []event.ID{id, id}, Links: []string{"https://example.com/runbooks/high-error-rate"}, Why: "same service as the first alert, 12 s after it",
		})
	}
	return tl
}

func publishBench(b *testing.B, s *sqlite.Store, incidents int) {
	b.Helper()
	claim, err := s.Claim(context.Background(), "bench")
	if err != nil {
		b.Fatal(err)
	}
	for i := 0; i < incidents; i += 50 {
		var derived []storage.Derived
		for j := range 50 {
			tl := benchTimeline(i + j)
			derived = append(derived, storage.Derived{Timeline: tl, Signals: []event.ID{tl.Incident.ID}, Digest: "d"})
		}
		if err := s.Publish(context.Background(), claim, derived); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkTimeline reads timelines of 200 entries from four goroutines while
// 5,000 log lines a second are written: those of few incidents, as people do,
// and of many, which have to be decoded.
func BenchmarkTimeline(b *testing.B) {
	s := openBench(b)
	publishBench(b, s, 500)
	chunks := someChunks()
	for _, incidents := range []int{20, 500} {
		b.Run(fmt.Sprintf("of %d incidents", incidents), func(b *testing.B) {
			ctx, cancel := context.WithCancel(context.Background())
			var writing sync.WaitGroup
			writing.Go(func() { writeLogs(ctx, s, chunks, 200*time.Millisecond) })
			var mu sync.Mutex
			var took []time.Duration
			b.SetParallelism(max(1, 4/runtime.GOMAXPROCS(0)))
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					id := benchTimelineID(rand.IntN(incidents))
					began := time.Now()
					if _, err := s.Timeline(context.Background(), id); err != nil {
						b.Error(err)
					}
					d := time.Since(began)
					mu.Lock()
					took = append(took, d)
					mu.Unlock()
					// A client waits for its answer before it asks again; without
					// this, one goroutine would ask for a whole time slice.
					runtime.Gosched()
				}
			})
			b.StopTimer()
			cancel()
			writing.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

func someChunks() []event.Chunk {
	chunks := make([]event.Chunk, 32)
	for i := range chunks {
		chunks[i] = logChunk(50_000_000+i*1000, 1000)
	}
	return chunks
}

// writeLogs appends a chunk of 1,000 lines at every tick.
func writeLogs(ctx context.Context, s *sqlite.Store, chunks []event.Chunk, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		c := chunks[n%len(chunks)]
		c.ID[0], c.ID[1], c.ID[2] = byte(n), byte(n>>8), 0xfe
		_ = s.Append(ctx, event.Batch{Chunks: []event.Chunk{c}})
	}
}

// BenchmarkAlertBesideLogs appends one sighting at a time while 50,000 log
// lines a second are written.
func BenchmarkAlertBesideLogs(b *testing.B) {
	s := openBench(b)
	chunks := someChunks()
	ctx, cancel := context.WithCancel(context.Background())
	var writing sync.WaitGroup
	writing.Go(func() { writeLogs(ctx, s, chunks, 20*time.Millisecond) })
	var took []time.Duration
	labels := event.Labels{"alertname": "HighErrorRate"}
	for b.Loop() {
		seen := benchTime.Add(time.Duration(len(took)) * time.Second)
		o := event.Observation{Fingerprint: labels.Fingerprint(), StartsAt: benchTime, Labels: labels, FirstReceivedAt: seen, LastReceivedAt: seen}
		began := time.Now()
		if err := s.Append(ctx, event.Batch{Observations: []event.Observation{o}}); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(began))
		time.Sleep(2 * time.Millisecond)
	}
	cancel()
	writing.Wait()
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "p99-ms")
}

func benchTimelineID(n int) event.ID {
	return event.NewID(benchTime.Add(time.Duration(n)*time.Hour), "bench", fmt.Sprint(n))
}

func BenchmarkIncidents(b *testing.B) {
	s := openBench(b)
	publishBench(b, s, 500)
	for name, q := range map[string]storage.IncidentQuery{"first page": {}, "one service": {Service: "service-7"}} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Incidents(context.Background(), q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkRead(b *testing.B) {
	s := openBench(b)
	middle := benchTime.Add(time.Duration(benchLines(b)/2) * time.Millisecond / 50).Truncate(time.Second)
	counts, err := s.Counts(context.Background(), storage.CountQuery{From: middle, To: middle.Add(time.Second)})
	if err != nil || len(counts) == 0 {
		b.Fatalf("counts: got %d and error %v", len(counts), err)
	}
	for name, read := range map[string]func() error{
		"log fact": func() error { _, err := s.Fact(context.Background(), counts[0].CountKey.ID()); return err },
		"100 lines": func() error {
			_, err := s.Lines(context.Background(), storage.LineQuery{From: middle, Service: "service-3"})
			return err
		},
		"counts of errors in 10 s of a service": func() error {
			_, err := s.Counts(context.Background(), storage.CountQuery{From: middle.Add(-5 * time.Second), To: middle.Add(5 * time.Second), Services: []string{"service-3"}, MinLevel: event.LevelError})
			return err
		},
		"lines of a pattern that nobody wrote": func() error {
			_, err := s.Lines(context.Background(), storage.LineQuery{Pattern: 12345})
			return err
		},
		"feed page": func() error { _, _, err := s.Since(context.Background(), "", 1000); return err },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := read(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
