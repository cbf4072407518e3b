package logs

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"pgregory.net/rapid"
)

func TestFaultsInJSONLines(t *testing.T) {
	d := newTestDecoder().JSONLines(JSONFields{})
	deep := strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)
	for _, tc := range []struct {
		name, body string
		texts      []string
		asides     []string // their raw
	}{
		{"a bad line between", "{\"msg\":\"a\"}\n{\"msg\":}\n{\"msg\":\"b\"}\n", []string{"a", "b"}, []string{"{\"msg\":}\n"}},
		{"cut off", `{"msg":"a"}` + "\n" + `{"msg":"b`, []string{"a"}, []string{`{"msg":"b`}},
		{"cut off, and the next", `{"msg":"b` + "\n" + `{"msg":"a"}`, []string{"a"}, []string{`{"msg":"b` + "\n"}},
		{"a bad escape costs its object", `{"msg":"\q"}{"msg":"a"}`, []string{"a"}, []string{`{"msg":"\q"}`}},
		{"spread over lines, and broken", "{\n  \"msg\": x,\n  \"a\": {\n  }\n}\n{\"msg\":\"a\"}", []string{"a"}, []string{"{\n  \"msg\": x,\n  \"a\": {\n  }\n}\n"}},
		{"too deep", deep + "\n{\"msg\":\"a\"}", []string{"a"}, []string{deep + "\n"}},
		{"a bad element", `[{"msg":"a"},{"msg":"\x"},{"msg":"b"}]`, []string{"a", "b"}, []string{`{"msg":"\x"}`}},
		{"an array that is cut off", `[{"msg":"a"},{"msg":"b"`, []string{"a"}, []string{`{"msg":"b"`}},
		{"an array with a bad line", "[{\"msg\":\"a\"},\n{bad},\n{\"msg\":\"b\"},\n{\"msg\":\"c\"}\n]\n", []string{"a", "b", "c"}, []string{"{bad},\n"}},
		{"a comma is missing", `[{"msg":"a"} {"msg":"b"}]`, []string{"a", "b"}, nil},
		{"something else than a comma", `[{"msg":"a"} x {"msg":"b"}]`, []string{"a"}, []string{`x {"msg":"b"}]`}},
		{"arrays of lines", "[{\"msg\":\"a\"}]\n[{\"msg\":\"b\"}][]", []string{"a", "b"}, nil},
		{"a text after an object", `{"msg":"a"} trailing`, []string{"a", "trailing"}, nil},
		{"a mark of the byte order", "\uFEFF{\"msg\":\"a\"}\r\n{\"msg\":\"b\"}\r\n", []string{"a", "b"}, nil},
	} {
		batch, err := d.Decode([]byte(tc.body), testReceived)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		var texts, asides []string
		for _, l := range batch.Chunks[0].Lines {
			texts = append(texts, l.Text)
		}
		for _, a := range batch.Asides {
			asides = append(asides, string(a.Raw))
			if !strings.HasPrefix(a.Reason, "lines[") || a.Road != event.RoadJSONLines {
				t.Errorf("%s: aside of %s: %s", tc.name, a.Road, a.Reason)
			}
		}
		if !reflect.DeepEqual(texts, tc.texts) {
			t.Errorf("%s: lines %q, want %q", tc.name, texts, tc.texts)
		}
		if !reflect.DeepEqual(asides, tc.asides) {
			t.Errorf("%s: put aside %q, want %q", tc.name, asides, tc.asides)
		}
	}
	for _, body := range []string{" \n", `{"msg":`, "[{]", `{"a":1,}`} {
		batch, err := d.Decode([]byte(body), testReceived)
		if _, ok := errors.AsType[*event.Malformed](err); !ok || len(batch.Chunks) > 0 {
			t.Errorf("%q: error %v and %d chunks, want malformed", body, err, len(batch.Chunks))
		}
	}
	if batch, err := d.Decode([]byte("[]"), testReceived); err != nil || batch.Len() > 0 {
		t.Errorf("an empty array: %d facts, %v", batch.Len(), err)
	}
}

