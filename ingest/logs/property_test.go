package logs

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"pgregory.net/rapid"
)

// sentLine is a line that a test pushes.
type sentLine struct {
	stream int
	ns     int64
	text   string
}

func sentLines() *rapid.Generator[[]sentLine] {
	return rapid.Custom(func(t *rapid.T) []sentLine {
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) sentLine {
			text := rapid.SampledFrom([]string{
				"level=error panic: nil pointer request_id=%d", "level=info request done status=200 duration_ms=%d",
				"level=error upstream=payments status=502 attempt=%d", "upstream ledger timeout after %dms", `{"level":"warn","msg":"slow %d","peer":"search"}`, "plain %d", "",
			}).Draw(t, "text")
			if text != "" && text[len(text)-1] != 'x' && rapid.Bool().Draw(t, "numbered") {
				text = fmt.Sprintf(text+"%.0s", rapid.IntRange(0, 3).Draw(t, "n"), 0)
			}
			return sentLine{
				stream: rapid.IntRange(0, 2).Draw(t, "stream"),
				ns:     1795360748_000000000 + rapid.Int64Range(0, 3_000_000_000).Draw(t, "ns"),
				text:   text,
			}
		}), 1, 40).Draw(t, "lines")
	})
}

// pushOf writes the lines in their order, each in a stream object of its own.
func pushOf(lines []sentLine) []byte {
	type stream struct {
		Stream event.Labels `json:"stream"`
		Values [][2]string  `json:"values"`
	}
	body := struct {
		Streams []stream `json:"streams"`
	}{}
	for _, l := range lines {
		body.Streams = append(body.Streams, stream{
			Stream: event.Labels{"service": "s" + strconv.Itoa(l.stream), "env": "prod"},
			Values: [][2]string{{strconv.FormatInt(l.ns, 10), l.text}},
		})
	}
	data, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return data
}

func countsOf(t *rapid.T, lines []sentLine) []event.Count {
	batch, err := newTestDecoder().DecodeLokiJSON(pushOf(lines), testReceived)
	if err != nil {
		t.Fatalf("decode: %v", err)
	}
	return sortedCounts(batch)
}

func TestCountsSumTheLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := sentLines().Draw(t, "lines")
		batch, err := newTestDecoder().DecodeLokiJSON(pushOf(lines), testReceived)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		chunk := batch.Chunks[0]
		var n int64
		keys := map[event.CountKey]bool{}
		for _, c := range chunk.Counts {
			n += c.N
			if keys[c.CountKey] {
				t.Fatalf("two counts with the key %+v", c.CountKey)
			}
			keys[c.CountKey] = true
			if c.First.Unix() != c.Second || c.Last.Unix() != c.Second || c.First.After(c.Last) {
				t.Fatalf("count of second %d has first %v and last %v", c.Second, c.First, c.Last)
			}
			if len(c.Template) > MaxTemplate || len(c.Sample) > event.MaxSample || len(c.Upstreams) > maxUpstreams || !slices.IsSorted(c.Upstreams) {
				t.Fatalf("count beyond its bounds: %+v", c)
			}
		}
		if n != int64(len(lines)) || len(chunk.Lines) != len(lines) {
			t.Fatalf("%d lines pushed, %d in the chunk, %d counted", len(lines), len(chunk.Lines), n)
		}
	})
}

func TestCountsDoNotDependOnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := sentLines().Draw(t, "lines")
		shuffled := rapid.Permutation(lines).Draw(t, "shuffled")
		if got, want := countsOf(t, shuffled), countsOf(t, lines); !reflect.DeepEqual(got, want) {
			t.Fatalf("in another order\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestCountsDoNotDependOnBatching(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lines := sentLines().Draw(t, "lines")
		// Each second in a push of its own, in any order.
		bySecond := map[int64][]sentLine{}
		for _, l := range rapid.Permutation(lines).Draw(t, "shuffled") {
			bySecond[l.ns/1e9] = append(bySecond[l.ns/1e9], l)
		}
		var got []event.Count
		for _, part := range bySecond {
			got = append(got, countsOf(t, part)...)
		}
		slices.SortFunc(got, func(a, b event.Count) int { return slices.Compare([]byte(countText(a)), []byte(countText(b))) })
		if want := countsOf(t, lines); !reflect.DeepEqual(got, want) {
			t.Fatalf("in other batches\n got %+v\nwant %+v", got, want)
		}
	})
}

func TestDigestTellsLinesApart(t *testing.T) {
	seen := map[uint64]string{}
	for stream := range uint64(20) {
		for sec := range int64(20) {
			for nsec := range int64(5) {
				for _, text := range []string{"", "a", "b"} {
					h := lineHash(stream, sec, nsec, text)
					what := fmt.Sprint(stream, sec, nsec, text)
					if other, ok := seen[h]; ok {
						t.Fatalf("%s and %s have one digest", what, other)
					}
					seen[h] = what
				}
			}
		}
	}
}
