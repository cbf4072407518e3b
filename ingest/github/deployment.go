package github

import (
	"encoding/json"
	"regexp"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

const (
	maxName    = deploy.MaxName
	maxMessage = deploy.MaxMessage
)

// deployment reads an event of that type: GitHub was told to deploy.
func deployment(p *payload) (event.Event, bool) {
	d := p.Object.Object("deployment")
	e := deployed(p, d)
	e.OccurredAt = need(d, "created_at")
	e.Change.Status = event.ChangeStarted
	e.ID = event.NewID(e.OccurredAt, "github", "deployment", p.repository, d.Need("id", maxName))
	return e, true
}

// deploymentStatus reads an event of that type: how far a deployment got.
func deploymentStatus(p *payload) (event.Event, bool) {
	s := p.Object.Object("deployment_status")
	e := deployed(p, p.Object.Object("deployment"))
	e.OccurredAt = need(s, "created_at")
	if environment := s.Text("environment", maxName); environment != "" {
		e.Environment = environment
	}
	if text := s.Prose("description", maxMessage); text != "" {
		e.Change.Message = text
	}
	if page := first(s.Text("log_url", maxName), s.Text("target_url", maxName)); page != "" {
		e.Change.URL = page
	}
	e.ID = event.NewID(e.OccurredAt, "github", "deployment_status", p.repository, s.Need("id", maxName))
	switch strings.ToLower(s.Need("state", maxName)) {
	case "queued", "pending", "in_progress":
		e.Change.Status = event.ChangeStarted
	case "success":
		e.Change.Status = event.ChangeSucceeded
	case "failure", "error":
		e.Change.Status = event.ChangeFailed
	default:
		// Inactive is the end of an environment or of the version before, waiting
		// is for an approval: neither changed the service now.
		return e, false
	}
	return e, true
}

// deployed is what a deployment says in each of its events.
func deployed(p *payload, d *body.Object) event.Event {
	said := deploymentPayload(d)
	run := p.Object.Object("workflow_run")
	sha, ref, task := d.Text("sha", maxName), d.Text("ref", maxName), d.Text("task", maxName)
	e := event.Event{
		Kind:        event.KindChange,
		Instance:    p.repository,
		Service:     first(said.text("service"), said.text("app"), p.name),
		Environment: first(d.Text("environment", maxName), d.Text("original_environment", maxName)),
		Labels: labels(
			"repository", p.repository, "ref", ref, "task", task,
			"workflow", run.Text("name", maxName), "workflow_run", run.Text("html_url", maxName)),
		Change: &event.Change{
			Run:             first(d.Text("url", maxName), p.repository+"/deployments/"+d.Need("id", maxName)),
			Kind:            event.ChangeDeploy,
			Version:         first(said.text("version"), versionOf(ref, sha)),
			PreviousVersion: said.text("previous_version"),
			Actor:           first(said.text("actor"), person(login(d, "creator"), login(run, "triggering_actor"), login(run, "actor"), login(p.Object, "sender"))),
			URL:             first(run.Text("html_url", maxName), p.web),
			Message:         d.Prose("description", maxMessage),
			Commit:          sha,
		},
	}
	if kind, ok := deploy.Kind(said.text("kind")); ok {
		e.Change.Kind = kind
	}
	if said.true("rollback") || rollsBack(task) || rollsBack(said.text("task")) || rollsBack(run.Text("name", maxName)) {
		e.Change.Kind = event.ChangeRollback
	}
	return e
}

// said is a deployment's own payload: what its creator, and no one at GitHub,
// gave it. Nothing in it can make the webhook malformed.
type said struct{ fields map[string]any }

// deploymentPayload reads the payload, an object or a text that holds one.
func deploymentPayload(d *body.Object) said {
	var s said
	raw := d.Raw("payload")
	var text string
	if json.Unmarshal(raw, &text) == nil && text != "" {
		raw = []byte(text)
	}
	if json.Unmarshal(raw, &s.fields) != nil {
		s.fields = nil
	}
	return s
}

// text is the text of a field; "" when it is absent, no text, or too long.
func (s said) text(name string) string {
	text, _ := s.fields[name].(string)
	if len(text) > maxName {
		return ""
	}
	return strings.TrimSpace(text)
}

func (s said) true(name string) bool {
	switch v := s.fields[name].(type) {
	case bool:
		return v
	case string:
		return v == "true"
	}
	return false
}

var rollback = regexp.MustCompile(`(?i)roll(ed|ing|s)?[ _-]?back`)

func rollsBack(text string) bool { return rollback.MatchString(text) }

// tag matches what a ref looks like that names a version: v1.2.3, 2026.11.22,
// payments/v2.0.1. GitHub gives tags and branches without saying which they
// are; branch matches branches that look like a tag.
var (
	tag    = regexp.MustCompile(`(?i)^(?:[a-z][\w.]*[-/@])*v?\d+(?:\.\d+)+(?:[-+.][\w.+-]*)?$`)
	branch = regexp.MustCompile(`(?i)^(?:releases?|hotfix|support|maintenance)[-/]`)
)

// versionOf is the version that was deployed: the tag, else the commit in the
// short form in which GitHub shows it.
func versionOf(ref, sha string) string {
	if name, isTag := strings.CutPrefix(ref, "refs/tags/"); isTag {
		return name
	}
	if tag.MatchString(ref) && !branch.MatchString(ref) {
		return ref
	}
	return sha[:min(len(sha), 7)]
}

// person is the first of the logins that is no app's, else the first that
// there is: a workflow deploys as github-actions[bot] what a person started.
func person(logins ...string) string {
	for _, name := range logins {
		if name != "" && !strings.HasSuffix(name, "[bot]") {
			return name
		}
	}
	return first(logins...)
}

func need(o *body.Object, field string) time.Time {
	t := o.Time(field)
	if t.IsZero() {
		o.Fail(field, body.ClassMissing, "required")
	}
	return t
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// labels pairs names with values and leaves out empty ones.
func labels(pairs ...string) event.Labels {
	l := event.Labels{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			l[pairs[i]] = pairs[i+1]
		}
	}
	return l
}
