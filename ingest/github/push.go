package github

import (
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// maxPushed bounds the commits of one push; GitHub sends 2,048 at most.
const maxPushed = 4096

// push reads an event of that type: the commits that came to a branch.
func (c Config) push(p *payload, deliveryID string, receivedAt time.Time) (event.Batch, error) {
	ref := p.Need("ref", maxName)
	items := p.List("commits", maxPushed)
	main := p.Object.Object("repository").Text("default_branch", maxName)
	if f := p.Failure(); f != nil {
		return event.Batch{}, f.Malformed()
	}
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch || c.DefaultBranchOnly && branch != main {
		return event.Batch{}, nil
	}
	var batch event.Batch
	var wrong *event.Malformed
	for _, item := range items {
		o := item.Alone()
		told := commit(p, o)
		if f := o.Failure(); f != nil {
			if deliveryID != "" {
				f.Reason += " (delivery " + deliveryID[:min(len(deliveryID), 100)] + ")"
			}
			if wrong == nil {
				wrong = f.Malformed()
			}
			batch.Asides = append(batch.Asides, f.Aside(event.RoadGitHub, receivedAt, item.Raw))
			continue
		}
		e := deploy.CommitEvent(told, o.NoteClipped(labels("branch", branch)), receivedAt)
		e.Road, e.ReceivedAt, e.Raw = event.RoadGitHub, receivedAt, item.Raw
		e.ClockSuspect = o.ClockSuspect()
		batch.Events = append(batch.Events, e)
	}
	if wrong != nil && len(batch.Events) == 0 {
		return batch, wrong
	}
	return batch, nil
}

// commit reads a commit of a push, or the head commit of a workflow's run.
func commit(p *payload, o *body.Object) event.Commit {
	author := o.Object("author")
	told := event.Commit{
		SHA:        o.Need("id", maxName),
		Repository: p.repository,
		Author:     first(author.Text("username", maxName), author.Text("name", maxName), author.Text("email", maxName)),
		At:         o.Time("timestamp"),
		Message:    o.Prose("message", maxMessage),
		URL:        o.Text("url", maxName),
	}
	if told.URL == "" && p.web != "" {
		told.URL = p.web + "/commit/" + told.SHA
	}
	for _, list := range []string{"added", "modified", "removed"} {
		for _, file := range o.List(list, deploy.MaxFiles) {
			if len(told.Files) < deploy.MaxFiles {
				told.Files = append(told.Files, file.Text(deploy.MaxPath))
			}
		}
	}
	return told
}
