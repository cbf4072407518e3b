package kafka

import (
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/logs"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

// counted completes a chunk as the receivers do.
func counted(c event.Chunk) event.Chunk {
	logs.New(event.DefaultLabelMap(), logs.DefaultLimits()).Complete(&c)
	return c
}

// A chunk is split without losing, doubling or changing anything, into parts
// that fit.
func TestSplitsAChunk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := drawLines(t)
		size := rapid.IntRange(1500, 20_000).Draw(t, "size")
		parts, err := splitChunk(&whole, size)
		if err != nil {
			t.Fatalf("split: %v", err)
		}
		seen := map[event.ChunkID]bool{}
		lines, counts := []string{}, map[event.CountKey]int64{}
		digests := map[string]bool{}
		for i, p := range parts {
			if seen[p.ID] || (len(parts) > 1) == (p.ID == whole.ID) {
				t.Fatalf("part %d of %d has the ID %s", i, len(parts), p.ID)
			}
			seen[p.ID] = true
			if p.Road != whole.Road || !p.ReceivedAt.Equal(whole.ReceivedAt) {
				t.Fatalf("part %d came by %s at %s", i, p.Road, p.ReceivedAt)
			}
			if len(p.Lines) > 0 && len(p.Counts) == 0 {
				t.Fatalf("part %d has no counts: they would be made again", i)
			}
			lines = append(lines, linesOf(&p)...)
			for _, c := range p.Counts {
				counts[c.CountKey] += c.N
				key := fmt.Sprint(c.CountKey, c.Digest)
				if digests[key] {
					t.Fatalf("two counts of %v have one digest, so that only one would count", c.CountKey)
				}
				digests[key] = true
			}
			encoded, err := envelope.EncodeProto(event.Batch{Chunks: parts[i : i+1]})
			if err != nil {
				t.Fatalf("encode part %d: %v", i, err)
			}
			if len(encoded) > size && len(p.Lines) > 1 {
				t.Fatalf("part %d of %d takes %d bytes, more than %d", i, len(parts), len(encoded), size)
			}
		}
		want := map[event.CountKey]int64{}
		for _, c := range whole.Counts {
			want[c.CountKey] += c.N
		}
		if !maps.Equal(counts, want) {
			t.Fatalf("the counts are %v, want %v", counts, want)
		}
		wantLines := linesOf(&whole)
		slices.Sort(lines)
		slices.Sort(wantLines)
		if !slices.Equal(lines, wantLines) {
			t.Fatalf("the lines are\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(wantLines, "\n"))
		}

		// The sender's second try comes later, and is the same.
		later := whole
		later.ReceivedAt = whole.ReceivedAt.Add(83*time.Hour + 1)
		again, err := splitChunk(&later, size)
		if err != nil {
			t.Fatal(err)
		}
		for i := range again {
			again[i].ReceivedAt = whole.ReceivedAt
		}
		if !reflect.DeepEqual(again, parts) {
			t.Fatal("the same lines that came later are split otherwise")
		}
	})
}

func drawLines(t *rapid.T) event.Chunk {
	c := event.Chunk{ID: event.ChunkID{1}, ReceivedAt: noon, Road: event.RoadLoki}
	for i := range rapid.IntRange(1, 5).Draw(t, "streams") {
		c.Streams = append(c.Streams, event.Stream{
			Service: rapid.SampledFrom([]string{"payments", "checkout"}).Draw(t, "service"),
			Labels:  event.Labels{"pod": fmt.Sprintf("p%d", i), "text": strings.Repeat("x", rapid.IntRange(0, 300).Draw(t, "label"))},
		})
	}
	for range rapid.IntRange(1, 120).Draw(t, "lines") {
		c.Lines = append(c.Lines, event.Line{
			Stream: rapid.IntRange(0, len(c.Streams)-1).Draw(t, "stream"),
			At:     noon.Add(time.Duration(rapid.IntRange(-1500, 1500).Draw(t, "at")) * time.Millisecond),
			Text: rapid.SampledFrom([]string{"cannot round 0.5", "cannot round 0.7", "info: ok", "level=error no \xff\xfe rule", "\U0010ff41"}).Draw(t, "text") +
				strings.Repeat(rapid.SampledFrom([]string{" y", "\xff"}).Draw(t, "more"), rapid.IntRange(0, 200).Draw(t, "n")),
			Metadata: event.Labels{"trace": "t"},
		})
	}
	return counted(c)
}

