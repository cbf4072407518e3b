package sqlite

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func drawTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 9).Draw(t, name+" is zero") == 0 {
		return time.Time{}
	}
	return time.Unix(0, rapid.Int64Range(0, nanos(event.MaxTime)-1).Draw(t, name)).UTC()
}

func drawText(t *rapid.T, name string) string {
	return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, name))
}

func drawLabels(t *rapid.T, name string) event.Labels {
	m := rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, name)
	if len(m) == 0 {
		return nil
	}
	return m
}

func drawChunk(t *rapid.T) event.Chunk {
	var c event.Chunk
	for range rapid.IntRange(1, 3).Draw(t, "streams") {
		c.Streams = append(c.Streams, event.Stream{Service: drawText(t, "service"), Environment: drawText(t, "environment"), Labels: drawLabels(t, "labels")})
	}
	for range rapid.IntRange(0, 20).Draw(t, "lines") {
		c.Lines = append(c.Lines, event.Line{
			Stream: rapid.IntRange(0, len(c.Streams)-1).Draw(t, "stream"), At: drawTime(t, "at"), Level: event.Level(rapid.Uint8().Draw(t, "level")),
			Pattern: event.PatternID(rapid.Uint64().Draw(t, "pattern")), Version: drawText(t, "version"), Trace: drawText(t, "trace"),
			Metadata: drawLabels(t, "metadata"), Text: drawText(t, "text"),
		})
	}
	for range rapid.IntRange(0, 5).Draw(t, "counts") {
		n := event.Count{
			CountKey: event.CountKey{
				Service: drawText(t, "service"), Environment: drawText(t, "environment"), Version: drawText(t, "version"), Level: event.Level(rapid.Uint8().Draw(t, "level")),
				Pattern: event.PatternID(rapid.Uint64().Draw(t, "pattern")), Second: rapid.Int64Range(0, event.MaxTime.Unix()-1).Draw(t, "second"),
			},
			N: rapid.Int64().Draw(t, "n"), First: drawTime(t, "first"), Last: drawTime(t, "last"), Digest: rapid.Uint64().Draw(t, "digest"),
			Template: drawText(t, "template"), Sample: drawText(t, "sample"), Upstreams: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "upstreams"),
		}
		if len(n.Upstreams) == 0 {
			n.Upstreams = nil
		}
		c.Counts = append(c.Counts, n)
	}
	return c
}

func TestLinesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawChunk(t)
		order := make([]int32, len(c.Lines))
		for i := range order {
			order[i] = int32(i)
		}
		blob, err := decompress(compress(encodeLines(&c, order)), nil)
		if err != nil {
			t.Fatalf("decompress: %v", err)
		}
		n := 0
		err = eachLine(blob, func(l *encodedLine) bool {
			want := c.Lines[n]
			d := decoder{b: l.metadata}
			var metadata event.Labels
			if len(l.metadata) > 0 {
				metadata = d.labels()
			}
			got := event.Line{Stream: want.Stream, At: timeOf(l.at), Level: l.level, Pattern: l.pattern, Version: l.version, Trace: string(l.trace), Metadata: metadata, Text: string(l.text)}
			if !reflect.DeepEqual(got, want) || !reflect.DeepEqual(*l.stream, c.Streams[want.Stream]) || l.index != n {
				t.Fatalf("line %d:\n got %+v of %+v\nwant %+v of %+v", n, got, *l.stream, want, c.Streams[want.Stream])
			}
			n++
			return true
		})
		if err != nil || n != len(c.Lines) {
			t.Fatalf("got %d lines and error %v, want %d", n, err, len(c.Lines))
		}
	})
}

func TestCountsRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawChunk(t).Counts
		var got []event.Count
		if err := eachCount(encodeCounts(want), anyCount, func(c *event.Count) { got = append(got, *c) }); err != nil {
			t.Fatalf("decode: %v", err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("counts:\n got %+v\nwant %+v", got, want)
		}
	})
}

// TestDirectoryCoversAll looks up every line and count of a drawn chunk in the
// directory that was made for it.
func TestDirectoryCoversAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawChunk(t)
		pieces, err := split(&c)
		if err != nil {
			t.Fatalf("split: %v", err)
		}
		has := func(service string, sec int64, level event.Level, pattern event.PatternID) {
			for _, key := range []int64{allServices, serviceKey(service)} {
				ok := slices.ContainsFunc(pieces, func(p piece) bool {
					return slices.ContainsFunc(p.segments, func(s segment) bool {
						return s.service == key && s.from <= sec && sec <= s.to && minuteOf(s.from) == minuteOf(s.to) &&
							s.levels&levelsFrom(level) != 0 && bloomHas(s.patterns, pattern) && s.to <= p.until
					})
				})
				if !ok {
					t.Fatalf("service %q (key %d), second %d, level %d, pattern %d: not in the directory", service, key, sec, level, pattern)
				}
			}
		}
		for _, l := range c.Lines {
			has(c.Streams[l.Stream].Service, floorDiv(nanos(l.At), second), l.Level, l.Pattern)
		}
		for _, n := range c.Counts {
			has(n.Service, n.Second, n.Level, n.Pattern)
		}
	})
}

