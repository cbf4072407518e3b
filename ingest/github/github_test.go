package github

import (
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

const (
	sha     = "9f31c6be4bb1f3fd09bca2b97a3b2ff8a32ce2f1"
	runPage = "https://github.com/acme/payments/actions/runs/7700123"
)

var received = time.Date(2026, 11, 22, 15, 40, 0, 0, time.UTC)

func payloadOf(t testing.TB, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(content))
}

func one(t *testing.T, eventType, body string) event.Event {
	t.Helper()
	batch, err := Decode(eventType, "guid", []byte(body), received)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 1 || batch.Len() != 1 {
		t.Fatalf("%d events of %d facts, want one event", len(batch.Events), batch.Len())
	}
	return batch.Events[0]
}

func at(clock string) time.Time {
	t, err := time.Parse(time.RFC3339, "2026-11-22T"+clock+"Z")
	if err != nil {
		panic(err)
	}
	return t
}

func TestChanges(t *testing.T) {
	commit := event.Commit{
		SHA: sha, Repository: "acme/payments", Author: "Mira K", At: at("15:09:41"),
		Message: "Round amounts half to even\n\nAs the ledger does.", URL: "https://github.com/acme/payments/commit/" + sha,
	}
	tests := map[string]struct {
		eventType   string
		at          time.Time
		service     string
		environment string
		labels      string
		change      event.Change
	}{
		"deployment": {
			eventType: "deployment", at: at("15:11:30"), service: "payments", environment: "production",
			labels: `{ref="main", repository="acme/payments", task="deploy", workflow="Deploy", workflow_run="` + runPage + `"}`,
			change: event.Change{
				Run: "https://api.github.com/repos/acme/payments/deployments/310022", Kind: event.ChangeDeploy, Status: event.ChangeStarted,
				Version: "9f31c6b", Actor: "mira-k", URL: runPage, Commit: sha,
			},
		},
		"deployment_rollback": {
			eventType: "deployment", at: at("15:31:00"), service: "ledger", environment: "production",
			labels: `{ref="v1.9.4", repository="acme/payments", task="deploy:rollback"}`,
			change: event.Change{
				Run: "https://api.github.com/repos/acme/payments/deployments/310044", Kind: event.ChangeRollback, Status: event.ChangeStarted,
				Version: "1.9.4", PreviousVersion: "2.0.0", Actor: "dana", URL: "https://github.com/acme/payments",
				Message: "back to the last good one", Commit: sha,
			},
		},
		"deployment_status": {
			eventType: "deployment_status", at: at("15:14:09"), service: "payments", environment: "production",
			labels: `{ref="main", repository="acme/payments", task="deploy", workflow="Deploy", workflow_run="` + runPage + `"}`,
			change: event.Change{
				Run: "https://api.github.com/repos/acme/payments/deployments/310022", Kind: event.ChangeDeploy, Status: event.ChangeSucceeded,
				Version: "9f31c6b", Actor: "mira-k", URL: runPage + "/job/1", Commit: sha,
			},
		},
		"workflow_run_in_progress": {
			eventType: "workflow_run", at: at("15:11:02"), service: "payments",
			labels: `{branch="main", repository="acme/payments", workflow="Deploy"}`,
			change: event.Change{
				Run: runPage, Kind: event.ChangeDeploy, Status: event.ChangeStarted, Version: "9f31c6b", Actor: "mira-k", URL: runPage,
				Message: "Round amounts half to even", Commit: sha, Commits: []event.Commit{commit},
			},
		},
		"workflow_run_completed": {
			eventType: "workflow_run", at: at("15:14:20"), service: "payments",
			labels: `{branch="main", repository="acme/payments", workflow="Deploy"}`,
			change: event.Change{
				Run: runPage, Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, Version: "9f31c6b", Actor: "mira-k", URL: runPage,
				Message: "Round amounts half to even", Commit: sha, Commits: []event.Commit{commit},
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			body := payloadOf(t, name)
			e := one(t, test.eventType, body)
			if e.Kind != event.KindChange || e.Road != event.RoadGitHub || e.Instance != "acme/payments" || !e.ReceivedAt.Equal(received) {
				t.Errorf("kind %s, road %s, instance %s, received %v", e.Kind, e.Road, e.Instance, e.ReceivedAt)
			}
			if !e.OccurredAt.Equal(test.at) || e.Service != test.service || e.Environment != test.environment {
				t.Errorf("got %v %s %s, want %v %s %s", e.OccurredAt, e.Service, e.Environment, test.at, test.service, test.environment)
			}
			if got := e.Labels.String(); got != test.labels {
				t.Errorf("labels are %s,\nwant %s", got, test.labels)
			}
			if !reflect.DeepEqual(*e.Change, test.change) {
				t.Errorf("got  %+v\nwant %+v", *e.Change, test.change)
			}
			if string(e.Raw) != body {
				t.Error("raw is not the payload as it was sent")
			}
			form := "payload=" + url.QueryEscape(body)
			if got := one(t, test.eventType, form); got.ID != e.ID {
				t.Error("sent as a form it is another event")
			}
		})
	}
}

