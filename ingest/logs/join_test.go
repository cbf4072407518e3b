package logs

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"pgregory.net/rapid"
)

// chunksOf decodes the lines in pushes of some at a time.
func chunksOf(t *rapid.T, d *Decoder, lines []sentLine) []event.Chunk {
	var chunks []event.Chunk
	for rest := lines; len(rest) > 0; {
		n := rapid.IntRange(1, len(rest)).Draw(t, "at a time")
		batch, err := d.DecodeLokiJSON(pushOf(rest[:n]), testReceived)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		chunks, rest = append(chunks, batch.Chunks...), rest[n:]
	}
	return chunks
}

func TestJoiningEqualsDecodingTogether(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Pushes that keep to the limit of patterns, also where all of them are
		// beyond it.
		d := New(event.DefaultLabelMap(), Limits{Patterns: rapid.IntRange(1, 8).Draw(t, "patterns")})
		lines := sentLines().Draw(t, "lines")
		together, err := d.DecodeLokiJSON(pushOf(lines), testReceived)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		chunks := chunksOf(t, d, lines)
		for _, c := range chunks {
			if slices.ContainsFunc(c.Counts, func(c event.Count) bool { return c.Template == otherTemplate }) {
				return
			}
		}
		got, want := d.Join(chunks), together.Chunks[0]

		if !reflect.DeepEqual(got.Counts, want.Counts) {
			t.Errorf("counts of the joined chunk:\n%+v\nof one push:\n%+v", got.Counts, want.Counts)
		}
		if len(got.Lines) != len(want.Lines) {
			t.Fatalf("%d lines, want %d", len(got.Lines), len(want.Lines))
		}
		for i, l := range got.Lines {
			of, wantOf := got.Streams[l.Stream], want.Streams[want.Lines[i].Stream]
			if !reflect.DeepEqual(of, wantOf) {
				t.Errorf("line %d is of the stream %+v, want %+v", i, of, wantOf)
			}
			l.Stream = want.Lines[i].Stream
			if !reflect.DeepEqual(l, want.Lines[i]) {
				t.Errorf("line %d is\n%+v, want\n%+v", i, l, want.Lines[i])
			}
		}
		for i, s := range got.Streams {
			for j, other := range got.Streams[:i] {
				if s.Service == other.Service && s.Environment == other.Environment && maps.Equal(s.Labels, other.Labels) {
					t.Errorf("the streams %d and %d are equal: %+v", j, i, s)
				}
			}
		}
	})
}

func TestJoinKeepsTheLimitOfPatterns(t *testing.T) {
	d := New(event.DefaultLabelMap(), Limits{Patterns: 3})
	var chunks []event.Chunk
	for i := range 5 {
		line := func(n int) string { return "kind " + strings.Repeat("x", n+1) }
		batch, err := d.DecodeLokiJSON(pushOf([]sentLine{{ns: 1, text: line(i)}, {ns: 2, text: line(0)}, {ns: 3, text: otherTemplate}}), testReceived)
		if err != nil {
			t.Fatal(err)
		}
		chunks = append(chunks, batch.Chunks...)
	}
	c := d.Join(chunks)
	n := map[string]int64{}
	told := map[event.PatternID]bool{}
	for _, count := range c.Counts {
		n[count.Template] += count.N
		told[count.Pattern] = true
	}
	// The line that is "<other>" by itself is one of three; three more lines are
	// beyond.
	if want := map[string]int64{"kind x": 6, otherTemplate: 5 + 3, "kind xx": 1}; !maps.Equal(n, want) {
		t.Errorf("lines by pattern are %v, want %v", n, want)
	}
	for i, l := range c.Lines {
		if !told[l.Pattern] {
			t.Errorf("line %d has the pattern %s, which no count has", i, l.Pattern)
		}
	}
	if keys := map[event.CountKey]bool{}; len(c.Counts) > 0 {
		for _, count := range c.Counts {
			if keys[count.CountKey] {
				t.Errorf("two counts have the key %+v", count.CountKey)
			}
			keys[count.CountKey] = true
		}
	}
}

func TestJoinOfNothing(t *testing.T) {
	if c := newTestDecoder().Join(nil); !reflect.DeepEqual(c, event.Chunk{}) {
		t.Errorf("no chunks make %+v", c)
	}
}

func TestDefaults(t *testing.T) {
	d := newTestDecoder().WithDefaults(event.Labels{"service": "payments", "env": "prod", "version": "v7", "level": "warn", "cluster": "eu-1", "zone": ""})
	for _, tc := range []struct {
		name, stream, line string
		service, env       string
		version            string
		level              event.Level
		labels             event.Labels
	}{
		{"nothing is said", `{}`, `hello`, "payments", "prod", "v7", event.LevelWarn, event.Labels{"cluster": "eu-1"}},
		{"the stream says it", `{"app":"cart","stage":"dev","cluster":"us-1","version":"v1","severity":"error"}`, `hello`, "cart", "dev", "v1", event.LevelError,
			event.Labels{"app": "cart", "stage": "dev", "cluster": "us-1", "version": "v1", "severity": "error"}},
		{"the line says it", `{"cluster":""}`, `{\"service\":\"cart\",\"env\":\"dev\",\"version\":\"v2\",\"level\":\"info\",\"msg\":\"hello\"}`,
			"cart", "dev", "v2", event.LevelInfo, event.Labels{"cluster": "eu-1"}},
	} {
		batch, err := d.DecodeLokiJSON(fmt.Appendf(nil, `{"streams":[{"stream":%s,"values":[["1795360748000000000","%s"]]}]}`, tc.stream, tc.line), testReceived)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		c := batch.Chunks[0]
		s, l, n := c.Streams[c.Lines[0].Stream], c.Lines[0], c.Counts[0]
		if s.Service != tc.service || s.Environment != tc.env || !maps.Equal(s.Labels, tc.labels) {
			t.Errorf("%s: the stream is %+v, want %s, %s and %v", tc.name, s, tc.service, tc.env, tc.labels)
		}
		if l.Version != tc.version || l.Level != tc.level {
			t.Errorf("%s: version %q and level %s, want %q and %s", tc.name, l.Version, l.Level, tc.version, tc.level)
		}
		if n.Service != tc.service || n.Environment != tc.env || n.Version != tc.version || n.Level != tc.level {
			t.Errorf("%s: counted as %+v", tc.name, n.CountKey)
		}
	}

	chunk := event.Chunk{Streams: []event.Stream{{}}, Lines: []event.Line{{Text: "calling payments and ledger failed"}}}
	d.Complete(&chunk)
	if got := chunk.Streams[chunk.Lines[0].Stream]; got.Service != "payments" || got.Environment != "prod" || got.Labels["cluster"] != "eu-1" {
		t.Errorf("a completed chunk has the stream %+v", got)
	}
	if newTestDecoder().WithDefaults(nil).defaults.service != "" {
		t.Error("no defaults are some")
	}
}

func BenchmarkJoin(b *testing.B) {
	d := newTestDecoder()
	body := benchPush(b, 1000)
	b.ReportAllocs()
	lines := 0
	for b.Loop() {
		b.StopTimer()
		var chunks []event.Chunk
		for range 16 {
			batch, err := d.DecodeLokiProto(body, testReceived)
			if err != nil {
				b.Fatal(err)
			}
			chunks = append(chunks, batch.Chunks...)
		}
		b.StartTimer()
		lines += len(d.Join(chunks).Lines)
	}
	b.ReportMetric(float64(lines)/b.Elapsed().Seconds(), "lines/s")
}
