package envelope

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hindcast/hindcast/ingest/event"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// EncodeProto writes a batch as a Batch in protobuf. Decoded again, not before
// it was received, it is the same batch: with IDs, receipts and what was put
// aside, and with texts that are not UTF-8. Raw payloads of events that are no
// JSON come back as JSON texts, but for [Decoder.Restore].
func EncodeProto(b event.Batch) ([]byte, error) {
	list, err := envelopes(b)
	if err != nil {
		return nil, fmt.Errorf("write envelopes in protobuf: %w", err)
	}
	options := proto.MarshalOptions{Deterministic: true}
	out, err := options.Marshal(&hindcastv1.Batch{Envelopes: list})
	if err != nil && escapeAll(list) {
		out, err = options.Marshal(&hindcastv1.Batch{Envelopes: list})
	}
	if err != nil {
		return nil, fmt.Errorf("write envelopes in protobuf: %w", err)
	}
	return out, nil
}

// EncodeJSON writes a batch as one envelope in JSON a line. It is decoded again
// as what EncodeProto writes is.
func EncodeJSON(b event.Batch) ([]byte, error) {
	list, err := envelopes(b)
	if err != nil {
		return nil, fmt.Errorf("write envelopes as JSON: %w", err)
	}
	var out bytes.Buffer
	for _, env := range list {
		line, err := compactJSON(env)
		if err != nil && escape(env) {
			line, err = compactJSON(env)
		}
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

// envelopes fails for an event that says nothing: it would not be read again.
func envelopes(b event.Batch) ([]*hindcastv1.Envelope, error) {
	all := make([]*hindcastv1.Envelope, 0, len(b.Events)+len(b.Observations)+len(b.Chunks)+len(b.Asides))
	for _, e := range b.Events {
		env := eventOf(e)
		if env.GetFact() == nil {
			return nil, fmt.Errorf("event %s, of kind %q, has no fact", e.ID, e.Kind)
		}
		all = append(all, env)
	}
	for _, o := range b.Observations {
		all = append(all, alertOf(o))
	}
	for _, c := range b.Chunks {
		all = append(all, chunkOf(c))
	}
	for _, a := range b.Asides {
		all = append(all, &hindcastv1.Envelope{
			Id: a.ID.String(), ReceivedAt: timestamp(a.ReceivedAt), Road: string(a.Road), Raw: a.Raw,
			Fact: &hindcastv1.Envelope_Aside{Aside: &hindcastv1.Aside{Reason: a.Reason, Class: a.Class}},
		})
	}
	return all, nil
}

func eventOf(e event.Event) *hindcastv1.Envelope {
	env := &hindcastv1.Envelope{
		Id:           e.ID.String(),
		OccurredAt:   timestamp(e.OccurredAt),
		ReceivedAt:   timestamp(e.ReceivedAt),
		Road:         string(e.Road),
		Instance:     e.Instance,
		Service:      e.Service,
		Environment:  e.Environment,
		Labels:       texts(e.Labels),
		ClockSuspect: e.ClockSuspect,
		Raw:          e.Raw,
	}
	switch {
	case e.Notification != nil:
		env.Fact = &hindcastv1.Envelope_Notification{Notification: notificationOf(e.Notification)}
	case e.Mute != nil:
		env.Fact = &hindcastv1.Envelope_Mute{Mute: muteOf(e.Mute)}
	case e.Silence != nil:
		env.Fact = &hindcastv1.Envelope_Silence{Silence: silenceOf(e.Silence)}
	case e.Change != nil:
		env.Fact = &hindcastv1.Envelope_Change{Change: changeOf(e.Change)}
	case e.Commit != nil:
		env.Fact = &hindcastv1.Envelope_Commit{Commit: commitOf(*e.Commit)}
	case e.Message != nil:
		m := e.Message
		env.Fact = &hindcastv1.Envelope_Message{Message: &hindcastv1.Message{
			Author: m.Author, Channel: m.Channel, Thread: m.Thread, Text: m.Text, Url: m.URL, Incident: m.Incident,
		}}
	case e.Acknowledgement != nil:
		a := e.Acknowledgement
		env.Fact = &hindcastv1.Envelope_Acknowledgement{Acknowledgement: &hindcastv1.Acknowledgement{
			Actor: a.Actor, Alerts: alertRefsOf(a.Alerts), Incident: a.Incident, Note: a.Note,
		}}
	case e.Source != nil:
		env.Fact = &hindcastv1.Envelope_Source{Source: &hindcastv1.SourceStatus{Status: e.Source.Status, Detail: e.Source.Detail}}
	}
	return env
}

func notificationOf(n *event.Notification) *hindcastv1.Notification {
	return &hindcastv1.Notification{
		Receiver: n.Receiver, Integration: n.Integration, IntegrationIndex: int32(n.IntegrationIndex),
		GroupKey: n.GroupKey, GroupLabels: texts(n.GroupLabels), Reason: n.Reason,
		Firing: alertRefsOf(n.Firing), Resolved: alertRefsOf(n.Resolved), Truncated: int32(n.Truncated), ToHindcast: n.ToHindcast,
	}
}

func muteOf(m *event.Mute) *hindcastv1.Mute {
	out := &hindcastv1.Mute{Fingerprint: m.Fingerprint.String(), Labels: texts(m.Labels), SilenceId: m.SilenceID, Rule: m.Rule}
	for _, f := range m.Inhibitors {
		out.Inhibitors = append(out.Inhibitors, f.String())
	}
	return out
}

func silenceOf(s *event.Silence) *hindcastv1.Silence {
	out := &hindcastv1.Silence{
		Id: s.ID, Action: string(s.Action), StartsAt: timestamp(s.StartsAt), EndsAt: timestamp(s.EndsAt),
		UpdatedAt: timestamp(s.UpdatedAt), CreatedBy: s.CreatedBy, Comment: s.Comment,
	}
	for _, all := range s.MatcherSets {
		set := &hindcastv1.MatcherSet{}
		for _, m := range all {
			set.Matchers = append(set.Matchers, &hindcastv1.Matcher{Name: m.Name, Op: m.Op, Value: m.Value})
		}
		out.MatcherSets = append(out.MatcherSets, set)
	}
	return out
}

func changeOf(c *event.Change) *hindcastv1.Change {
	out := &hindcastv1.Change{
		Run: c.Run, Kind: string(c.Kind), Status: string(c.Status), Version: c.Version,
		PreviousVersion: c.PreviousVersion, Actor: c.Actor, Url: c.URL, Message: c.Message, Commit: c.Commit,
	}
	for _, carried := range c.Commits {
		out.Commits = append(out.Commits, commitOf(carried))
	}
	return out
}

func commitOf(c event.Commit) *hindcastv1.Commit {
	return &hindcastv1.Commit{
		Sha: c.SHA, Repository: c.Repository, Author: c.Author, At: timestamp(c.At),
		Message: c.Message, Files: slices.Clone(c.Files), Diff: c.Diff, Url: c.URL,
	}
}

func alertRefsOf(refs []event.AlertRef) []*hindcastv1.AlertRef {
	var out []*hindcastv1.AlertRef
	for _, ref := range refs {
		out = append(out, &hindcastv1.AlertRef{Fingerprint: ref.Fingerprint.String(), StartsAt: timestamp(ref.StartsAt)})
	}
	return out
}

// texts is a copy, because [escape] may change it.
func texts(l event.Labels) map[string]string {
	if len(l) == 0 {
		return nil
	}
	return maps.Clone(l)
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
