package api

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// rawFact is what a client sees of any fact.
type rawFact struct {
	ID          event.ID
	Kind        event.Kind
	OccurredAt  time.Time `json:"occurred_at"`
	ReceivedAt  time.Time `json:"received_at"`
	Road        string
	Service     string
	Environment string
	Raw         json.RawMessage
	RawEncoding string          `json:"raw_encoding"`
	Change      json.RawMessage `json:"change"`
	Alert       json.RawMessage
	Log         json.RawMessage
}

func TestGetEvent(t *testing.T) {
	labels := event.Labels{"alertname": "X", "service": "payments", "env": "prod"}
	observation := event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: after(1), Labels: labels, FirstReceivedAt: after(2), LastReceivedAt: after(9),
		Roads: []event.Road{event.RoadRecorder, event.RoadWebhook}, Raw: json.RawMessage(`{"status":"firing"}`),
	}
	key := event.CountKey{Service: "payments", Environment: "prod", Level: event.LevelError, Pattern: 0xabc, Second: t0.Unix()}
	store := &fakeStore{facts: map[event.ID]storage.Fact{
		id(1): {Event: &event.Event{
			ID: id(1), Kind: event.KindChange, OccurredAt: after(1).In(zone), ReceivedAt: after(2), Road: event.RoadDeploys, Service: "payments",
			Environment: "prod", Change: &event.Change{Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, Version: "2"},
			Raw: json.RawMessage(`{ "version": "2", "n": 12345678901234567890.10, "html": "<b>" }`),
		}},
		observation.ID(): {Observation: &observation},
		key.ID():         {Log: &storage.LogFact{CountKey: key, N: 7, First: after(0.1), Last: after(0.5), ReceivedAt: after(3), Template: "x <*>", Sample: "x 1"}},
	}}
	h := newTestAPI(t, store)
	tests := []struct {
		id                        event.ID
		kind                      event.Kind
		occurred, received        time.Time
		road, raw, encoding, body string
	}{
		{id(1), event.KindChange, after(1), after(2), "deploys", `{"version":"2","n":12345678901234567890.10,"html":"<b>"}`, "json", `"change":{"kind":"deploy"`},
		{observation.ID(), event.KindAlert, after(1), after(2), "alertmanager-events", `{"status":"firing"}`, "json", `"roads":["alertmanager-events","alertmanager-webhook"]`},
		{key.ID(), event.KindLog, after(0.1), after(3), "", `"x 1"`, "text", `"second":"2026-03-01T12:00:00Z","count":7`},
	}
	for _, tt := range tests {
		w := get(t, h, "/events/"+strings.ToLower(tt.id.String()))
		got := decode[rawFact](t, w)
		if got.ID != tt.id || got.Kind != tt.kind || !got.OccurredAt.Equal(tt.occurred) || !got.ReceivedAt.Equal(tt.received) ||
			got.Road != tt.road || got.Service != "payments" || got.Environment != "prod" {
			t.Errorf("%s: got %+v", tt.kind, got)
		}
		if string(got.Raw) != tt.raw || got.RawEncoding != tt.encoding {
			t.Errorf("%s: raw = %s (%s), want %s (%s)", tt.kind, got.Raw, got.RawEncoding, tt.raw, tt.encoding)
		}
		if !strings.Contains(w.Body.String(), tt.body) {
			t.Errorf("%s: no %s in %s", tt.kind, tt.body, w.Body)
		}
		if strings.Contains(w.Body.String(), "+02:00") {
			t.Errorf("%s: a time is not in UTC: %s", tt.kind, w.Body)
		}
	}
}

func TestRawPayload(t *testing.T) {
	tests := []struct {
		payload, want string
		encoding      rawEncoding
	}{
		{"", "", ""},
		{`{"a":1}`, `{"a":1}`, rawJSON},
		{`null`, `null`, rawJSON},
		{`{"a":`, `"{\"a\":"`, rawText},
		{"level=error msg=\"x\"\n", `"level=error msg=\"x\"\n"`, rawText},
		{"\x00\x01", `"\u0000\u0001"`, rawText},
		{"{\"a\":\"\xff\"}", `"` + base64.StdEncoding.EncodeToString([]byte("{\"a\":\"\xff\"}")) + `"`, rawBase64},
		{strings.Repeat("[", 20000), `"` + strings.Repeat("[", 20000) + `"`, rawText},
	}
	for _, tt := range tests {
		got, encoding, err := rawPayload([]byte(tt.payload))
		if err != nil || string(got) != tt.want || encoding != tt.encoding {
			t.Errorf("rawPayload(%q) = %q, %q, %v; want %q, %q", shortened(tt.payload), got, encoding, err, shortened(tt.want), tt.encoding)
		}
	}
}

