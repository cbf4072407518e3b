package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	"github.com/hindcast/hindcast/ingest/message"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// fromEnvelope is the event that an envelope carries.
func fromEnvelope(r *reader, c common) event.Event {
	env := c.env
	e := event.Event{
		OccurredAt:  r.time("occurred_at", env.GetOccurredAt()),
		ReceivedAt:  c.receivedAt,
		Road:        c.road,
		Instance:    r.name("instance", env.GetInstance()),
		Service:     r.name("service", env.GetService()),
		Environment: r.name("environment", env.GetEnvironment()),
		Labels:      r.labels("labels", env.GetLabels()),
	}
	switch fact := env.GetFact().(type) {
	case *hindcastv1.Envelope_Notification:
		e.Kind, e.Notification = event.KindNotification, notification(r, fact.Notification)
	case *hindcastv1.Envelope_Mute:
		e.Kind, e.Mute = event.KindMute, mute(r, fact.Mute)
	case *hindcastv1.Envelope_Silence:
		e.Kind, e.Silence = event.KindSilence, silence(r, fact.Silence)
	case *hindcastv1.Envelope_Change:
		r.need("service", e.Service)
		e.Kind, e.Change = event.KindChange, change(r, fact.Change)
	case *hindcastv1.Envelope_Commit:
		told := commit(r, "commit", fact.Commit)
		e.Kind, e.Commit = event.KindCommit, &told
		if e.OccurredAt.IsZero() {
			e.OccurredAt = told.At
		}
		if r.own && e.Instance == "" {
			e.Instance = told.Repository
		}
	case *hindcastv1.Envelope_Message:
		e.Kind, e.Message = event.KindMessage, said(r, fact.Message)
		if r.own && e.Instance == "" {
			e.Instance = e.Message.Channel
		}
	case *hindcastv1.Envelope_Acknowledgement:
		e.Kind, e.Acknowledgement = event.KindAcknowledgement, acknowledgement(r, fact.Acknowledgement)
	case *hindcastv1.Envelope_Source:
		e.Kind, e.Source = event.KindSource, &event.SourceStatus{
			Status: r.need("source.status", fact.Source.GetStatus()),
			Detail: r.prose("source.detail", fact.Source.GetDetail(), deploy.MaxMessage),
		}
	}
	e.ID = eventID(r, c, &e)
	if len(r.clipped) > 0 {
		// A copy: the envelope may yet be written as the raw payload.
		e.Labels = body.NoteClipped(maps.Clone(e.Labels), r.clipped)
	}
	e.ClockSuspect = r.suspect
	return e
}

var errNoID = errors.New("the ID of zeros names nothing")

// eventID is the ID that the envelope gives, else one that is taken from the
// producer's identity, else from everything the envelope says. An event
// without a time occurs when it was received, which is then part of its ID.
func eventID(r *reader, c common, e *event.Event) event.ID {
	said := *e
	if e.OccurredAt.IsZero() {
		e.OccurredAt = c.receivedAt
	}
	if !r.own {
		id, err := event.ParseID(c.env.GetId())
		if err == nil && id.IsZero() {
			err = errNoID
		}
		if err != nil {
			r.fail("id", body.ClassValue, "%v", err)
		}
		return id
	}
	if source := r.name("source_id", c.env.GetSourceId()); source != "" {
		return event.NewID(e.OccurredAt, "envelope", e.Instance, string(e.Kind), source)
	}
	said.ReceivedAt, said.Raw = time.Time{}, nil
	return event.NewID(e.OccurredAt, "envelope", string(e.Kind), digest(said))
}

// digest is a digest of what facts say, on every machine the same.
func digest(facts any) string {
	h := sha256.New()
	// Structs of texts, numbers and times in range: nothing that cannot be
	// encoded.
	_ = json.NewEncoder(h).Encode(facts)
	return hex.EncodeToString(h.Sum(nil))
}

