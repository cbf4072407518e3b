package cassette

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"
)

func requests(t *testing.T) []Request {
	t.Helper()
	all, err := ReadAll(strings.NewReader(twoLines), "x.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestPlay(t *testing.T) {
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got = append(got, r.Method+" "+r.URL.Path+" "+r.Header.Get(ReceivedAtHeader)+" "+r.Header.Get("Content-Type")+" "+string(body))
		if len(got) == 2 {
			w.WriteHeader(http.StatusBadRequest)
			io.WriteString(w, "text is missing")
		}
	}))
	defer server.Close()
	var steps []int
	p := Player{URL: server.URL + "/", Progress: func(r Report) { steps = append(steps, r.Sent) }}
	report, err := p.Play(t.Context(), requests(t))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`POST /ingest/messages 2026-11-22T15:19:08.462555Z application/json {"text":"on it"}`,
		`POST /ingest/messages 2026-11-22T15:19:09Z  not "JSON"`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("the server got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	refusal := Refusal{Where: "x.jsonl:3", Path: "/ingest/messages", Status: 400, Answer: "text is missing"}
	if report.OK() || len(report.Refused) != 1 || report.Refused[0] != refusal {
		t.Errorf("refused: got %+v, want %+v", report.Refused, refusal)
	}
	if got, want := report.String(), "2 requests, 0.0 MB: 1 × 200, 1 × 400"; got != want {
		t.Errorf("report: got %q, want %q", got, want)
	}
	if !slices.Equal(steps, []int{1, 2}) {
		t.Errorf("progress: got %v, want [1 2]", steps)
	}
}

func TestPlayRetries(t *testing.T) {
	attempts := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if attempts++; attempts < 3 {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer server.Close()
	p := Player{URL: server.URL, Retries: 2}
	report, err := p.Play(t.Context(), requests(t)[:1])
	if err != nil || !report.OK() || report.Retried != 2 {
		t.Errorf("got %v with error %v, want one request after two retries", report.String(), err)
	}
	attempts = 0
	p.Retries = 1
	report, err = p.Play(t.Context(), requests(t)[:1])
	if err != nil || report.Statuses[503] != 1 {
		t.Errorf("got %v with error %v, want a refusal with 503 after the last retry", report.String(), err)
	}
}

func TestPlayStops(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := Player{URL: "http://127.0.0.1:1", Retries: 5}
	if _, err := p.Play(ctx, requests(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want context.Canceled", err)
	}
}

func TestRetryDelay(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"": time.Second, "3": 3 * time.Second, "-1": 0, "99999": time.Minute, "soon": time.Second,
		"Mon, 02 Jan 2006 15:04:05 GMT": 0,
	} {
		if got := retryDelay(header); got != want {
			t.Errorf("Retry-After %q: got %v, want %v", header, got, want)
		}
	}
}
