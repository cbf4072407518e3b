package body

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var received = time.Date(2026, 11, 22, 15, 20, 0, 0, time.UTC)

func TestSplit(t *testing.T) {
	tests := map[string]struct {
		body    string
		entries []string
		single  bool
		err     string
	}{
		"object":           {body: ` {"a": 1} `, entries: []string{`{"a": 1}`}, single: true},
		"array":            {body: "[ {\"a\": 1} ,\n2, null ]", entries: []string{`{"a": 1}`, `2`, `null`}},
		"empty array":      {body: `[]`},
		"byte order mark":  {body: "\xef\xbb\xbf{}", entries: []string{`{}`}, single: true},
		"invalid UTF-8":    {body: "{\"a\":\"\xff\"}", entries: []string{"{\"a\":\"\uFFFD\"}"}, single: true},
		"empty":            {body: " \n", err: "body is empty"},
		"null":             {body: `null`, err: "got null"},
		"text":             {body: `"x"`, err: "got a string"},
		"truncated":        {body: `{"a": [1, 2`, err: "not valid JSON, at byte 11"},
		"two objects":      {body: `{} {}`, err: "not valid JSON, at byte 4"},
		"nested too deep":  {body: strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000), err: "not valid JSON"},
		"too many entries": {body: "[" + strings.Repeat("0,", MaxEntries) + "0]", err: "more than 10000 entries"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			entries, single, err := Split([]byte(test.body))
			if test.err != "" {
				var malformed *event.Malformed
				if !errors.As(err, &malformed) || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error is %v, want a Malformed with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if single != test.single {
				t.Errorf("single is %v, want %v", single, test.single)
			}
			var got []string
			for _, raw := range entries {
				got = append(got, string(raw))
			}
			if strings.Join(got, "|") != strings.Join(test.entries, "|") {
				t.Errorf("entries are %q, want %q", got, test.entries)
			}
		})
	}
}

func TestFieldsNameWhatIsWrong(t *testing.T) {
	tests := map[string]struct {
		entry string
		read  func(*Object)
		field string
		class Class
	}{
		"required":          {`{}`, func(o *Object) { o.Need("service", 9) }, "service", ClassMissing},
		"required but null": {`{"service":null}`, func(o *Object) { o.Need("service", 9) }, "service", ClassMissing},
		"blank":             {`{"service":"  "}`, func(o *Object) { o.Need("service", 9) }, "service", ClassMissing},
		"object for text":   {`{"service":{}}`, func(o *Object) { o.Need("service", 9) }, "service", ClassType},
		"long":              {`{"service":"0123456789"}`, func(o *Object) { o.Need("service", 9) }, "service", ClassSize},
		"no time":           {`{"at":"yesterday"}`, func(o *Object) { o.Time("at") }, "at", ClassTime},
		"number for time":   {`{"at":1700000000}`, func(o *Object) { o.Time("at") }, "at", ClassType},
		"time too early":    {`{"at":"0001-01-01T00:00:00Z"}`, func(o *Object) { o.Time("at") }, "at", ClassTime},
		"time too late":     {`{"at":"2200-01-01T00:00:00Z"}`, func(o *Object) { o.Time("at") }, "at", ClassTime},
		"text for bool":     {`{"b":"true"}`, func(o *Object) { o.Bool("b") }, "b", ClassType},
		"list of objects":   {`{"l":[{},{"a":[]}]}`, func(o *Object) { o.List("l", 9)[1].Object().Text("a", 9) }, "l[1].a", ClassType},
		"text for list":     {`{"l":"x"}`, func(o *Object) { o.List("l", 9) }, "l", ClassType},
		"text for object":   {`{"x":{"y":"z"}}`, func(o *Object) { o.Object("x").Object("y") }, "x.y", ClassType},
		"label's type":      {`{"labels":{"a":"1","b":[]}}`, func(o *Object) { o.Labels("labels") }, "labels.b", ClassType},
		"labels' type":      {`{"labels":[]}`, func(o *Object) { o.Labels("labels") }, "labels", ClassType},
		"no object":         {`[]`, func(*Object) {}, "", ClassType},
		"the first counts":  {`{"a":1}`, func(o *Object) { o.Need("b", 9); o.Object("a") }, "b", ClassMissing},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o := Parse(json.RawMessage(test.entry), "", false)
			test.read(o)
			f := o.Failure()
			if f == nil {
				t.Fatal("nothing failed")
			}
			if f.Field != test.field || f.Class != test.class {
				t.Errorf("failed field %q, class %q (%s), want %q, %q", f.Field, f.Class, f.Reason, test.field, test.class)
			}
		})
	}
}

