package deploy

import (
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// DecodeCommits decodes a body of POST /ingest/commits: a commit or an array of
// commits, which a later deploy carries. Only sha is required; without at the
// commit happened when it was received. Errors and what is put aside are as in
// [DecodeDeploys].
func DecodeCommits(b []byte, receivedAt time.Time) (event.Batch, error) {
	return body.Decode(b, event.RoadCommits, receivedAt, func(o *body.Object) event.Event {
		c := commit(o)
		return CommitEvent(c, o.NoteClipped(nil), receivedAt.UTC())
	})
}

// CommitEvent is the event that tells of a commit. Its ID is taken from the
// repository, the SHA and what the commit says, so that the same commit from
// several senders is one event, and one that comes again with its diff is not
// lost behind the first. A commit without a time happened at receivedAt.
func CommitEvent(c event.Commit, labels event.Labels, receivedAt time.Time) event.Event {
	at := c.At
	if at.IsZero() {
		at = receivedAt.UTC()
	}
	return event.Event{
		ID:         event.NewID(at, "commit", c.Repository, c.SHA, digest(c)),
		Kind:       event.KindCommit,
		OccurredAt: at,
		Instance:   c.Repository,
		Labels:     labels,
		Commit:     &c,
	}
}

func commit(o *body.Object) event.Commit {
	c := event.Commit{
		SHA:        o.Need("sha", MaxName),
		Repository: o.Text("repository", MaxName),
		Author:     o.Text("author", MaxName),
		At:         o.Time("at"),
		Message:    o.Prose("message", MaxMessage),
		Diff:       o.Prose("diff", MaxDiff),
		URL:        o.Text("url", MaxURL),
	}
	for _, file := range o.List("files", MaxFiles) {
		c.Files = append(c.Files, file.Text(MaxPath))
	}
	return c
}