func TestLimitsOfJSONLines(t *testing.T) {
	d := New(event.DefaultLabelMap(), Limits{Lines: 10, Streams: 3, LineBytes: 8, Labels: 4, LabelValue: 5}).JSONLines(JSONFields{})
	for name, body := range map[string]string{
		"lines":   strings.Repeat(`{"msg":"a"}`+"\n", 11),
		"text":    strings.Repeat("a\n", 11),
		"array":   "[" + strings.TrimSuffix(strings.Repeat("1,", 11), ",") + "]",
		"streams": `{"msg":"a","host":"a"}{"msg":"a","host":"b"}{"msg":"a","host":"c"}{"msg":"a","host":"d"}`,
	} {
		if _, err := d.Decode([]byte(body), testReceived); !errors.Is(err, ErrTooLarge) {
			t.Errorf("too many %s: error %v, want ErrTooLarge", name, err)
		}
	}
	batch, err := d.Decode([]byte(`{"msg":"longer than eight","a":"1","b":"2","c":"3","d":"longer","e":"5","host":"node-1"}`), testReceived)
	if err != nil {
		t.Fatal(err)
	}
	c := batch.Chunks[0]
	if l := c.Lines[0]; l.Text != "longer t" || len(l.Metadata) != 4 || l.Metadata["d"] != "longe" || c.Streams[0].Labels["host"] != "node-" {
		t.Errorf("the line is %+v of %+v", l, c.Streams[0])
	}
	if len(batch.Asides) != 3 {
		t.Errorf("what was cut is told %d times, want labels, line and metadata: %+v", len(batch.Asides), batch.Asides)
	}
}

func TestConfiguredJSONFields(t *testing.T) {
	d := newTestDecoder().JSONLines(JSONFields{
		Time: []string{"meta.when"}, Message: []string{"what"}, Level: []string{"how"}, Service: []string{"who"},
		Environment: []string{"where"}, Version: []string{"which"}, Trace: []string{"why"},
		Labels: map[string][]string{"rack": {"place.rack"}}, Drop: []string{"meta.noise"},
	})
	batch, err := d.Decode([]byte(`{"meta":{"when":1795360748,"noise":{"a":1}},"what":"refused","how":"err","who":"payments","where":"prod","which":"v2","why":"abc123",`+
		`"place":{"rack":"r7"},"message":"m","host":"h","timestamp":"2026-01-01T00:00:00Z"}`), testReceived)
	if err != nil {
		t.Fatal(err)
	}
	c := batch.Chunks[0]
	want := event.Line{At: time.Unix(1795360748, 0).UTC(), Level: event.LevelError, Pattern: patternID("refused"), Version: "v2", Trace: "abc123", Text: "refused",
		Metadata: event.Labels{"message": "m", "host": "h", "timestamp": "2026-01-01T00:00:00Z"}}
	if !reflect.DeepEqual(c.Lines[0], want) {
		t.Errorf("the line is\n%+v, want\n%+v", c.Lines[0], want)
	}
	if want := (event.Stream{Service: "payments", Environment: "prod", Labels: event.Labels{"rack": "r7"}}); !reflect.DeepEqual(c.Streams, []event.Stream{want}) {
		t.Errorf("the streams are %+v, want %+v", c.Streams, want)
	}
}

