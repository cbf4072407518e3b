package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/snappy"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestAnswers(t *testing.T) {
	for _, tc := range []struct {
		name   string
		method string // POST when empty
		path   string
		header []string
		body   string
		hook   func(context.Context, event.Batch) error
		change func(*Options)

		status  int
		answer  map[string]string // header
		members map[string]any    // of the body, if it is JSON
		stored  []string
		reason  string // counted
	}{
		{name: "good entries", path: "/ingest/plain", body: `["a","b"]`,
			status: 200, members: map[string]any{"accepted": 2.0}, stored: []string{"a", "b"}},
		{name: "no entries", path: "/ingest/plain", body: `[]`,
			status: 200, members: map[string]any{"accepted": 0.0}},
		{name: "one bad entry", path: "/ingest/plain", body: `["a","bad"]`,
			status: 200, members: map[string]any{"accepted": 1.0, "rejected": []any{map[string]any{"field": "entries[1].text", "reason": "is bad"}}},
			stored: []string{"a", "[bad]"}, reason: "bad_text"},
		{name: "only bad entries", path: "/ingest/plain", body: `["bad"]`,
			status: 400, members: map[string]any{"field": "entries[0].text", "detail": "entries[0].text: is bad"}, stored: []string{"[bad]"}, reason: "bad_text"},
		{name: "strict, all good", path: "/ingest/strict", body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "strict, one bad", path: "/ingest/strict", body: `["a","bad"]`,
			status: 400, members: map[string]any{"accepted": 1.0, "field": "entries[1].text"}, stored: []string{"a", "[bad]"}},
		{name: "logs", path: "/ingest/logs", body: `["a"]`, status: 204, stored: []string{"a"}},
		{name: "logs, one bad", path: "/ingest/logs", body: `["a","bad"]`, status: 204, stored: []string{"a", "[bad]"}},
		{name: "logs in snappy", path: "/ingest/logs", header: []string{"Content-Type", "application/x-protobuf"}, body: string(snappy.Encode(nil, []byte(`["a"]`))),
			status: 400, stored: []string{"[" + string(snappy.Encode(nil, []byte(`["a"]`))) + "]"}},
		{name: "malformed", path: "/ingest/plain", body: `{"truncated`,
			status: 400, members: map[string]any{"field": "body", "detail": "body: not an array of strings", "hint": "Post an array."},
			stored: []string{`[{"truncated]`}, reason: "malformed"},
		{name: "empty body", path: "/ingest/plain", status: 400, members: map[string]any{"detail": "the body is empty"}, reason: "malformed"},
		{name: "panic", path: "/ingest/plain", body: `["a","panic"]`, status: 500, reason: "panic"},

		{name: "GET", method: http.MethodGet, path: "/ingest/plain", status: 405,
			answer: map[string]string{"Allow": "POST"}, members: map[string]any{"hint": "Post an array."}, reason: "method"},
		{name: "PUT", method: http.MethodPut, path: "/ingest/logs", status: 405, answer: map[string]string{"Allow": "POST"}},
		{name: "unknown path", path: "/ingest/deployments", body: `[]`, status: 404},
		{name: "wrong type", path: "/ingest/plain", header: []string{"Content-Type", "text/xml"}, body: `["a"]`,
			status: 415, members: map[string]any{"field": "Content-Type"}, reason: "media_type"},
		{name: "no type where one is needed", path: "/ingest/strict", header: []string{"Content-Type", ""}, body: `["a"]`, status: 415},
		{name: "no type where none is needed", path: "/ingest/plain", header: []string{"Content-Type", ""}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "type with parameters", path: "/ingest/plain", header: []string{"Content-Type", "Application/JSON; charset=utf-8"}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "type with broken parameters", path: "/ingest/plain", header: []string{"Content-Type", "application/json; charset"}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "another name of JSON", path: "/ingest/plain", header: []string{"Content-Type", "application/cloudevents+json"}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "unknown encoding", path: "/ingest/plain", header: []string{"Content-Encoding", "br"}, body: `["a"]`,
			status: 415, members: map[string]any{"field": "Content-Encoding"}, reason: "encoding"},
		{name: "two encodings", path: "/ingest/plain", header: []string{"Content-Encoding", "gzip, gzip"}, body: `["a"]`, status: 415},
		{name: "snappy where it is no block", path: "/ingest/plain", header: []string{"Content-Encoding", "snappy"}, body: `["a"]`, status: 415},
		{name: "not what the encoding says", path: "/ingest/plain", header: []string{"Content-Encoding", "gzip"}, body: `["a"]`, status: 400, reason: "encoding"},

		{name: "signed", path: "/ingest/signed", header: []string{"X-Signature", testSecret}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "signed wrongly", path: "/ingest/signed", header: []string{"X-Signature", "x", "Authorization", "Bearer " + testSecret}, body: `["a"]`,
			status: 401, reason: "signature"},
		{name: "not signed", path: "/ingest/signed", body: `["a"]`, status: 401},

		{name: "too large", path: "/ingest/plain", body: `["` + strings.Repeat("a", 3000) + `"]`,
			change: func(o *Options) { o.Limits.MaxBody = 2000 }, status: 413, answer: map[string]string{"Connection": "close"}, reason: "too_large"},
		{name: "store down", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error { return fmt.Errorf("append: %w", errDown) },
			status: 503, answer: map[string]string{"Retry-After": "1"}, members: map[string]any{"detail": "the store cannot take anything now"}, reason: "unavailable"},
		{name: "Kafka down", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error {
			return fmt.Errorf("%w: %w", errDown, context.DeadlineExceeded)
		},
			change: func(o *Options) { o.To = "Kafka" },
			status: 503, answer: map[string]string{"Retry-After": "1"}, members: map[string]any{"detail": "Kafka cannot take anything now"}, reason: "unavailable"},
		{name: "Kafka hangs", path: "/ingest/plain", body: `["a"]`, hook: func(ctx context.Context, _ event.Batch) error { <-ctx.Done(); return ctx.Err() },
			change: func(o *Options) { o.To, o.Limits.Alerts.AppendTimeout = "Kafka", time.Millisecond },
			status: 503, members: map[string]any{"detail": "Kafka did not answer in time"}, reason: "timeout"},
		{name: "Kafka refuses", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error { return errors.New("bad record") },
			change: func(o *Options) { o.To = "Kafka" },
			status: 500, members: map[string]any{"detail": "Kafka refused the facts"}, reason: "store_error"},
		{name: "store full", path: "/ingest/logs", body: `["a"]`, hook: func(context.Context, event.Batch) error { return ErrFull },
			status: 503, answer: map[string]string{"Retry-After": "5"}, reason: "busy"},
		{name: "store closed", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error { return ErrClosed },
			status: 503, answer: map[string]string{"Retry-After": "5", "Connection": "close"}, reason: "shutting_down"},
		{name: "store refuses", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error { return errors.New("constraint") },
			status: 500, reason: "store_error"},
		{name: "larger than can be forwarded", path: "/ingest/plain", body: `["a"]`, hook: func(context.Context, event.Batch) error { return fmt.Errorf("a record: %w", ErrTooMuch) },
			status: 413, reason: "too_large"},
		{name: "store hangs", path: "/ingest/plain", body: `["a"]`, hook: func(ctx context.Context, _ event.Batch) error { <-ctx.Done(); return ctx.Err() },
			change: func(o *Options) { o.Limits.Alerts.AppendTimeout = time.Millisecond },
			status: 503, answer: map[string]string{"Retry-After": "1"}, reason: "timeout"},
		{name: "malformed while the store is down", path: "/ingest/plain", body: `{`, hook: func(context.Context, event.Batch) error { return errDown }, status: 400},

		{name: "a time of receipt that is not trusted", path: "/ingest/plain", header: []string{HeaderReceivedAt, "yesterday"}, body: `["a"]`, status: 200, stored: []string{"a"}},
		{name: "a bad time of receipt", path: "/ingest/plain", header: []string{HeaderReceivedAt, "yesterday"}, body: `["a"]`,
			change: func(o *Options) { o.TrustTimes = true }, status: 400, members: map[string]any{"field": HeaderReceivedAt}, reason: "received_at"},
		{name: "an absurd time of receipt", path: "/ingest/plain", header: []string{HeaderReceivedAt, "0001-01-01T00:00:00Z"}, body: `["a"]`,
			change: func(o *Options) { o.TrustTimes = true }, status: 400},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newRig(t, func(o *Options) {
				if tc.change != nil {
					tc.change(o)
				}
			})
			r.store.hook = tc.hook
			method := tc.method
			if method == "" {
				method = http.MethodPost
			}
			req := httptest.NewRequest(method, tc.path, strings.NewReader(tc.body))
			req.Header.Set("Content-Type", "application/json")
			for i := 0; i < len(tc.header); i += 2 {
				req.Header.Set(tc.header[i], tc.header[i+1])
			}
			w := httptest.NewRecorder()
			r.mux.ServeHTTP(w, req)

			if w.Code != tc.status {
				t.Errorf("status = %d, want %d; body %s", w.Code, tc.status, w.Body)
			}
			if w.Code >= 400 {
				p := problemOf(t, w)
				if p["status"] != float64(tc.status) || p["title"] == "" || p["detail"] == "" {
					t.Errorf("incomplete problem: %v", p)
				}
			}
			for name, want := range tc.answer {
				if got := w.Header().Get(name); got != want {
					t.Errorf("%s = %q, want %q", name, got, want)
				}
			}
			var body map[string]any
			if w.Body.Len() > 0 {
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
					t.Fatalf("the answer is not JSON: %v: %s", err, w.Body)
				}
			}
			for name, want := range tc.members {
				if got := body[name]; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s = %v, want %v", name, got, want)
				}
			}
			if got := r.store.texts(); !slices.Equal(got, tc.stored) {
				t.Errorf("stored %q, want %q", got, tc.stored)
			}
			if tc.reason != "" {
				if got := metric(t, r.reg, "hindcast_ingest_rejected_total", "reason", tc.reason); got != 1 {
					t.Errorf("rejected_total{reason=%q} = %v, want 1", tc.reason, got)
				}
			}
			if tc.status != 404 {
				if got := metric(t, r.reg, "hindcast_ingest_requests_total", "endpoint", tc.path, "code", fmt.Sprint(tc.status)); got != 1 {
					t.Errorf("requests_total = %v, want 1", got)
				}
			}
			if got := metric(t, r.reg, "hindcast_ingest_requests_in_flight"); got != 0 {
				t.Errorf("requests_in_flight = %v afterwards", got)
			}
			for lane := range lanes {
				if got := r.lanes[lane].memory.used.Load(); got != 0 {
					t.Errorf("%d bytes are still held in lane %s", got, lane)
				}
			}
			if strings.Contains(r.log.String(), testSecret) {
				t.Errorf("the log tells a secret: %s", r.log)
			}
		})
	}
}

