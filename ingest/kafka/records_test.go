package kafka

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

var testRecorded = time.Date(2026, 2, 3, 4, 5, 6, 789e6, time.UTC)

func decodingOf(t testing.TB, format string) Decoding {
	t.Helper()
	f, ok := ingest.DefaultFormats(ingest.FormatOptions{Labels: event.DefaultLabelMap(), Limits: ingest.DefaultLimits()}).Named(format)
	if !ok {
		t.Fatalf("there is no format %s", format)
	}
	return Decoding{Format: f}
}

// recordsOf makes records of bodies, from an offset on, a second apart.
func recordsOf(first int64, bodies ...string) []delivery.Record {
	records := make([]delivery.Record, len(bodies))
	for i, body := range bodies {
		records[i] = delivery.Record{Offset: first + int64(i), Time: testRecorded.Add(time.Duration(i) * time.Second), Value: []byte(body)}
	}
	return records
}

func lokiBody(service string, lines ...string) string {
	values := make([][2]string, len(lines))
	for i, l := range lines {
		values[i] = [2]string{strconv.FormatInt(testRecorded.UnixNano()+int64(i), 10), l}
	}
	body, err := json.Marshal(map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"service": service}, "values": values}}})
	if err != nil {
		panic(err)
	}
	return string(body)
}

func TestDecodeFacts(t *testing.T) {
	d := decodingOf(t, "deploys")
	batch, dead := d.Decode(recordsOf(10,
		`{"at":"2026-02-03T04:00:00Z","service":"payments","version":"1"}`,
		`{"at":"2026-02-03T04:01:00Z","version":"2"}`,
		``,
		`[{"at":"2026-02-03T04:02:00Z","service":"payments","version":"3"},{"version":"x"}]`,
		`no JSON`,
		`{"at":"2026-02-03T04:03:00Z","service":"payments","version":"4"}`,
	))
	var versions []string
	for _, e := range batch.Events {
		versions = append(versions, e.Change.Version)
	}
	if want := []string{"1", "3", "4"}; !reflect.DeepEqual(versions, want) {
		t.Errorf("versions %v, want %v", versions, want)
	}
	if got, want := batch.Events[1].ReceivedAt, testRecorded.Add(3*time.Second); !got.Equal(want) {
		t.Errorf("received at %s, want the record's time %s", got, want)
	}
	if len(batch.Asides) != 1 {
		t.Errorf("asides %+v, want the bad entry beside the good one", batch.Asides)
	}
	var offsets []int64
	for _, l := range dead {
		offsets = append(offsets, l.Offset+l.Record.Offset)
		if l.Error == "" || l.Record.Time.IsZero() {
			t.Errorf("dead letter without error or record: %+v", l)
		}
	}
	if want := []int64{11, 12, 14}; !reflect.DeepEqual(offsets, want) {
		t.Errorf("dead letters of the offsets %v, want %v", offsets, want)
	}
}

// Logs in pushes of any size make the chunk that one push of all lines makes.
func TestJoiningRecordsEqualsOneRecord(t *testing.T) {
	d := decodingOf(t, "loki-json")
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 9), func(n int) string {
			return fmt.Sprintf("level=error msg=\"%s failed\" n=%d", strings.Repeat("x", 1+n%3), n)
		}), 1, 20).Draw(t, "lines")
		var bodies []string
		for rest := lines; len(rest) > 0; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "in a record")
			bodies, rest = append(bodies, lokiBody("payments", rest[:n]...)), rest[n:]
			if rapid.Bool().Draw(t, "a bad one between") {
				bodies = append(bodies, "no JSON")
			}
		}
		batch, _ := d.Decode(recordsOf(100, bodies...))
		if len(batch.Chunks) != 1 {
			t.Fatalf("%d chunks, want 1", len(batch.Chunks))
		}
		chunk := batch.Chunks[0]
		var texts []string
		for _, l := range chunk.Lines {
			texts = append(texts, l.Text)
		}
		if !reflect.DeepEqual(texts, lines) {
			t.Errorf("lines %q, want %q", texts, lines)
		}
		if len(chunk.Streams) != 1 {
			t.Errorf("streams %+v, want one", chunk.Streams)
		}
		var n int64
		for _, c := range chunk.Counts {
			n += c.N
		}
		if n != int64(len(lines)) {
			t.Errorf("%d lines are counted, want %d", n, len(lines))
		}
		if !chunk.ReceivedAt.Equal(testRecorded) {
			t.Errorf("received at %s, want the first record's time", chunk.ReceivedAt)
		}
		again, _ := d.Decode(recordsOf(100, bodies...))
		if !reflect.DeepEqual(again, batch) {
			t.Errorf("the same records give\n%+v, then\n%+v", batch, again)
		}
	})
}

// What was forwarded keeps its identity, and is there once though it was
// written twice.
func TestDecodeForwarded(t *testing.T) {
	logs, _ := decodingOf(t, "loki-json").Decode(recordsOf(0, lokiBody("payments", "hello", "world")))
	logs.Chunks[0].ID = event.ChunkID{1}
	aside := event.Aside{ID: event.NewID(testRecorded, "aside"), ReceivedAt: testRecorded, Road: event.RoadWebhook, Reason: "bad", Class: "bad"}
	written := []event.Batch{logs, {Asides: []event.Aside{aside}}, logs}
	var bodies []string
	for _, b := range written {
		body, err := envelope.EncodeProto(b)
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(body))
	}
	d := decodingOf(t, "envelope-protobuf")
	batch, dead := d.Decode(recordsOf(50, bodies...))
	if len(dead) > 0 {
		t.Fatalf("dead letters: %+v", dead)
	}
	if !reflect.DeepEqual(batch.Chunks, logs.Chunks) {
		t.Errorf("chunks are\n%+v, want\n%+v", batch.Chunks, logs.Chunks)
	}
	if len(batch.Asides) != 1 || batch.Asides[0].ID != aside.ID {
		t.Errorf("asides are %+v, want the forwarded one", batch.Asides)
	}
}

