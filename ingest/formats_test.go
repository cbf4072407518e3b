package ingest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/grafana/loki/pkg/push"
	"github.com/klauspost/compress/snappy"

	"github.com/hindcast/hindcast/ingest/event"
)

func defaultFormats(secrets ...string) Formats {
	o := FormatOptions{Labels: event.DefaultLabelMap(), Limits: DefaultLimits()}
	for _, s := range secrets {
		o.GitHubSecrets = append(o.GitHubSecrets, []byte(s))
	}
	return DefaultFormats(o)
}

// newRealRig has the real formats, in front of a store of the test's choice.
func newRealRig(t testing.TB, store Appender, secrets ...string) *rig {
	t.Helper()
	return newRig(t, func(o *Options) {
		o.Formats = defaultFormats(secrets...)
		if store != nil {
			o.Appender = store
		}
	})
}

// A good body for every path, and the number of facts in it.
var goodBodies = []struct {
	path, body string
	header     []string
	facts      int
	status     int
}{
	{"/ingest/alertmanager", `{"version":"4","groupKey":"{}:{alertname=\"Errors\"}","status":"firing","receiver":"hindcast","groupLabels":{"alertname":"Errors"},
		"alerts":[{"status":"firing","labels":{"alertname":"Errors","service":"payments"},"annotations":{},"startsAt":"2026-02-03T04:00:00Z","endsAt":"0001-01-01T00:00:00Z","fingerprint":"0123456789abcdef"}]}`, nil, 2, 200},
	{"/ingest/alertmanager/events", `[]`, nil, 0, 200},
	{"/api/v2/alerts", `[{"labels":{"alertname":"Errors","service":"payments"},"startsAt":"2026-02-03T04:00:00Z","endsAt":"2026-02-03T04:10:00Z"}]`, nil, 1, 200},
	{"/ingest/deploys", `{"at":"2026-02-03T04:00:00Z","service":"payments","version":"2","kind":"deploy","status":"succeeded"}`, nil, 1, 200},
	{"/ingest/commits", `[{"sha":"0a1b2c3d","message":"pool"},{"sha":"1a1b2c3d","message":"spool"}]`, nil, 2, 200},
	{"/ingest/github", `{"zen":"Keep it simple."}`, []string{"X-GitHub-Event", "ping"}, 0, 200},
	{"/ingest/messages", `{"at":"2026-02-03T04:00:00Z","author":"dana","text":"on it"}`, nil, 1, 200},
	{"/loki/api/v1/push", `{"streams":[{"stream":{"service":"payments"},"values":[["1770091200000000000","level=error msg=\"no connection\""]]}]}`, nil, 1, 204},
	{"/ingest/logs", `{"timestamp":"2026-02-03T04:00:00Z","service":"payments","level":"error","message":"no connection"}`, nil, 1, 200},
}

func TestDefaultFormatsTakeGoodBodies(t *testing.T) {
	r := newRealRig(t, nil)
	for _, tc := range goodBodies {
		before := r.store.kept.Len()
		w := r.post(tc.path, tc.body, tc.header...)
		if w.Code != tc.status {
			t.Errorf("%s: status %d, want %d: %s", tc.path, w.Code, tc.status, w.Body)
		}
		if got := r.store.kept.Len() - before; got != tc.facts {
			t.Errorf("%s: %d facts, want %d", tc.path, got, tc.facts)
		}
	}
	if n := len(r.store.kept.Asides); n != 0 {
		t.Errorf("%d entries of good bodies were put aside: %s", n, r.store.kept.Asides[0].Reason)
	}
	posted := []string{"/ingest/events"} // encoded below the envelope's own folder
	for _, tc := range goodBodies {
		posted = append(posted, tc.path)
	}
	for _, path := range r.Paths() {
		if !slices.Contains(posted, path) {
			t.Errorf("no good body is tested for %s", path)
		}
	}
}

