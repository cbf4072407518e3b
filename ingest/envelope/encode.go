package envelope

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hindcast/hindcast/ingest/event"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// EncodeProto writes a batch as a Batch in protobuf. Decoded again, not before
// it was received, it is the same batch: with IDs, receipts and what was put
// aside. Texts that are not UTF-8 come back with U+FFFD in them, raw payloads
// of events that are no JSON as JSON texts.
func EncodeProto(b event.Batch) ([]byte, error) {
	out, err := proto.MarshalOptions{Deterministic: true}.Marshal(&hindcastv1.Batch{Envelopes: envelopes(b)})
	if err != nil {
		return nil, fmt.Errorf("write envelopes in protobuf: %w", err)
	}
	return out, nil
}

// EncodeJSON writes a batch as one envelope in JSON a line. It is decoded again
// as what EncodeProto writes is.
func EncodeJSON(b event.Batch) ([]byte, error) {
	var out bytes.Buffer
	for _, env := range envelopes(b) {
		line, err := compactJSON(env)
		if err != nil {
			return nil, err
		}
		out.Write(line)
		out.WriteByte('\n')
	}
	return out.Bytes(), nil
}

func envelopes(b event.Batch) []*hindcastv1.Envelope {
	all := make([]*hindcastv1.Envelope, 0, len(b.Events)+len(b.Observations)+len(b.Chunks)+len(b.Asides))
	for _, e := range b.Events {
		all = append(all, eventOf(e))
	}
	for _, o := range b.Observations {
		all = append(all, alertOf(o))
	}
	for _, c := range b.Chunks {
		all = append(all, chunkOf(c))
	}
	for _, a := range b.Asides {
		all = append(all, &hindcastv1.Envelope{
			Id: a.ID.String(), ReceivedAt: timestamp(a.ReceivedAt), Road: text(string(a.Road)), Raw: a.Raw,
			Fact: &hindcastv1.Envelope_Aside{Aside: &hindcastv1.Aside{Reason: text(a.Reason), Class: text(a.Class)}},
		})
	}
	return all
}

func eventOf(e event.Event) *hindcastv1.Envelope {
	env := &hindcastv1.Envelope{
		Id:           e.ID.String(),
		OccurredAt:   timestamp(e.OccurredAt),
		ReceivedAt:   timestamp(e.ReceivedAt),
		Road:         text(string(e.Road)),
		Instance:     text(e.Instance),
		Service:      text(e.Service),
		Environment:  text(e.Environment),
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
			Author: text(m.Author), Channel: text(m.Channel), Thread: text(m.Thread), Text: text(m.Text), Url: text(m.URL), Incident: text(m.Incident),
		}}
	case e.Acknowledgement != nil:
		a := e.Acknowledgement
		env.Fact = &hindcastv1.Envelope_Acknowledgement{Acknowledgement: &hindcastv1.Acknowledgement{
			Actor: text(a.Actor), Alerts: alertRefsOf(a.Alerts), Incident: text(a.Incident), Note: text(a.Note),
		}}
	case e.Source != nil:
		env.Fact = &hindcastv1.Envelope_Source{Source: &hindcastv1.SourceStatus{Status: text(e.Source.Status), Detail: text(e.Source.Detail)}}
	}
	return env
}

func notificationOf(n *event.Notification) *hindcastv1.Notification {
	return &hindcastv1.Notification{
		Receiver: text(n.Receiver), Integration: text(n.Integration), IntegrationIndex: int32(n.IntegrationIndex),
		GroupKey: text(n.GroupKey), GroupLabels: texts(n.GroupLabels), Reason: text(n.Reason),
		Firing: alertRefsOf(n.Firing), Resolved: alertRefsOf(n.Resolved), Truncated: int32(n.Truncated), ToHindcast: n.ToHindcast,
	}
}

func muteOf(m *event.Mute) *hindcastv1.Mute {
	out := &hindcastv1.Mute{Fingerprint: m.Fingerprint.String(), Labels: texts(m.Labels), SilenceId: text(m.SilenceID), Rule: text(m.Rule)}
	for _, f := range m.Inhibitors {
		out.Inhibitors = append(out.Inhibitors, f.String())
	}
	return out
}

func silenceOf(s *event.Silence) *hindcastv1.Silence {
	out := &hindcastv1.Silence{
		Id: text(s.ID), Action: text(string(s.Action)), StartsAt: timestamp(s.StartsAt), EndsAt: timestamp(s.EndsAt),
		UpdatedAt: timestamp(s.UpdatedAt), CreatedBy: text(s.CreatedBy), Comment: text(s.Comment),
	}
	for _, all := range s.MatcherSets {
		set := &hindcastv1.MatcherSet{}
		for _, m := range all {
			set.Matchers = append(set.Matchers, &hindcastv1.Matcher{Name: text(m.Name), Op: m.Op, Value: text(m.Value)})
		}
		out.MatcherSets = append(out.MatcherSets, set)
	}
	return out
}

func changeOf(c *event.Change) *hindcastv1.Change {
	out := &hindcastv1.Change{
		Run: text(c.Run), Kind: text(string(c.Kind)), Status: text(string(c.Status)), Version: text(c.Version),
		PreviousVersion: text(c.PreviousVersion), Actor: text(c.Actor), Url: text(c.URL), Message: text(c.Message), Commit: text(c.Commit),
	}
	for _, carried := range c.Commits {
		out.Commits = append(out.Commits, commitOf(carried))
	}
	return out
}

func commitOf(c event.Commit) *hindcastv1.Commit {
	out := &hindcastv1.Commit{
		Sha: text(c.SHA), Repository: text(c.Repository), Author: text(c.Author), At: timestamp(c.At),
		Message: text(c.Message), Diff: text(c.Diff), Url: text(c.URL),
	}
	for _, file := range c.Files {
		out.Files = append(out.Files, text(file))
	}
	return out
}

func alertRefsOf(refs []event.AlertRef) []*hindcastv1.AlertRef {
	var out []*hindcastv1.AlertRef
	for _, ref := range refs {
		out = append(out, &hindcastv1.AlertRef{Fingerprint: ref.Fingerprint.String(), StartsAt: timestamp(ref.StartsAt)})
	}
	return out
}

// text is a text that protobuf takes: valid UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func texts(l event.Labels) map[string]string {
	if len(l) == 0 {
		return nil
	}
	out := make(map[string]string, len(l))
	for name, value := range l {
		out[text(name)] = text(value)
	}
	return out
}

func timestamp(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}
