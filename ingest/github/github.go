// Package github decodes the webhooks of GitHub (github.com and Enterprise
// Server) that tell of changes and commits: deployment, deployment_status,
// workflow_run and push. All other events are accepted and say nothing.
//
// In the flow it stands between the HTTP receiver, or a Kafka consumer, and
// storage: bytes in, events of the kinds change and commit out. It does no I/O and keeps nothing.
// The receiver checks the signature first, with [VerifySignature]; a consumer checks none.
package github

import (
	"bytes"
	"net/url"
	"regexp"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// Config says what of GitHub's events a site takes. The zero Config takes the
// runs of workflows that [DefaultWorkflows] matches, and the commits that are
// pushed to any branch. It is read only, and may be shared.
type Config struct {
	// Workflows matches the name or the path of the workflows whose runs deploy
	// something; nil is DefaultWorkflows. Groups named "service" and
	// "environment" take these from the name, as
	// `(?i)^deploy (?P<service>\S+) to (?P<environment>\S+)`.
	Workflows *regexp.Regexp
	// DefaultBranchOnly leaves out commits that are pushed to another branch
	// than the repository's default one.
	DefaultBranchOnly bool
}

// DefaultWorkflows matches the workflows whose runs are taken as changes where
// the site does not say which.
var DefaultWorkflows = regexp.MustCompile(`(?i)deploy|release|rollback`)

// Decode decodes a webhook with the zero [Config].
func Decode(eventType, deliveryID string, b []byte, receivedAt time.Time) (event.Batch, error) {
	return Config{}.Decode(eventType, deliveryID, b, receivedAt)
}

// Decode decodes a webhook. EventType is its header X-GitHub-Event, and
// deliveryID its X-GitHub-Delivery, which is named where a commit is put
// aside, so that the delivery can be found at GitHub. The body is JSON, or the
// form that GitHub sends unless it is told to send JSON.
//
//   - deployment: the change has started;
//   - deployment_status: started (queued, pending, in_progress), succeeded or
//     failed (failure, error); inactive, waiting and unknown states say nothing;
//   - workflow_run of a workflow that deploys: started (requested,
//     in_progress), and by its conclusion succeeded, failed or cancelled;
//   - push to a branch: its commits;
//   - ping and every other event: nothing, whatever the body holds.
//
// IDs of events are taken from GitHub's own (of the deployment, the status,
// the run with its attempt and action, the commit), so that a redelivery is
// the same event. A payload that is wrong is an error (*event.Malformed); a
// commit of a push that is wrong is put aside, and the others are taken; when
// none is left, what is wrong with the first is the error as well.
func (c Config) Decode(eventType, deliveryID string, b []byte, receivedAt time.Time) (event.Batch, error) {
	receivedAt = receivedAt.UTC()
	var read func(p *payload) (event.Event, bool)
	switch eventType {
	case "":
		return event.Batch{}, &event.Malformed{Field: "X-GitHub-Event", Reason: "header is required"}
	case "deployment":
		read = deployment
	case "deployment_status":
		read = deploymentStatus
	case "workflow_run":
		read = c.workflowRun
	case "push":
		p, err := parse(b)
		if err != nil {
			return event.Batch{}, err
		}
		return c.push(p, deliveryID, receivedAt)
	default:
		return event.Batch{}, nil
	}
	p, err := parse(b)
	if err != nil {
		return event.Batch{}, err
	}
	e, told := read(p)
	if f := p.Failure(); f != nil {
		return event.Batch{}, f.Malformed()
	}
	if !told {
		return event.Batch{}, nil
	}
	e.Labels = p.NoteClipped(e.Labels)
	e.Road, e.ReceivedAt, e.Raw = event.RoadGitHub, receivedAt, p.raw
	return event.Batch{Events: []event.Event{e}}, nil
}

// payload is the body of a webhook.
type payload struct {
	*body.Object
	raw []byte
	// repository is the full name, "owner/name"; name is the latter part.
	repository, name string
	// web is the address of the repository's page.
	web string
}

func parse(b []byte) (*payload, error) {
	b, err := form(b)
	if err != nil {
		return nil, err
	}
	raw, err := body.Clean(b)
	if err != nil {
		return nil, err
	}
	p := &payload{Object: body.Parse(raw, "", false), raw: raw}
	repository := p.Object.Object("repository")
	p.repository = repository.Need("full_name", maxName)
	p.name = repository.Need("name", maxName)
	p.web = repository.Text("html_url", maxName)
	return p, nil
}

// form takes the JSON out of a body that GitHub sent as a form.
func form(b []byte) ([]byte, error) {
	const field = "payload="
	if !bytes.HasPrefix(b, []byte(field)) {
		return b, nil
	}
	value, _, _ := bytes.Cut(b[len(field):], []byte("&"))
	text, err := url.QueryUnescape(string(value))
	if err != nil {
		return nil, &event.Malformed{Field: "payload", Reason: "not a valid form: " + err.Error()}
	}
	return []byte(text), nil
}

// login is the account that a field names: a user, or an app, "name[bot]".
func login(o *body.Object, field string) string {
	return o.Object(field).Text("login", maxName)
}