func lokiPush(t testing.TB, streams, lines int) []byte {
	t.Helper()
	var req push.PushRequest
	for s := range streams {
		stream := push.Stream{Labels: fmt.Sprintf(`{service="payments", pod="p-%d"}`, s)}
		for l := range lines {
			stream.Entries = append(stream.Entries, push.Entry{
				Timestamp: testTime, Line: fmt.Sprintf(`level=error msg="charge failed" order=%d upstream=bank took=%dms`, l, l%700),
			})
		}
		req.Streams = append(req.Streams, stream)
	}
	body, err := req.Marshal()
	if err != nil {
		t.Fatalf("marshal a push: %v", err)
	}
	return snappy.Encode(nil, body)
}

func TestLokiInProtobuf(t *testing.T) {
	for _, header := range [][]string{
		{"Content-Type", "application/x-protobuf"},
		{"Content-Type", ""},
		{"Content-Type", "application/x-protobuf", "Content-Encoding", "snappy"},
	} {
		r := newRealRig(t, nil)
		if w := r.post("/loki/api/v1/push", string(lokiPush(t, 3, 5)), header...); w.Code != 204 {
			t.Errorf("%q: status %d: %s", header, w.Code, w.Body)
		}
		if got := r.store.kept.Len(); got != 15 {
			t.Errorf("%q: %d lines, want 15", header, got)
		}
	}
	r := newRealRig(t, nil)
	if w := r.post("/loki/api/v1/push", string(lokiPush(t, 10_001, 1)), "Content-Type", "application/x-protobuf"); w.Code != 413 {
		t.Errorf("more streams than a push may have: status %d, want 413: %s", w.Code, w.Body)
	}
}

// TestJSONLinesOverHTTP posts lines as Vector and Fluent Bit do.
func TestJSONLinesOverHTTP(t *testing.T) {
	const one, two = `{"timestamp":"2026-02-03T04:00:00Z","service":"payments","message":"one"}`, `{"timestamp":"2026-02-03T04:00:01Z","service":"payments","message":"two"}`
	for _, tc := range []struct{ mediaType, body string }{
		{"application/x-ndjson", one + "\n" + two + "\n"},
		{"application/json", "[" + one + "," + two + "]"},
		{"application/json", one + two},
		{"", one + "\n" + two},
	} {
		r := newRealRig(t, nil)
		w := r.post("/ingest/logs", tc.body, "Content-Type", tc.mediaType)
		if w.Code != 200 || r.store.kept.Len() != 2 {
			t.Errorf("%q: status %d and %d lines, want 200 and 2: %s", tc.mediaType, w.Code, r.store.kept.Len(), w.Body)
		}
	}
	r := newRealRig(t, nil)
	if w := r.post("/ingest/logs", one+"\n{\"message\":\n"+two, "Content-Type", "application/x-ndjson"); w.Code != 200 || r.store.kept.Len() != 3 || len(r.store.kept.Asides) != 1 {
		t.Errorf("a bad line among good ones: status %d, %d facts: %s", w.Code, r.store.kept.Len(), w.Body)
	}
}

func TestGitHubSignature(t *testing.T) {
	body := `{"ref":"refs/heads/main","repository":{"name":"payments","full_name":"acme/payments"},"commits":[{"id":"0a1b2c3d","message":"pool","timestamp":"2026-02-03T04:00:00Z"}]}`
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		return "sha256=" + hex.EncodeToString(mac.Sum(nil))
	}
	for _, tc := range []struct {
		name      string
		secrets   []string
		signature string
		want      int
	}{
		{"no secret is set", nil, "", 200},
		{"no secret is set, signed", nil, sign("new"), 200},
		{"right", []string{"new"}, sign("new"), 200},
		{"right by the second secret", []string{"new", "old"}, sign("old"), 200},
		{"wrong", []string{"new", "old"}, sign("other"), 401},
		{"missing", []string{"new"}, "", 401},
		{"nonsense", []string{"new"}, "sha256=zz", 401},
	} {
		r := newRealRig(t, nil, tc.secrets...)
		w := r.post("/ingest/github", body, "X-GitHub-Event", "push", "X-Hub-Signature-256", tc.signature)
		if w.Code != tc.want {
			t.Errorf("%s: status %d, want %d: %s", tc.name, w.Code, tc.want, w.Body)
		}
		if got := r.store.kept.Len(); (got > 0) != (tc.want == 200) {
			t.Errorf("%s: %d facts were stored", tc.name, got)
		}
	}
}