func TestTimesOfJSONLines(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T15:19:08Z":               "2026-11-22T15:19:08Z",
		"2026-11-22T15:19:08.123456789Z":     "2026-11-22T15:19:08.123456789Z",
		"2026-11-22T16:19:08+01:00":          "2026-11-22T15:19:08Z",
		"2026-11-22T16:19:08.5+0100":         "2026-11-22T15:19:08.5Z",
		"2026-11-22T15:19:08,250Z":           "2026-11-22T15:19:08.25Z",
		"2026-11-22 15:19:08.000681":         "2026-11-22T15:19:08.000681Z",
		"2026-11-22 15:19:08,123":            "2026-11-22T15:19:08.123Z",
		"2026-11-22 15:19:08.123 UTC":        "",
		"2026-11-22 15:19:08.123 +00:00":     "2026-11-22T15:19:08.123Z",
		"2026-11-22 16:19:08+01:00":          "2026-11-22T15:19:08Z",
		"2026/11/22 15:19:08":                "2026-11-22T15:19:08Z",
		"22/Nov/2026:16:19:08 +0100":         "2026-11-22T15:19:08Z",
		"1795360748":                         "2026-11-22T15:19:08Z",
		"1795360748.123456789":               "2026-11-22T15:19:08.123456789Z",
		"1795360748.1234567891":              "2026-11-22T15:19:08.123456789Z",
		"1.795360748e9":                      "2026-11-22T15:19:08Z",
		"1795360748123":                      "2026-11-22T15:19:08.123Z",
		"1795360748123.456":                  "2026-11-22T15:19:08.123456Z",
		"1795360748123456":                   "2026-11-22T15:19:08.123456Z",
		"1795360748123456789":                "2026-11-22T15:19:08.123456789Z",
		"99999999":                           "", // a duration rather
		"12:34:56.789":                       "",
		"1795360748x":                        "",
		"1795360748.1x":                      "",
		"1e400":                              "",
		"1e30000000":                         "",
		"99999999999999999999":               "",
		"2026-11-22":                         "",
		"2026-13-22T15:19:08Z":               "",
		"":                                   "",
		"-1795360748":                        "",
		"2026-11-22T15:19:08Z and more text": "",
	} {
		sec, nsec, ok := parseTime(text)
		got := ""
		if ok {
			got = time.Unix(sec, nsec).UTC().Format(time.RFC3339Nano)
		}
		if got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// One object a line, one after another and an array are the same lines.
func TestFormsOfJSONLinesAgree(t *testing.T) {
	d := newTestDecoder().JSONLines(JSONFields{})
	rapid.Check(t, func(t *rapid.T) {
		objects := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			sent := sentLines().Draw(t, "line")[0]
			return fmt.Sprintf(`{"ts":%d,"service":"s%d","msg":%q,"n":%d}`, sent.ns, sent.stream, sent.text, rapid.IntRange(0, 9).Draw(t, "n"))
		}), 1, 12).Draw(t, "objects")
		var want event.Chunk
		for i, body := range []string{
			strings.Join(objects, "\n"), strings.Join(objects, "\r\n") + "\r\n", strings.Join(objects, ""), strings.Join(objects, "  "),
			"[" + strings.Join(objects, ",") + "]", "[\n" + strings.Join(objects, ",\n") + "\n]\n",
		} {
			batch, err := d.Decode([]byte(body), testReceived)
			if err != nil || len(batch.Asides) > 0 {
				t.Fatalf("decode %s: %v, aside %+v", body, err, batch.Asides)
			}
			got := batch.Chunks[0]
			got.ID = want.ID
			if i == 0 {
				want = got
			} else if !reflect.DeepEqual(got, want) {
				t.Errorf("the form %d is\n%+v, want\n%+v", i, got, want)
			}
		}
		// What joins them outside does so too.
		var chunks []event.Chunk
		for _, o := range objects {
			batch, err := d.Decode([]byte(o), testReceived)
			if err != nil {
				t.Fatal(err)
			}
			chunks = append(chunks, batch.Chunks...)
		}
		joined := d.d.Join(chunks)
		if joined.ID = want.ID; !reflect.DeepEqual(joined, want) {
			t.Errorf("joined:\n%+v, want\n%+v", joined, want)
		}
	})
}

func FuzzJSONLines(f *testing.F) {
	for _, tc := range senders {
		f.Add([]byte(tc.body))
	}
	for _, body := range recorded(f) {
		f.Add(body)
	}
	f.Add([]byte("[{\"msg\":\"a\"},\n{bad},\n{\"msg\":\"b\"}\n]\n"))
	f.Add([]byte(`[1,[{"a":"\ud83d"}],`))
	d := newTestDecoder().JSONLines(JSONFields{})
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := d.Decode(body, testReceived)
		checkBatch(t, batch, err)
		if err != nil {
			return
		}
		again, err := d.Decode(body, testReceived)
		if err != nil || !reflect.DeepEqual(again, batch) {
			t.Errorf("the second time it is %+v and %v, was %+v", again, err, batch)
		}
	})
}

func BenchmarkJSONLines(b *testing.B) {
	const lines = 1000
	var body strings.Builder
	for i := range lines {
		fmt.Fprintf(&body, `{"timestamp":"2026-11-22T15:19:08.%06dZ","level":"error","service":"payments","host":"node-%d","message":"upstream call failed upstream=ledger status=502 attempt=3 trace=%016x","caller":"pay/charge.go:42","kubernetes":{"pod_name":"payments-7d9-x2","pod_namespace":"shop"}}`+"\n",
			i, i%4, uint64(i+1)*0x9e3779b97f4a7c15)
	}
	d := newTestDecoder().JSONLines(JSONFields{})
	data := []byte(body.String())
	b.ReportAllocs()
	for b.Loop() {
		if batch, err := d.Decode(data, testReceived); err != nil || len(batch.Chunks[0].Lines) != lines {
			b.Fatal(err)
		}
	}
	reportLines(b, data, lines)
}
