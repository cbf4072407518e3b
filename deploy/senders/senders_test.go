// Package senders holds no code: its tests hold the configurations of senders
// against the senders' own parsers, where there are such, and against
// hindcast's receivers.
package senders

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/event"
)

// receivers are hindcast's, with an appender that remembers what came.
func receivers(t *testing.T) (http.Handler, []string, *[]event.Batch) {
	t.Helper()
	var took []event.Batch
	limits := ingest.DefaultLimits()
	rs, err := ingest.New(ingest.Options{
		Appender: ingest.AppenderFunc(func(_ context.Context, b event.Batch) error {
			took = append(took, b)
			return nil
		}),
		Formats: ingest.DefaultFormats(ingest.FormatOptions{Labels: event.DefaultLabelMap(), Limits: limits}),
		Limits:  limits,
	})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	rs.Register(mux)
	return mux, rs.Paths(), &took
}

// post sends a body to hindcast's receivers and returns the facts that were
// taken of it.
func post(t *testing.T, path, body string) event.Batch {
	t.Helper()
	mux, _, took := receivers(t)
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	if w.Code != http.StatusOK || strings.Contains(w.Body.String(), "rejected") || len(*took) != 1 {
		t.Fatalf("POST %s was answered %d: %s\n%s", path, w.Code, w.Body, body)
	}
	return (*took)[0]
}

// read reads one of the configurations.
func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// parsed reads a configuration in YAML; the parser refuses a key that stands
// there twice.
func parsed(t *testing.T, name string) map[string]any {
	t.Helper()
	var v map[string]any
	if err := yaml.Unmarshal([]byte(read(t, name)), &v); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return v
}

// at finds a value in nested maps and lists: at(v, "clients", 0, "url").
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for i, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				t.Fatalf("%v: there are %d entries", path[:i+1], len(l))
			}
			v = l[step]
		}
		if v == nil {
			t.Fatalf("%v: there is no such key", path[:i+1])
		}
	}
	return v
}

func want(t *testing.T, what string, got, want any) {
	t.Helper()
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func TestYAML(t *testing.T) {
	var names []string
	for _, pattern := range []string{"*.yml", "*.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, found...)
	}
	if len(names) < 8 {
		t.Fatalf("found only %v", names)
	}
	for _, name := range names {
		if len(parsed(t, name)) == 0 {
			t.Errorf("%s: it is empty", name)
		}
	}
}

// urls finds the addresses of hindcast in a configuration.
var urls = regexp.MustCompile(`(?:http://hindcast:9097|\$HINDCAST_URL)(/[^\s"']*)?`)

// TestPaths holds that everything is sent to where hindcast takes something.
func TestPaths(t *testing.T) {
	_, paths, _ := receivers(t)
	given := []string{"", "/-/ready?role=receive"} // what else is served
	files, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".go") {
			continue
		}
		for _, m := range urls.FindAllStringSubmatch(read(t, f.Name()), -1) {
			path := strings.TrimRight(m[1], ".,;)")
			named[path] = true
			if !slices.Contains(paths, path) && !slices.Contains(given, path) {
				t.Errorf("%s: hindcast serves no %s", f.Name(), path)
			}
		}
	}
	for _, path := range paths {
		if !named[path] && path != "/ingest/events" {
			t.Errorf("no configuration sends to %s", path)
		}
	}
}

// TestNames holds that nobody's real addresses are in the configurations.
func TestNames(t *testing.T) {
	known := []string{"hindcast:9097", "localhost:9097", "alertmanager:9093", "pager.example"}
	files, err := filepath.Glob("*")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, ".go") {
			continue
		}
		for _, m := range regexp.MustCompile(`https?://[^\s"'}]+`).FindAllString(read(t, name), -1) {
			u, err := url.Parse(m)
			if err != nil || !slices.Contains(known, u.Host) {
				t.Errorf("%s: %s is not an address for examples", name, m)
			}
		}
	}
}

