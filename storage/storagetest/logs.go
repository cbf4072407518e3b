package storagetest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func countsOf(t *testing.T, s storage.Store, q storage.CountQuery) []event.Count {
	t.Helper()
	return must[[]event.Count](t, "counts")(s.Counts(t.Context(), q))
}

func total(counts []event.Count) (n int64) {
	for _, c := range counts {
		n += c.N
	}
	return n
}

// wholeStart is the start of a second.
var wholeStart = start.Truncate(time.Second)

func testCounts(t *testing.T, open Open) {
	s := openStore(t, open)
	// 200 seconds, two services, six levels, one of each a second.
	c := chunk("a", wholeStart, 200, "payments", "checkout")
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{c}})
	sec := func(n int) time.Time { return wholeStart.Add(time.Duration(n) * time.Second) }
	for _, q := range []struct {
		name  string
		query storage.CountQuery
		want  int64
	}{
		{"all", storage.CountQuery{}, 2400},
		{"a window", storage.CountQuery{From: sec(10), To: sec(20)}, 120},
		{"a window over minutes", storage.CountQuery{From: sec(3), To: sec(173)}, 170 * 12},
		{"a service", storage.CountQuery{From: sec(10), To: sec(20), Services: []string{"payments"}}, 60},
		{"both services", storage.CountQuery{From: sec(10), To: sec(20), Services: []string{"payments", "checkout", "payments"}}, 120},
		{"an unknown service", storage.CountQuery{Services: []string{"nobody"}}, 0},
		{"a level", storage.CountQuery{From: sec(10), To: sec(20), MinLevel: event.LevelError}, 40},
		{"warn", storage.CountQuery{From: sec(10), To: sec(20), MinLevel: event.LevelWarn}, 60},
		{"debug", storage.CountQuery{From: sec(10), To: sec(20), MinLevel: event.LevelDebug}, 100},
		{"a second", storage.CountQuery{From: sec(10), To: sec(11)}, 12},
		{"before", storage.CountQuery{To: sec(0)}, 0},
		{"after", storage.CountQuery{From: sec(200)}, 0},
		{"nothing", storage.CountQuery{From: sec(10), To: sec(10)}, 0},
	} {
		if got := total(countsOf(t, s, q.query)); got != q.want {
			t.Errorf("counts of %s: got %d lines, want %d", q.name, got, q.want)
		}
	}
	for _, got := range countsOf(t, s, storage.CountQuery{From: sec(10), To: sec(11)}) {
		i := slices.IndexFunc(c.Counts, func(w event.Count) bool { return w.CountKey == got.CountKey })
		if i < 0 {
			t.Fatalf("count %+v was never appended", got.CountKey)
		}
		same(t, "count", got, c.Counts[i])
	}

	// The same lines in another chunk count once; other lines of the same key
	// count beside them.
	twin := chunk("twin", wholeStart, 200, "payments", "checkout")
	for i := range twin.Counts {
		if twin.Counts[i].Second == sec(15).Unix() {
			twin.Counts[i].Digest++
		}
	}
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{twin}})
	if got := total(countsOf(t, s, storage.CountQuery{From: sec(10), To: sec(20)})); got != 132 {
		t.Errorf("counts with a twin: got %d lines, want 132", got)
	}

	// A chunk replaces the one with its ID, whatever it held.
	smaller := chunk("a", wholeStart, 12, "payments")
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{smaller}})
	twin.Lines, twin.Counts = nil, nil
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{twin}})
	if got := total(countsOf(t, s, storage.CountQuery{})); got != 72 {
		t.Errorf("counts after both chunks were replaced: got %d lines, want 72", got)
	}
	lines := must[storage.LinePage](t, "lines")(s.Lines(t.Context(), storage.LineQuery{Limit: 1000}))
	if len(lines.Lines) != 72 {
		t.Errorf("got %d lines after both chunks were replaced, want 72", len(lines.Lines))
	}
}