func TestStates(t *testing.T) {
	body := payloadOf(t, "deployment_status")
	for state, want := range map[string]event.ChangeStatus{
		"queued": event.ChangeStarted, "pending": event.ChangeStarted, "in_progress": event.ChangeStarted,
		"success": event.ChangeSucceeded, "failure": event.ChangeFailed, "error": event.ChangeFailed,
		"inactive": "", "waiting": "", "brand_new": "",
	} {
		batch, err := Decode("deployment_status", "", []byte(strings.Replace(body, `"state": "success"`, `"state": "`+state+`"`, 1)), received)
		if err != nil {
			t.Fatal(err)
		}
		checkStatus(t, state, batch, want)
	}
}

func TestConclusions(t *testing.T) {
	body := payloadOf(t, "workflow_run_completed")
	for conclusion, want := range map[string]event.ChangeStatus{
		"success": event.ChangeSucceeded, "failure": event.ChangeFailed, "timed_out": event.ChangeFailed, "startup_failure": event.ChangeFailed,
		"cancelled": event.ChangeCancelled, "skipped": event.ChangeCancelled, "stale": event.ChangeCancelled, "action_required": "",
	} {
		batch, err := Decode("workflow_run", "", []byte(strings.Replace(body, `"conclusion": "success"`, `"conclusion": "`+conclusion+`"`, 1)), received)
		if err != nil {
			t.Fatal(err)
		}
		checkStatus(t, conclusion, batch, want)
	}
}

func checkStatus(t *testing.T, word string, batch event.Batch, want event.ChangeStatus) {
	t.Helper()
	var got event.ChangeStatus
	if len(batch.Events) > 0 {
		got = batch.Events[0].Change.Status
	}
	if got != want {
		t.Errorf("%s is %q, want %q", word, got, want)
	}
}

func TestWhichWorkflows(t *testing.T) {
	body := payloadOf(t, "workflow_run_completed")
	named := func(name, path string) []byte {
		b := strings.ReplaceAll(body, `"name": "Deploy"`, `"name": "`+name+`"`)
		return []byte(strings.ReplaceAll(b, "deploy.yml", path))
	}
	tests := []struct {
		name, path, service, environment string
		kind                             event.ChangeKind
		config                           Config
	}{
		{name: "CI", path: "ci.yml"},
		{name: "CI", path: "release.yml", service: "payments", kind: event.ChangeDeploy},
		{name: "Rollback", path: "x.yml", service: "payments", kind: event.ChangeRollback},
		{name: "Roll back prod", path: "deploy.yml", service: "payments", kind: event.ChangeRollback},
		{name: "Deploy", path: "x.yml", config: Config{Workflows: regexp.MustCompile("^Ship")}},
		{
			name: "Ship ledger to prod", path: "x.yml", service: "ledger", environment: "prod", kind: event.ChangeDeploy,
			config: Config{Workflows: regexp.MustCompile(`^Ship (?P<service>\S+) to (?P<environment>\S+)$`)},
		},
	}
	for _, test := range tests {
		batch, err := test.config.Decode("workflow_run", "", named(test.name, test.path), received)
		if err != nil {
			t.Fatal(err)
		}
		if len(batch.Events) == 0 {
			if test.service != "" {
				t.Errorf("workflow %q at %q is left out", test.name, test.path)
			}
			continue
		}
		e := batch.Events[0]
		if e.Service != test.service || e.Environment != test.environment || e.Change.Kind != test.kind {
			t.Errorf("workflow %q at %q is a %s of %q in %q, want a %s of %q in %q", test.name, test.path,
				e.Change.Kind, e.Service, e.Environment, test.kind, test.service, test.environment)
		}
	}
	title := strings.Replace(body, `"display_title": "Round amounts half to even"`, `"display_title": "Rollback to 1.9"`, 1)
	if e := one(t, "workflow_run", title); e.Change.Kind != event.ChangeDeploy {
		t.Error("a commit's message that speaks of a rollback makes the run one")
	}
	if e := one(t, "workflow_run", strings.Replace(title, `"event": "push"`, `"event": "workflow_dispatch"`, 1)); e.Change.Kind != event.ChangeRollback {
		t.Error("a run that was started by hand and called a rollback is none")
	}
}

