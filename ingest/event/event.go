package event

import (
	"encoding/json"
	"time"
)

// Event is one immutable fact. Exactly one of the typed fields behind Kind is
// set. Its ID comes from the sender's own identity (a run, a group key and a
// time stamp, a silence and its update), so that a second delivery, or a
// second replica that tells the same, is the same event.
type Event struct {
	ID   ID   `json:"id"`
	Kind Kind `json:"kind"`
	// OccurredAt is the sender's claim, in UTC, within [MinTime, MaxTime].
	OccurredAt time.Time `json:"occurred_at"`
	// ReceivedAt is when the event was first acknowledged. It travels with the
	// event; of two copies the smaller one counts.
	ReceivedAt time.Time `json:"received_at"`
	// Road is how it came: the receiver or the poll that took it in.
	Road Road `json:"road"`
	// Instance is the sender's own name, where it says one: an Alertmanager's
	// instance, a repository, a channel.
	Instance    string `json:"instance,omitempty"`
	Service     string `json:"service,omitempty"`
	Environment string `json:"environment,omitempty"`
	Labels      Labels `json:"labels,omitempty"`
	// ClockSuspect is set when a time of the sender's was outside the accepted
	// range and was clamped.
	ClockSuspect bool `json:"clock_suspect,omitempty"`

	Notification    *Notification    `json:"notification,omitempty"`
	Mute            *Mute            `json:"mute,omitempty"`
	Silence         *Silence         `json:"silence,omitempty"`
	Change          *Change          `json:"change,omitempty"`
	Commit          *Commit          `json:"commit,omitempty"`
	Message         *Message         `json:"message,omitempty"`
	Acknowledgement *Acknowledgement `json:"acknowledgement,omitempty"`
	Source          *SourceStatus    `json:"source,omitempty"`

	// Raw is the payload as the sender sent it: the entry of a batch, or the
	// whole body of a single post. JSON where the sender speaks JSON.
	Raw json.RawMessage `json:"raw,omitempty"`
}

// Kind says what an event tells.
type Kind string

// The kinds. Alert and log facts are kept as [Observation] and [Count]; their
// kinds name them where facts of all kinds are listed.
const (
	KindAlert           Kind = "alert"
	KindNotification    Kind = "notification"
	KindMute            Kind = "mute"
	KindSilence         Kind = "silence"
	KindChange          Kind = "change"
	KindCommit          Kind = "commit"
	KindLog             Kind = "log"
	KindMessage         Kind = "message"
	KindAcknowledgement Kind = "acknowledgement"
	KindSource          Kind = "source"
)

// Road is the way a fact came in.
type Road string

// The roads that exist. A sender with a receiver of its own has a road of its
// own.
const (
	RoadWebhook    Road = "alertmanager-webhook"
	RoadGrafana    Road = "grafana-webhook"
	RoadRecorder   Road = "alertmanager-events"
	RoadPrometheus Road = "prometheus"
	RoadPoll       Road = "alertmanager-poll"
	RoadDeploys    Road = "deploys"
	RoadCommits    Road = "commits"
	RoadGitHub     Road = "github"
	RoadMessages   Road = "messages"
	RoadLoki       Road = "loki"
	RoadJSONLines  Road = "json-lines"
	RoadEnvelope   Road = "envelope"
)

// Notification is a delivery to a receiver. The event recorder tells of one
// that was delivered; a webhook's arrival at hindcast is one as well.
type Notification struct {
	Receiver string `json:"receiver"`
	// Integration is the type of the receiver's integration ("pagerduty",
	// "slack", "webhook"); "" when the road does not tell.
	Integration      string     `json:"integration,omitempty"`
	IntegrationIndex int        `json:"integration_index,omitempty"`
	GroupKey         string     `json:"group_key,omitempty"`
	GroupLabels      Labels     `json:"group_labels,omitempty"`
	Reason           string     `json:"reason,omitempty"`
	Firing           []AlertRef `json:"firing,omitempty"`
	Resolved         []AlertRef `json:"resolved,omitempty"`
	// Truncated is how many alerts the sender left out of the payload.
	Truncated int `json:"truncated,omitempty"`
	// ToHindcast says that this is the arrival of a webhook at hindcast itself
	// and not a record of a delivery elsewhere.
	ToHindcast bool `json:"to_hindcast,omitempty"`
}

// AlertRef points at an alert from another fact.
type AlertRef struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	StartsAt    time.Time   `json:"starts_at,omitzero"`
}

// Mute is one suppression of an alert at one evaluation. Senders repeat it at
// every flush.
type Mute struct {
	Fingerprint Fingerprint `json:"fingerprint"`
	Labels      Labels      `json:"labels,omitempty"`
	// SilenceID is set when a silence muted the alert, else Rule and Inhibitors
	// tell of the inhibition.
	SilenceID  string        `json:"silence_id,omitempty"`
	Rule       string        `json:"rule,omitempty"`
	Inhibitors []Fingerprint `json:"inhibitors,omitempty"`
}

