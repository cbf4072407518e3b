package api

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// A store is all that the API needs.
var _ Store = storage.Store(nil)

func TestNewNeedsAStore(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("New without a store succeeded")
	}
}

func TestHealth(t *testing.T) {
	status := http.StatusOK
	h := newTestAPI(t, &fakeStore{err: storage.ErrUnavailable}, func(o *Options) {
		o.Ready = func(roles string) (int, string) { return status, "asked for [" + roles + "]\n" }
	})
	check := func(path string, code int, says string) {
		t.Helper()
		w := get(t, h, path)
		if w.Code != code || !strings.Contains(w.Body.String(), says) || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
			t.Errorf("GET %s = %d %q %s, want %d with %q as text", path, w.Code, w.Body, w.Header().Get("Content-Type"), code, says)
		}
	}
	check("/-/healthy", http.StatusOK, "healthy")
	check("/-/ready", http.StatusOK, "asked for []\n")
	check("/-/ready?role=api,consume", http.StatusOK, "asked for [api,consume]\n")
	status = http.StatusServiceUnavailable
	check("/-/healthy", http.StatusOK, "healthy")
	check("/-/ready", http.StatusServiceUnavailable, "asked for []\n")
	check("/-/ready?role=x", http.StatusServiceUnavailable, "asked for [x]\n")
}

func TestMethods(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch, http.MethodOptions} {
		for _, path := range []string{"/", "/incidents", "/incidents/x", "/incidents/x/timeline", "/events/x", "/logs", "/asides", "/-/ready", "/openapi.json"} {
			w := do(t, h, method, path)
			wantProblem(t, w, http.StatusMethodNotAllowed, "GET")
			if got := w.Header().Get("Allow"); got != "GET, HEAD" {
				t.Errorf("%s %s: Allow = %q", method, path, got)
			}
		}
		wantProblem(t, do(t, h, method, "/nothing"), http.StatusNotFound)
	}
}

func TestHeaders(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	for _, path := range []string{"/", "/incidents", timelinePath(20), "/nothing", "/-/healthy", "/logs?limit=x"} {
		got := get(t, h, path, "Origin: https://evil.example").Header()
		if got.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(got.Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("GET %s has the headers %v", path, got)
		}
		for name := range got {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("GET %s tells other origins %s", path, name)
			}
		}
	}
}

func TestConcurrencyIsBounded(t *testing.T) {
	store := sampleStore()
	store.block = make(chan struct{})
	h := newTestAPI(t, store, func(o *Options) { o.Concurrency = 2 })
	a := h.(*api)
	var wg sync.WaitGroup
	codes := make(chan int, 2)
	for range 2 {
		wg.Go(func() { codes <- get(t, h, "/incidents").Code })
	}
	for len(a.slots) < 2 {
		time.Sleep(time.Millisecond)
	}
	w := get(t, h, "/incidents")
	wantProblem(t, w, http.StatusServiceUnavailable, "again")
	if got := w.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q, want 1", got)
	}
	if w := get(t, h, "/-/ready"); w.Code != http.StatusOK {
		t.Errorf("GET /-/ready when all are busy = %d, want 200", w.Code)
	}
	close(store.block)
	wg.Wait()
	for range 2 {
		if code := <-codes; code != http.StatusOK {
			t.Errorf("a request that had a slot = %d, want 200", code)
		}
	}
	if w := get(t, h, "/incidents"); w.Code != http.StatusOK {
		t.Errorf("GET /incidents after they were answered = %d, want 200", w.Code)
	}
	if got := testutil.ToFloat64(a.metrics.requests.WithLabelValues("/incidents", "503")); got != 1 {
		t.Errorf("%v requests to /incidents are counted as 503, want 1", got)
	}
}

func TestTimeout(t *testing.T) {
	store := sampleStore()
	store.block = make(chan struct{})
	h := newTestAPI(t, store, func(o *Options) { o.Timeout = time.Millisecond })
	w := get(t, h, "/incidents")
	wantProblem(t, w, http.StatusServiceUnavailable, "longer than 1ms")
	if got := w.Header().Get("Retry-After"); got != "1" {
		t.Errorf("Retry-After = %q, want 1", got)
	}
}

// interrupted answers a cancelled context as a driver does that does not wrap
// the context's error.
type interrupted struct{ fakeStore }

func (*interrupted) Timeline(ctx context.Context, _ event.ID) (timeline.Timeline, error) {
	<-ctx.Done()
	return timeline.Timeline{}, errors.New("interrupted (9)")
}

func TestTimeoutInTheDriversWords(t *testing.T) {
	h := newTestAPI(t, &interrupted{}, func(o *Options) { o.Timeout = time.Millisecond })
	wantProblem(t, get(t, h, timelinePath(1)), http.StatusServiceUnavailable, "longer than 1ms")
}

// panicking panics in place of an answer.
type panicking struct{ fakeStore }

func (*panicking) Timeline(context.Context, event.ID) (timeline.Timeline, error) {
	panic("out of cheese")
}

