// Package deploy decodes the generic bodies by which CI/CD systems, scripts
// and people report changes and commits: POST /ingest/deploys and POST
// /ingest/commits.
//
// In the flow it stands between the HTTP receiver, or a Kafka consumer, and
// storage: bytes in, events of the kinds change and commit out. It does no I/O and keeps nothing.
package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// Bounds of what a change may carry. Names that are longer are an error, since
// a name that is cut names something else; texts and lists are cut, and the
// event's label hindcast_clipped says so.
const (
	MaxName    = 1024     // bytes of a name: a service, a version, a run
	MaxURL     = 4096     // bytes of a URL
	MaxMessage = 16 << 10 // bytes of a message of a change or a commit
	MaxDiff    = 64 << 10 // bytes of a commit's diff
	MaxFiles   = 1000     // files of a commit
	MaxPath    = 4096     // bytes of the path of a file
	MaxCommits = 1000     // commits of a change
)

// DecodeDeploys decodes a body of POST /ingest/deploys: a change or an array
// of changes. Only service is required: without at a change happened when it
// was received, without kind it is a deploy, without status it succeeded.
//
// The ID of an event is taken from all that it tells, so that the same post
// again is the same event, and two posts of one run that differ are two. A
// sender that leaves out at gives that up: each of its posts has a time of its
// own.
//
// A single change that is wrong is an error (*event.Malformed); one of an
// array is put aside, and the others are taken; when none is left, the first
// failure is the error as well.
func DecodeDeploys(b []byte, receivedAt time.Time) (event.Batch, error) {
	return body.Decode(b, event.RoadDeploys, receivedAt, func(o *body.Object) event.Event {
		return change(o, receivedAt.UTC())
	})
}

func change(o *body.Object, receivedAt time.Time) event.Event {
	e := event.Event{
		Kind:        event.KindChange,
		OccurredAt:  o.Time("at"),
		Service:     o.Need("service", MaxName),
		Environment: o.Text("environment", MaxName),
		Labels:      o.Labels("labels"),
		Change: &event.Change{
			Run:             o.Text("id", MaxName),
			Kind:            kindOf(o),
			Status:          statusOf(o),
			Version:         o.Text("version", MaxName),
			PreviousVersion: o.Text("previous_version", MaxName),
			Actor:           o.Text("actor", MaxName),
			URL:             o.Text("url", MaxURL),
			Message:         o.Prose("message", MaxMessage),
			Commit:          o.Text("commit", MaxName),
		},
	}
	for _, item := range o.List("commits", MaxCommits) {
		if item.IsText() {
			e.Change.Commits = append(e.Change.Commits, event.Commit{SHA: item.Text(MaxName)})
			continue
		}
		e.Change.Commits = append(e.Change.Commits, commit(item.Object()))
	}
	at := timeText(e.OccurredAt)
	if e.OccurredAt.IsZero() {
		e.OccurredAt = receivedAt
	}
	e.ID = event.NewID(e.OccurredAt, "change", e.Change.Run, e.Service, e.Environment, e.Change.Version,
		string(e.Change.Kind), string(e.Change.Status), at, digest(e.Change, e.Labels))
	e.Labels = o.NoteClipped(e.Labels)
	return e
}

// digest is a digest of what facts say, the same however the sender ordered
// and spaced its JSON.
func digest(facts ...any) string {
	h := sha256.New()
	// Structs, texts, times and maps of texts: nothing that cannot be encoded.
	_ = json.NewEncoder(h).Encode(facts)
	return hex.EncodeToString(h.Sum(nil))
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}