func TestReceipts(t *testing.T) {
	none, zero := time.UnixMilli(-1), time.UnixMilli(0)
	a, b := testRecorded, testRecorded.Add(-time.Hour)
	beginning := event.MinTime
	for _, tc := range []struct {
		name        string
		times, want []time.Time
	}{
		{"as they are, in any order", []time.Time{a, b, a}, []time.Time{a, b, a}},
		{"none takes that before it", []time.Time{a, none, zero, b, {}}, []time.Time{a, a, a, b, b}},
		{"the first ones take that behind", []time.Time{none, zero, b, a}, []time.Time{b, b, b, a}},
		{"out of range", []time.Time{event.MaxTime, a, a.AddDate(-200, 0, 0)}, []time.Time{a, a, a}},
		{"none at all", []time.Time{none, zero}, []time.Time{beginning, beginning}},
	} {
		records := make([]delivery.Record, len(tc.times))
		for i := range records {
			records[i].Time = tc.times[i].In(time.FixedZone("", 3600))
		}
		if got := receipts(records); !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestDecodeDefaults(t *testing.T) {
	labels := event.Labels{"service": "payments", "environment": "prod", "cluster": "eu-1"}

	d := decodingOf(t, "loki-json")
	d.Defaults = labels
	batch, _ := d.Decode(recordsOf(0, strings.ReplaceAll(lokiBody("", "hello"), `"service":""`, "")))
	c := batch.Chunks[0]
	if s := c.Streams[0]; s.Service != "payments" || s.Environment != "prod" || s.Labels["cluster"] != "eu-1" || c.Counts[0].Service != "payments" {
		t.Errorf("the stream is %+v, counted as %+v", s, c.Counts[0].CountKey)
	}

	d = decodingOf(t, "deploys")
	d.Defaults = labels
	batch, _ = d.Decode(recordsOf(0, `{"at":"2026-02-03T04:00:00Z","service":"cart"}`))
	if e := batch.Events[0]; e.Service != "cart" || e.Environment != "prod" || e.Labels["cluster"] != "eu-1" {
		t.Errorf("the change is of %s in %q with %v", e.Service, e.Environment, e.Labels)
	}
}

// The record's headers are what a request's are over HTTP.
func TestDecodeWithHeaders(t *testing.T) {
	d := decodingOf(t, "github")
	records := recordsOf(0, `{"ref":"refs/heads/main","repository":{"name":"payments","full_name":"acme/payments"},"commits":[{"id":"0a1b2c3d","message":"pool","timestamp":"2026-02-03T04:00:00Z"}]}`)
	records[0].Headers = []delivery.Header{{Name: "x-github-EVENT", Value: []byte("push")}, {Name: "X-GitHub-Event"}}
	if batch, dead := d.Decode(records); len(batch.Events) != 1 || len(dead) > 0 {
		t.Errorf("events %+v and dead letters %+v, want the commit", batch.Events, dead)
	}
}

// A fault of a decoder costs the record, and not the process, which would fail
// on it again and again.
func TestDecodeThatPanics(t *testing.T) {
	d := Decoding{Format: ingest.Format{Name: "broken", Decode: func(in ingest.Input) (event.Batch, error) {
		if string(in.Body) == "bad" {
			panic("out of range")
		}
		return event.Batch{Events: []event.Event{{}}}, errors.New(strings.Repeat("é", maxError))
	}}}
	batch, dead := d.Decode(recordsOf(0, "bad", "good"))
	if len(dead) != 2 || !strings.Contains(dead[0].Error, "out of range") || batch.Len() != 0 {
		t.Errorf("%d facts and the dead letters %+v", batch.Len(), dead)
	}
	if n := len(dead[1].Error); n > maxError+3 {
		t.Errorf("an error of %d bytes", n)
	}
}

// BenchmarkDecode decodes the same lines, in records of many and of one.
func BenchmarkDecode(b *testing.B) {
	const lines = 1000
	d := decodingOf(b, "json-lines")
	for _, each := range []int{1000, 1} {
		b.Run(fmt.Sprintf("%d a record", each), func(b *testing.B) {
			var bodies []string
			for i := 0; i < lines; i += each {
				var body strings.Builder
				for j := range each {
					fmt.Fprintf(&body, `{"timestamp":"2026-11-22T15:19:08.%06dZ","level":"error","service":"payments","host":"node-1","message":"upstream call failed upstream=ledger status=502 trace=%016x"}`+"\n",
						i+j, uint64(i+j+1)*0x9e3779b97f4a7c15)
				}
				bodies = append(bodies, body.String())
			}
			records := recordsOf(0, bodies...)
			b.ReportAllocs()
			for b.Loop() {
				if batch, _ := d.Decode(records); len(batch.Chunks[0].Lines) != lines {
					b.Fatalf("%d lines", len(batch.Chunks[0].Lines))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*lines), "ns/line")
		})
	}
}
