package deploy

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

var received = time.Date(2026, 11, 22, 15, 20, 0, 0, time.UTC)

// one decodes a body that holds one event.
func one(t *testing.T, decode func([]byte, time.Time) (event.Batch, error), body string) event.Event {
	t.Helper()
	batch, err := decode([]byte(body), received)
	if err != nil {
		t.Fatalf("decode %s: %v", body, err)
	}
	if len(batch.Events) != 1 || len(batch.Asides) != 0 {
		t.Fatalf("decode %s: %d events and %d asides, want one event", body, len(batch.Events), len(batch.Asides))
	}
	return batch.Events[0]
}

func TestDecodesEveryField(t *testing.T) {
	body := `{"id": "run/7", "at": "2026-11-22T16:19:37.900+01:00", "service": "payments", "environment": "prod",
		"version": "2.0.0", "previous_version": "1.0.0", "kind": "rollback", "status": "started", "actor": "mira",
		"url": "https://ci.example/7", "commit": "abc", "message": "go back", "labels": {"team": "pay"},
		"commits": [{"sha": "abc", "repository": "acme/pay", "author": "lee", "at": "2026-11-22T15:00:00Z",
			"message": "fix", "files": ["a.go", "b.go"], "diff": "-a\n+b", "url": "https://git.example/abc"}, "def", null]}`
	at := time.Date(2026, 11, 22, 15, 19, 37, 900e6, time.UTC)
	got := one(t, DecodeDeploys, body)
	want := event.Event{
		ID: got.ID, Kind: event.KindChange, OccurredAt: at, ReceivedAt: received, Road: event.RoadDeploys,
		Service: "payments", Environment: "prod", Labels: event.Labels{"team": "pay"},
		Change: &event.Change{
			Run: "run/7", Kind: event.ChangeRollback, Status: event.ChangeStarted, Version: "2.0.0", PreviousVersion: "1.0.0",
			Actor: "mira", URL: "https://ci.example/7", Message: "go back", Commit: "abc",
			Commits: []event.Commit{{
				SHA: "abc", Repository: "acme/pay", Author: "lee", At: time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC),
				Message: "fix", Files: []string{"a.go", "b.go"}, Diff: "-a\n+b", URL: "https://git.example/abc",
			}, {SHA: "def"}},
		},
		Raw: json.RawMessage(body),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if !got.ID.Time().Equal(at.Truncate(time.Millisecond)) {
		t.Errorf("the ID begins with %v, want %v", got.ID.Time(), at)
	}
}

func TestDefaults(t *testing.T) {
	e := one(t, DecodeDeploys, `{"service":"payments","at":null,"commits":null}`)
	if !e.OccurredAt.Equal(received) || e.Change.Kind != event.ChangeDeploy || e.Change.Status != event.ChangeSucceeded {
		t.Errorf("got %v, %s, %s; want the receipt, deploy, succeeded", e.OccurredAt, e.Change.Kind, e.Change.Status)
	}
}

func TestWords(t *testing.T) {
	for word, want := range map[string]event.ChangeStatus{
		"success": event.ChangeSucceeded, "OK": event.ChangeSucceeded, "Completed": event.ChangeSucceeded,
		"failure": event.ChangeFailed, "error": event.ChangeFailed, "timed out": event.ChangeFailed,
		"in-progress": event.ChangeStarted, "running": event.ChangeStarted, "PENDING": event.ChangeStarted,
		"canceled": event.ChangeCancelled, "cancelled": event.ChangeCancelled, "aborted": event.ChangeCancelled,
	} {
		if e := one(t, DecodeDeploys, fmt.Sprintf(`{"service":"s","status":%q}`, word)); e.Change.Status != want {
			t.Errorf("status %q is %s, want %s", word, e.Change.Status, want)
		}
	}
	for word, want := range map[string]event.ChangeKind{
		"Deployment": event.ChangeDeploy, "roll-back": event.ChangeRollback, "revert": event.ChangeRollback,
		"feature flag": event.ChangeFlag, "configuration": event.ChangeConfig, "migrate": event.ChangeMigration, "reboot": event.ChangeRestart,
	} {
		if e := one(t, DecodeDeploys, fmt.Sprintf(`{"service":"s","kind":%q}`, word)); e.Change.Kind != want {
			t.Errorf("kind %q is %s, want %s", word, e.Change.Kind, want)
		}
	}
	for _, k := range []event.ChangeKind{event.ChangeDeploy, event.ChangeRollback, event.ChangeConfig, event.ChangeFlag, event.ChangeMigration, event.ChangeRestart} {
		if got, ok := Kind(string(k)); !ok || got != k {
			t.Errorf("kind %q reads as %q", k, got)
		}
	}
}

func TestRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	for body, want := range map[string]string{
		``:                                   "body is empty",
		`{"service":"s"`:                     "not valid JSON",
		`7`:                                  "want a JSON object",
		`{}`:                                 "service: required",
		`{"service":["s"]}`:                  "service: want a text, got an array",
		`{"service":"` + long + `"}`:         "service: longer than 1024 bytes",
		`{"service":"s","kind":"magic"}`:     `kind: "magic" is not known: want deploy, rollback`,
		`{"service":"s","status":"perhaps"}`: `status: "perhaps" is not known: want started`,
		`{"service":"s","at":"0001-01-01T00:00:00Z"}`:          `at: "0001-01-01T00:00:00Z" is outside 1970 to 2200`,
		`{"service":"s","at":"soon"}`:                          `at: "soon" is not a time`,
		`{"service":"s","labels":{"a":{}}}`:                    "labels.a: want a text, got an object",
		`{"service":"s","commits":[{"sha":"a"},{}]}`:           "commits[1].sha: required",
		`{"service":"s","commits":[{"sha":"a","files":[{}]}]}`: "commits[0].files[0]: want a text",
		`{"service":"s","commits":{"sha":"a"}}`:                "commits: want an array",
	} {
		batch, err := DecodeDeploys([]byte(body), received)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("decode %.80s: error is %v, want a Malformed with %q", body, err, want)
		}
		if batch.Len() != 0 {
			t.Errorf("decode %.80s: %d facts beside the error", body, batch.Len())
		}
	}
}

func TestKeepsTheGoodEntriesOfAnArray(t *testing.T) {
	batch, err := DecodeDeploys([]byte(`[{"service":"a"},{"service":""},{"service":"b","at":"1815-01-01T00:00:00Z"},"x"]`), received)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 2 || len(batch.Asides) != 2 {
		t.Fatalf("%d events and %d asides, want 2 and 2", len(batch.Events), len(batch.Asides))
	}
	if b := batch.Events[1]; !b.ClockSuspect || !b.OccurredAt.Equal(event.MinTime) {
		t.Errorf("an absurd time gives %v, suspect %v; want %v, true", b.OccurredAt, b.ClockSuspect, event.MinTime)
	}
	if got, want := batch.Asides[0].Reason, "[1].service: required"; got != want {
		t.Errorf("put aside for %q, want %q", got, want)
	}
	if got := batch.Asides[0]; got.Class != "missing" || string(got.Raw) != `{"service":""}` || got.Road != event.RoadDeploys {
		t.Errorf("aside is %+v", got)
	}
}