// Recorded traffic goes through as it was sent: everything 2xx, nothing put
// aside.
func TestRecordedTraffic(t *testing.T) {
	files, err := filepath.Glob("../../shared/cases/*/cassette.jsonl")
	if err != nil || len(files) == 0 {
		t.Skip("no recorded cases beside the checkout")
	}
	for _, file := range files {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			f, err := os.Open(file)
			if errors.Is(err, fs.ErrNotExist) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			r := newRig(t, func(o *Options) { o.Formats, o.TrustTimes = defaultFormats(), true })
			requests := bufio.NewScanner(f)
			requests.Buffer(nil, 64<<20)
			for n := 1; requests.Scan(); n++ {
				var req struct {
					At, Path string
					Body     json.RawMessage
				}
				if err := json.Unmarshal(requests.Bytes(), &req); err != nil {
					t.Fatalf("line %d: %v", n, err)
				}
				if w := r.post(req.Path, string(req.Body), HeaderReceivedAt, req.At); w.Code/100 != 2 {
					t.Errorf("line %d, %s: status %d: %s", n, req.Path, w.Code, w.Body)
				}
			}
			if err := requests.Err(); err != nil {
				t.Fatal(err)
			}
			for _, a := range r.store.kept.Asides {
				t.Errorf("put aside: %s: %s", a.Road, a.Reason)
			}
		})
	}
}

// hostile are bodies that senders should not send.
func hostile() map[string]string {
	huge := strings.Repeat("x", 10<<20)
	return map[string]string{
		"empty":               "",
		"white space":         " \n\t ",
		"null":                "null",
		"array of null":       "[null,null]",
		"number":              "17",
		"text":                `"alerts"`,
		"empty object":        "{}",
		"nulls in an object":  `{"version":null,"alerts":null,"streams":null,"labels":null,"at":null,"service":null,"sha":null,"text":null,"@timestamp":null,"type":null}`,
		"wrong types":         `{"version":{},"alerts":{"a":1},"streams":"x","labels":[1],"at":{},"service":[],"sha":{},"text":1,"author":[]}`,
		"array of wrong":      `[1,"x",[],{},null,true,{"labels":[]},{"labels":{"a":1}},{"at":9e999}]`,
		"null everywhere":     `{"alerts":[null,{"labels":null,"annotations":null,"startsAt":null,"endsAt":null}],"streams":[null,{"stream":null,"values":null},{"stream":{},"values":[null,[null,null]]}]}`,
		"duplicate keys":      `{"alerts":[],"alerts":[{"labels":{"a":"1","a":"2"},"labels":{"alertname":"A"}}],"service":"a","service":"b"}`,
		"absurd times":        `[{"labels":{"alertname":"A"},"startsAt":"9999-12-31T23:59:59Z"},{"labels":{"alertname":"A"},"startsAt":"0000-00-00T00:00:00Z","endsAt":"x"},{"at":"0001-01-01T00:00:00Z","service":"x","kind":"deploy","status":"succeeded","author":"a","text":"b"}]`,
		"deep":                strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000),
		"deep objects":        strings.Repeat(`{"alerts":`, 100_000),
		"cut off":             `{"alerts":[{"labels":{"alertname":"A"`,
		"two values":          `{} {}`,
		"invalid UTF-8":       "{\"alerts\":[{\"labels\":{\"alertname\":\"\xff\xfe\",\"\xc3\x28\":\"x\"}}],\"service\":\"\xff\",\"text\":\"\xff\"}",
		"NUL bytes":           "\x00\x00\x00\x00",
		"10 MB label":         `[{"labels":{"alertname":"` + huge + `"},"startsAt":"2026-02-03T04:00:00Z"}]`,
		"10 MB label name":    `{"alerts":[{"labels":{"` + huge + `":"x"},"startsAt":"2026-02-03T04:00:00Z"}]}`,
		"10 MB stream label":  `{"streams":[{"stream":{"service":"` + huge + `"},"values":[["1770091200000000000","x"]]}]}`,
		"10 MB text":          `{"at":"2026-02-03T04:00:00Z","author":"dana","text":"` + huge + `","service":"` + huge + `","kind":"deploy","status":"succeeded","sha":"` + huge + `","message":"x"}`,
		"many labels":         `[{"labels":{` + manyLabels(100_000) + `},"startsAt":"2026-02-03T04:00:00Z"}]`,
		"large numbers":       `{"streams":[{"stream":{},"values":[["99999999999999999999999999","x"],["-1","y"],["1e5","z"]]}]}`,
		"snappy, truncated":   string(lokiPushBytes[:len(lokiPushBytes)/2]),
		"snappy, then noise":  string(snappy.Encode(nil, bytes.Repeat([]byte{0xff}, 1000))),
		"HTML":                "<html><body>502</body></html>",
		"form":                "payload=%7B%7D",
		"broken form":         "payload=%zz",
		"byte order mark":     "\xef\xbb\xbf[]",
		"unpaired surrogates": `{"at":"2026-02-03T04:00:00Z","author":"\ud800","text":"\udfff","service":"\ud83d"}`,
	}
}

