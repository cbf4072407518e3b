package envelope

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

// What a backup holds comes back to the byte, also what no sender could post
// today.
func TestRestore(t *testing.T) {
	complete := Decoder{Complete: func(c *event.Chunk) { c.Counts = append(c.Counts, event.Count{N: 1}) }}
	at := received.Add(3 * time.Hour) // later than now
	id := event.NewID(at, "x")
	for name, want := range map[string]event.Batch{
		"texts that are not UTF-8": {Chunks: []event.Chunk{{
			ReceivedAt: at, Road: event.RoadLoki,
			Streams: []event.Stream{{Service: "\xfe", Labels: event.Labels{"a\xff": "b\xff", "a\xfe": "ok"}}},
			Lines:   []event.Line{{At: at, Text: "a\xffb\U0010ff41\uFFFD", Metadata: event.Labels{"": "\x80"}}},
			Counts:  []event.Count{{N: 1, First: at, Last: at, Sample: "\xff", Upstreams: []string{"db", "\xff"}}},
		}}},
		"lines whose counts are gone": {Chunks: []event.Chunk{{ReceivedAt: at, Road: event.RoadLoki, Streams: []event.Stream{{}}, Lines: []event.Line{{At: at, Text: "x"}}}}},
		"no receipt":                  {Asides: []event.Aside{{ID: id, Road: event.RoadGitHub}}},
		"a payload that is no JSON": {
			Events:       []event.Event{{ID: id, Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at, Road: event.RoadMessages, Message: &event.Message{}, Raw: []byte("\xff no JSON")}},
			Observations: []event.Observation{{Fingerprint: event.Labels{}.Fingerprint(), StartsAt: at, FirstReceivedAt: at, LastReceivedAt: at, Raw: []byte("<xml/>")}},
		},
		"words and times that nobody knows": {Events: []event.Event{
			{ID: id, Kind: event.KindChange, OccurredAt: event.MaxTime.AddDate(1, 0, 0), ReceivedAt: at, Road: "carrier pigeon", Change: &event.Change{Kind: "prayer", Status: ""}},
			{ID: id, Kind: event.KindSilence, OccurredAt: at, ReceivedAt: at, Road: "r", Silence: &event.Silence{Action: "sung", MatcherSets: [][]event.Matcher{{{Op: ""}, {Op: "~"}}}}},
		}},
	} {
		body, err := EncodeJSON(want)
		if err != nil {
			t.Errorf("%s: encode: %v", name, err)
			continue
		}
		var got event.Batch
		for line := range bytes.Lines(body) {
			b, err := complete.Restore(line, received)
			if err != nil {
				t.Errorf("%s: restore: %v\n%s", name, err, line)
			}
			got.Add(b)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", name, got, want)
		}
	}
}

func TestRestoreOfAProducersEnvelope(t *testing.T) {
	complete := Decoder{Complete: func(c *event.Chunk) { c.Counts = append(c.Counts, event.Count{N: 1}) }}
	b, err := complete.Restore([]byte(`{"service": "payments", "log_lines": {"lines": [{"text": "x"}]}}`), received)
	if err != nil || len(b.Chunks) != 1 || len(b.Chunks[0].Counts) != 1 || !b.Chunks[0].ReceivedAt.Equal(received) {
		t.Errorf("got %+v, error %v, want a chunk that was completed and received now", b, err)
	}
	for _, line := range []string{`{"change": {}}`, `{"a": `, `[]`, ``, `{"id": "short", "message": {}}`, `{"id": "00000000000000000000000000"}`} {
		_, err := complete.Restore([]byte(line), received)
		var wrong *event.Malformed
		if !errors.As(err, &wrong) {
			t.Errorf("%s: got error %v, want a *event.Malformed", line, err)
		}
	}
}

func TestEncodeRefusesAnEventWithoutAFact(t *testing.T) {
	b := event.Batch{Events: []event.Event{{ID: event.NewID(received, "x"), Kind: "odd", OccurredAt: received}}}
	for name, encode := range map[string]func(event.Batch) ([]byte, error){"JSON": EncodeJSON, "protobuf": EncodeProto} {
		if _, err := encode(b); err == nil || !strings.Contains(err.Error(), b.Events[0].ID.String()) {
			t.Errorf("%s: got error %v, want one that names the event", name, err)
		}
	}
}

func TestEscape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.Map(rapid.Int32Range(0xff00, 0xffff), func(n int32) string { return "x" + string(0x100000+n) })).Draw(t, "text")
		both := event.Batch{Chunks: []event.Chunk{{ReceivedAt: received, Road: "r", Streams: []event.Stream{{}}, Lines: []event.Line{{At: received, Text: want}}}}}
		body, err := EncodeProto(both)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decoder{}.DecodeProto(body, received)
		if err != nil || !reflect.DeepEqual(got, both) {
			t.Fatalf("by protobuf: got %+v, error %v, want %+v", got, err, both)
		}
	})
}

// Whatever a line says that is restored, it is written and restored as the same.
func FuzzRestore(f *testing.F) {
	for _, example := range examples(f) {
		f.Add([]byte(example))
		b, err := Decoder{}.DecodeJSON([]byte(example), received)
		if err != nil {
			f.Fatal(err)
		}
		line, err := EncodeJSON(b)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(line)
	}
	f.Add([]byte(`{"id":"00000000000000000000000000000000","escaped":true,"log_lines":{"streams":[{}],"lines":[{"text":"a\udbff\udfffb"}]}}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		b, err := Decoder{}.Restore(line, received)
		if err != nil {
			return
		}
		written, err := EncodeJSON(b)
		if err != nil {
			t.Skip() // a time beyond the year 9999, which JSON cannot say
		}
		again, err := Decoder{}.Restore(written, received)
		if err != nil {
			t.Fatalf("restore %s: %v", written, err)
		}
		twice, err := EncodeJSON(again)
		if err != nil || !bytes.Equal(twice, written) {
			t.Fatalf("error %v\n%s\n%s", err, written, twice)
		}
	})
}
