package kafka

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// receiversOver are receivers that forward.
func receiversOver(t *testing.T, f *Forwarder) *http.ServeMux {
	t.Helper()
	limits := ingest.DefaultLimits()
	limits.LogBody.LineBytes = 2 << 20
	rs, err := ingest.New(ingest.Options{
		Appender: f, Fit: f.Fit, To: "Kafka", Limits: limits, Formats: ingest.DefaultFormats(ingest.FormatOptions{Limits: limits}),
		Unavailable: func(err error) bool { return errors.Is(err, ErrUnavailable) },
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	rs.Register(mux)
	return mux
}

func alertBody(name string, annotations int) string {
	var b strings.Builder
	for i := range annotations {
		fmt.Fprintf(&b, `,"a%d":"%s"`, i, strings.Repeat("x", 60_000))
	}
	return fmt.Sprintf(`{"status":"firing","labels":{"alertname":"%s"},"annotations":{"summary":"s"%s},"startsAt":"2026-11-22T12:00:00Z"}`, name, b.String())
}

func webhookBody(alerts ...string) string {
	return `{"version":"4","groupKey":"{}:{}","status":"firing","receiver":"r","groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am","alerts":[` +
		strings.Join(alerts, ",") + `]}`
}

// What no record can hold is put aside, by whatever road it comes, and what came
// with it is forwarded.
func TestSetsAsideWhatNoRecordHolds(t *testing.T) {
	large := strings.Repeat("y", 1_200_000)
	for name, test := range map[string]struct {
		path, body string
		takes      string // the topic of alerts
		status     int
		says       []string
		// what the topics hold then
		alerts, lines, events, asides int
	}{
		"a webhook": {
			"/ingest/alertmanager", webhookBody(alertBody("Large", 35), alertBody("Small", 0)), "", 200,
			[]string{`"accepted":2`, `the alert \"Large\" takes 21`, "takes records of ", "max.message.bytes"}, 1, 0, 1, 1,
		},
		"a webhook of nothing else": {
			"/ingest/alertmanager", webhookBody(alertBody("Large", 35)), "", 413,
			[]string{`the alert \"Large\" takes 21`, `"hint":"Raise max.message.bytes of Kafka's topic`}, 0, 0, 0, 1,
		},
		"what Prometheus posts": {
			"/api/v2/alerts", "[" + alertBody("Large", 35) + "," + alertBody("Small", 0) + "]", "", 400,
			[]string{`"accepted":1`, `the alert \"Large\" takes 21`}, 1, 0, 0, 1,
		},
		"messages": {
			"/ingest/messages", `[{"at":"2026-11-22T12:00:00Z","author":"a","text":"` + large[:60_000] + `"},{"at":"2026-11-22T12:00:00Z","author":"a","text":"small"}]`, "40000", 200,
			[]string{`"accepted":1`, "an event takes "}, 0, 0, 1, 1,
		},
		"deploys": {
			"/ingest/deploys", `[{"at":"2026-11-22T12:00:00Z","service":"small"},{"at":"2026-11-22T12:00:00Z","service":"large","commits":[{"sha":"0a1b2c3","repository":"r","message":"` + large[:60_000] + `"}]}]`, "20000", 200,
			[]string{`"accepted":1`, "an event takes "}, 0, 0, 1, 1,
		},
		"envelopes": {
			"/ingest/events", `{"id":"01K00000000000000000000000","occurred_at":"2026-11-22T12:00:00Z","message":{"author":"a","text":"small"}}` + "\n" +
				`{"alert":{"status":"firing","starts_at":"2026-11-22T12:00:00Z","labels":{"alertname":"Small"}}}` + "\n" +
				`{"service":"payments","log_lines":{"streams":[{"service":"payments"}],"lines":[{"at":"2026-11-22T12:00:00Z","text":"` + large[:50_000] + `"}]}}` + "\n" +
				`{"message":{"author":"a","text":"` + large[:50_000] + `"}}`, "40000", 200,
			[]string{`"accepted":3`, "an event takes 6"}, 1, 1, 1, 1,
		},
		"log lines": {
			"/ingest/logs", `{"time":"2026-11-22T12:00:00Z","service":"payments","msg":"` + large + `"}` + "\n" + `{"time":"2026-11-22T12:00:01Z","service":"payments","msg":"small"}`, "", 200,
			[]string{`"accepted":1`, "a log line, with its labels, takes 12"}, 0, 1, 0, 1,
		},
		"a push of a single line": {
			"/loki/api/v1/push", `{"streams":[{"stream":{"service":"payments"},"values":[["1779451200000000000","` + large + `"]]}]}`, "", 413,
			[]string{"a log line, with its labels, takes 12", "Raise max.message.bytes"}, 0, 0, 0, 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newForwardRig(t, &kafkatest.NewFake(t).Admin, 1, safe)
			if test.takes != "" {
				if err := r.broker.Configure(t.Context(), r.options.Config.ForwardTopics.Alerts, map[string]string{"max.message.bytes": test.takes}); err != nil {
					t.Fatal(err)
				}
			}
			r.start(t)
			q := httptest.NewRequest(http.MethodPost, test.path, strings.NewReader(test.body))
			q.Header.Set("Content-Type", "application/json")
			w := httptest.NewRecorder()
			receiversOver(t, r.Forwarder).ServeHTTP(w, q)
			if w.Code != test.status {
				t.Errorf("got %d %.500s, want %d", w.Code, w.Body, test.status)
			}
			for _, want := range test.says {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("the answer lacks %q: %.800s", want, w.Body)
				}
			}
			var all event.Batch
			for _, topic := range []string{r.options.Config.ForwardTopics.Alerts, r.options.Config.ForwardTopics.Logs} {
				batch, _ := r.read(t, topic, int(testutil.ToFloat64(r.metrics.records.WithLabelValues(topic))))
				all.Add(batch)
			}
			lines := 0
			for _, c := range all.Chunks {
				lines += len(c.Lines)
			}
			if got, want := [4]int{len(all.Observations), lines, len(all.Events), len(all.Asides)}, [4]int{test.alerts, test.lines, test.events, test.asides}; got != want {
				t.Errorf("the topics hold %v alerts, lines, events and asides, want %v", got, want)
			}
			for _, a := range all.Asides {
				if a.Class != ingest.ClassTooLarge || len(a.Raw) != event.MaxAside || a.Road == "" || !a.ReceivedAt.After(noon.AddDate(-1, 0, 0)) {
					t.Errorf("an aside of %d bytes: class %q, road %q, received at %s", len(a.Raw), a.Class, a.Road, a.ReceivedAt)
				}
			}
			if n := testutil.ToFloat64(r.metrics.errors); n != 0 {
				t.Errorf("Kafka is said to have failed %v times", n)
			}
		})
	}
}