func linesOf(c *event.Chunk) []string {
	var list []string
	for _, l := range c.Lines {
		stream := c.Streams[l.Stream]
		l.Stream = 0
		list = append(list, fmt.Sprintf("%v %v", stream, l))
	}
	return list
}

// Thousands of equal lines in one second have one count, which is divided into
// counts that all count.
func TestSplitsTheLinesOfOneCount(t *testing.T) {
	c := event.Chunk{ID: event.ChunkID{7}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}}
	for range 3000 {
		c.Lines = append(c.Lines, event.Line{At: noon, Text: "level=error cannot round 0.5: no rule"})
	}
	c = counted(c)
	if len(c.Counts) != 1 {
		t.Fatalf("%d counts, want 1", len(c.Counts))
	}
	before := c.Counts[0]
	c.Counts[0].N += 5 // of lines that are not kept
	parts, err := splitChunk(&c, 64<<10)
	if err != nil {
		t.Fatal(err)
	}
	total, digests := int64(0), map[uint64]bool{}
	for _, p := range parts {
		if len(p.Counts) != 1 {
			t.Fatalf("a part has %d counts, want 1", len(p.Counts))
		}
		n := p.Counts[0]
		total += n.N
		digests[n.Digest] = true
		if n.CountKey != before.CountKey || n.Template != before.Template || n.Sample != before.Sample || !n.First.Equal(noon) {
			t.Errorf("a part's count is %+v", n)
		}
	}
	if total != 3005 || len(parts) < 4 || len(digests) != len(parts) {
		t.Errorf("%d parts with %d digests count %d lines, want 3005", len(parts), len(digests), total)
	}
	if c.Counts[0].N != 3005 {
		t.Errorf("splitting changed the chunk: its count is %d", c.Counts[0].N)
	}
}

// What fits stays as it is.
func TestLeavesAChunkWhole(t *testing.T) {
	c := counted(event.Chunk{ID: event.ChunkID{7}, ReceivedAt: noon, Streams: []event.Stream{{}}, Lines: []event.Line{{At: noon, Text: "a"}}})
	parts, err := splitChunk(&c, partBytes)
	if err != nil || len(parts) != 1 || !reflect.DeepEqual(parts[0], c) {
		t.Errorf("got %+v and error %v", parts, err)
	}
}

// A sender's second try is the same, whatever the topic takes meanwhile; where it
// takes too little the sender is told to try again, and not split otherwise.
func TestPartsDoNotHangOnTheTopic(t *testing.T) {
	whole := event.Chunk{ID: event.ChunkID{7}, ReceivedAt: noon, Streams: []event.Stream{{Service: "payments"}}}
	for i := range 6000 {
		whole.Lines = append(whole.Lines, event.Line{At: noon.Add(time.Duration(i) * time.Millisecond), Text: fmt.Sprintf("level=error %d %x", i, noise(i, 150))})
	}
	batch := event.Batch{Chunks: []event.Chunk{counted(whole)}}
	parts := func(maxBytes int) map[event.ChunkID]int {
		records, err := encodeLines(&batch, limit{topic: "t", bytes: maxBytes - batchOverhead}, nil, noon)
		if err != nil {
			t.Fatalf("a topic that takes %d bytes: %v", maxBytes, err)
		}
		got := map[event.ChunkID]int{}
		for _, r := range records {
			if r.size()+batchOverhead > maxBytes {
				t.Errorf("a record takes %d bytes, and the topic %d", r.size(), maxBytes)
			}
			back, err := (envelope.Decoder{}).DecodeProto(r.value, noon)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range back.Chunks {
				got[c.ID] += len(c.Lines)
			}
		}
		return got
	}
	want := parts(1_048_588)
	if len(want) < 6 {
		t.Fatalf("%d parts: it proves nothing", len(want))
	}
	for _, maxBytes := range []int{leastMaxBytes, 400_000, 699_000, 10 << 20} {
		if got := parts(maxBytes); !maps.Equal(got, want) {
			t.Errorf("a topic that takes %d bytes: %d parts, others than the %d of another try", maxBytes, len(got), len(want))
		}
	}
	_, err := encodeLines(&batch, limit{topic: "t", bytes: leastMaxBytes - batchOverhead - 1}, nil, noon)
	if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "set it to 300000 or more") {
		t.Errorf("a topic that takes less: error is %v, want one that says what to set", err)
	}
}