func notification(r *reader, n *hindcastv1.Notification) *event.Notification {
	return &event.Notification{
		Receiver:         r.need("notification.receiver", n.GetReceiver()),
		Integration:      r.name("notification.integration", n.GetIntegration()),
		IntegrationIndex: int(n.GetIntegrationIndex()),
		GroupKey:         n.GetGroupKey(),
		GroupLabels:      r.labels("notification.group_labels", n.GetGroupLabels()),
		Reason:           r.name("notification.reason", n.GetReason()),
		Firing:           alertRefs(r, "notification.firing", n.GetFiring()),
		Resolved:         alertRefs(r, "notification.resolved", n.GetResolved()),
		Truncated:        int(n.GetTruncated()),
		ToHindcast:       n.GetToHindcast(),
	}
}

func alertRefs(r *reader, field string, refs []*hindcastv1.AlertRef) []event.AlertRef {
	var list []event.AlertRef
	for i, ref := range refs {
		list = append(list, event.AlertRef{
			Fingerprint: r.fingerprint(index(field, i)+".fingerprint", ref.GetFingerprint()),
			StartsAt:    r.end(index(field, i)+".starts_at", ref.GetStartsAt()),
		})
	}
	return list
}

func mute(r *reader, m *hindcastv1.Mute) *event.Mute {
	labels := r.labels("mute.labels", m.GetLabels())
	told := &event.Mute{
		Labels:     labels,
		SilenceID:  r.name("mute.silence_id", m.GetSilenceId()),
		Rule:       r.name("mute.rule", m.GetRule()),
		Inhibitors: r.fingerprints("mute.inhibitors", m.GetInhibitors()),
	}
	switch {
	case m.GetFingerprint() != "":
		told.Fingerprint = r.fingerprint("mute.fingerprint", m.GetFingerprint())
	case len(labels) > 0:
		told.Fingerprint = labels.Fingerprint()
	default:
		r.fail("mute.fingerprint", body.ClassMissing, "required, or labels")
	}
	return told
}

func silence(r *reader, s *hindcastv1.Silence) *event.Silence {
	told := &event.Silence{
		ID:        r.need("silence.id", s.GetId()),
		Action:    event.SilenceAction(r.need("silence.action", s.GetAction())),
		StartsAt:  r.end("silence.starts_at", s.GetStartsAt()),
		EndsAt:    r.end("silence.ends_at", s.GetEndsAt()),
		UpdatedAt: r.end("silence.updated_at", s.GetUpdatedAt()),
		CreatedBy: r.name("silence.created_by", s.GetCreatedBy()),
		Comment:   r.prose("silence.comment", s.GetComment(), deploy.MaxMessage),
	}
	switch told.Action {
	case event.SilenceCreated, event.SilenceUpdated, event.SilenceExpired:
	default:
		if r.restore {
			break
		}
		r.fail("silence.action", body.ClassValue, "%.60q is not known: want created, updated or expired", told.Action)
	}
	for i, set := range s.GetMatcherSets() {
		var all []event.Matcher
		for j, m := range set.GetMatchers() {
			op := m.GetOp()
			switch {
			case r.restore:
			case op == "":
				op = "="
			case op == "=", op == "!=", op == "=~", op == "!~":
			default:
				r.fail(index(index("silence.matcher_sets", i)+".matchers", j)+".op", body.ClassValue, "%.10q is not =, !=, =~ or !~", op)
			}
			all = append(all, event.Matcher{Name: m.GetName(), Op: op, Value: m.GetValue()})
		}
		told.MatcherSets = append(told.MatcherSets, all)
	}
	return told
}