func TestPanicsAreAnswered(t *testing.T) {
	var log bytes.Buffer
	h := newTestAPI(t, &panicking{}, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	w := get(t, h, timelinePath(1))
	wantProblem(t, w, http.StatusInternalServerError)
	if strings.Contains(w.Body.String(), "cheese") || !strings.Contains(log.String(), "out of cheese") {
		t.Errorf("answer %s, log %s; want the reason in the log only", w.Body, log.String())
	}
	if got := len(h.(*api).slots); got != 0 {
		t.Errorf("%d slots are held after a panic", got)
	}
}

func TestMetrics(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	h := newTestAPI(t, sampleStore(), func(o *Options) { o.Registerer = r })
	for _, path := range []string{
		"/incidents", "/incidents?limit=x", "/incidents/" + id(20).String(), "/incidents/" + id(25).String(), "/incidents/" + id(99).String(),
		"/nothing", "/a%20b//c", "/", "/-/ready",
	} {
		get(t, h, path)
	}
	do(t, h, http.MethodPost, "/incidents")
	want := `
# HELP hindcast_api_requests_total Requests to the API that were answered, by route and status code.
# TYPE hindcast_api_requests_total counter
hindcast_api_requests_total{code="200",route="/"} 1
hindcast_api_requests_total{code="200",route="/-/ready"} 1
hindcast_api_requests_total{code="200",route="/incidents"} 1
hindcast_api_requests_total{code="200",route="/incidents/{id}"} 1
hindcast_api_requests_total{code="307",route="/incidents/{id}"} 1
hindcast_api_requests_total{code="307",route="other"} 1
hindcast_api_requests_total{code="400",route="/incidents"} 1
hindcast_api_requests_total{code="404",route="/incidents/{id}"} 1
hindcast_api_requests_total{code="404",route="other"} 1
hindcast_api_requests_total{code="405",route="other"} 1
`
	if err := testutil.GatherAndCompare(r, strings.NewReader(want), "hindcast_api_requests_total"); err != nil {
		t.Error(err)
	}
	if n, err := testutil.GatherAndCount(r, "hindcast_api_request_duration_seconds"); err != nil || n != 5 {
		t.Errorf("%d routes have durations (%v), want 5", n, err)
	}
	if _, err := New(Options{Store: &fakeStore{}, Registerer: r}); err == nil {
		t.Error("New registered the same metrics twice")
	}
}

func TestIndex(t *testing.T) {
	store := sampleStore()
	store.timelines[0].Incident.Title = `<script>alert("x")</script>`
	w := get(t, newTestAPI(t, store), "/")
	if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != "text/html; charset=utf-8" {
		t.Fatalf("GET / = %d %s", w.Code, got)
	}
	for _, want := range []string{`href="/incidents/` + id(20).String() + `/timeline"`, "&lt;script&gt;", "curl -s http://example.com/incidents"} {
		if !strings.Contains(w.Body.String(), want) {
			t.Errorf("no %s in %s", want, w.Body)
		}
	}
	if want := `href="/incidents/` + id(20).String() + `/timeline?format=md"`; !strings.Contains(w.Body.String(), want) {
		t.Errorf("no %s in %s", want, w.Body)
	}
	receivers := func(o *Options) { o.Receivers = []string{"/ingest/deploys"} }
	if w := get(t, newTestAPI(t, &fakeStore{}, receivers), "/"); !strings.Contains(w.Body.String(), "None yet") || !strings.Contains(w.Body.String(), "<code>/ingest/deploys</code>") {
		t.Errorf("without incidents: %s", w.Body)
	}
	store.timelines[0].Incident.Minor = true
	if w := get(t, newTestAPI(t, store, receivers), "/"); !strings.Contains(w.Body.String(), `None yet. <a href="/incidents?minor=true">1 minor incident</a>, because`) {
		t.Errorf("with a minor incident only: %s", w.Body)
	}
	wantProblem(t, get(t, newTestAPI(t, &fakeStore{err: storage.ErrUnavailable}), "/"), http.StatusServiceUnavailable)
}

func TestUnknownParameters(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	for path, want := range map[string]string{
		"/incidents?minr=true":              "minr: there is no such parameter here; did you mean minor?",
		"/incidents?Limit=3":                "did you mean limit?",
		"/incidents?zzzzzzzzzz=3":           "there are from, to, status, service, minor, limit, cursor",
		"/logs?services=payments":           "services: there is no such parameter here; did you mean service?",
		"/asides?after=x":                   "there are limit, cursor",
		timelinePath(20) + "?formt=md":      "did you mean format?",
		timelinePath(20) + "?format=html":   "format: want json or md, got \"html\"",
		timelinePath(20) + "?minor=1&a=b":   "a: there is no such parameter here; there are entries_cursor, format; minor: ",
		timelinePath(25) + "?formt=md":      "did you mean format?", // also of one that would redirect
		"/logs?" + strings.Repeat("x", 999): "there is no such parameter",
	} {
		wantProblem(t, get(t, h, path), http.StatusBadRequest, want)
	}
}

func TestFormatOverridesAccept(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	for _, tt := range []struct{ query, accept, want string }{
		{"?format=md", "text/html", "text/markdown; charset=utf-8"},
		{"?format=md", "application/json", "text/markdown; charset=utf-8"},
		{"?format=json", "text/markdown", "application/json"},
		{"?format=json", "image/png", "application/json"},
	} {
		w := get(t, h, timelinePath(20)+tt.query, "Accept: "+tt.accept)
		if got := w.Header().Get("Content-Type"); w.Code != http.StatusOK || got != tt.want {
			t.Errorf("%s with Accept: %s = %d %s, want %s", tt.query, tt.accept, w.Code, got, tt.want)
		}
	}
	if got := get(t, h, timelinePath(25)+"?format=md").Header().Get("Location"); got != timelinePath(20)+"?format=md" {
		t.Errorf("Location = %q: the format is lost", got)
	}
}

// Who posts to a path that is none is told those that are.
func TestUnknownReceiver(t *testing.T) {
	h := newTestAPI(t, sampleStore(), func(o *Options) { o.Receivers = []string{"/ingest/deploys", "/v1/x"} })
	wantProblem(t, do(t, h, http.MethodPost, "/webhook"), http.StatusNotFound, "The receivers are /ingest/deploys, /v1/x.")
}
