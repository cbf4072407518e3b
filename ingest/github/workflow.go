package github

import (
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// workflowRun reads an event of that type, of a workflow that deploys.
func (c Config) workflowRun(p *payload) (event.Event, bool) {
	run, workflow := p.Object.Object("workflow_run"), p.Object.Object("workflow")
	name := first(run.Text("name", maxName), workflow.Text("name", maxName))
	path := first(run.Text("path", maxName), workflow.Text("path", maxName))
	groups, deploys := c.match(name, path)
	if !deploys {
		return event.Event{}, false
	}
	action := strings.ToLower(p.Text("action", maxName))
	status, told := progress(action, strings.ToLower(run.Text("conclusion", maxName)))
	title := run.Prose("display_title", maxMessage)
	sha, branch := run.Text("head_sha", maxName), run.Text("head_branch", maxName)
	e := event.Event{
		Kind:        event.KindChange,
		Instance:    p.repository,
		Service:     first(groups["service"], p.name),
		Environment: groups["environment"],
		Labels:      labels("repository", p.repository, "branch", branch, "workflow", name),
		Change: &event.Change{
			Run:     first(run.Text("html_url", maxName), p.repository+"/actions/runs/"+run.Need("id", maxName)),
			Kind:    event.ChangeDeploy,
			Status:  status,
			Version: versionOf(branch, sha),
			Actor:   person(login(run, "triggering_actor"), login(run, "actor"), login(p.Object, "sender")),
			URL:     run.Text("html_url", maxName),
			Message: title,
			Commit:  sha,
		},
	}
	if rollsBack(name) || rollsBack(path) || byHand(run) && rollsBack(title) {
		e.Change.Kind = event.ChangeRollback
	}
	if head := run.Object("head_commit"); head.Has("id") {
		e.Change.Commits = []event.Commit{commit(p, head)}
	}
	if status == event.ChangeStarted {
		e.OccurredAt = run.Time("run_started_at")
	}
	if e.OccurredAt.IsZero() {
		e.OccurredAt = need(run, "updated_at")
	}
	attempt := first(run.Text("run_attempt", maxName), "1")
	e.ID = event.NewID(e.OccurredAt, "github", "workflow_run", p.repository, run.Need("id", maxName), attempt, action)
	return e, told
}

// match reports whether a workflow deploys, and what its name says beside.
func (c Config) match(texts ...string) (groups map[string]string, deploys bool) {
	pattern := c.Workflows
	if pattern == nil {
		pattern = DefaultWorkflows
	}
	for _, text := range texts {
		found := pattern.FindStringSubmatch(text)
		if found == nil || text == "" {
			continue
		}
		groups = map[string]string{}
		for i, group := range pattern.SubexpNames() {
			if group != "" && found[i] != "" {
				groups[group] = found[i]
			}
		}
		return groups, true
	}
	return nil, false
}

// progress is how far a run got; false when the action says nothing of it.
func progress(action, conclusion string) (event.ChangeStatus, bool) {
	switch action {
	case "requested", "in_progress":
		return event.ChangeStarted, true
	case "completed":
	default:
		return "", false
	}
	switch conclusion {
	case "success":
		return event.ChangeSucceeded, true
	case "failure", "timed_out", "startup_failure":
		return event.ChangeFailed, true
	case "cancelled", "skipped", "stale", "neutral":
		return event.ChangeCancelled, true
	}
	// Action required is a run that waits for an approval.
	return "", false
}

// byHand reports whether somebody started the run: then its title is what they
// called it, and not the message of a commit, which may speak of anything.
func byHand(run *body.Object) bool {
	switch run.Text("event", maxName) {
	case "workflow_dispatch", "repository_dispatch":
		return true
	}
	return false
}