func TestCutsWhatIsTooLong(t *testing.T) {
	files := strings.Repeat(`"f",`, MaxFiles) + `"f"`
	commits := strings.Repeat(`"c",`, MaxCommits)
	body := `{"service":"s","message":"` + strings.Repeat("m", MaxMessage+1) + `","commits":[{"sha":"a","files":[` + files + `],"diff":"` +
		strings.Repeat("d", MaxDiff+1) + `"},` + commits + `"last"]}`
	e := one(t, DecodeDeploys, body)
	c := e.Change.Commits
	if len(e.Change.Message) != MaxMessage || len(c) != MaxCommits || len(c[0].Files) != MaxFiles || len(c[0].Diff) != MaxDiff {
		t.Errorf("message of %d, %d commits, %d files, diff of %d: not cut to the bounds",
			len(e.Change.Message), len(c), len(c[0].Files), len(c[0].Diff))
	}
	want := "message: 16384 of 16385 bytes, commits: the first 1000, commits[0].diff: 65536 of 65537 bytes, commits[0].files: the first 1000"
	if got := e.Labels["hindcast_clipped"]; got != want {
		t.Errorf("noted %q, want %q", got, want)
	}
	if other := one(t, DecodeDeploys, "["+body+"]"); other.ID != e.ID {
		t.Error("cut in an array it is another event")
	}
	if string(e.Raw) != body {
		t.Error("the raw payload is not whole")
	}
}

func TestIdentityOfAChange(t *testing.T) {
	base := `{"id":"r","at":"2026-11-22T15:19:37Z","service":"s","version":"1","labels":{"a":"1","b":"2"}}`
	id := one(t, DecodeDeploys, base).ID
	for name, same := range map[string]string{
		"other order and space": `{ "labels": {"b":"2", "a":"1"}, "version":"1", "service":"s", "at":"2026-11-22T15:19:37Z", "id":"r" }`,
		"other time zone":       `{"id":"r","at":"2026-11-22T16:19:37.000+01:00","service":"s","version":"1","labels":{"a":"1","b":"2"}}`,
		"defaults spelt out":    `{"id":"r","at":"2026-11-22T15:19:37Z","service":"s","version":"1","kind":"deploy","status":"success","labels":{"a":"1","b":"2"}}`,
		"unknown field":         `{"id":"r","at":"2026-11-22T15:19:37Z","service":"s","version":"1","labels":{"a":"1","b":"2"},"trace":"x"}`,
		"in an array":           `[` + base + `]`,
	} {
		if got := one(t, DecodeDeploys, same).ID; got != id {
			t.Errorf("%s: another event (%v, want %v)", name, got, id)
		}
	}
	for name, other := range map[string]string{
		"another run":     strings.Replace(base, `"r"`, `"q"`, 1),
		"another status":  strings.Replace(base, `{`, `{"status":"failed",`, 1),
		"another time":    strings.Replace(base, `37Z`, `37.000000001Z`, 1),
		"another label":   strings.Replace(base, `"2"}`, `"3"}`, 1),
		"another message": strings.Replace(base, `{`, `{"message":"m",`, 1),
		"other commits":   strings.Replace(base, `{`, `{"commits":["c"],`, 1),
	} {
		if got := one(t, DecodeDeploys, other).ID; got == id {
			t.Errorf("%s: the same event", name)
		}
	}
}

func TestIdentityOfACommit(t *testing.T) {
	base := `{"sha":"abc","repository":"acme/pay","at":"2026-11-22T15:19:37Z","message":"m"}`
	e := one(t, DecodeCommits, base)
	if e.Kind != event.KindCommit || e.Commit.SHA != "abc" || e.Instance != "acme/pay" || e.Road != event.RoadCommits {
		t.Errorf("event is %+v", e)
	}
	if got := one(t, DecodeCommits, `[{"message":"m","at":"2026-11-22T15:19:37Z","repository":"acme/pay","sha":"abc"}]`).ID; got != e.ID {
		t.Error("the same commit in another order of keys is another event")
	}
	if got := one(t, DecodeCommits, strings.Replace(base, `{`, `{"diff":"+x",`, 1)).ID; got == e.ID {
		t.Error("a commit that comes again with its diff would be lost behind the first")
	}
	if got := one(t, DecodeCommits, `{"sha":"abc"}`); !got.OccurredAt.Equal(received) || !got.Commit.At.IsZero() {
		t.Errorf("without a time it occurred at %v, and says %v; want the receipt, and nothing", got.OccurredAt, got.Commit.At)
	}
	if _, err := DecodeCommits([]byte(`{"message":"m"}`), received); err == nil || err.Error() != "sha: required" {
		t.Errorf("without sha the error is %v", err)
	}
}

