package correlate

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// noon is minute 0 of the tests. Times are minutes from it.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(minutes float64) time.Time {
	return noon.Add(time.Duration(minutes * float64(time.Minute))).Round(time.Millisecond)
}

// still is the end of an alert that fires.
const still = -1e6

// fact is one thing that a sender told.
type fact struct {
	event       *event.Event
	observation *event.Observation
	counts      []event.Count
}

// id names the fact.
func (f fact) id() event.ID {
	if f.observation != nil {
		return f.observation.ID()
	}
	return f.event.ID
}

func (f fact) ref() event.AlertRef {
	return event.AlertRef{Fingerprint: f.observation.Fingerprint, StartsAt: f.observation.StartsAt}
}

// alert is a critical alert "name@service" with a runbook that fired from one
// minute to another and of which nobody announced an end.
func alert(who string, from, to float64, with ...func(*event.Observation)) fact {
	name, service, _ := strings.Cut(who, "@")
	o := event.Observation{
		StartsAt: at(from), FiringSeenAt: at(from), FirstReceivedAt: at(from).Add(time.Second),
		Labels:      event.Labels{"alertname": name, "severity": "critical"},
		Annotations: event.Labels{"runbook_url": "https://runbooks.example/" + name},
		Roads:       []event.Road{event.RoadRecorder},
	}
	if service != "" {
		o.Labels["service"] = service
	}
	if to != still {
		o.EndedAt = at(to)
	}
	for _, w := range with {
		w(&o)
	}
	o.LastReceivedAt = latest(latest(o.LastReceivedAt, o.FirstReceivedAt), o.EndedAt)
	o.Fingerprint = o.Labels.Fingerprint()
	return fact{observation: &o}
}

func label(name, value string) func(*event.Observation) {
	return func(o *event.Observation) { o.Labels[name] = value }
}

func severity(s string) func(*event.Observation) { return label("severity", s) }

func without(annotation string) func(*event.Observation) {
	return func(o *event.Observation) { delete(o.Annotations, annotation) }
}

func inGroup(key string) func(*event.Observation) {
	return func(o *event.Observation) { o.Groups = append(o.Groups, key) }
}

func keptAlive(until float64) func(*event.Observation) {
	return func(o *event.Observation) { o.KeepAliveUntil = at(until) }
}

func seenFiring(last float64) func(*event.Observation) {
	return func(o *event.Observation) { o.FiringSeenAt = at(last) }
}

func goneBy(minute float64) func(*event.Observation) {
	return func(o *event.Observation) { o.GoneBy = at(minute) }
}

func receivedAt(minute float64) func(*event.Observation) {
	return func(o *event.Observation) { o.FirstReceivedAt = at(minute) }
}

// happened is an event that was received as it happened.
func happened(kind event.Kind, minute float64, e event.Event, identity ...string) fact {
	e.Kind, e.OccurredAt = kind, at(minute)
	e.ID = event.NewID(e.OccurredAt, append([]string{string(kind)}, identity...)...)
	e.ReceivedAt = e.OccurredAt
	return fact{event: &e}
}

// late is an event that was received at another time than it happened.
func (f fact) late(minute float64) fact {
	e := *f.event
	e.ReceivedAt = at(minute)
	return fact{event: &e}
}

// say is a message in the channel "incidents".
func say(author, text string, minute float64) fact {
	return happened(event.KindMessage, minute, event.Event{
		Road: event.RoadMessages, Message: &event.Message{Author: author, Channel: "incidents", Text: text},
	}, author, text)
}

// inThread puts a message into a thread.
func (f fact) inThread(thread string) fact {
	e, m := *f.event, *f.event.Message
	m.Thread = thread
	e.Message = &m
	return fact{event: &e}
}

// about says to which incident a message belongs.
func (f fact) about(incident string) fact {
	e, m := *f.event, *f.event.Message
	m.Incident = incident
	e.Message = &m
	return fact{event: &e}
}

// changed is a change that was begun and succeeded: two reports of one run.
func changed(kind event.ChangeKind, service, version, actor string, from, to float64) []fact {
	return []fact{
		changeReport(kind, event.ChangeStarted, service, version, actor, from),
		changeReport(kind, event.ChangeSucceeded, service, version, actor, to),
	}
}

func changeReport(kind event.ChangeKind, status event.ChangeStatus, service, version, actor string, minute float64) fact {
	return happened(event.KindChange, minute, event.Event{
		Road: event.RoadDeploys, Service: service,
		Change: &event.Change{Run: service + version + string(kind), Kind: kind, Status: status, Version: version, Actor: actor},
	}, service, version, string(kind), string(status))
}