// Facts that are not lines go in records of one size, and come back as they
// were: also bytes that are not UTF-8, and with receipts to the nanosecond.
func TestEncodesFacts(t *testing.T) {
	var batch event.Batch
	for i := range 2000 {
		at := noon.Add(time.Duration(i))
		batch.Events = append(batch.Events, event.Event{
			ID: event.NewID(at, fmt.Sprint(i)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: noon, Road: event.RoadMessages,
			Message: &event.Message{Author: "dana", Text: "\xff on it \U0010ff41" + strings.Repeat("x", 900)},
		})
	}
	batch.Asides = []event.Aside{{ID: event.NewID(noon, "a"), ReceivedAt: noon, Road: event.RoadDeploys, Reason: "r", Class: "c", Raw: []byte{0xff}}}
	records, err := encodeFacts(&batch, limit{bytes: defaultMaxBytes}, noon)
	if err != nil {
		t.Fatal(err)
	}
	if len(records) < 4 || len(records) > 6 {
		t.Errorf("%d records", len(records))
	}
	var got event.Batch
	for _, r := range records {
		if r.size() > recordBytes || r.time.Before(noon) || r.time.Sub(noon) > time.Millisecond {
			t.Errorf("a record of %d bytes has the time %s", r.size(), r.time)
		}
		back, err := (envelope.Decoder{}).DecodeProto(r.value, r.time)
		if err != nil {
			t.Fatal(err)
		}
		got.Add(back)
	}
	if !reflect.DeepEqual(got, batch) {
		t.Error("the facts came back otherwise")
	}
}

// A fact that no record can hold is refused.
func TestRefusesWhatIsTooLarge(t *testing.T) {
	most := limit{topic: "hindcast-alerts", bytes: 10_000}
	batch := event.Batch{Events: []event.Event{{
		ID: event.NewID(noon, "x"), Kind: event.KindMessage, OccurredAt: noon, ReceivedAt: noon,
		Message: &event.Message{Author: "dana", Text: strings.Repeat("x", 11_000)},
	}}}
	line := event.Batch{Chunks: []event.Chunk{counted(event.Chunk{Streams: []event.Stream{{}}, Lines: []event.Line{
		{At: noon, Text: "a"}, {At: noon, Text: strings.Repeat("x", 11_000)}, {At: noon, Text: "b"}}})}}
	_, errEvent := encodeFacts(&batch, most, noon)
	line.Chunks[0].Lines[1].Text = strings.Repeat("x", leastMaxBytes)
	_, errLine := encodeLines(&line, limit{topic: most.topic, bytes: leastMaxBytes}, nil, noon)
	for what, err := range map[string]error{"an event": errEvent, "a log line, with its labels,": errLine} {
		if want := what + " takes "; err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), `the topic "hindcast-alerts" takes records of `) {
			t.Errorf("%s: error is %v", what, err)
		}
	}
}