func testLogFacts(t *testing.T, open Open) {
	s := openStore(t, open)
	a, b := chunk("a", wholeStart, 3, "payments"), chunk("b", wholeStart, 3, "payments")
	b.ReceivedAt = a.ReceivedAt.Add(-time.Second)
	key := a.Counts[10].CountKey
	for i := range b.Counts {
		if n := &b.Counts[i]; n.CountKey == key {
			n.Digest, n.N = n.Digest+1, 5
			n.First, n.Last, n.Sample = n.First.Add(-time.Millisecond), n.Last.Add(time.Millisecond), "the first line \xff"
		}
	}
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{a}})
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{b, chunk("c", wholeStart, 3, "checkout")}})
	f := must[storage.Fact](t, "fact")(s.Fact(t.Context(), key.ID()))
	if f.Log == nil || f.Event != nil || f.Observation != nil {
		t.Fatalf("fact %s: got %+v, want a log fact alone", key.ID(), f)
	}
	want := storage.LogFact{
		CountKey: key, N: 6, First: a.Counts[10].First.Add(-time.Millisecond), Last: a.Counts[10].Last.Add(time.Millisecond),
		ReceivedAt: b.ReceivedAt, Template: a.Counts[10].Template, Sample: "the first line \xff",
	}
	same(t, "log fact", f.Log, want)
	if f.Log.Sample != want.Sample {
		t.Errorf("sample: got %q, want %q", f.Log.Sample, want.Sample)
	}
	other := a.Counts[9].CountKey
	if f := must[storage.Fact](t, "fact")(s.Fact(t.Context(), other.ID())); f.Log == nil || f.Log.N != 1 {
		t.Errorf("log fact of lines that came twice: got %+v, want one line", f.Log)
	}
	key.Pattern++
	_, err := s.Fact(t.Context(), key.ID())
	wantErr(t, "log fact that nobody saw", err, storage.ErrNotFound)
}

// allLines pages through a query.
func allLines(t *testing.T, s storage.Store, q storage.LineQuery) []storage.StoredLine {
	t.Helper()
	var all []storage.StoredLine
	for {
		page := must[storage.LinePage](t, "lines")(s.Lines(t.Context(), q))
		all = append(all, page.Lines...)
		if page.Next == "" {
			return all
		}
		if len(page.Lines) == 0 || len(page.Lines) > max(q.Limit, 100) {
			t.Fatalf("lines: a page of %d lines that is not the last one", len(page.Lines))
		}
		q.Cursor = page.Next
	}
}

func testLines(t *testing.T, open Open) {
	s := openStore(t, open)
	c := chunk("a", at(0), 150, "payments", "checkout")
	long := strings.Repeat("64 KB of a line ", 4096)
	c.Lines = append(c.Lines,
		event.Line{Stream: 0, At: at(time.Hour), Text: long},
		event.Line{Stream: 1, At: at(time.Hour + 1), Text: "not \xff\xfe UTF-8 \x00"},
		event.Line{Stream: 1, At: event.MinTime, Text: ""},
		event.Line{Stream: 1, At: event.MaxTime.Add(-1), Text: "the last", Metadata: event.Labels{"app": "from the metadata"}},
	)
	appendBatch(t, s, event.Batch{Chunks: []event.Chunk{c}})
	var want []storage.StoredLine
	for _, l := range c.Lines {
		labels := event.Labels{}
		for k, v := range c.Streams[l.Stream].Labels {
			labels[k] = v
		}
		for k, v := range l.Metadata {
			labels[k] = v
		}
		want = append(want, storage.StoredLine{
			At: l.At, Service: c.Streams[l.Stream].Service, Environment: "prod", Level: l.Level, Pattern: l.Pattern,
			Version: l.Version, Trace: l.Trace, Labels: labels, Text: l.Text,
		})
	}
	slices.SortStableFunc(want, func(a, b storage.StoredLine) int { return a.At.Compare(b.At) })

	for _, q := range []struct {
		name  string
		query storage.LineQuery
		keep  func(storage.StoredLine) bool
	}{
		{"all", storage.LineQuery{}, func(storage.StoredLine) bool { return true }},
		{"a service", storage.LineQuery{Service: "payments"}, func(l storage.StoredLine) bool { return l.Service == "payments" }},
		{"an unknown service", storage.LineQuery{Service: "nobody"}, func(storage.StoredLine) bool { return false }},
		{"a time", storage.LineQuery{From: at(50 * time.Second), To: at(80 * time.Second)}, func(l storage.StoredLine) bool {
			return !l.At.Before(at(50*time.Second)) && l.At.Before(at(80*time.Second))
		}},
		{"a nanosecond", storage.LineQuery{From: at(time.Hour), To: at(time.Hour + 1)}, func(l storage.StoredLine) bool { return l.Text == long }},
		{"a pattern", storage.LineQuery{Pattern: event.PatternID(uint64(event.LevelError) << 32)}, func(l storage.StoredLine) bool {
			return l.Pattern == event.PatternID(uint64(event.LevelError)<<32)
		}},
		{"a level", storage.LineQuery{MinLevel: event.LevelError, Service: "checkout"}, func(l storage.StoredLine) bool {
			return l.Level >= event.LevelError && l.Service == "checkout"
		}},
		{"a word", storage.LineQuery{Contains: "second 77"}, func(l storage.StoredLine) bool { return strings.Contains(l.Text, "second 77") }},
		{"bytes", storage.LineQuery{Contains: "\xff"}, func(l storage.StoredLine) bool { return strings.Contains(l.Text, "\xff") }},
	} {
		var expected []storage.StoredLine
		for _, l := range want {
			if q.keep(l) {
				expected = append(expected, l)
			}
		}
		for _, limit := range []int{0, 17, 5000} {
			q.query.Limit = limit
			got := allLines(t, s, q.query)
			if len(got) != len(expected) {
				t.Errorf("lines of %s by %d: got %d, want %d", q.name, limit, len(got), len(expected))
				continue
			}
			sameLines(t, fmt.Sprintf("lines of %s by %d", q.name, limit), got, expected)
		}
	}
	for _, bad := range []string{"x", "AAAA", "ÿ"} {
		_, err := s.Lines(t.Context(), storage.LineQuery{Cursor: bad})
		wantErr(t, "lines with cursor "+bad, err, storage.ErrBadCursor)
	}
}

