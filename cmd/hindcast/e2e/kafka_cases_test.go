package e2e

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"maps"
	"mime"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/eval"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
	"github.com/hindcast/hindcast/storage"
)

// TestKafkaGivesEqualTimelines plays every recorded case over HTTP and over a
// real Kafka broker, and wants the same timelines to the byte, and facts with the
// same IDs. Over Kafka the bodies lie in a topic by format, in three partitions
// each, and many of them are one chunk.
func TestKafkaGivesEqualTimelines(t *testing.T) {
	broker := kafkatest.Shared(t)
	for _, one := range recordedCases(t) {
		requests, err := cassette.ReadFile(one.cassette)
		if err != nil {
			t.Fatal(err)
		}
		if testing.Short() && (one.beside || len(requests) > 500) {
			continue
		}
		for i := range requests {
			// Kafka has no finer times.
			requests[i].At = requests[i].At.Truncate(time.Millisecond)
		}
		t.Run(one.name, func(t *testing.T) {
			want := overHTTP(t, requests)
			got := overKafka(t, broker, requests)
			if len(want.timelines) == 0 {
				t.Fatal("there are no timelines to compare")
			}
			difference, err := eval.Difference(want.timelines, got.timelines)
			if err != nil {
				t.Fatal(err)
			}
			if difference != "" {
				t.Errorf("over HTTP (-) and over Kafka (+):\n%s", difference)
			}
			want.compare(t, got)
		})
	}
}

// result is what a case became.
type result struct {
	timelines []timeline.Timeline
	// facts are the kinds of events and alerts by their IDs, logs the numbers of
	// lines.
	facts map[event.ID]string
	logs  map[event.ID]int64
}

// compare wants the same facts with the same IDs. Chunks have others: they are
// the ranges of a partition, where over HTTP they are bodies.
func (want *result) compare(t *testing.T, got *result) {
	t.Helper()
	for id, kind := range want.facts {
		if got.facts[id] != kind {
			t.Errorf("%s %s is there over HTTP; over Kafka it is %q", kind, id, got.facts[id])
		}
	}
	for id, kind := range got.facts {
		if want.facts[id] == "" {
			t.Errorf("%s %s is there over Kafka alone", kind, id)
		}
	}
	if !maps.Equal(want.logs, got.logs) {
		for id, n := range want.logs {
			if got.logs[id] != n {
				t.Errorf("log fact %s: %d lines over Kafka, %d over HTTP", id, got.logs[id], n)
			}
		}
		if len(got.logs) != len(want.logs) {
			t.Errorf("%d log facts over Kafka, %d over HTTP", len(got.logs), len(want.logs))
		}
	}
	t.Logf("%d timelines, %d facts, %d log facts are equal", len(want.timelines), len(want.facts), len(want.logs))
}

func overHTTP(t *testing.T, requests []cassette.Request) *result {
	t.Helper()
	c := config.Default()
	c.Limits.Alerts.Linger, c.Limits.Logs.Linger = 0, 0 // a player waits for each answer
	return derive(t, c, func(srv *server.Server) {
		player := cassette.Player{URL: srv.URL(), Retries: 3}
		if report, err := player.Play(t.Context(), requests); err != nil || !report.OK() || report.Disbelieved > 0 {
			t.Fatalf("play: %v, refused: %v, disbelieved: %d", err, report.Refused, report.Disbelieved)
		}
	})
}

func overKafka(t *testing.T, broker *kafkatest.Broker, requests []cassette.Request) *result {
	t.Helper()
	const partitions = 3
	c := config.Default()
	c.Kafka.Brokers, c.Kafka.Group = []string{broker.Addr()}, kafkatest.Name(t)
	c.Kafka.DeadLetters = broker.Topic(t, 1, nil)
	c.Kafka.BatchRecords = 40 // several chunks a partition
	c.Kafka.FetchWait, c.Kafka.MetadataInterval = 100*time.Millisecond, 200*time.Millisecond

	produced := map[string][partitions]int64{}
	topics := map[string]string{} // by format
	var records []*kgo.Record
	formats := ingest.DefaultFormats(c.Formats())
	for i, request := range requests {
		format := formatOf(t, formats, request)
		if topics[format] == "" {
			// The records are as old as the case, older than brokers keep them.
			topics[format] = broker.Topic(t, partitions, map[string]string{"retention.ms": "-1"})
			c.Kafka.Topics = append(c.Kafka.Topics, kafka.Topic{Name: topics[format], Format: format})
		}
		body, err := request.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		record := &kgo.Record{Topic: topics[format], Partition: int32(i % partitions), Value: body, Timestamp: request.At}
		for name, value := range request.Headers {
			record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(value)})
		}
		records = append(records, record)
		n := produced[record.Topic]
		n[record.Partition]++
		produced[record.Topic] = n
	}
	if err := broker.Client(t).ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	return derive(t, c, func(*server.Server) {
		for topic, n := range produced {
			for p := range partitions {
				awaitCommitted(t, broker, c.Kafka.Group, topic, p, n[p])
			}
		}
		if end := endOf(t, broker, c.Kafka.DeadLetters, 0); end > 0 {
			t.Errorf("%d records could not be decoded: see the topic %s", end, c.Kafka.DeadLetters)
		}
	})
}