func TestLogs(t *testing.T) {
	store := &fakeStore{}
	for n := range 25 {
		store.lines = append(store.lines, storage.StoredLine{At: after(float64(n)), Service: "payments", Level: event.LevelError, Text: fmt.Sprint("line ", n)})
	}
	now := t0.Add(30 * time.Minute)
	h := newTestAPI(t, store, func(o *Options) { o.Now = func() time.Time { return now } })

	// The window of the first page stays while time goes on.
	var texts []string
	cursor := ""
	for page := 0; ; page++ {
		got := decode[lineList](t, get(t, h, "/logs?limit=10&service=payments&level=ERROR&pattern=0000000000000abc&cursor="+url.QueryEscape(cursor)))
		for _, l := range got.Lines {
			texts = append(texts, l.Text)
		}
		if want := t0.Add(-30 * time.Minute); !got.From.Equal(want) || !got.To.Equal(t0.Add(30*time.Minute)) {
			t.Errorf("page %d is from %s to %s", page, got.From, got.To)
		}
		now = now.Add(time.Hour)
		if cursor = got.NextCursor; cursor == "" || page > 10 {
			break
		}
	}
	if len(texts) != 25 || texts[0] != "line 0" || texts[24] != "line 24" {
		t.Errorf("pages hold %d lines: %v", len(texts), texts)
	}
	if q := store.asked; q.Service != "payments" || q.MinLevel != event.LevelError || q.Pattern != 0xabc || q.Limit != 10 {
		t.Errorf("the store was asked %+v", q)
	}

	query := "/logs?from=" + after(5).Format(time.RFC3339Nano) + "&to=" + after(7).Format(time.RFC3339Nano)
	got := decode[lineList](t, get(t, h, query))
	if len(got.Lines) != 2 || got.NextCursor != "" {
		t.Errorf("from 5 to 7 s: %d lines, cursor %q; want 2, none", len(got.Lines), got.NextCursor)
	}
	first := decode[lineList](t, get(t, h, query+"&limit=1"))
	if again := decode[lineList](t, get(t, h, query+"&limit=1&cursor="+first.NextCursor)); len(again.Lines) != 1 || again.Lines[0].Text != "line 6" {
		t.Errorf("the second page with from and to as they were: %+v", again.Lines)
	}
	wantProblem(t, get(t, h, "/logs?from="+after(4).Format(time.RFC3339Nano)+"&cursor="+first.NextCursor), 400, "cursor: want the next_cursor of a page with the same from and to")
	if body := get(t, newTestAPI(t, &fakeStore{}), "/logs").Body.String(); !strings.Contains(body, `"lines":[],"next_cursor":""`) {
		t.Errorf("without lines: %s", body)
	}
}

func FuzzLogsCursor(f *testing.F) {
	store := &fakeStore{lines: []storage.StoredLine{{At: t0, Text: "x"}, {At: after(1), Text: "y"}}}
	h := newTestAPI(f, store)
	f.Add(decode[lineList](f, get(f, h, "/logs?limit=1")).NextCursor)
	for _, s := range []string{"", "{}", "null", `{"f":"x"}`, `{"f":"2026-01-01T00:00:00Z","t":"2025-01-01T00:00:00Z","s":"1"}`, `{"f":"2026-01-01T00:00:00Z","t":"2027-01-01T00:00:00Z","s":"-1"}`} {
		f.Add(base64.RawURLEncoding.EncodeToString([]byte(s)))
	}
	a := &api{Options: withDefaults(Options{Store: store})}
	f.Fuzz(func(t *testing.T, cursor string) {
		var fs faults
		from, to, position := a.lineRange(&logsInput{Cursor: cursorParam(cursor)}, &fs)
		if len(fs) == 0 && (!from.Before(to) || !event.InRange(from) || !event.InRange(to) || (cursor != "" && position == "")) {
			t.Errorf("lineRange(%q) = %s, %s, %q without a fault", cursor, from, to, position)
		}
	})
}

func TestAsides(t *testing.T) {
	store := &fakeStore{}
	for n := range 5 {
		store.asides = append(store.asides, event.Aside{
			ID: id(n), ReceivedAt: after(float64(n)).In(zone), Road: event.RoadWebhook, Reason: "alerts[3].startsAt: no time", Class: "bad_time", Raw: []byte("{\xff"),
		})
	}
	store.asides[1].Raw = []byte(`{"a":1}`)
	h := newTestAPI(t, store)
	var seen []event.ID
	cursor := ""
	for page := range 10 {
		w := get(t, h, "/asides?limit=2&cursor="+cursor)
		if page == 0 {
			for _, want := range []string{`"raw":"e/8=","raw_encoding":"base64"`, `"raw":{"a":1},"raw_encoding":"json"`, `"reason":"alerts[3].startsAt: no time"`, `"received_at":"2026-03-01T12:00:00.123456789Z"`} {
				if !strings.Contains(w.Body.String(), want) {
					t.Errorf("no %s in %s", want, w.Body)
				}
			}
		}
		got := decode[struct {
			Asides     []struct{ ID event.ID }
			NextCursor string `json:"next_cursor"`
		}](t, w)
		for _, a := range got.Asides {
			seen = append(seen, a.ID)
		}
		if cursor = got.NextCursor; cursor == "" {
			break
		}
	}
	if want := ids(0, 1, 2, 3, 4); !slices.Equal(seen, want) {
		t.Errorf("pages hold %v, want %v", seen, want)
	}
	if got, want := get(t, newTestAPI(t, &fakeStore{}), "/asides").Body.String(), `{"asides":[],"next_cursor":""}`+"\n"; got != want {
		t.Errorf("without any: %s, want %s", got, want)
	}
}