// deploy is a deploy that took a minute.
func deploy(service, version, actor string, minute float64) []fact {
	return changed(event.ChangeDeploy, service, version, actor, minute, minute+1)
}

// rollback is a rollback that took a minute.
func rollback(service, version, actor string, minute float64) []fact {
	return changed(event.ChangeRollback, service, version, actor, minute, minute+1)
}

func refs(alerts []fact) []event.AlertRef {
	var out []event.AlertRef
	for _, a := range alerts {
		out = append(out, a.ref())
	}
	return out
}

// notify is a delivery to a receiver as the event recorder tells of it.
func notify(receiver string, minute float64, alerts ...fact) fact {
	return happened(event.KindNotification, minute, event.Event{
		Road: event.RoadRecorder, Notification: &event.Notification{Receiver: receiver, GroupKey: "{}:{}", Firing: refs(alerts)},
	}, receiver)
}

// webhook is the arrival of a notification at hindcast.
func webhook(receiver string, minute float64, alerts ...fact) fact {
	f := notify(receiver, minute, alerts...)
	f.event.ID = event.NewID(f.event.OccurredAt, "webhook", receiver)
	f.event.Road, f.event.Notification.ToHindcast = event.RoadWebhook, true
	return f
}

// acked is a statement to a paging system.
func acked(actor string, minute float64, alerts ...fact) fact {
	return happened(event.KindAcknowledgement, minute, event.Event{Acknowledgement: &event.Acknowledgement{Actor: actor, Alerts: refs(alerts)}}, actor)
}

// silence is a silence of a service that was made at one minute and ends at
// another.
func silence(id, by, service string, minute, until float64) fact {
	return happened(event.KindSilence, minute, event.Event{Road: event.RoadRecorder, Silence: &event.Silence{
		ID: id, Action: event.SilenceCreated, CreatedBy: by, Comment: "known", StartsAt: at(minute), EndsAt: at(until), UpdatedAt: at(minute),
		MatcherSets: [][]event.Matcher{{{Name: "service", Op: "=", Value: service}}},
	}}, id)
}

// inhibited is the inhibition of an alert by another.
func inhibited(target, source fact, minute float64) fact {
	return happened(event.KindMute, minute, event.Event{Road: event.RoadRecorder, Mute: &event.Mute{
		Fingerprint: target.observation.Fingerprint, Rule: "rule", Inhibitors: []event.Fingerprint{source.observation.Fingerprint},
	}}, target.observation.Fingerprint.String())
}

// sourceSays is the status of an Alertmanager.
func sourceSays(status string, minute float64) fact {
	return happened(event.KindSource, minute, event.Event{Road: event.RoadRecorder, Instance: "am-0", Source: &event.SourceStatus{Status: status}}, status)
}

// lines are log lines of one pattern, every so many seconds from one minute to
// another.
func lines(service, template string, level event.Level, from, to, seconds float64, upstreams ...string) fact {
	h := fnv.New64a()
	fmt.Fprint(h, service, template, level)
	var f fact
	for when, until := at(from), at(to); when.Before(until); when = when.Add(time.Duration(seconds * float64(time.Second))) {
		f.counts = append(f.counts, event.Count{
			CountKey: event.CountKey{Service: service, Level: level, Pattern: event.PatternID(h.Sum64()), Second: when.Unix()},
			N:        1, First: when, Last: when, Digest: uint64(when.UnixNano()), Template: template, Sample: template, Upstreams: upstreams,
		})
	}
	return f
}

// errorsOn are errors of a pattern of its own, every two seconds.
func errorsOn(service string, from, to float64) fact {
	return lines(service, "call failed in "+service, event.LevelError, from, to, 2)
}

// chatter is what a healthy service logs.
func chatter(service string, from, to float64) fact {
	return lines(service, "request served", event.LevelInfo, from, to, 10)
}

func observeFacts(e *Engine, facts []fact) {
	for _, f := range facts {
		switch {
		case f.event != nil:
			e.Observe([]event.Event{*f.event}, nil, nil)
		case f.observation != nil:
			e.Observe(nil, []event.Observation{*f.observation}, nil)
		default:
			e.Observe(nil, nil, f.counts)
		}
	}
}

