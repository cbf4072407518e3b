package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// forwarding is a configuration whose receivers put what they took into a broker.
func forwarding(t *testing.T, broker *kafkatest.Fake) config.Config {
	t.Helper()
	c := config.Default()
	c.Forward = config.ForwardKafka
	c.Kafka.Brokers = []string{broker.Addr()}
	c.Kafka.Group = kafkatest.Name(t)
	c.Kafka.MetadataInterval = 50 * time.Millisecond
	c.Kafka.ForwardTopics.Alerts, c.Kafka.ForwardTopics.Logs = broker.Topic(t, 2, nil), broker.Topic(t, 2, nil)
	c.Kafka.DeadLetters = broker.Topic(t, 1, nil)
	return c
}

// TestForwardedFactsAreCountedOnce: a fact that goes through Kafka is one that was
// stored, not none and not two; that it was forwarded is told beside it.
func TestForwardedFactsAreCountedOnce(t *testing.T) {
	broker := kafkatest.NewFake(t)
	s, client := start(t, func(o *Options) { o.Config = forwarding(t, broker) })
	if code, body := do(t, client, "POST", s.URL()+"/ingest/deploys", deploy); code != http.StatusOK {
		t.Fatalf("deploy: got %d %s, want 200", code, body)
	}
	var metrics string
	for _, want := range []string{
		`hindcast_ingest_facts_total{from="kafka",kind="change",road="deploys"} 1`,
		`hindcast_ingest_forwarded_facts_total{kind="change",road="deploys"} 1`,
		`hindcast_ingest_append_errors_total{from="kafka",lane="alerts",to="store"} 0`,
		`hindcast_ingest_append_errors_total{from="receivers",lane="alerts",to="kafka"} 0`,
		`hindcast_ingest_last_fact_timestamp_seconds{from="kafka",road="deploys"} `,
		`hindcast_ingest_last_fact_timestamp_seconds{from="receivers",road="deploys"} `,
	} {
		// A scrape may come between two numbers of one append.
		eventually(t, "the metrics have "+want, func() bool {
			_, metrics = do(t, client, "GET", s.URL()+"/metrics", "")
			return strings.Contains(metrics, "\n"+want)
		})
	}
	if strings.Contains(metrics, `facts_total{from="receivers"`) {
		t.Error("what was forwarded is counted as stored by the receivers")
	}
}

// TestForwardingNeedsNoStore: what receives alone, and forwards, opens none, and puts
// aside what is too large for Kafka.
func TestForwardingNeedsNoStore(t *testing.T) {
	broker := kafkatest.NewFake(t)
	store := filepath.Join(t.TempDir(), "absent", "x.db")
	s, client := start(t, func(o *Options) {
		o.Config, o.Roles, o.Store = forwarding(t, broker), Receive, "sqlite:"+store
	})
	if _, err := os.Stat(store); s.HasStore() || err == nil {
		t.Errorf("a store was opened: %v", s.HasStore())
	}
	large := strings.Repeat("x", 60_000)
	var annotations strings.Builder
	for i := range 35 {
		fmt.Fprintf(&annotations, `"a%d":"%s",`, i, large)
	}
	webhook := `{"version":"4","groupKey":"g","status":"firing","receiver":"r","externalURL":"http://am","alerts":[` +
		`{"status":"firing","labels":{"alertname":"Large"},"annotations":{` + annotations.String() + `"b":"b"},"startsAt":"2026-11-22T12:00:00Z"},` +
		`{"status":"firing","labels":{"alertname":"Small"},"annotations":{},"startsAt":"2026-11-22T12:00:00Z"}]}`
	if code, body := do(t, client, "POST", s.URL()+"/ingest/alertmanager", webhook); code != http.StatusOK || !strings.Contains(body, `"accepted":2`) || !strings.Contains(body, `alert \"Large\" takes`) {
		t.Errorf("got %d %s, want 200 with the large one put aside", code, body)
	}
	_, metrics := do(t, client, "GET", s.URL()+"/metrics", "")
	for _, want := range []string{
		`hindcast_ingest_forwarded_facts_total{kind="alert",road="alertmanager-webhook"} 1`,
		`hindcast_ingest_forwarded_facts_total{kind="aside",road="alertmanager-webhook"} 1`,
		`hindcast_ingest_rejected_total{reason="too_large",road="alertmanager-webhook"} 1`,
		`hindcast_ingest_append_errors_total{from="receivers",lane="alerts",to="kafka"} 0`,
		`hindcast_kafka_forward_errors_total 0`,
	} {
		if !strings.Contains(metrics, "\n"+want) {
			t.Errorf("the metrics lack %s", want)
		}
	}
}