func TestVersionOf(t *testing.T) {
	for ref, want := range map[string]string{
		"main": "9f31c6b", "": "9f31c6b", sha: "9f31c6b", "feature/2-factor": "9f31c6b", "release/2.1": "9f31c6b",
		"v1.2.3": "v1.2.3", "2026.11.22": "2026.11.22", "payments/v2.0.1-rc.1": "payments/v2.0.1-rc.1", "refs/tags/green": "green",
	} {
		if got := versionOf(ref, sha); got != want {
			t.Errorf("version of %q is %q, want %q", ref, got, want)
		}
	}
}

func TestPush(t *testing.T) {
	body := payloadOf(t, "push")
	batch, err := Decode("push", "guid", []byte(body), received)
	if err != nil {
		t.Fatal(err)
	}
	if len(batch.Events) != 2 || len(batch.Asides) != 0 {
		t.Fatalf("%d commits and %d asides, want 2 and 0", len(batch.Events), len(batch.Asides))
	}
	e := batch.Events[1]
	want := event.Commit{
		SHA: sha, Repository: "acme/payments", Author: "mira-k", At: at("15:09:41"),
		Message: "Round amounts half to even\n\nAs the ledger does.",
		Files:   []string{"pay/round.go", "pay/round_test.go", "pay/legacy.go"}, URL: "https://github.com/acme/payments/commit/" + sha,
	}
	if !reflect.DeepEqual(*e.Commit, want) {
		t.Errorf("got  %+v\nwant %+v", *e.Commit, want)
	}
	if e.Kind != event.KindCommit || e.Instance != "acme/payments" || e.Labels["branch"] != "main" || !json.Valid(e.Raw) {
		t.Errorf("event is %+v", e)
	}

	elsewhere := strings.Replace(body, "refs/heads/main", "refs/heads/topic/x", 1)
	for name, test := range map[string]struct {
		config Config
		body   string
		want   int
	}{
		"another branch":                          {Config{}, elsewhere, 2},
		"another branch, default one only":        {Config{DefaultBranchOnly: true}, elsewhere, 0},
		"the default branch, default branch only": {Config{DefaultBranchOnly: true}, body, 2},
		"a tag": {Config{}, strings.Replace(body, "refs/heads/main", "refs/tags/v1", 1), 0},
	} {
		batch, err := test.config.Decode("push", "", []byte(test.body), received)
		if err != nil || len(batch.Events) != test.want {
			t.Errorf("%s: %d commits, error %v; want %d", name, len(batch.Events), err, test.want)
		}
	}

	broken := strings.Replace(body, `"id": "1c002dd4b536e7479fe37eb6d5e9d3a9f9c1d8a1"`, `"id": null`, 1)
	batch, err = Decode("push", "guid", []byte(strings.Replace(broken, "2026-11-22T16:09:41+01:00", "9999-11-22T16:09:41+01:00", 1)), received)
	if err != nil || len(batch.Events) != 1 || len(batch.Asides) != 1 {
		t.Fatalf("of a good and a bad commit: %+v, error %v", batch, err)
	}
	if got, want := batch.Asides[0].Reason, "commits[0].id: required (delivery guid)"; got != want {
		t.Errorf("put aside for %q, want %q", got, want)
	}
	if !batch.Events[0].ClockSuspect {
		t.Error("an absurd time among others is not marked")
	}
}