func TestReceivedAt(t *testing.T) {
	sent := "2025-12-31T23:59:59.123456789+01:00"
	for _, tc := range []struct {
		trust bool
		want  time.Time
	}{
		{true, time.Date(2025, 12, 31, 22, 59, 59, 123456789, time.UTC)},
		{false, testTime},
	} {
		r := newRig(t, func(o *Options) { o.TrustTimes = tc.trust })
		w := r.post("/ingest/plain", `["a"]`, HeaderReceivedAt, sent)
		if w.Code != 200 {
			t.Fatalf("trust %t: status %d: %s", tc.trust, w.Code, w.Body)
		}
		if got, want := w.Header().Get(HeaderTimes), map[bool]string{true: TimesTrusted, false: TimesReceived}[tc.trust]; got != want {
			t.Errorf("trust %t: %s = %q, want %q", tc.trust, HeaderTimes, got, want)
		}
		if got := r.post("/ingest/plain", `["a"]`).Header().Get(HeaderTimes); got != "" {
			t.Errorf("trust %t: %s = %q to a request without a time, want none", tc.trust, HeaderTimes, got)
		}
		if got := r.store.kept.Events[0].ReceivedAt; !got.Equal(tc.want) || got.Location() != time.UTC {
			t.Errorf("trust %t: received at %s, want %s", tc.trust, got, tc.want)
		}
	}
}