func TestFieldsAreTolerant(t *testing.T) {
	o := Parse(json.RawMessage(`{"id": 42, "null": null, "padded": " x ", "labels": {"n": 1, "b": true, "gone": null, "empty": ""},
		"at": "2026-11-22T16:20:00.5+01:00", "unknown": [[]], "twice": "a", "twice": "b"}`), "", false)
	for field, want := range map[string]string{"id": "42", "null": "", "absent": "", "padded": "x", "twice": "b"} {
		if got := o.Text(field, 10); got != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if got, want := o.Labels("labels").String(), `{b="true", n="1"}`; got != want {
		t.Errorf("labels are %s, want %s", got, want)
	}
	at := o.Time("at")
	if want := received.Add(time.Second / 2); !at.Equal(want) || at.Location() != time.UTC {
		t.Errorf("at is %v, want %v in UTC", at, want)
	}
	if f := o.Failure(); f != nil {
		t.Errorf("failed: %v", f.Malformed())
	}
}

func TestClampsTimesOfAnEntryAmongOthers(t *testing.T) {
	o := Parse(json.RawMessage(`{"early":"0001-01-01T00:00:00Z","late":"9999-01-01T00:00:00Z"}`), "[3]", true)
	early, late := o.Time("early"), o.Time("late")
	if !early.Equal(event.MinTime) || !late.Before(event.MaxTime) || late.Year() != 2199 {
		t.Errorf("clamped to %v and %v", early, late)
	}
	if !o.ClockSuspect() || o.Failure() != nil {
		t.Errorf("suspect is %v, failure %v; want true and none", o.ClockSuspect(), o.Failure())
	}
}

func TestNotesWhatWasCut(t *testing.T) {
	o := Parse(json.RawMessage(`{"text":"ääää","list":[1,2,3]}`), "", false)
	if got, want := o.Prose("text", 5), "ää"; got != want {
		t.Errorf("text was cut to %q, want %q", got, want)
	}
	if got := len(o.List("list", 2)); got != 2 {
		t.Errorf("list was cut to %d, want 2", got)
	}
	got := o.NoteClipped(nil)[ClippedLabel]
	if want := "text: 4 of 8 bytes, list: the first 2"; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
}

func TestDecodePutsBadEntriesAside(t *testing.T) {
	read := func(o *Object) event.Event {
		return event.Event{Service: o.Need("service", 9), OccurredAt: o.Time("at")}
	}
	long := `{"service":"` + strings.Repeat("x", 2*event.MaxAside) + `"}`
	batch, err := Decode([]byte(`[{"service":"a"}, null, {"service":5, "at":"0001-01-01T00:00:00Z"}, `+long+`]`), "road", received, read)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 2 || batch.Events[0].Service != "a" || batch.Events[1].Service != "5" || !batch.Events[1].ClockSuspect {
		t.Errorf("events are %+v, want those of a and 5, the latter's clock suspect", batch.Events)
	}
	if len(batch.Asides) != 2 {
		t.Fatalf("%d put aside, want 2", len(batch.Asides))
	}
	for i, want := range []string{"[1]: want an object, got null", "[3].service: longer than 9 bytes"} {
		if got := batch.Asides[i].Reason; got != want {
			t.Errorf("aside %d is for %q, want %q", i, got, want)
		}
		if batch.Asides[i].ID.IsZero() || len(batch.Asides[i].Raw) > event.MaxAside {
			t.Errorf("aside %d has ID %v and %d bytes", i, batch.Asides[i].ID, len(batch.Asides[i].Raw))
		}
	}
	batch, err = Decode([]byte(`[{}, 1]`), "road", received, read)
	var malformed *event.Malformed
	if !errors.As(err, &malformed) || malformed.Field != "[0].service" || len(batch.Asides) != 2 {
		t.Errorf("an array of bad entries only gives error %v and %d asides, want one that names [0].service, and 2", err, len(batch.Asides))
	}
	if _, err := Decode([]byte(`{"service":null}`), "road", received, read); err == nil || err.Error() != "service: required" {
		t.Errorf("a single bad entry gives error %v, want service: required", err)
	}
}