// facts joins facts and lists of facts.
func facts(list ...any) []fact {
	var out []fact
	for _, f := range list {
		switch f := f.(type) {
		case fact:
			out = append(out, f)
		case []fact:
			out = append(out, f...)
		default:
			panic(fmt.Sprintf("%T is no fact", f))
		}
	}
	return out
}

func engineWith(t testing.TB, cfg Config) *Engine {
	t.Helper()
	e, err := New(cfg)
	if err != nil {
		t.Fatalf("new engine: %v", err)
	}
	return e
}

// timelines are those of facts as of a minute, in order.
func timelines(t testing.TB, now float64, list ...any) []timeline.Timeline {
	t.Helper()
	return timelinesWith(t, DefaultConfig(), nil, now, list...)
}

func timelinesWith(t testing.TB, cfg Config, said []Link, now float64, list ...any) []timeline.Timeline {
	t.Helper()
	e := engineWith(t, cfg)
	e.Say(said)
	observeFacts(e, facts(list...))
	return inOrder(e.Derive(at(now)))
}

func inOrder(derived []Derived) []timeline.Timeline {
	var out []timeline.Timeline
	for _, d := range derived {
		if !d.Retired {
			out = append(out, d.Timeline)
		}
	}
	slices.SortFunc(out, func(a, b timeline.Timeline) int { return a.Incident.ID.Compare(b.Incident.ID) })
	return out
}

// theOne is the only timeline of facts as of a minute.
func theOne(t testing.TB, now float64, list ...any) *timeline.Timeline {
	t.Helper()
	return theOneWith(t, DefaultConfig(), now, list...)
}

func theOneWith(t testing.TB, cfg Config, now float64, list ...any) *timeline.Timeline {
	t.Helper()
	got := timelinesWith(t, cfg, nil, now, list...)
	if len(got) != 1 {
		t.Fatalf("%d incidents, want 1: %s", len(got), titles(got))
	}
	return &got[0]
}

func titles(list []timeline.Timeline) string {
	var out []string
	for _, tl := range list {
		out = append(out, fmt.Sprintf("%q", tl.Incident.Title))
	}
	return strings.Join(out, ", ")
}

// wantAt wants a milestone at a minute by a rule.
func wantAt(t *testing.T, tl *timeline.Timeline, name timeline.MilestoneName, minute float64, rule string) *timeline.Milestone {
	t.Helper()
	m := tl.Milestone(name)
	switch {
	case m == nil:
		t.Fatalf("%s is absent, want %s by %s", name, at(minute), rule)
	case m.At == nil:
		t.Fatalf("%s has no time, want %s by %s", name, at(minute), rule)
	case !m.At.Equal(at(minute)) || m.Rule != rule:
		t.Errorf("%s is minute %.3f by %s (%s), want minute %.3f by %s", name, m.At.Sub(noon).Minutes(), m.Rule, m.Explanation, minute, rule)
	}
	if m.Earliest == nil || m.Latest == nil || m.Earliest.After(*m.At) || m.Latest.Before(*m.At) {
		t.Errorf("%s at %s lies outside of %v … %v", name, m.At, m.Earliest, m.Latest)
	}
	if len(m.Evidence) == 0 {
		t.Errorf("%s by %s cites no evidence", name, m.Rule)
	}
	return m
}

func wantAbsent(t *testing.T, tl *timeline.Timeline, name timeline.MilestoneName) {
	t.Helper()
	if m := tl.Milestone(name); m != nil {
		t.Errorf("%s is %v by %s (%s), want it absent", name, m.At, m.Rule, m.Explanation)
	}
}

// lost is the alternative of a milestone by a rule.
func lost(t *testing.T, m *timeline.Milestone, rule string) timeline.Alternative {
	t.Helper()
	for _, a := range m.Alternatives {
		if a.Rule == rule {
			if a.WhyNot == "" {
				t.Errorf("%s: the alternative by %s does not say why it lost", m.Name, rule)
			}
			return a
		}
	}
	t.Errorf("%s: no alternative by %s among %+v", m.Name, rule, m.Alternatives)
	return timeline.Alternative{}
}

// gapOf is the gap of a kind; nil when there is none.
func gapOf(tl *timeline.Timeline, kind timeline.GapKind) *timeline.Gap {
	for i := range tl.Gaps {
		if tl.Gaps[i].Kind == kind {
			return &tl.Gaps[i]
		}
	}
	return nil
}

func participantNames(tl *timeline.Timeline) []string {
	out := []string{}
	for _, p := range tl.Participants {
		out = append(out, p.Name)
	}
	slices.Sort(out)
	return out
}