func TestRejectionsAreListedUpToABound(t *testing.T) {
	r := newRig(t, nil)
	w := r.post("/ingest/plain", `["good"`+strings.Repeat(`,"bad"`, 100_000)+`]`)
	var s summary
	if err := json.Unmarshal(w.Body.Bytes(), &s); err != nil {
		t.Fatalf("the answer is not JSON: %v", err)
	}
	if s.Accepted != 1 || len(s.Rejected) != maxRejections || s.Omitted != 100_000-maxRejections {
		t.Errorf("accepted %d, listed %d, omitted %d", s.Accepted, len(s.Rejected), s.Omitted)
	}
	if got := metric(t, r.reg, "hindcast_ingest_rejected_total", "reason", "bad_text"); got != 100_000 {
		t.Errorf("rejected_total = %v, want 100000", got)
	}
}

func TestGarbageCannotFillTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const perHour = 100_000
		r := newRig(t, func(o *Options) { o.Limits.AsideBytesPerHour = perHour })
		garbage := strings.Repeat("x", 40_000)
		kept := func() (n int) {
			for _, a := range r.store.kept.Asides {
				n += len(a.Raw)
			}
			return n
		}
		for range 100 {
			if w := r.post("/ingest/plain", garbage); w.Code != 400 {
				t.Fatalf("status = %d, want 400", w.Code)
			}
		}
		if got := kept(); got == 0 || got > 2*perHour {
			t.Errorf("%d bytes of garbage were kept, want some and %d at most", got, 2*perHour)
		}
		if got := len(r.store.kept.Asides[0].Raw); got != event.MaxAside {
			t.Errorf("an aside keeps %d bytes, want %d", got, event.MaxAside)
		}
		if metric(t, r.reg, "hindcast_ingest_asides_dropped_total") == 0 {
			t.Error("what was not kept was not counted")
		}
		before := kept()
		time.Sleep(time.Hour)
		r.post("/ingest/plain", garbage)
		if kept() == before {
			t.Error("after an hour nothing is put aside again")
		}
		if w := r.post("/ingest/plain", `["good"]`); w.Code != 200 {
			t.Errorf("status beside garbage = %d, want 200", w.Code)
		}
	})
}

func TestLogIsRateLimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil)
		for range 1000 {
			r.post("/ingest/plain", "garbage", "Authorization", "Bearer "+testSecret)
		}
		if n := strings.Count(r.log.String(), "\n"); n == 0 || n > 20 {
			t.Errorf("1000 refusals made %d lines of log, want 1 to 20", n)
		}
		if strings.Contains(r.log.String(), testSecret) {
			t.Error("the log tells the Authorization header")
		}
	})
}

func TestLogsAreShedAndAlertsAreNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		r := newRig(t, func(o *Options) { o.Limits.Logs.Requests = 3 })
		r.store.hook = func(_ context.Context, b event.Batch) error {
			if len(b.Chunks) > 0 {
				<-stuck
			}
			return nil
		}
		codes := make(chan int, 3)
		for range 3 {
			go func() { codes <- r.post("/ingest/logs", `["line"]`).Code }()
		}
		synctest.Wait()
		w := r.post("/ingest/logs", `["line"]`)
		if w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("a push too many: status %d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
		}
		began := time.Now()
		for range 100 {
			if w := r.post("/ingest/plain", `["alert"]`); w.Code != 200 {
				t.Fatalf("an alert beside stuck logs: status %d: %s", w.Code, w.Body)
			}
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("alerts waited %s for logs", took)
		}
		close(stuck)
		for range 3 {
			if code := <-codes; code != 204 {
				t.Errorf("status of a push that waited = %d, want 204", code)
			}
		}
	})
}

func TestMemoryOfALaneIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		r := newRig(t, func(o *Options) {
			o.Limits.MaxBody, o.Limits.MaxDecompressed = 10_000, 6_000
			o.Limits.Alerts.Bytes = 20_000
		})
		r.store.hook = func(context.Context, event.Batch) error { <-stuck; return nil }
		body := `["` + strings.Repeat("a", 9_000) + `"]`
		codes := make(chan int, 2)
		for range 2 {
			go func() { codes <- r.post("/ingest/plain", body).Code }()
		}
		synctest.Wait()
		if w := r.post("/ingest/plain", body); w.Code != 503 {
			t.Errorf("beyond the lane's memory: status %d, want 503", w.Code)
		}
		close(stuck)
		for range 2 {
			if code := <-codes; code != 200 {
				t.Errorf("within the lane's memory: status %d, want 200", code)
			}
		}
	})
}

// A sender that hangs up may have made its last try: what it has sent is kept.
func TestWhatWasSentOutlivesItsSender(t *testing.T) {
	r := newRig(t, nil)
	r.store.hook = func(ctx context.Context, _ event.Batch) error { return ctx.Err() }
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	for path, text := range map[string]string{"/ingest/plain": "alert", "/ingest/logs": "line"} {
		req := httptest.NewRequestWithContext(gone, http.MethodPost, path, strings.NewReader(`["`+text+`"]`))
		req.Header.Set("Content-Type", "application/json")
		r.mux.ServeHTTP(httptest.NewRecorder(), req)
		if !slices.Contains(r.store.texts(), text) {
			t.Errorf("%s: what a sender sent that hung up is lost", path)
		}
	}
}

func TestDecodingWaitsItsTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at, most int
		r := newRig(t, func(o *Options) {
			o.Limits.Logs.Decoding = 1
			for i := range o.Formats {
				o.Formats[i].Decode = func(in Input) (event.Batch, error) {
					at++
					most = max(most, at)
					time.Sleep(time.Second)
					at--
					return lines(string(in.Body)), nil
				}
			}
		})
		done := make(chan int)
		for range 10 {
			go func() { done <- r.post("/ingest/logs", "x").Code }()
		}
		for range 10 {
			if code := <-done; code != 204 {
				t.Errorf("status = %d, want 204", code)
			}
		}
		if most != 1 {
			t.Errorf("%d bodies were decoded at once, want 1", most)
		}
		go func() { done <- r.post("/ingest/logs", "x").Code }()
		for range 30 { // of which the limit of 20 s lets about 20 through
			go func() { done <- r.post("/ingest/logs", "x").Code }()
		}
		var shed int
		for range 31 {
			if <-done == 503 {
				shed++
			}
		}
		if shed < 9 || shed > 12 {
			t.Errorf("%d of 31 were shed, want about 11: those that waited for 20 s", shed)
		}
	})
}

func TestShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{hook: func(context.Context, event.Batch) error { time.Sleep(time.Second); return nil }}
		b := newTestBatcher(t, store, nil)
		r := newRig(t, func(o *Options) { o.Appender = b })
		codes := make(chan int, 20)
		for i := range 20 {
			path := []string{"/ingest/plain", "/ingest/logs"}[i%2]
			go func() { codes <- r.post(path, fmt.Sprintf(`["%d"]`, i)).Code }()
		}
		synctest.Wait()
		short, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		defer cancel()
		if err := r.Shutdown(short); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown within a millisecond: %v, want %v", err, context.DeadlineExceeded)
		}
		w := r.post("/ingest/plain", `["late"]`)
		if w.Code != 503 || w.Header().Get("Connection") != "close" || w.Header().Get("Retry-After") == "" {
			t.Errorf("a request after Shutdown: status %d, header %v", w.Code, w.Header())
		}
		if err := r.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		closeBatcher(t, b)
		for range 20 {
			if code := <-codes; code != 200 && code != 204 {
				t.Errorf("a request under way was answered %d", code)
			}
		}
		if got := len(store.texts()); got != 20 {
			t.Errorf("%d facts were stored, want 20", got)
		}
	})
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	limits := DefaultLimits()
	limits.Alerts.Decoding = 0
	limits.Logs.Bytes = 1
	twice := append(fakeFormats(), Format{Name: "plain", Road: "x", Decode: fakeFormats()[0].Decode})
	clash := append(fakeFormats(), Format{Name: "other", Road: "x", Path: "/ingest/plain", Types: []string{typeJSON}, Decode: fakeFormats()[0].Decode})
	ok := Options{Appender: &memory{}, Formats: fakeFormats(), Limits: DefaultLimits()}
	for _, tc := range []struct {
		name   string
		change func(*Options)
		want   string
	}{
		{"no appender", func(o *Options) { o.Appender = nil }, "appender"},
		{"bad limits", func(o *Options) { o.Limits = limits }, "alerts.decoding must be greater than zero"},
		{"all of the bad limits", func(o *Options) { o.Limits = limits }, "logs.bytes must hold"},
		{"a name twice", func(o *Options) { o.Formats = twice }, `"plain": the name is taken`},
		{"a type twice", func(o *Options) { o.Formats = clash }, `takes "application/json" already`},
	} {
		o := ok
		tc.change(&o)
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: error %v, want one with %q", tc.name, err, tc.want)
		}
	}
	if _, err := New(ok); err != nil {
		t.Errorf("New: %v", err)
	}
}

func TestFormatsNamed(t *testing.T) {
	f, ok := fakeFormats().Named("kafka-only")
	if !ok || f.Path != "" {
		t.Errorf("Named = %+v, %t", f, ok)
	}
	batch, err := f.Decode(Input{Body: []byte(`["a"]`), ReceivedAt: testTime})
	if err != nil || !slices.Equal(textsOf(batch), []string{"a"}) {
		t.Errorf("decoded %q, %v", textsOf(batch), err)
	}
	if _, ok := fakeFormats().Named("carrier-pigeon"); ok {
		t.Error("found a format that is not in the table")
	}
}

func TestSplitReason(t *testing.T) {
	for _, tc := range []struct{ text, field, reason string }{
		{"alerts[3].startsAt: not a time", "alerts[3].startsAt", "not a time"},
		{"not an object", "", "not an object"},
		{"the body is JSON: but no object", "", "the body is JSON: but no object"},
		{strings.Repeat("x", 300) + ": y", "", strings.Repeat("x", 300) + ": y"},
	} {
		if field, reason := splitReason(tc.text); field != tc.field || reason != tc.reason {
			t.Errorf("splitReason(%.40q) = %q, %q", tc.text, field, reason)
		}
	}
	if _, reason := splitReason("a: " + strings.Repeat("ä", 10_000)); len(reason) > maxReason+10 || bytes.ContainsRune([]byte(reason), '\uFFFD') {
		t.Errorf("a long reason is not clipped cleanly: %d bytes", len(reason))
	}
}

func TestReasonsNameTheirField(t *testing.T) {
	for _, tc := range []struct{ field, reason, want string }{
		{"service", "required", "service is required"},
		{"mute.fingerprint", "required, or labels", "mute.fingerprint is required, or labels"},
		{"at", `"x" is not a time`, `at: "x" is not a time`},
		{"", "the body is empty", "the body is empty"},
	} {
		if got := named(tc.field, tc.reason); got != tc.want {
			t.Errorf("named(%q, %q) = %q, want %q", tc.field, tc.reason, got, tc.want)
		}
	}
}