func TestBloomSparesMost(t *testing.T) {
	for _, n := range []int{1, 10, 100, 1000} {
		b := newBloom(n)
		for i := range n {
			bloomAdd(b, event.PatternID(i))
		}
		wrong := 0
		for i := range 10_000 {
			if bloomHas(b, event.PatternID(1_000_000+i)) {
				wrong++
			}
		}
		if wrong > 700 {
			t.Errorf("with %d patterns, %d of 10,000 others look as if they were there", n, wrong)
		}
	}
}

// TestLargeChunk is stored in pieces; it is replaced and read as one.
func TestLargeChunk(t *testing.T) {
	s := openTest(t, Options{})
	at := time.Date(2026, 3, 14, 9, 0, 0, 0, time.UTC)
	c := event.Chunk{ID: event.ChunkID{1}, Streams: []event.Stream{{Service: "payments"}}}
	for i := range 10_000 {
		when := at.Add(time.Duration(i*7919%10_000) * time.Millisecond)
		c.Lines = append(c.Lines, event.Line{At: when, Text: fmt.Sprint("line ", i)})
		if i%3 == 0 {
			c.Counts = append(c.Counts, event.Count{CountKey: event.CountKey{Service: "payments", Pattern: event.PatternID(i), Second: at.Unix()}, N: 1, Digest: uint64(i)})
		}
	}
	for range 2 {
		for range 2 {
			if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{c}}); err != nil {
				t.Fatal(err)
			}
		}
		var pieces int
		if err := s.row(t.Context(), "SELECT count(*) FROM pieces", nil, &pieces); err != nil || pieces < 3 || pieces > 4 {
			t.Errorf("got %d pieces and error %v, want 3 or 4", pieces, err)
		}
		page, err := s.Lines(t.Context(), storage.LineQuery{Limit: maxLines})
		if err != nil || len(page.Lines) != len(c.Lines) {
			t.Errorf("got %d lines and error %v, want %d", len(page.Lines), err, len(c.Lines))
		}
		counts, err := s.Counts(t.Context(), storage.CountQuery{})
		if err != nil || len(counts) != len(c.Counts) {
			t.Errorf("got %d counts and error %v, want %d", len(counts), err, len(c.Counts))
		}
		c.Lines, c.Counts = c.Lines[:9000], c.Counts[:3000]
	}
	c.Lines[0].Stream = 7
	if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{c}}); err == nil || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("a line of a stream that is not there: got error %v, want one that trying again does not mend", err)
	}
}

func TestPack(t *testing.T) {
	for _, want := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("long "), 1000), make([]byte, packFrom)} {
		got, err := unpack(pack(want))
		if err != nil || !bytes.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("pack of %d bytes and back: got %d and error %v", len(want), len(got), err)
		}
	}
	if _, err := unpack([]byte{9, 1, 2}); !errors.Is(err, errCorrupt) {
		t.Errorf("unpack of something else: got error %v, want %v", err, errCorrupt)
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want time.Time
	}{
		{time.Time{}, time.Time{}},
		{event.MinTime, event.MinTime},
		{event.MaxTime.Add(-1), event.MaxTime.Add(-1)},
		{time.Date(1000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, math.MinInt64+1).UTC()},
		{time.Date(9000, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, math.MaxInt64).UTC()},
	} {
		if got := timeOf(nanos(c.at)); !got.Equal(c.want) || got.IsZero() != c.want.IsZero() {
			t.Errorf("%s: got %s, want %s", c.at, got, c.want)
		}
	}
	for _, c := range []struct{ n, floor, ceil int64 }{{-1, -1, 0}, {-60, -1, -1}, {59, 0, 1}, {60, 1, 1}, {0, 0, 0}, {math.MinInt64, -153722867280912931, -153722867280912930}} {
		if floor, ceil := floorDiv(c.n, 60), ceilDiv(c.n, 60); floor != c.floor || ceil != c.ceil {
			t.Errorf("%d by 60: got %d and %d, want %d and %d", c.n, floor, ceil, c.floor, c.ceil)
		}
	}
}

// Stored blobs may be damaged: reading them gives an error and no panic.

func FuzzEachLine(f *testing.F) {
	c := event.Chunk{Streams: []event.Stream{{Service: "a", Labels: event.Labels{"b": "c"}}}, Lines: []event.Line{{Text: "x", Metadata: event.Labels{"d": "e"}, Version: "1"}, {Text: "y"}}}
	f.Add(encodeLines(&c, []int32{0, 1}))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = eachLine(b, func(l *encodedLine) bool { l.stored(); return true })
	})
}

func FuzzEachCount(f *testing.F) {
	f.Add(encodeCounts([]event.Count{{CountKey: event.CountKey{Service: "a"}, N: 1, Upstreams: []string{"b"}}}))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = eachCount(b, anyCount, func(*event.Count) {})
		_ = eachPlace(b, func(int64, int64) error { return nil })
	})
}
