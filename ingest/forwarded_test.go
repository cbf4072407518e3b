package ingest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
)

// FuzzForwarded decodes anything as any format: what comes of it is the same
// after it went through Kafka as envelopes.
func FuzzForwarded(f *testing.F) {
	formats := defaultFormats()
	for _, tc := range goodBodies {
		for i := range formats {
			if formats[i].Path == tc.path {
				f.Add(uint8(i), "push", []byte(tc.body))
			}
		}
	}
	for name, files := range map[string]string{
		"alertmanager": "alertmanager/testdata/*_webhook.jsonl", "alertmanager-events": "alertmanager/testdata/*_events.jsonl",
		"prometheus": "alertmanager/testdata/*_alerts.jsonl", "deploys": "deploy/testdata/*.jsonl", "messages": "message/testdata/*.jsonl", "github": "github/testdata/*.json",
	} {
		for _, body := range recordedBodies(f, files) {
			kind := "deployment"
			for _, k := range []string{"deployment_status", "workflow_run", "push"} {
				if bytes.Contains(body, []byte(`"`+k+`":`)) || k == "push" && bytes.Contains(body, []byte(`"head_commit"`)) {
					kind = k
				}
			}
			which := slices.IndexFunc(formats, func(format Format) bool { return format.Name == name })
			f.Add(uint8(which), kind, body)
			// What senders leave empty is not refused when it comes back.
			f.Add(uint8(which), kind, nameInBody.ReplaceAll(body, []byte(`"$1":""`)))
		}
	}
	at := time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)
	f.Fuzz(func(t *testing.T, which uint8, kind string, body []byte) {
		if len(body) > 1<<16 {
			t.Skip("large bodies only take longer")
		}
		format := formats[int(which)%len(formats)]
		batch, err := format.Decode(Input{Body: body, ReceivedAt: at, Header: http.Header{"X-Github-Event": {kind}}})
		if err != nil {
			return
		}
		for i := range batch.Events {
			forwarded(t, format.Name, event.Batch{Events: batch.Events[i : i+1]}, at)
		}
		for i := range batch.Observations {
			forwarded(t, format.Name, event.Batch{Observations: batch.Observations[i : i+1]}, at)
		}
		for i := range batch.Chunks {
			forwarded(t, format.Name, event.Batch{Chunks: batch.Chunks[i : i+1]}, at)
		}
	})
}

// nameInBody finds the names in a body.
var nameInBody = regexp.MustCompile(`"(receiver|receiverName|name|id|author|service|sha|text|summary|action)": ?"[^"]*"`)

// forwarded sends one fact through an envelope.
func forwarded(t *testing.T, format string, fact event.Batch, at time.Time) {
	t.Helper()
	sent, err := envelope.EncodeProto(fact)
	if err != nil {
		t.Fatalf("%s: write %+v: %v", format, fact, err)
	}
	came, err := envelope.Decoder{}.DecodeProto(sent, at)
	if err != nil {
		t.Fatalf("%s: read %+v again: %v", format, fact, err)
	}
	again, err := envelope.EncodeProto(came)
	if err != nil || !bytes.Equal(again, sent) {
		t.Fatalf("%s: came back otherwise, with error %v:\n%+v\nwant\n%+v", format, err, came, fact)
	}
}

// recordedBodies are some of the bodies in files, which hold one, or one a line.
func recordedBodies(f *testing.F, pattern string) [][]byte {
	f.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no files %s (error %v)", pattern, err)
	}
	var bodies [][]byte
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		lines := [][]byte{text}
		if filepath.Ext(file) == ".jsonl" {
			lines = bytes.Split(bytes.TrimSpace(text), []byte("\n"))
		}
		for i := 0; i < len(lines); i += 1 + len(lines)/12 {
			var recorded struct{ Body json.RawMessage }
			if err := json.Unmarshal(lines[i], &recorded); err == nil && recorded.Body != nil {
				lines[i] = recorded.Body
			}
			bodies = append(bodies, lines[i])
		}
	}
	return bodies
}
