package logs

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/grafana/loki/pkg/push"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/klauspost/compress/snappy"
)

// checkBatch holds what came out of a decoder against its promises.
func checkBatch(t *testing.T, batch event.Batch, err error) {
	t.Helper()
	if err != nil {
		var malformed *event.Malformed
		if !errors.As(err, &malformed) {
			t.Fatalf("the error %v is no Malformed", err)
		}
		return
	}
	for _, c := range batch.Chunks {
		var n int64
		for _, count := range c.Counts {
			n += count.N
			if len(count.Template) > MaxTemplate || len(count.Sample) > event.MaxSample || len(count.Upstreams) > maxUpstreams {
				t.Fatalf("count beyond its bounds: %+v", count)
			}
		}
		if n != int64(len(c.Lines)) {
			t.Fatalf("%d lines, %d counted", len(c.Lines), n)
		}
		for _, l := range c.Lines {
			if l.Stream < 0 || l.Stream >= len(c.Streams) || !event.InRange(l.At) {
				t.Fatalf("line %+v of %d streams", l, len(c.Streams))
			}
		}
	}
	for _, a := range batch.Asides {
		if len(a.Raw) > event.MaxAside || a.Class == "" || a.Reason == "" {
			t.Fatalf("aside %+v", a)
		}
	}
}

func FuzzLokiJSON(f *testing.F) {
	for _, body := range recorded(f)[:10] {
		f.Add(body)
	}
	f.Add([]byte(`{"streams":[{"values":[["1","{\"a\":{\"b\":[1]},\"msg\":\"\\ud83d\\ude00\"}",{"trace_id":"x"}],null],"stream":{"app":"a"}}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := newTestDecoder().DecodeLokiJSON(body, testReceived)
		checkBatch(t, batch, err)
	})
}

func FuzzLokiProto(f *testing.F) {
	for _, body := range recorded(f)[:10] {
		f.Add(protoOf(f, body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := newTestDecoder().DecodeLokiProto(body, testReceived)
		checkBatch(t, batch, err)
		// What Loki's own code reads as a push, and has nothing that is put
		// aside, has as many lines here.
		var req push.PushRequest
		if req.Unmarshal(body) != nil || err != nil || len(batch.Asides) > 0 {
			return
		}
		want, got := 0, 0
		for _, s := range req.Streams {
			want += len(s.Entries)
		}
		for _, c := range batch.Chunks {
			got += len(c.Lines)
		}
		if got != want {
			t.Fatalf("%d lines, Loki's code reads %d", got, want)
		}
	})
}

func FuzzUnsnappy(f *testing.F) {
	f.Add(snappy.Encode(nil, []byte("hindcast hindcast hindcast")))
	f.Fuzz(func(t *testing.T, block []byte) {
		body, err := Unsnappy(block, 1<<16)
		if err == nil && len(body) > 1<<16 {
			t.Fatalf("%d bytes, at most %d were asked for", len(body), 1<<16)
		}
	})
}

func FuzzParseLabels(f *testing.F) {
	f.Add(`{service="payments", environment="prod", level="error"}`)
	f.Add("{a=`x`, \"b.c\"=\"\\u00e9\\\"\",}")
	f.Fuzz(func(t *testing.T, text string) {
		pairs, err := parseLabels(text)
		if err != nil {
			return
		}
		labels, _ := DefaultLimits().labels(pairs)
		for name := range labels {
			if strings.ContainsAny(name, "\"`\\") {
				return // String does not quote names
			}
		}
		if labels[""] != "" {
			return
		}
		for name := range labels {
			if strings.ContainsAny(name, "=!~,{} \t\r\n") {
				return
			}
		}
		again, err := parseLabels(labels.String())
		if err != nil {
			t.Fatalf("%s was read as %s, which is not: %v", text, labels, err)
		}
		if got, _ := DefaultLimits().labels(again); got.String() != labels.String() {
			t.Fatalf("%s was read as %s, and that as %s", text, labels, got)
		}
	})
}

// FuzzLine reads any line.
func FuzzLine(f *testing.F) {
	f.Add(`{"level":"error","msg":"charge \"12\" \u00e9 declined","error":{"message":"x"}}`)
	f.Add("level=error service=payments version=2.0.0 panic: nil pointer in charge() currency=EUR request_id=d732c4667357")
	f.Add(`Post "https://payments:8443/charge": dial tcp: lookup payments`)
	f.Add("<11>Nov 22 15:04:05 host app: 0 errors, 1 failed")
	f.Fuzz(func(t *testing.T, text string) {
		l := lineReader{}
		l.mask.table = defaultFields
		r := l.read(&source{}, nil, text)
		template := string(r.template)
		if len(template) > MaxTemplate {
			t.Fatalf("template of %d bytes", len(template))
		}
		if again := l.read(&source{}, nil, text); string(again.template) != template {
			t.Fatalf("%q has the patterns %q and %q", text, template, again.template)
		}
	})
}

// FuzzJSONString reads strings as encoding/json does, where they are UTF-8.
func FuzzJSONString(f *testing.F) {
	f.Add(`"a \"b\" \\ \/ \b\f\n\r\t \u00e9 \ud83d\ude00 \ud83d x"`)
	f.Fuzz(func(t *testing.T, text string) {
		var want string
		if !utf8.ValidString(text) || json.Unmarshal([]byte(text), &want) != nil || !strings.HasPrefix(text, `"`) {
			return
		}
		r := jsonReader{s: text}
		if got, err := r.str(); err != nil || got != want {
			t.Fatalf("%s is read as %q, %v; want %q", text, got, err, want)
		}
	})
}