// TestScripts posts what the scripts post to the receivers.
func TestScripts(t *testing.T) {
	kinds := func(name string) (kinds []event.Kind) {
		for _, sent := range runScript(t, read(t, name), nil) {
			kinds = append(kinds, post(t, sent.path, sent.body).Events[0].Kind)
		}
		return kinds
	}
	want(t, "deploys.sh", kinds("deploys.sh"), []event.Kind{event.KindChange})
	want(t, "commits.sh", kinds("commits.sh"), []event.Kind{event.KindCommit})
	want(t, "messages.sh", kinds("messages.sh"), []event.Kind{event.KindMessage, event.KindAcknowledgement})
}

// changeOf is the change that a CI job reports.
func changeOf(t *testing.T, script string, env map[string]string) event.Event {
	t.Helper()
	sent := runScript(t, script, env)
	if len(sent) != 1 {
		t.Fatalf("it posts %d times, want once", len(sent))
	}
	b := post(t, sent[0].path, sent[0].body)
	if len(b.Events) != 1 || b.Events[0].Change == nil {
		t.Fatalf("got %+v, want one change", b.Events)
	}
	e := b.Events[0]
	if !e.OccurredAt.Before(e.ReceivedAt.Add(1)) || e.Change.Run == "" || e.Service != "payments" || e.Environment != "prod" {
		t.Errorf("got the change %+v of %q in %q at %s", e.Change, e.Service, e.Environment, e.OccurredAt)
	}
	return e
}

func TestGitHubWorkflow(t *testing.T) {
	v := parsed(t, "github-workflow.yml")
	steps := at(t, v, "jobs", "deploy", "steps").([]any)
	last := steps[len(steps)-1]
	want(t, "the step runs", at(t, last, "if"), "always()")
	env := map[string]string{
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "acme/payments", "GITHUB_RUN_ID": "7700123",
		"GITHUB_SHA": "9f31c6be4bb1f3fd09bca2b97a3b2ff8a32ce2f1", "GITHUB_ACTOR": "mira",
	}
	for said, status := range map[string]event.ChangeStatus{
		"success": event.ChangeSucceeded, "failure": event.ChangeFailed, "cancelled": event.ChangeCancelled,
	} {
		script := strings.ReplaceAll(at(t, last, "run").(string), "${{ job.status }}", said)
		if strings.Contains(script, "${{") {
			t.Fatalf("an expression is left: %s", script)
		}
		e := changeOf(t, script, env)
		want(t, "status "+said, e.Change.Status, status)
		want(t, "run", e.Change.Run, "https://github.com/acme/payments/actions/runs/7700123")
	}
}

func TestGitLabCI(t *testing.T) {
	script := at(t, parsed(t, "gitlab-ci.yml"), "deploy", "after_script", 0).(string)
	for said, status := range map[string]event.ChangeStatus{
		"success": event.ChangeSucceeded, "failed": event.ChangeFailed, "canceled": event.ChangeCancelled,
	} {
		e := changeOf(t, script, map[string]string{
			"CI_PIPELINE_URL": "https://gitlab.example/acme/payments/-/pipelines/7", "CI_COMMIT_SHORT_SHA": "9f31c6be",
			"CI_JOB_STATUS": said, "GITLAB_USER_LOGIN": "mira", "CI_JOB_URL": "https://gitlab.example/acme/payments/-/jobs/8",
			"CI_COMMIT_SHA": "9f31c6be4bb1f3fd09bca2b97a3b2ff8a32ce2f1",
		})
		want(t, "status "+said, e.Change.Status, status)
	}
}

func TestGitHubWebhook(t *testing.T) {
	sent := runScript(t, read(t, "github-webhook.sh"), map[string]string{
		"HINDCAST_URL": "https://hindcast.example", "WEBHOOK_SECRET": "hush", "REPOSITORY": "acme/payments",
	})
	if len(sent) != 1 || sent[0].path != "repos/acme/payments/hooks" {
		t.Fatalf("got %+v, want one call of GitHub's API", sent)
	}
	var hook map[string]any
	if err := json.Unmarshal([]byte(sent[0].body), &hook); err != nil {
		t.Fatal(err)
	}
	want(t, "events", at(t, hook, "events"), []string{"deployment", "deployment_status", "workflow_run", "push"})
	want(t, "url", at(t, hook, "config", "url"), "https://hindcast.example/ingest/github")
	want(t, "content type", at(t, hook, "config", "content_type"), "json")
	want(t, "secret", at(t, hook, "config", "secret"), "hush")
}
