package logs

import (
	"reflect"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestCompleteSaysWhatAPushSays(t *testing.T) {
	for _, body := range recorded(t) {
		want := decodeJSON(t, string(body)).Chunks[0]
		got := want
		got.Counts, got.Lines = nil, nil
		for _, l := range want.Lines {
			l.Level, l.Version, l.Trace, l.Pattern = event.LevelUnknown, "", "", 0
			got.Lines = append(got.Lines, l)
		}
		newTestDecoder().Complete(&got)
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("of the lines of a push:\n got %+v\nwant %+v", got, want)
		}
	}
}

func TestCompleteKeepsTheProducersWord(t *testing.T) {
	at := time.Date(2026, 3, 14, 9, 26, 53, 5e8, time.UTC)
	c := event.Chunk{
		Streams: []event.Stream{{Service: "payments", Labels: event.Labels{"app": "other", "env": "prod"}}, {}},
		Lines: []event.Line{
			{At: at, Level: event.LevelWarn, Pattern: 7, Version: "9", Trace: "mine", Text: "level=error version=1.2 trace_id=0af7651916cd43dd panic 1"},
			{At: at, Pattern: 7, Text: "level=error version=1.2 trace_id=0af7651916cd43dd panic 2"},
			{At: at, Stream: 1, Metadata: event.Labels{"level": "fatal"}, Text: "service=gateway gone"},
			{At: at, Stream: 1, Text: "nobody says whose"},
		},
	}
	newTestDecoder().Complete(&c)
	gone, whose := Mask("service=gateway gone"), Mask("nobody says whose")
	wantStreams := []event.Stream{
		{Service: "payments", Environment: "prod", Labels: event.Labels{"app": "other", "env": "prod"}}, {}, {Service: "gateway"},
	}
	if !reflect.DeepEqual(c.Streams, wantStreams) {
		t.Errorf("streams:\n got %+v\nwant %+v", c.Streams, wantStreams)
	}
	wantLines := []event.Line{
		{At: at, Level: event.LevelWarn, Pattern: 7, Version: "9", Trace: "mine", Text: c.Lines[0].Text},
		{At: at, Level: event.LevelError, Pattern: 7, Version: "1.2", Trace: "0af7651916cd43dd", Text: c.Lines[1].Text},
		{At: at, Stream: 2, Level: event.LevelFatal, Pattern: patternID(gone), Metadata: event.Labels{"level": "fatal"}, Text: "service=gateway gone"},
		{At: at, Stream: 1, Pattern: patternID(whose), Text: "nobody says whose"},
	}
	if !reflect.DeepEqual(c.Lines, wantLines) {
		t.Errorf("lines:\n got %+v\nwant %+v", c.Lines, wantLines)
	}
	var got []event.CountKey
	for _, n := range c.Counts {
		if n.N != 1 || n.Digest == 0 || n.Template == "" || n.Sample == "" || !n.First.Equal(at) || !n.Last.Equal(at) {
			t.Errorf("count %+v", n)
		}
		got = append(got, n.CountKey)
	}
	second := at.Unix()
	want := []event.CountKey{
		{Service: "payments", Environment: "prod", Version: "9", Level: event.LevelWarn, Pattern: 7, Second: second},
		{Service: "payments", Environment: "prod", Version: "1.2", Level: event.LevelError, Pattern: 7, Second: second},
		{Service: "gateway", Level: event.LevelFatal, Pattern: patternID(gone), Second: second},
		{Pattern: patternID(whose), Second: second},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("counts:\n got %+v\nwant %+v", got, want)
	}
}

func TestCompleteIsBounded(t *testing.T) {
	d := New(event.DefaultLabelMap(), Limits{LineBytes: 10, Patterns: 2})
	c := event.Chunk{Streams: []event.Stream{{Service: "payments"}}}
	for i, text := range []string{"alpha is a long line", "beta", "gamma", "delta", "epsilon"} {
		c.Lines = append(c.Lines, event.Line{At: testReceived, Text: text})
		if i == 3 {
			c.Lines[i].Pattern = 4711
		}
	}
	d.Complete(&c)
	if got, want := c.Lines[0].Text, "alpha is a"; got != want {
		t.Errorf("a long line is %q, want %q", got, want)
	}
	if len(c.Counts) != 3 || c.Counts[2].Template != otherTemplate || c.Counts[2].N != 3 {
		t.Errorf("counts of five patterns where two are allowed: %+v", c.Counts)
	}
	for _, l := range c.Lines[2:] {
		if l.Pattern != patternID(otherTemplate) {
			t.Errorf("%q has the pattern %s, want that of %s", l.Text, l.Pattern, otherTemplate)
		}
	}
}