// formatOf is the name of the format in which a request is.
func formatOf(t *testing.T, formats ingest.Formats, r cassette.Request) string {
	t.Helper()
	mediaType, _, err := mime.ParseMediaType(r.Headers["Content-Type"])
	if err != nil {
		t.Fatalf("%s: %v", r.Where, err)
	}
	i := slices.IndexFunc(formats, func(f ingest.Format) bool { return f.Path == r.Path && slices.Contains(f.Types, mediaType) })
	if i < 0 {
		t.Fatalf("%s: there is no format for %s, %s", r.Where, r.Path, mediaType)
	}
	return formats[i].Name
}

// derive runs a server that believes recorded times, lets it be fed, and reads
// what it made of that.
func derive(t *testing.T, c config.Config, feed func(*server.Server)) *result {
	t.Helper()
	store := "sqlite:" + filepath.Join(t.TempDir(), "hindcast.db")
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv, err := server.Start(t.Context(), server.Options{
		Config: c, Store: store, TrustTimes: true, Settle: 24 * time.Hour, Logger: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}, listener)
	if err != nil {
		t.Fatal(err)
	}
	stop := func() {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := srv.Stop(ctx); err != nil {
			t.Errorf("stop: %v", err)
		}
	}
	stopped := false
	defer func() {
		if !stopped {
			stop()
		}
	}()
	feed(srv)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if err := srv.Idle(ctx); err != nil {
		t.Fatal(err)
	}
	client := eval.Client{URL: srv.URL()}
	timelines, err := client.Timelines(ctx)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	stopped = true
	r := &result{timelines: timelines}
	r.facts, r.logs, _ = factsOf(t, store)
	return r
}

// factsOf reads the kinds of all facts of a store and the numbers of lines of log
// facts, and which of the events came by Alertmanager's recorder first.
func factsOf(t *testing.T, store string) (facts map[event.ID]string, logs map[event.ID]int64, recorded map[event.ID]bool) {
	t.Helper()
	s, done := openStore(t, store)
	defer done()
	facts, logs, recorded = map[event.ID]string{}, map[event.ID]int64{}, map[event.ID]bool{}
	err := s.Window(t.Context(), time.Time{}, time.Time{}, func(page storage.FactPage) error {
		for i := range page.Events {
			e := &page.Events[i]
			facts[e.ID] = string(e.Kind)
			if e.Road == event.RoadRecorder {
				recorded[e.ID] = true
			}
		}
		for i := range page.Observations {
			facts[page.Observations[i].ID()] = "alert"
		}
		return nil
	})
	if err != nil {
		t.Fatalf("read the facts: %v", err)
	}
	counts, err := s.Counts(t.Context(), storage.CountQuery{})
	if err != nil {
		t.Fatalf("read the counts: %v", err)
	}
	for i := range counts {
		logs[counts[i].ID()] += counts[i].N
	}
	return facts, logs, recorded
}

type recordedCase struct {
	name     string
	beside   bool // it is none of the repository's
	cassette string
}

// recordedCases are the demo, the repository's other cases, and those that may lie
// beside the checkout.
func recordedCases(t *testing.T) []recordedCase {
	t.Helper()
	all := []recordedCase{{name: "bad_deploy", cassette: filepath.Join("..", "demo", "bad_deploy.jsonl.gz")}}
	own := filepath.Join("..", "testdata", "cases")
	beside := filepath.Join("..", "..", "..", "..", "shared", "cases")
	for _, folder := range []string{own, beside} {
		if _, err := os.Stat(folder); folder == beside && errors.Is(err, fs.ErrNotExist) {
			continue
		}
		cases, err := eval.Find(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, one := range cases {
			if !slices.ContainsFunc(all, func(c recordedCase) bool { return c.name == one.Name }) {
				all = append(all, recordedCase{name: one.Name, beside: folder == beside, cassette: one.Cassette})
			}
		}
	}
	return all
}