// Silence is the state of a silence at one change of it.
type Silence struct {
	ID     string        `json:"id"`
	Action SilenceAction `json:"action"`
	// MatcherSets is a disjunction of conjunctions.
	MatcherSets [][]Matcher `json:"matcher_sets,omitempty"`
	StartsAt    time.Time   `json:"starts_at,omitzero"`
	EndsAt      time.Time   `json:"ends_at,omitzero"`
	UpdatedAt   time.Time   `json:"updated_at,omitzero"`
	CreatedBy   string      `json:"created_by,omitempty"`
	Comment     string      `json:"comment,omitempty"`
}

// SilenceAction is what happened to a silence.
type SilenceAction string

// What can happen to a silence. Deleting one ends it early; no webhook and no
// recorder tells it, only the poll.
const (
	SilenceCreated SilenceAction = "created"
	SilenceUpdated SilenceAction = "updated"
	SilenceExpired SilenceAction = "expired"
)

// Matcher is one condition on a label, with Alertmanager's operators.
type Matcher struct {
	Name  string `json:"name"`
	Op    string `json:"op"` // =, !=, =~ or !~
	Value string `json:"value"`
}

// Change is one report about a change of a service: a deploy's start or end, a
// flag that was flipped, a configuration that was applied.
type Change struct {
	// Run is the sender's ID of the run; reports of one run are one change.
	Run             string       `json:"run,omitempty"`
	Kind            ChangeKind   `json:"kind"`
	Status          ChangeStatus `json:"status"`
	Version         string       `json:"version,omitempty"`
	PreviousVersion string       `json:"previous_version,omitempty"`
	Actor           string       `json:"actor,omitempty"`
	URL             string       `json:"url,omitempty"`
	Message         string       `json:"message,omitempty"`
	// Commit is the SHA that was deployed; Commits are those that the change
	// carries, as far as the sender tells.
	Commit  string   `json:"commit,omitempty"`
	Commits []Commit `json:"commits,omitempty"`
}

// ChangeKind is the sort of a change.
type ChangeKind string

// The kinds of a change.
const (
	ChangeDeploy    ChangeKind = "deploy"
	ChangeRollback  ChangeKind = "rollback"
	ChangeConfig    ChangeKind = "config"
	ChangeFlag      ChangeKind = "flag"
	ChangeMigration ChangeKind = "migration"
	ChangeRestart   ChangeKind = "restart"
)

// ChangeStatus is how far a change got.
type ChangeStatus string

// The states of a change.
const (
	ChangeStarted   ChangeStatus = "started"
	ChangeSucceeded ChangeStatus = "succeeded"
	ChangeFailed    ChangeStatus = "failed"
	ChangeCancelled ChangeStatus = "cancelled"
)

// Commit is one commit of a repository.
type Commit struct {
	SHA        string    `json:"sha"`
	Repository string    `json:"repository,omitempty"`
	Author     string    `json:"author,omitempty"`
	At         time.Time `json:"at,omitzero"`
	Message    string    `json:"message,omitempty"`
	Files      []string  `json:"files,omitempty"`
	Diff       string    `json:"diff,omitempty"`
	URL        string    `json:"url,omitempty"`
}

// Message is what a person or a bot wrote.
type Message struct {
	Author  string `json:"author"`
	Channel string `json:"channel,omitempty"`
	Thread  string `json:"thread,omitempty"`
	Text    string `json:"text"`
	URL     string `json:"url,omitempty"`
	// Incident is the incident that the sender says it belongs to: an ID of
	// ours, or a link that ends in one.
	Incident string `json:"incident,omitempty"`
}

// Acknowledgement is someone's statement to a paging system that they took an
// alert.
type Acknowledgement struct {
	Actor    string     `json:"actor"`
	Alerts   []AlertRef `json:"alerts,omitempty"`
	Incident string     `json:"incident,omitempty"`
	Note     string     `json:"note,omitempty"`
}

// SourceStatus is what a source says of itself, or what hindcast saw of it.
type SourceStatus struct {
	// Status is "started", "stopped", "unreachable" or "reachable".
	Status string `json:"status"`
	Detail string `json:"detail,omitempty"`
}

// The accepted range of times. What lies outside is a sender's broken clock or
// a field that was never set.
var (
	MinTime = time.Date(1970, 1, 1, 0, 0, 0, 0, time.UTC)
	MaxTime = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
)

// InRange reports whether a sender's time can be taken as it is.
func InRange(t time.Time) bool { return !t.Before(MinTime) && t.Before(MaxTime) }

// Clamp brings a time into the accepted range and reports whether it had to.
func Clamp(t time.Time) (clamped time.Time, suspect bool) {
	switch {
	case t.Before(MinTime):
		return MinTime, true
	case !t.Before(MaxTime):
		return MaxTime.Add(-time.Nanosecond), true
	}
	return t.UTC(), false
}
