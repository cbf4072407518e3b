package clickhouse

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

func TestSetOf(t *testing.T) {
	var many []string
	for n := range 100 {
		many = append(many, fmt.Sprintf("%02d", (n*37)%50))
	}
	got := setOf(many, asText)
	if len(got) != 32 || !slices.IsSorted(got) || got[0] != "00" || got[31] != "31" {
		t.Errorf("a set of 50: got %v, want the first 32", got)
	}
	// What is read is what the rules of merging keep.
	merged := event.Observation{Groups: many[:30]}.Merge(event.Observation{Groups: many[30:]})
	if !slices.Equal(got, merged.Groups) {
		t.Errorf("a set of 50: got %v, want as merged %v", got, merged.Groups)
	}
	if got := setOf([]uint64{}, asFingerprint); got != nil {
		t.Errorf("an empty set: got %v, want nil", got)
	}
}

func TestJoinSpans(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spans := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) minuteSpan {
			from := rapid.Int32Range(-10, 1<<27).Draw(t, "from")
			return minuteSpan{from, from + rapid.Int32Range(1, 1000).Draw(t, "length")}
		}), 1, 300).Draw(t, "spans")
		given := slices.Clone(spans)
		joined := joinSpans(spans)
		if !slices.Equal(given, spans) {
			t.Fatal("the spans that were given have changed")
		}
		if len(joined) > mostSpans {
			t.Fatalf("got %d spans, want %d at most", len(joined), mostSpans)
		}
		for i := 1; i < len(joined); i++ {
			if joined[i].from <= joined[i-1].until {
				t.Fatalf("%v and %v touch or are out of order", joined[i-1], joined[i])
			}
		}
		for _, m := range spans {
			if !slices.ContainsFunc(joined, func(j minuteSpan) bool { return j.from <= m.from && m.until <= j.until }) {
				t.Fatalf("%v is not covered", m)
			}
		}
	})
}

func TestLineLabels(t *testing.T) {
	var d lineDecoder
	for _, c := range []struct {
		stream, metadata string
		want             event.Labels
	}{
		{"", "", nil},
		{`{"a":"1"}`, "", event.Labels{"a": "1"}},
		{`{"a":"1","b":"2"}`, `{"b":"3","c":"<&>"}`, event.Labels{"a": "1", "b": "3", "c": "<&>"}},
		{"", `{"c":"4"}`, event.Labels{"c": "4"}},
		{`{"a":"1","b":"2"}`, "", event.Labels{"a": "1", "b": "2"}},
	} {
		got, err := d.labels(c.stream, c.metadata)
		if err != nil || got.String() != c.want.String() {
			t.Errorf("labels %q with %q: got %v and error %v, want %v", c.stream, c.metadata, got, err, c.want)
		}
	}
	if _, err := d.labels("{", ""); err == nil {
		t.Error("labels that are no JSON: got no error")
	}
}

// A page of lines that are long ends before the limit, and the next one goes on.
func TestLinesAreBoundedInBytes(t *testing.T) {
	s := openNew(t)
	const lines, long, budget = 30, 1000, 3500
	c := event.Chunk{ID: event.ChunkID{1}, ReceivedAt: began, Streams: []event.Stream{{Service: "a"}}}
	for n := range lines {
		text := fmt.Sprintf("%02d%s", n, strings.Repeat("x", long))
		if n == 7 {
			text += strings.Repeat("x", 2*budget) // larger than a page alone
		}
		c.Lines = append(c.Lines, event.Line{At: began.Add(time.Duration(n) * time.Second), Text: text})
	}
	mustAppend(t, s, event.Batch{Chunks: []event.Chunk{c}})
	var after *linePlace
	for n, pages := 0, 1; ; pages++ {
		r := lineReader{s: s, limit: 1000, budget: budget, from: began.UnixNano(), to: greatestTime.UnixNano(), after: after}
		if err := r.run(t.Context()); err != nil {
			t.Fatal(err)
		}
		page := r.page()
		if len(page.Lines) == 0 || len(page.Lines) > 3 {
			t.Fatalf("page %d has %d lines, want 1 to 3", pages, len(page.Lines))
		}
		for _, l := range page.Lines {
			if want := c.Lines[n].Text; l.Text != want {
				t.Fatalf("line %d: got %.10q, want %.10q", n, l.Text, want)
			}
			n++
		}
		if page.Next == "" {
			if n != lines {
				t.Errorf("got %d lines, want %d", n, lines)
			}
			return
		}
		fields, err := s.cursors().Decode(cursor.Lines, linePlaceSize, page.Next)
		if err != nil {
			t.Fatal(err)
		}
		place := decodeLinePlace(fields)
		after = &place
	}
}