// When a topic takes more by now, that is noticed before anything is put aside.
func TestFitsWhatATopicTakesByNow(t *testing.T) {
	r := newForwardRig(t, &kafkatest.NewFake(t).Admin, 1, map[string]string{"max.message.bytes": "400000", "retention.ms": "172800000"})
	r.start(t)
	large := event.Batch{Events: []event.Event{message(1)}}
	large.Events[0].Message.Text = strings.Repeat("x", 500_000)
	batch := large
	if err := r.Fit(t.Context(), &batch); !errors.Is(err, ingest.ErrTooMuch) || len(batch.Asides) != 1 || len(batch.Events) != 0 {
		t.Fatalf("error is %v, and %d asides, want ErrTooMuch and one", err, len(batch.Asides))
	}
	if err := r.broker.Configure(t.Context(), r.options.Config.ForwardTopics.Alerts, map[string]string{"max.message.bytes": "600000"}); err != nil {
		t.Fatal(err)
	}
	for _, w := range []*topicWriter{r.alerts, r.logs} {
		w.mu.Lock()
		w.learned = noon
		w.mu.Unlock()
	}
	batch = large
	if err := r.Fit(t.Context(), &batch); err != nil || len(batch.Events) != 1 {
		t.Errorf("error is %v, and %d events, want one", err, len(batch.Events))
	}
}

// A chunk that lost a line keeps the parts that it would have been split into.
func TestFitsTheSameParts(t *testing.T) {
	chunk := event.Chunk{ID: event.ChunkID{7}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for i := range 3000 {
		chunk.Lines = append(chunk.Lines, event.Line{At: noon.Add(1), Text: string(noise(i, 300))})
	}
	chunk = counted(chunk)
	chunk.Lines[1500].Text = strings.Repeat("z", 900_000)
	whole, err := splitChunk(&chunk, partBytes)
	if err != nil {
		t.Fatal(err)
	}
	most := limit{topic: "l", bytes: 500_000}
	r := fit(&event.Batch{Chunks: []event.Chunk{chunk}}, most, most)
	if len(r.aside) != 1 || len(r.chunks) != len(whole)-1 || !strings.HasPrefix(string(r.aside[0].Raw), "zzz") {
		t.Fatalf("%d parts and %d asides, want %d and 1", len(r.chunks), len(r.aside), len(whole)-1)
	}
	known := map[event.ChunkID]int{}
	for i := range whole {
		known[whole[i].ID] = len(whole[i].Lines)
	}
	for i := range r.chunks {
		again, err := splitChunk(&r.chunks[i], partBytes)
		if err != nil || len(again) != 1 || known[again[0].ID] != len(again[0].Lines) {
			t.Errorf("part %d with %d lines is %d parts then, error %v", i, len(r.chunks[i].Lines), len(again), err)
		}
	}
}