func change(r *reader, c *hindcastv1.Change) *event.Change {
	told := &event.Change{
		Run:             r.name("change.run", c.GetRun()),
		Kind:            event.ChangeDeploy,
		Status:          event.ChangeSucceeded,
		Version:         r.name("change.version", c.GetVersion()),
		PreviousVersion: r.name("change.previous_version", c.GetPreviousVersion()),
		Actor:           r.name("change.actor", c.GetActor()),
		URL:             r.url("change.url", c.GetUrl()),
		Message:         r.prose("change.message", c.GetMessage(), deploy.MaxMessage),
		Commit:          r.name("change.commit", c.GetCommit()),
	}
	var known bool
	if r.restore {
		told.Kind, told.Status = event.ChangeKind(c.GetKind()), event.ChangeStatus(c.GetStatus())
	} else if word := c.GetKind(); word != "" {
		if told.Kind, known = deploy.Kind(word); !known {
			r.fail("change.kind", body.ClassValue, "%.60q is not known: want deploy, rollback, config, flag, migration or restart", word)
		}
	}
	if word := c.GetStatus(); word != "" && !r.restore {
		if told.Status, known = deploy.Status(word); !known {
			r.fail("change.status", body.ClassValue, "%.60q is not known: want started, succeeded, failed or cancelled", word)
		}
	}
	commits := c.GetCommits()
	if r.own && len(commits) > deploy.MaxCommits {
		r.cut("change.commits", "the first %d", deploy.MaxCommits)
		commits = commits[:deploy.MaxCommits]
	}
	for i, carried := range commits {
		told.Commits = append(told.Commits, commit(r, index("change.commits", i), carried))
	}
	return told
}

func commit(r *reader, field string, c *hindcastv1.Commit) event.Commit {
	told := event.Commit{
		SHA:        r.need(field+".sha", c.GetSha()),
		Repository: r.name(field+".repository", c.GetRepository()),
		Author:     r.name(field+".author", c.GetAuthor()),
		At:         r.time(field+".at", c.GetAt()),
		Message:    r.prose(field+".message", c.GetMessage(), deploy.MaxMessage),
		Files:      c.GetFiles(),
		Diff:       r.prose(field+".diff", c.GetDiff(), deploy.MaxDiff),
		URL:        r.url(field+".url", c.GetUrl()),
	}
	if r.own && len(told.Files) > deploy.MaxFiles {
		r.cut(field+".files", "the first %d", deploy.MaxFiles)
		told.Files = told.Files[:deploy.MaxFiles]
	}
	return told
}

func said(r *reader, m *hindcastv1.Message) *event.Message {
	told := &event.Message{
		Author:   r.need("message.author", m.GetAuthor()),
		Channel:  r.name("message.channel", m.GetChannel()),
		Thread:   r.name("message.thread", m.GetThread()),
		Text:     r.prose("message.text", m.GetText(), message.MaxText),
		URL:      r.url("message.url", m.GetUrl()),
		Incident: r.name("message.incident", m.GetIncident()),
	}
	if strings.TrimSpace(told.Text) == "" && r.own {
		r.fail("message.text", body.ClassMissing, "required")
	}
	return told
}

func acknowledgement(r *reader, a *hindcastv1.Acknowledgement) *event.Acknowledgement {
	return &event.Acknowledgement{
		Actor:    r.need("acknowledgement.actor", a.GetActor()),
		Alerts:   alertRefs(r, "acknowledgement.alerts", a.GetAlerts()),
		Incident: r.name("acknowledgement.incident", a.GetIncident()),
		Note:     r.prose("acknowledgement.note", a.GetNote(), message.MaxText),
	}
}

// aside is what was put aside before, from a backup. Its payload need not be
// JSON.
func aside(r *reader, c common, a *hindcastv1.Aside) event.Aside {
	told := event.Aside{
		ReceivedAt: c.receivedAt,
		Road:       c.road,
		Reason:     a.GetReason(),
		Class:      a.GetClass(),
	}
	if raw := c.env.GetRaw(); len(raw) > 0 {
		told.Raw = raw[:min(len(raw), event.MaxAside)]
	}
	if r.own {
		told.ID = event.NewID(c.receivedAt, "aside", string(c.road), told.Reason, string(c.env.GetRaw()))
		return told
	}
	id, err := event.ParseID(c.env.GetId())
	if err == nil && id.IsZero() {
		err = errNoID
	}
	if err != nil {
		r.fail("id", body.ClassValue, "%v", err)
	}
	told.ID = id
	return told
}
