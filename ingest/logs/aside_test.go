package logs

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grafana/loki/pkg/push"
	"github.com/hindcast/hindcast/ingest/event"
)

func TestBadEntriesArePutAside(t *testing.T) {
	const good = `["1795360748100624723","fine"]`
	tests := []struct {
		name, streams string
		lines         int
		asides        []string
	}{
		{"entry is null", `{"stream":{},"values":[null,` + good + `]}`, 1, []string{"bad_entry: streams[0].values[0]: want an array of time stamp and line"}},
		{"time stamp is a word", `{"stream":{},"values":[` + good + `,["now","x"]]}`, 1, []string{`bad_entry: streams[0].values[1]: the time stamp "now" is not a number of nanoseconds`}},
		{"time stamp is null", `{"stream":{},"values":[` + good + `,[null,"x"]]}`, 1, []string{"bad_entry: streams[0].values[1]: the time stamp is not a string"}},
		{"line is a number", `{"stream":{},"values":[["1",2],` + good + `]}`, 1, []string{"bad_entry: streams[0].values[0]: the line is not a string"}},
		{"line is missing", `{"stream":{},"values":[["1"],` + good + `]}`, 1, []string{"bad_entry: streams[0].values[0]: want a time stamp and a line"}},
		{"metadata is nested", `{"stream":{},"values":[["1","x",{"a":{"b":1}}],` + good + `]}`, 1, []string{`bad_entry: streams[0].values[0]: the label "a" is not a string`}},
		{"metadata is null", `{"stream":{},"values":[["1","x",null],` + good + `]}`, 2, nil},
		{"numbers are taken", `{"stream":{"shard":3,"x":null},"values":[[1795360748100624723,"x",{"n":1,"b":true}]]}`, 1, nil},
		{"stream is null", `null,{"stream":{},"values":[` + good + `]}`, 1, []string{"bad_stream: streams[0]: want an object"}},
		{"labels are nested", `{"stream":{"a":[]},"values":[` + good + `]},{"stream":{},"values":[` + good + `]}`, 1, []string{`bad_labels: streams[0].stream: the label "a" is not a string`}},
		{"labels come last", `{"values":[` + good + `],"stream":{"app":"a"},"extra":{"x":[1,{}]}}`, 1, nil},
		{"values are missing", `{"stream":{}},{"values":[` + good + `]}`, 1, []string{"bad_stream: streams[0]: values is missing"}},
		{"values are null", `{"stream":{},"values":null},{"values":[` + good + `]}`, 1, []string{"bad_stream: streams[0]: values: want an array"}},
		{"time out of range", `{"stream":{},"values":[["99999999999999999999","x"],["-1","y"],["9223372036854775807","z"]]}`, 3,
			[]string{"time_out_of_range: 3 lines had a time before 1970 or after 2199; they have the time at which they arrived"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := decodeJSON(t, `{"streams":[`+tt.streams+`]}`)
			if got := len(b.Chunks[0].Lines); got != tt.lines {
				t.Errorf("%d lines, want %d", got, tt.lines)
			}
			var asides []string
			for _, a := range b.Asides {
				asides = append(asides, a.Class+": "+a.Reason)
				if a.ID.IsZero() || a.Road != event.RoadLoki || !a.ReceivedAt.Equal(testReceived) {
					t.Errorf("aside %+v lacks ID, road or time", a)
				}
			}
			if !slices.Equal(asides, tt.asides) {
				t.Errorf("asides\n got %q\nwant %q", asides, tt.asides)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	for body, want := range map[string]string{
		``:                         "not a Loki push: want a JSON object",
		`null`:                     "not a Loki push: want a JSON object",
		`[]`:                       "not a Loki push: want a JSON object",
		`{}`:                       "streams: is missing",
		`{"streams":null}`:         "streams: want an array",
		`{"streams":[{"stream":{}`: "not valid JSON at byte 24",
		`{"streams":[]} x`:         "not valid JSON at byte 15",
		`{"streams":[{"stream":{},"values":[["now","x"]]}]}`: `streams[0].values[0]: the time stamp "now" is not a number of nanoseconds`,
		`{"x":` + strings.Repeat("[", 100) + `}`:             "nested too deeply at byte 70",
	} {
		_, err := newTestDecoder().DecodeLokiJSON([]byte(body), testReceived)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || malformed.Error() != want {
			t.Errorf("DecodeLokiJSON(%s): %v, want %s", body, err, want)
		}
	}
	good := protoOf(t, recorded(t)[0])
	for n := 1; n < len(good); n++ {
		_, err := newTestDecoder().DecodeLokiProto(good[:n], testReceived)
		var malformed *event.Malformed
		if err != nil && !errors.As(err, &malformed) {
			t.Fatalf("DecodeLokiProto of %d of %d bytes: %v, want a Malformed", n, len(good), err)
		}
	}
	batch, err := newTestDecoder().DecodeLokiJSON([]byte(`{"streams":[]}`), testReceived)
	if err != nil || len(batch.Chunks) != 0 {
		t.Errorf("an empty push gives %+v, %v", batch, err)
	}
}

func TestProtoBadStreamsArePutAside(t *testing.T) {
	at := time.Unix(1795360748, 0)
	req := push.PushRequest{Streams: []push.Stream{
		{Labels: `{a=`, Entries: []push.Entry{{Timestamp: at, Line: "x"}}},
		{Labels: `{app="a"}`, Entries: []push.Entry{{Timestamp: at, Line: "y"}, {Timestamp: time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC), Line: "z"}}},
	}}
	body, err := req.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	b, err := newTestDecoder().DecodeLokiProto(body, testReceived)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Chunks[0].Lines) != 2 || !b.Chunks[0].Lines[1].At.Equal(testReceived) {
		t.Errorf("lines %+v: want two, the second at its arrival", b.Chunks[0].Lines)
	}
	if len(b.Asides) != 2 || b.Asides[0].Class != classLabels || b.Asides[1].Class != classTime {
		t.Errorf("asides %+v", b.Asides)
	}
}

func TestLimits(t *testing.T) {
	decode := func(l Limits, body string) (event.Batch, error) {
		return New(event.DefaultLabelMap(), l).DecodeLokiJSON([]byte(body), testReceived)
	}
	for name, l := range map[string]Limits{"lines": {Lines: 2}, "streams": {Streams: 1}} {
		_, err := decode(l, `{"streams":[{"values":[["1","a"],["2","b"]]},{"values":[["3","c"]]}]}`)
		var malformed *event.Malformed
		if !errors.Is(err, ErrTooLarge) || !errors.As(err, &malformed) {
			t.Errorf("too many %s: %v, want ErrTooLarge and a Malformed", name, err)
		}
	}
	b, err := decode(Limits{LineBytes: 5, Labels: 2, LabelName: 3, LabelValue: 4}, `{"streams":[{"stream":{"a":"12345","b":"1","c":"1"},"values":[["1","abcdé"],["2","ok",{"long":"x"}]]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	c := b.Chunks[0]
	if got, want := c.Streams[0].Labels.String(), `{a="1234", b="1"}`; got != want {
		t.Errorf("labels %s, want %s", got, want)
	}
	if c.Lines[0].Text != "abcd" {
		t.Errorf("a long line became %q", c.Lines[0].Text)
	}
	var classes []string
	for _, a := range b.Asides {
		classes = append(classes, a.Class)
	}
	if want := []string{classCut, classLong, classMetadata}; !slices.Equal(classes, want) {
		t.Errorf("asides %q, want %q", classes, want)
	}

	b, err = decode(Limits{Patterns: 2}, `{"streams":[{"values":[["1","a"],["1","b"],["1","c"],["1","d"],["1","a"]]}]}`)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int64{}
	for _, c := range b.Chunks[0].Counts {
		got[c.Template] = c.N
	}
	if got["a"] != 2 || got["b"] != 1 || got[otherTemplate] != 2 {
		t.Errorf("counts %v, want a 2, b 1 and the rest %s", got, otherTemplate)
	}

	bad := strings.Repeat("null,", 5000)
	b, err = decode(Limits{}, `{"streams":[{"values":[`+bad+`["1","a"]]}]}`)
	if err != nil || len(b.Asides) != maxAsides+1 || b.Asides[maxAsides].Reason != "4900 more entries or streams of the push were put aside" {
		t.Errorf("%d asides, %v", len(b.Asides), err)
	}
}