// sameLines compares lines at equal times without regard to their order.
func sameLines(t *testing.T, what string, got, want []storage.StoredLine) {
	t.Helper()
	order := func(a, b storage.StoredLine) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.Text, b.Text)
	}
	if !slices.IsSortedFunc(got, func(a, b storage.StoredLine) int { return a.At.Compare(b.At) }) {
		t.Errorf("%s are not in ascending order of time", what)
	}
	got, want = slices.Clone(got), slices.Clone(want)
	slices.SortStableFunc(got, order)
	slices.SortStableFunc(want, order)
	for i := range want {
		if got[i].Text != want[i].Text {
			t.Errorf("%s: line %d: got %.80q, want %.80q", what, i, got[i].Text, want[i].Text)
			return
		}
		if g, w := asJSON(t, got[i]), asJSON(t, want[i]); g != w {
			t.Errorf("%s: line %d:\n got %.300s\nwant %.300s", what, i, g, w)
			return
		}
	}
}

// testLinePages pages over many chunks that overlap, some of them at one and
// the same instant, while more arrive.
func testLinePages(t *testing.T, open Open) {
	s := openStore(t, open)
	want := make(map[string]bool)
	var b event.Batch
	for i := range 30 {
		c := chunk(fmt.Sprint("pages", i), at(time.Duration(i%10)*7*time.Second), 20, "payments")
		for j := range c.Lines {
			c.Lines[j].Text += fmt.Sprintf(" in chunk %d", i)
			if j%5 == 0 {
				c.Lines[j].At = at(30 * time.Second)
			}
			want[c.Lines[j].Text] = true
		}
		b.Chunks = append(b.Chunks, c)
	}
	appendBatch(t, s, b)
	seen := make(map[string]int)
	q := storage.LineQuery{Service: "payments", Limit: 61}
	var last time.Time
	for i := 0; ; i++ {
		page := must[storage.LinePage](t, "lines")(s.Lines(t.Context(), q))
		for _, l := range page.Lines {
			if l.At.Before(last) {
				t.Fatalf("a line at %s comes behind one at %s", l.At, last)
			}
			last = l.At
			seen[l.Text]++
		}
		if page.Next == "" {
			break
		}
		q.Cursor = page.Next
		if i%10 == 0 {
			appendBatch(t, s, event.Batch{Chunks: []event.Chunk{chunk(fmt.Sprint("more", i), at(-time.Hour), 5, "payments")}})
		}
	}
	for text := range want {
		if seen[text] != 1 {
			t.Fatalf("line %q was shown %d times, want once", text, seen[text])
		}
	}
	if len(seen) != len(want) {
		t.Errorf("got %d lines, want %d", len(seen), len(want))
	}
}