func TestRecordedDeploys(t *testing.T) {
	seen := map[event.ID]bool{}
	for _, line := range lines(t, "testdata/deploys.jsonl") {
		e := one(t, DecodeDeploys, line)
		if e.Service == "" || e.Environment != "prod" || e.Change.Version == "" || e.Change.Run == "" || e.OccurredAt.Equal(received) {
			t.Errorf("%s decodes as %+v", line, e)
		}
		seen[e.ID] = true
	}
	if len(seen) == 0 {
		t.Error("nothing recorded")
	}
}

// The ID must not depend on how JSON is written, and whatever is decoded must
// be decoded again from its own raw payload.
func TestIdentityDoesNotDependOnEncoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		fields := map[string]any{"service": rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "service")}
		for _, name := range []string{"id", "environment", "version", "previous_version", "actor", "url", "commit", "message"} {
			if rapid.Bool().Draw(t, "has "+name) {
				fields[name] = rapid.String().Draw(t, name)
			}
		}
		fields["at"] = time.Unix(rapid.Int64Range(0, 7e9).Draw(t, "at"), rapid.Int64Range(0, 1e9-1).Draw(t, "ns")).UTC()
		fields["labels"] = rapid.MapOf(rapid.StringMatching(`[a-z]{1,4}`), rapid.String()).Draw(t, "labels")
		plain, err := json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		var spaced bytes.Buffer
		if err := json.Indent(&spaced, plain, "\t", "  "); err != nil {
			t.Fatal(err)
		}
		a, err := DecodeDeploys(plain, received)
		if err != nil {
			t.Fatal(err)
		}
		b, err := DecodeDeploys([]byte("["+spaced.String()+"]"), received.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if a.Events[0].ID != b.Events[0].ID {
			t.Fatalf("%s is two events", plain)
		}
	})
}

func FuzzDecodeDeploys(f *testing.F) {
	for _, line := range lines(f, "testdata/deploys.jsonl") {
		f.Add([]byte(line))
		f.Add([]byte("[" + line + ",null,{}]"))
	}
	fuzz(f, DecodeDeploys)
}

func FuzzDecodeCommits(f *testing.F) {
	f.Add([]byte(`{"sha":"abc","repository":"acme/pay","author":"lee","at":"2026-11-22T15:19:37Z","message":"m","files":["a"],"diff":"+","url":"u"}`))
	f.Add([]byte(`[{"sha":1,"files":[null,2]},{"sha":"\ud800","at":"9999-12-31T23:59:59Z"}]`))
	fuzz(f, DecodeCommits)
}

func fuzz(f *testing.F, decode func([]byte, time.Time) (event.Batch, error)) {
	f.Fuzz(func(t *testing.T, body []byte) {
		batch, err := decode(body, received)
		if err != nil {
			var malformed *event.Malformed
			if !errors.As(err, &malformed) || len(batch.Events) != 0 {
				t.Fatalf("error is %v with %d events, want a Malformed with none", err, len(batch.Events))
			}
			return
		}
		for _, e := range batch.Events {
			if e.ID.IsZero() || !event.InRange(e.OccurredAt) || e.OccurredAt.Location() != time.UTC || !json.Valid(e.Raw) {
				t.Fatalf("event is %+v", e)
			}
			again, err := decode(e.Raw, received)
			if err == nil && again.Events[0].ID != e.ID {
				t.Fatalf("its raw payload is another event: %s", e.Raw)
			}
		}
	})
}

func lines(t testing.TB, file string) []string {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for s := bufio.NewScanner(bytes.NewReader(content)); s.Scan(); {
		all = append(all, s.Text())
	}
	return all
}