func TestSaysNothing(t *testing.T) {
	for eventType, body := range map[string]string{"ping": payloadOf(t, "ping"), "issues": `{"action":"opened"}`, "star": `not JSON`} {
		if batch, err := Decode(eventType, "", []byte(body), received); err != nil || batch.Len() != 0 {
			t.Errorf("%s: %d facts, error %v; want none", eventType, batch.Len(), err)
		}
	}
}

func TestRefuses(t *testing.T) {
	deployment := payloadOf(t, "deployment")
	for _, test := range []struct{ eventType, body, want string }{
		{"", `{}`, "X-GitHub-Event: header is required"},
		{"deployment", ``, "body is empty"},
		{"deployment", `[]`, "want an object, got an array"},
		{"deployment", `{}`, "repository.full_name: required"},
		{"deployment", `payload=%zz`, "payload: not a valid form"},
		{"deployment", strings.Replace(deployment, `"id": 310022`, `"id": {}`, 1), "deployment.id: want a text"},
		{"deployment", strings.Replace(deployment, `"2026-11-22T15:11:30Z"`, `null`, 1), "deployment.created_at: required"},
		{"deployment_status", deployment, "deployment_status.created_at: required"},
		{"workflow_run", strings.Replace(payloadOf(t, "workflow_run_completed"), `2026-11-22T15:14:20Z`, `2926-11-22T15:14:20Z`, 1), "workflow_run.updated_at: "},
		{"push", `{"repository":{"full_name":"a/b","name":"b"},"ref":"refs/heads/x","commits":7}`, "commits: want an array"},
	} {
		_, err := Decode(test.eventType, "", []byte(test.body), received)
		var malformed *event.Malformed
		if !errors.As(err, &malformed) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s %.40s: error is %v, want a Malformed with %q", test.eventType, test.body, err, test.want)
		}
	}
}

func TestIdentity(t *testing.T) {
	seen := map[event.ID]string{}
	add := func(name, eventType, body string) {
		t.Helper()
		e := one(t, eventType, body)
		if other := seen[e.ID]; other != "" {
			t.Errorf("%s is the same event as %s", name, other)
		}
		seen[e.ID] = name
	}
	deployment, run := payloadOf(t, "deployment"), payloadOf(t, "workflow_run_in_progress")
	add("deployment", "deployment", deployment)
	add("another deployment", "deployment", strings.ReplaceAll(deployment, "310022", "310023"))
	add("status", "deployment_status", payloadOf(t, "deployment_status"))
	add("run", "workflow_run", run)
	add("its request", "workflow_run", strings.Replace(run, `"action": "in_progress"`, `"action": "requested"`, 1))
	add("its second attempt", "workflow_run", strings.Replace(run, `"run_attempt": 1`, `"run_attempt": 2`, 1))
	var compact json.RawMessage
	if err := json.Unmarshal([]byte(deployment), &compact); err != nil {
		t.Fatal(err)
	}
	compacted, err := json.Marshal(compact)
	if err != nil {
		t.Fatal(err)
	}
	batch, err := Decode("deployment", "another delivery", compacted, received.Add(time.Minute))
	if err != nil || seen[batch.Events[0].ID] != "deployment" {
		t.Errorf("a redelivery is another event (error %v)", err)
	}
}

func FuzzDecode(f *testing.F) {
	for eventType, names := range map[string][]string{
		"deployment": {"deployment", "deployment_rollback"}, "deployment_status": {"deployment_status"},
		"workflow_run": {"workflow_run_completed", "workflow_run_in_progress"}, "push": {"push"}, "ping": {"ping"},
	} {
		for _, name := range names {
			f.Add(eventType, []byte(payloadOf(f, name)))
		}
	}
	f.Fuzz(func(t *testing.T, eventType string, body []byte) {
		batch, err := Decode(eventType, "guid", body, received)
		if err != nil {
			var malformed *event.Malformed
			if !errors.As(err, &malformed) || len(batch.Events) != 0 {
				t.Fatalf("error is %v with %d events, want a Malformed with none", err, len(batch.Events))
			}
			return
		}
		for _, e := range batch.Events {
			if e.ID.IsZero() || !event.InRange(e.OccurredAt) || (e.Change == nil) == (e.Commit == nil) || !json.Valid(e.Raw) {
				t.Fatalf("event is %+v", e)
			}
		}
	})
}