var lokiPushBytes = snappy.Encode(nil, bytes.Repeat([]byte("\n\x10\n\x0e{service=\"pay\"}"), 100))

func manyLabels(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `"label_%d":"%d"`, i, i)
	}
	return b.String()
}

// Nothing that is posted anywhere, under any media type, makes a receiver fail
// or costs what is posted next.
func TestHostileBodies(t *testing.T) {
	types := []string{"application/json", "application/x-protobuf", "application/x-www-form-urlencoded", ""}
	for name, body := range hostile() {
		t.Run(name, func(t *testing.T) {
			r := newRealRig(t, nil)
			paths := r.Paths()
			for _, path := range paths {
				for _, mediaType := range types {
					if len(body) > 1<<20 && mediaType != types[0] {
						continue // large ones are large JSON
					}
					for _, kind := range []string{"push", "deployment_status", "workflow_run"} {
						w := r.post(path, body, "Content-Type", mediaType, "X-GitHub-Event", kind)
						if c := w.Code / 100; c != 2 && c != 4 {
							t.Errorf("%s as %q: status %d: %s", path, mediaType, w.Code, w.Body)
						}
						if w.Code >= 400 && problemOf(t, w)["detail"] == "" {
							t.Errorf("%s as %q: status %d says nothing: %s", path, mediaType, w.Code, w.Body)
						}
						if w.Body.Len() > 20_000 {
							t.Errorf("%s as %q: the answer has %d bytes", path, mediaType, w.Body.Len())
						}
						if path != "/ingest/github" {
							break
						}
					}
				}
			}
			if n := metric(t, r.reg, "hindcast_ingest_panics_total"); n != 0 {
				t.Errorf("%v panics: %s", n, r.log)
			}
			for _, tc := range goodBodies {
				if w := r.post(tc.path, tc.body, tc.header...); w.Code != tc.status {
					t.Errorf("%s, a good body afterwards: status %d: %s", tc.path, w.Code, w.Body)
				}
			}
		})
	}
}