// TestPollsAppendWhatFits: a poll has nobody to tell, so what does not fit must not keep
// the rest, nor itself, from being appended.
func TestPollsAppendWhatFits(t *testing.T) {
	aside := event.Aside{Class: ingest.ClassTooLarge}
	var fails error
	fit := func(_ context.Context, b *event.Batch) error {
		b.Events, b.Asides = b.Events[1:], []event.Aside{aside}
		return fails
	}
	var got event.Batch
	to := fitting(ingest.AppenderFunc(func(_ context.Context, b event.Batch) error { got = b; return nil }), fit)
	for want, err := range map[int]error{1: nil, 0: &ingest.TooLarge{Reason: "large"}} {
		fails = err
		sent := event.Batch{Events: make([]event.Event, want+1)}
		if err := to.Append(t.Context(), sent); err != nil || len(got.Events) != want || len(got.Asides) != 1 || len(sent.Events) != want+1 {
			t.Errorf("got %d events, %d asides and error %v, want %d, 1 and none", len(got.Events), len(got.Asides), err, want)
		}
	}
	fails = context.Canceled
	if err := to.Append(t.Context(), event.Batch{Events: make([]event.Event, 1)}); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that of the fit", err)
	}
}

// TestReadyWithoutKafka: who forwards cannot receive while Kafka is away, whatever
// else can be done.
func TestReadyWithoutKafka(t *testing.T) {
	broker := kafkatest.NewFake(t)
	s, client := start(t, func(o *Options) { o.Config = forwarding(t, broker) })
	if err := s.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	if code, body := do(t, client, "GET", s.URL()+"/-/ready", ""); code != http.StatusOK || !strings.Contains(body, "receive: ready") {
		t.Errorf("with Kafka: got %d %s, want 200", code, body)
	}
	broker.Cluster.Close()
	eventually(t, "the process is not ready", func() bool {
		code, body := do(t, client, "GET", s.URL()+"/-/ready", "")
		return code == http.StatusServiceUnavailable && strings.Contains(body, "receive: not ready: Kafka is unavailable")
	})
	if code, body := do(t, client, "GET", s.URL()+"/-/ready?role=correlate,api", ""); code != http.StatusOK {
		t.Errorf("what does not need Kafka: got %d %s, want 200", code, body)
	}
}

// TestReadyWithoutTheStore: a process that does everything, and forwards, is ready
// for senders while its store is away, and not for readers.
func TestReadyWithoutTheStore(t *testing.T) {
	broker := kafkatest.NewFake(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Start(ctx, Options{Config: forwarding(t, broker), Store: "clickhouse://127.0.0.1:1/none", StoreWait: time.Hour, Logger: quiet()}, l)
		ended <- err
	}()
	client := &http.Client{Transport: &http.Transport{}}
	defer func() {
		client.CloseIdleConnections()
		cancel()
		if err := <-ended; err == nil {
			t.Error("it started without a store")
		}
	}()
	eventually(t, "the process is ready for senders", func() bool {
		code, _ := do(t, client, "GET", url+"/-/ready", "")
		return code == http.StatusOK
	})
	for _, c := range []struct {
		request string
		status  int
		says    string
	}{
		{"POST /ingest/deploys", 200, ""},
		{"GET /-/healthy", 200, "healthy"},
		{"GET /-/ready", 200, "receive: ready"},
		{"GET /-/ready?role=receive,api", 503, "api: not ready: it is starting"},
		{"GET /-/ready?role=receive", 200, "hindcast is ready."},
		{"GET /-/ready?role=api", 503, "hindcast is not ready: api."},
		{"GET /-/ready?role=nobody", 400, "nobody"},
		{"GET /incidents", 503, "it waits for its store"},
	} {
		method, path, _ := strings.Cut(c.request, " ")
		if code, body := do(t, client, method, url+path, deploy); code != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: got %d %s, want %d with %q", c.request, code, body, c.status, c.says)
		}
	}
}
