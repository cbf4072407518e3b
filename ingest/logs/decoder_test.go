package logs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/klauspost/compress/snappy"
)

var testReceived = time.Date(2026, 11, 22, 15, 4, 5, 0, time.UTC)

func newTestDecoder() *Decoder { return New(event.DefaultLabelMap(), Limits{}) }

// recorded are the bodies of pushes that were recorded, one a line.
func recorded(t testing.TB) [][]byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "recorded.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(data), []byte("\n"))
}

// protoOf is the protobuf form of a push in JSON, by Loki's own code.
func protoOf(t testing.TB, body []byte) []byte {
	t.Helper()
	var in struct {
		Streams []struct {
			Stream event.Labels
			Values [][]any
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		t.Fatal(err)
	}
	var req push.PushRequest
	for _, s := range in.Streams {
		out := push.Stream{Labels: s.Stream.String(), Hash: 7}
		for _, v := range s.Values {
			ns, err := strconv.ParseInt(v[0].(string), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			e := push.Entry{Timestamp: time.Unix(0, ns), Line: v[1].(string)}
			if len(v) > 2 {
				for name, value := range v[2].(map[string]any) {
					e.StructuredMetadata = append(e.StructuredMetadata, push.LabelAdapter{Name: name, Value: value.(string)})
				}
			}
			out.Entries = append(out.Entries, e)
		}
		req.Streams = append(req.Streams, out)
	}
	data, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func decodeJSON(t testing.TB, body string) event.Batch {
	t.Helper()
	batch, err := newTestDecoder().DecodeLokiJSON([]byte(body), testReceived)
	if err != nil {
		t.Fatalf("DecodeLokiJSON(%.200s): %v", body, err)
	}
	return batch
}

func sortedCounts(b event.Batch) []event.Count {
	var all []event.Count
	for _, c := range b.Chunks {
		all = append(all, c.Counts...)
	}
	slices.SortFunc(all, func(a, b event.Count) int { return strings.Compare(countText(a), countText(b)) })
	return all
}

func countText(c event.Count) string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestRecordedPushes(t *testing.T) {
	templates := map[string]event.Level{}
	for _, body := range recorded(t) {
		batch := decodeJSON(t, string(body))
		if len(batch.Asides) != 0 {
			t.Fatalf("put aside of a recorded push: %+v", batch.Asides)
		}
		for _, c := range batch.Chunks[0].Counts {
			templates[c.Service+": "+c.Template] = c.Level
			if c.Environment != "prod" || c.Version == "" {
				t.Errorf("count %+v: want environment prod and a version", c)
			}
			if strings.Contains(c.Template, "upstream=payments") && !slices.Equal(c.Upstreams, []string{"payments"}) {
				t.Errorf("upstreams of %q are %q", c.Template, c.Upstreams)
			}
		}
		for _, l := range batch.Chunks[0].Lines {
			if strings.Contains(l.Text, "trace=") != (l.Trace != "") {
				t.Errorf("trace of %q is %q", l.Text, l.Trace)
			}
		}
	}
	want := map[string]event.Level{
		"payments: level=error service=payments version=<n> panic: nil pointer in charge() currency=EUR request_id=<n>":              event.LevelError,
		"checkout: level=error service=checkout version=<n> upstream call failed upstream=payments status=5xx attempt=<n> trace=<n>": event.LevelError,
		"checkout: level=error service=checkout version=<n> schema mismatch: column discount_cents does not exist request_id=<n>":    event.LevelError,
		"gateway: level=error service=gateway version=<n> upstream call failed upstream=checkout status=5xx attempt=<n> trace=<n>":   event.LevelError,
		"gateway: level=info service=gateway version=<n> request done path=/gateway/v1/items status=2xx duration_ms=<n>":             event.LevelInfo,
	}
	for template, level := range want {
		if got, ok := templates[template]; !ok || got != level {
			t.Errorf("pattern %q: level %v, found %t", template, got, ok)
		}
	}
	if len(templates) > 20 {
		t.Errorf("%d patterns, want a handful: %q", len(templates), templates)
	}
}

func TestProtoAndJSONAgree(t *testing.T) {
	d := newTestDecoder()
	bodies := append(recorded(t), []byte(`{"streams":[{"stream":{"app":"a\"\\\n€","x":""},"values":[["1795360748100624723","l1 é \u20ac",{"trace_id":"0af7651916cd43dd8448eb211c80319c","level":"warn"}],["1795360748100624724",""]]}]}`))
	for _, body := range bodies {
		fromJSON, err := d.DecodeLokiJSON(body, testReceived)
		if err != nil {
			t.Fatal(err)
		}
		unpacked, err := Unsnappy(snappy.Encode(nil, protoOf(t, body)), 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		fromProto, err := d.DecodeLokiProto(unpacked, testReceived)
		if err != nil {
			t.Fatal(err)
		}
		a, b := fromJSON.Chunks[0], fromProto.Chunks[0]
		if a.ID == b.ID {
			t.Error("two bodies have one chunk ID")
		}
		a.ID = b.ID
		if got, want := mustJSON(t, b), mustJSON(t, a); got != want {
			t.Errorf("protobuf gives\n%s\nJSON gives\n%s", got, want)
		}
	}
}

func mustJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestWhoseALineIs(t *testing.T) {
	tests := []struct {
		name, stream, line, metadata                 string
		service, environment, version, trace, levels string
		upstreams                                    []string
	}{
		{name: "labels", stream: `{"app":"pay","env":"prod","level":"error","version":"1"}`, line: "service=other level=info version=2 boom",
			service: "pay", environment: "prod", version: "1", levels: "error"},
		{name: "metadata before the line", stream: `{}`, line: "service=c level=info env=dev trace_id=aaaa1111", metadata: `{"service.name":"b","severity_text":"WARN","traceID":"bbbb2222"}`,
			service: "b", environment: "dev", levels: "warn", trace: "bbbb2222"},
		{name: "unknown is no level", stream: `{"service_name":"unknown_service","detected_level":"unknown"}`, line: "level=error service=c boom", service: "c", levels: "error"},
		{name: "logfmt", stream: `{"job":"x"}`, line: `ts=2026-01-02T15:04:05Z level=warn msg="slow call" app_version=1.2.3 traceId=0af7651916cd43dd peer.service=ledger`,
			service: "x", version: "1.2.3", trace: "0af7651916cd43dd", levels: "warn", upstreams: []string{"ledger"}},
		{name: "words too vague for a service", stream: `{}`, line: "flushed component=sink stage=3", levels: "unknown"},
		{name: "json", stream: `{}`, line: `{"level":"ERROR","msg":"declined","service":{"name":"pay","version":"2.0"},"env":"prod","trace":{"id":"0af7651916cd43dd"},"server.address":"ledger.shop.svc:80"}`,
			service: "pay", environment: "prod", version: "2.0", trace: "0af7651916cd43dd", levels: "error", upstreams: []string{"ledger"}},
		{name: "pino", stream: `{"app":"a"}`, line: `{"level":50,"time":1700000000000,"msg":"x"}`, service: "a", levels: "error"},
		{name: "mongo", stream: `{"app":"a"}`, line: `{"t":{"$date":"2026-01-02"},"s":"W","c":"NETWORK","id":22943,"msg":"x"}`, service: "a", levels: "warn"},
		{name: "json without a level", stream: `{"app":"a"}`, line: `{"msg":"charge","error":"timeout"}`, service: "a", levels: "error"},
		{name: "json without an error", stream: `{"app":"a"}`, line: `{"msg":"charge","error":null,"err":"","errors":0}`, service: "a", levels: "unknown"},
		{name: "docker", stream: `{"app":"a"}`, line: `{"log":"level=warn upstream=ledger boom\n","stream":"stderr","time":"2026-01-02T15:04:05Z"}`, service: "a", levels: "warn", upstreams: []string{"ledger"}},
		{name: "a number in text is no level", stream: `{"app":"a"}`, line: "compressed level=1", service: "a", levels: "unknown"},
		{name: "no self", stream: `{"app":"pay"}`, line: "level=error upstream=pay peer=ledger", service: "pay", levels: "error", upstreams: []string{"ledger"}},
		{name: "traceparent", stream: `{"app":"a"}`, line: "traceparent=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", service: "a", levels: "unknown", trace: "0af7651916cd43dd8448eb211c80319c"},
		{name: "no trace", stream: `{"app":"a"}`, line: "trace=true trace_id=00000000000000000000000000000000", service: "a", levels: "unknown"},
		{name: "beyond the pattern", stream: `{"app":"a"}`, line: strings.Repeat("word ", 200) + "level=error trace_id=0af7651916cd43dd", service: "a", levels: "error", trace: "0af7651916cd43dd"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line, _ := json.Marshal(tt.line)
			metadata := ""
			if tt.metadata != "" {
				metadata = "," + tt.metadata
			}
			b := decodeJSON(t, `{"streams":[{"stream":`+tt.stream+`,"values":[["1795360748100624723",`+string(line)+metadata+`]]}]}`)
			c, l := b.Chunks[0].Counts[0], b.Chunks[0].Lines[0]
			s := b.Chunks[0].Streams[l.Stream]
			if c.Service != tt.service || c.Environment != tt.environment || c.Version != tt.version || l.Trace != tt.trace || c.Level.String() != tt.levels {
				t.Errorf("service %q, environment %q, version %q, trace %q, level %v", c.Service, c.Environment, c.Version, l.Trace, c.Level)
			}
			if !slices.Equal(c.Upstreams, tt.upstreams) {
				t.Errorf("upstreams %q, want %q", c.Upstreams, tt.upstreams)
			}
			if s.Service != c.Service || s.Environment != c.Environment || l.Level != c.Level || l.Version != c.Version || l.Pattern != c.Pattern || l.Text != tt.line {
				t.Errorf("line %+v of stream %+v does not fit its count %+v", l, s, c)
			}
		})
	}
}

func TestConfiguredLabels(t *testing.T) {
	d := New(event.LabelMap{Service: []string{"svc_name"}, Level: []string{"how_bad"}}, Limits{})
	batch, err := d.DecodeLokiJSON([]byte(`{"streams":[{"stream":{"app":"x","level":"info"},"values":[["1","svcName=pay how_bad=warn service=y level=error"]]}]}`), testReceived)
	if err != nil {
		t.Fatal(err)
	}
	if c := batch.Chunks[0].Counts[0]; c.Service != "pay" || c.Level != event.LevelWarn {
		t.Errorf("service %q and level %v, want pay and warn", c.Service, c.Level)
	}
}

func TestTemplatesOfJSONLines(t *testing.T) {
	tests := []struct{ name, line, want string }{
		{"message and details", `{"ts":1700000000.1,"level":"error","msg":"charge 12 declined","error":"timeout after 3s","request_id":"d732c466","status":502,"user":"bob"}`,
			"charge <n> declined error=timeout after <n> status=5xx"},
		{"order of other keys", `{"user":"eve","msg":"charge 13 declined","request_id":"x","error":"timeout after 4s","status":503}`,
			"charge <n> declined error=timeout after <n> status=5xx"},
		{"nested error", `{"message":"boom","error":{"type":"IOError","message":"disk 7 full","stack":"at x"}}`, "boom error.type=IOError error.message=disk <n> full"},
		{"error is the message", `{"error":{"message":"disk 7 full"}}`, "disk <n> full"},
		{"no message", `{"action":"login","ok":true,"user":"bob","n":3}`, "action=login ok=true n=<n>"},
		{"docker", `{"log":"GET /items/5 done\n","stream":"stdout","time":"2026-01-02T15:04:05Z"}`, "GET /items/<n> done"},
		{"docker around json", `{"log":"{\"level\":\"info\",\"msg\":\"item 5 sold\"}\n","stream":"stdout"}`, "item <n> sold"},
		{"otel", `{"body":"paid 5","severity_text":"INFO","attributes":{"http.route":"/pay","error.type":"x"},"resource":{"service.name":"pay"}}`, "paid <n> http.route=/pay error.type=x"},
		{"escapes", `{"msg":"col \"meta\" \u00e9 missing\n"}`, `col "meta" é missing`},
		{"cut off", `{"msg":"boom 5","err`, `{"msg":"boom <n>","err`},
		{"empty", `{}`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			line, _ := json.Marshal(tt.line)
			b := decodeJSON(t, `{"streams":[{"stream":{"app":"a"},"values":[["1",`+string(line)+`]]}]}`)
			if got := b.Chunks[0].Counts[0].Template; got != tt.want {
				t.Errorf("template of %s\n got %q\nwant %q", tt.line, got, tt.want)
			}
		})
	}
}

func TestUnsnappy(t *testing.T) {
	body := bytes.Repeat([]byte("hindcast "), 1000)
	block := snappy.Encode(nil, body)
	if got, err := Unsnappy(block, len(body)); err != nil || !bytes.Equal(got, body) {
		t.Errorf("Unsnappy gives %d bytes, %v", len(got), err)
	}
	if _, err := Unsnappy(block, len(body)-1); !errors.Is(err, ErrTooLarge) {
		t.Errorf("beyond the limit: %v, want ErrTooLarge", err)
	}
	zeros := make([]byte, 1<<20)
	if got, err := Unsnappy(snappy.Encode(nil, zeros), 1<<20); err != nil || len(got) != 1<<20 {
		t.Errorf("the best that can be compressed: %d bytes, %v", len(got), err)
	}
	for name, block := range map[string][]byte{
		"empty":     nil,
		"text":      []byte("{}"),
		"truncated": block[:len(block)/2],
		"bomb":      {0x80, 0x80, 0x80, 0x08, 0, 0},
	} {
		_, err := Unsnappy(block, 1<<30)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) {
			t.Errorf("%s: %v, want a Malformed", name, err)
		}
	}
}

func TestParseLabels(t *testing.T) {
	tests := []struct {
		text string
		want event.Labels
	}{
		{`{a="b", c="d"}`, event.Labels{"a": "b", "c": "d"}},
		{` { a = "b" , } `, event.Labels{"a": "b"}},
		{`{}`, event.Labels{}},
		{``, event.Labels{}},
		{`{a="\"x\\\n\u00e9 , } ="}`, event.Labels{"a": "\"x\\\né , } ="}},
		{"{a=`x\\n`}", event.Labels{"a": `x\n`}},
		{`{"service.name"="pay"}`, event.Labels{"service.name": "pay"}},
	}
	for _, tt := range tests {
		pairs, err := parseLabels(tt.text)
		if err != nil {
			t.Errorf("parseLabels(%s): %v", tt.text, err)
			continue
		}
		got := event.Labels{}
		for _, p := range pairs {
			got[p.name] = p.value
		}
		if got.String() != tt.want.String() {
			t.Errorf("parseLabels(%s) = %v, want %v", tt.text, got, tt.want)
		}
	}
	for _, text := range []string{`{`, `{a}`, `{a=}`, `{a="b}`, `{a="b"`, `{a="b" c="d"}`, `a="b"`, `{="b"}`, `{a="\q"}`, `{a="b"}x`, `{a!="b"}`, `{a='b'}`} {
		if pairs, err := parseLabels(text); err == nil {
			t.Errorf("parseLabels(%s) = %v, want an error", text, pairs)
		}
	}
}

// TestSharedCases decodes every push of the cases beside the checkout.
func TestSharedCases(t *testing.T) {
	files, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "cases", "*", "cassette.jsonl"))
	if len(files) == 0 {
		t.Skip("no cases beside the checkout")
	}
	for _, file := range files {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines, patterns := 0, map[string]int64{}
		scanner := bufio.NewScanner(f)
		scanner.Buffer(nil, 64<<20)
		for scanner.Scan() {
			var r struct {
				Path string
				Body json.RawMessage
			}
			if err := json.Unmarshal(scanner.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if r.Path != "/loki/api/v1/push" {
				continue
			}
			body := string(r.Body)
			if strings.HasPrefix(body, `"`) {
				if err := json.Unmarshal(r.Body, &body); err != nil {
					t.Fatal(err)
				}
			}
			b := decodeJSON(t, body)
			lines += len(b.Chunks[0].Lines)
			for _, c := range b.Chunks[0].Counts {
				patterns[c.Service+" "+c.Level.String()+": "+c.Template+" -> "+strings.Join(c.Upstreams, ",")] += c.N
			}
		}
		if err := scanner.Err(); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d lines, %d patterns", file, lines, len(patterns))
		for p, n := range patterns {
			t.Logf("%6d %s", n, p)
		}
		if len(patterns) > 40 {
			t.Errorf("%s: %d lines make %d patterns", file, lines, len(patterns))
		}
	}
}
