package clickhouse

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// linesOver is a chunk with a line and a count every hour.
func linesOver(name string, from time.Time, hours int, text string) event.Chunk {
	id := event.NewID(from, name)
	c := event.Chunk{ID: event.ChunkID(id), ReceivedAt: from.Add(100 * time.Hour), Road: event.RoadLoki, Streams: []event.Stream{{Service: name, Labels: event.Labels{"app": name}}}}
	for i := range hours {
		at := from.Add(time.Duration(i) * time.Hour)
		line := fmt.Sprintf("%s %d", text, i)
		c.Lines = append(c.Lines, event.Line{At: at, Text: line, Metadata: event.Labels{"n": fmt.Sprint(i)}})
		c.Counts = append(c.Counts, event.Count{CountKey: event.CountKey{Service: name, Second: at.Unix()}, N: 1, First: at, Last: at, Digest: uint64(i + 1), Sample: line})
	}
	return c
}

// TestExportOfForgottenChunks exports lines and counts whose chunk's row is
// gone: they come by source and day, what was replaced does not come.
func TestExportOfForgottenChunks(t *testing.T) {
	engine := enginetest.Shared(t)
	s := openAt(t, engine, t.TempDir())
	defer s.Close()
	began := time.Date(2026, 3, 14, 20, 0, 0, 0, time.UTC)
	known, replaced := linesOver("known", began, 2, "known"), linesOver("long", began, 3, "replaced")
	long, lines := linesOver("long", began, 30, "long"), linesOver("lines", began, 2, "lines") // over three days
	lines.Counts = nil
	for _, c := range []event.Chunk{known, replaced, long, lines} {
		if err := s.Append(t.Context(), event.Batch{Chunks: []event.Chunk{c}}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.mutate(t.Context(), "ALTER TABLE chunks DELETE WHERE chunk != "+idLiteral(event.ID(known.ID))); err != nil {
		t.Fatal(err)
	}
	enough := errors.New("enough")
	texts, counts, chunks := make(map[string]int), make(map[string]int), make(map[event.ChunkID]bool)
	position := ""
	for done := false; !done; {
		err := s.Export(t.Context(), position, func(b event.Batch, next string) error {
			position = next
			for _, c := range b.Chunks {
				if chunks[c.ID] {
					t.Errorf("chunk %s comes twice", c.ID)
				}
				chunks[c.ID] = true
				for _, l := range c.Lines {
					texts[c.Streams[l.Stream].Service+": "+l.Text+" "+l.Metadata["n"]]++
				}
				for _, n := range c.Counts {
					counts[n.Sample]++
				}
				if c.ID != known.ID && len(c.Counts) > 0 && !c.ReceivedAt.Equal(long.ReceivedAt) {
					t.Errorf("chunk %s: got received at %v, want %v", c.ID, c.ReceivedAt, long.ReceivedAt)
				}
				if len(c.Counts) == 0 && !c.ReceivedAt.Equal(lines.Lines[1].At) {
					t.Errorf("chunk %s, which has no counts: got received at %v, want the time of its last line", c.ID, c.ReceivedAt)
				}
			}
			return enough
		})
		if done = err == nil; !done && !errors.Is(err, enough) {
			t.Fatalf("export: %v", err)
		}
	}
	if len(chunks) != 5 { // known, three days of long, lines
		t.Errorf("got %d chunks, want 5", len(chunks))
	}
	for _, c := range []event.Chunk{known, long, lines} {
		for i, l := range c.Lines {
			if name := fmt.Sprintf("%s: %s %d", c.Streams[0].Service, l.Text, i); texts[name] != 1 {
				t.Errorf("line %q comes %d times, want once", name, texts[name])
			}
		}
		for _, n := range c.Counts {
			if counts[n.Sample] != 1 {
				t.Errorf("count %q comes %d times, want once", n.Sample, counts[n.Sample])
			}
		}
	}
	if len(texts) != 34 || len(counts) != 32 {
		t.Errorf("got %d lines and %d counts, want 34 and 32", len(texts), len(counts))
	}
}

// Groups of chunks are bounded in rows and in time, and never empty.
func TestGroupsOfChunks(t *testing.T) {
	head := func(from, until, rows int64) chunkHead { return chunkHead{from: from, until: until, rows: rows} }
	many := make([]chunkHead, 2*groupChunks)
	for i := range many {
		many[i] = head(int64(i), int64(i)+1, 1)
	}
	for name, tc := range map[string]struct {
		heads []chunkHead
		want  int
	}{
		"one":                     {[]chunkHead{head(0, 1, 10)}, 1},
		"one that is large":       {[]chunkHead{head(0, 1, 10*groupRows), head(0, 1, 1)}, 1},
		"one that is long":        {[]chunkHead{head(0, 10*groupSpan, 1), head(1, 2, 1)}, 1},
		"a long one behind":       {[]chunkHead{head(0, 1, 1), head(1, 2, 1), head(1, 10*groupSpan, 1)}, 2},
		"as many rows as it says": {[]chunkHead{head(0, 1, groupRows/2), head(1, 2, groupRows/2), head(1, 2, 1)}, 2},
		"many":                    {many, groupChunks},
	} {
		if got := groupOf(tc.heads); got != tc.want {
			t.Errorf("%s: got a group of %d, want %d", name, got, tc.want)
		}
	}
}