// manyAlerts is an array of alerts with distinct label sets, from the first to
// before the end.
func manyAlerts(from, to int) string {
	var b strings.Builder
	b.WriteByte('[')
	for i := from; i < to; i++ {
		if i > from {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"labels":{"alertname":"Down","instance":"host-%d"},"startsAt":"2026-02-03T04:00:00Z"}`, i)
	}
	b.WriteByte(']')
	return b.String()
}

func TestManyAlertsInOneBody(t *testing.T) {
	const n = 100_000
	r := newRealRig(t, nil)
	bad := `,{"labels":{"alertname":"A"},"startsAt":"not a time"}`
	alerts := manyAlerts(0, n-1)
	for _, tc := range []struct {
		path, body string
		status     int
	}{
		{"/api/v2/alerts", alerts[:len(alerts)-1] + bad + "]", 400},
		{"/ingest/alertmanager", `{"version":"4","status":"firing","receiver":"x","groupKey":"g","alerts":` + alerts[:len(alerts)-1] + bad + `]}`, 200},
	} {
		r.store.kept = event.Batch{}
		w := r.post(tc.path, tc.body)
		if w.Code != tc.status {
			t.Errorf("%s: status %d, want %d: %.300s", tc.path, w.Code, tc.status, w.Body)
		}
		if got := len(r.store.kept.Observations); got != n-1 {
			t.Errorf("%s: %d alerts were stored, want %d beside the bad one", tc.path, got, n-1)
		}
		if got := len(r.store.kept.Asides); got != 1 {
			t.Errorf("%s: %d entries were put aside, want 1", tc.path, got)
		}
	}
}

// Many distinct label sets leave nothing behind in the receivers: 400 thousand, of
// which 41 bytes each would be seen; with HINDCAST_TEST_FULL two million.
func TestMillionsOfLabelSets(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	const each = 50_000
	total := 400_000
	if os.Getenv("HINDCAST_TEST_FULL") != "" {
		total = 2_000_000
	}
	var stored atomic.Int64
	b, err := NewBatcher(AppenderFunc(func(_ context.Context, b event.Batch) error {
		stored.Add(int64(len(b.Observations)))
		return nil
	}), BatcherOptions{Limits: DefaultLimits()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeBatcher(t, b)
	r := newRealRig(t, b)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for from := 0; from < total; from += each {
		if w := r.post("/api/v2/alerts", manyAlerts(from, from+each)); w.Code != http.StatusOK {
			t.Fatalf("status %d: %.300s", w.Code, w.Body)
		}
	}
	if got := stored.Load(); got != int64(total) {
		t.Errorf("%d alerts were stored, want %d", got, total)
	}
	if after := heap(); after > before+(16<<20) {
		t.Errorf("the heap grew from %d to %d bytes", before, after)
	}
	families, err := r.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	series := 0
	for _, f := range families {
		series += len(f.GetMetric())
	}
	if series > 200 {
		t.Errorf("there are %d series of metrics", series)
	}
}

// Lines that come in the envelope are read and counted like those of a push.
func TestEnvelopeWithLinesIsCounted(t *testing.T) {
	r := newRealRig(t, nil)
	for range 2 { // a producer that sends it again
		w := r.post("/ingest/events", `{"service":"payments","log_lines":{"lines":[
			{"at":"2026-02-03T04:00:00.1Z","text":"level=error version=2.0 charge of order 17 failed upstream=bank"},
			{"at":"2026-02-03T04:00:00.2Z","text":"level=error version=2.0 charge of order 18 failed upstream=bank"},
			{"at":"2026-02-03T04:00:00.3Z","level":"warn","text":"slow"}]}}`, "Content-Type", typeJSON)
		if w.Code != http.StatusOK {
			t.Fatalf("status %d: %s", w.Code, w.Body)
		}
	}
	chunks := r.store.kept.Chunks
	if len(chunks) != 2 || chunks[0].ID != chunks[1].ID {
		t.Fatalf("the same envelope twice made the chunks %v", chunks)
	}
	type brief struct {
		service, version, template string
		level                      event.Level
		n                          int64
		upstreams                  string
	}
	var got []brief
	for _, c := range chunks[0].Counts {
		got = append(got, brief{c.Service, c.Version, c.Template, c.Level, c.N, strings.Join(c.Upstreams, ",")})
	}
	want := []brief{
		{"payments", "2.0", "level=error version=<n> charge of order <n> failed upstream=bank", event.LevelError, 2, "bank"},
		{"payments", "", "slow", event.LevelWarn, 1, ""},
	}
	if !slices.Equal(got, want) {
		t.Errorf("counts:\n got %+v\nwant %+v", got, want)
	}
	for i, l := range chunks[0].Lines {
		if want := chunks[0].Counts[i/2]; l.Pattern != want.Pattern || l.Level != want.Level || l.Version != want.Version {
			t.Errorf("line %d is %+v, want the pattern, level and version of %+v", i, l, want.CountKey)
		}
	}
}
