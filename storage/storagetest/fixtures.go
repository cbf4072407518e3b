package storagetest

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// start is when most of what the tests store happens.
var start = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

func at(d time.Duration) time.Time { return start.Add(d) }

// message is a small event.
func message(n int, occurred time.Time) event.Event {
	return event.Event{
		ID: event.NewID(occurred, "message", fmt.Sprint(n)), Kind: event.KindMessage, OccurredAt: occurred, ReceivedAt: occurred.Add(time.Second),
		Road: event.RoadMessages, Message: &event.Message{Author: "dana", Text: fmt.Sprintf("message %d", n)},
	}
}

// everyKind is an event of each kind with all fields set.
func everyKind() []event.Event {
	base := func(kind event.Kind, occurred time.Time) event.Event {
		return event.Event{
			ID: event.NewID(occurred, "kind", string(kind)), Kind: kind, OccurredAt: occurred, ReceivedAt: occurred.Add(1234567 * time.Nanosecond),
			Road: event.RoadEnvelope, Instance: "am-0", Service: "payments", Environment: "prod",
			Labels: event.Labels{"a": "1", "unicode": "größe ☃ \u0000 <&>"}, ClockSuspect: true,
			Raw: json.RawMessage(`{"kind": "` + string(kind) + `",  "spaces":   "stay" }`),
		}
	}
	commit := event.Commit{SHA: "c0ffee", Repository: "org/app", Author: "mira", At: at(-time.Hour), Message: "Raise the limit", Files: []string{"a.go", "b.go"}, Diff: "+1\n-1\n", URL: "https://example.com/c0ffee"}
	list := []event.Event{
		base(event.KindNotification, at(0)), base(event.KindMute, at(1)), base(event.KindSilence, at(2)), base(event.KindChange, at(3)), base(event.KindCommit, at(4)),
		base(event.KindMessage, at(5)), base(event.KindAcknowledgement, at(6)), base(event.KindSource, at(7)), base(event.KindLog, at(8)), base(event.KindAlert, at(9)),
		base("first", event.MinTime), base("last", event.MaxTime.Add(-time.Nanosecond)),
	}
	list[0].Notification = &event.Notification{Receiver: "pager", Integration: "pagerduty", IntegrationIndex: 1, GroupKey: `{}:{alertname="X"}`, GroupLabels: event.Labels{"alertname": "X"}, Reason: "repeat", Firing: []event.AlertRef{{Fingerprint: 1, StartsAt: at(0)}, {Fingerprint: 1<<64 - 1}}, Resolved: []event.AlertRef{{Fingerprint: 2}}, Truncated: 3, ToHindcast: true}
	list[1].Mute = &event.Mute{Fingerprint: 42, Labels: event.Labels{"x": "y"}, SilenceID: "s-1", Rule: "r", Inhibitors: []event.Fingerprint{7, 1 << 63}}
	list[2].Silence = &event.Silence{ID: "s-1", Action: event.SilenceUpdated, MatcherSets: [][]event.Matcher{{{Name: "a", Op: "=~", Value: ".*"}}}, StartsAt: at(0), EndsAt: at(time.Hour), UpdatedAt: at(1), CreatedBy: "dana", Comment: "known"}
	list[3].Change = &event.Change{Run: "77", Kind: event.ChangeRollback, Status: event.ChangeFailed, Version: "2", PreviousVersion: "1", Actor: "mira", URL: "https://example.com", Message: "m", Commit: "c0ffee", Commits: []event.Commit{commit}}
	list[4].Commit = &commit
	list[5].Message = &event.Message{Author: "dana", Channel: "#ops", Thread: "t", Text: "on it\nnow", URL: "u", Incident: "i"}
	list[6].Acknowledgement = &event.Acknowledgement{Actor: "dana", Alerts: []event.AlertRef{{Fingerprint: 3}}, Incident: "i", Note: "n"}
	list[7].Source = &event.SourceStatus{Status: "unreachable", Detail: "connection refused"}
	// A payload need not be JSON, nor UTF-8, nor small.
	list[8].Raw = json.RawMessage("\xff\xfe not json \x00")
	list[9].Raw = json.RawMessage(`"` + strings.Repeat("long ", 200_000) + `"`)
	list[10].Raw = nil
	return list
}

// observation is a sighting of alert n with all fields set.
func observation(n int, starts, seen time.Time) event.Observation {
	labels := event.Labels{"alertname": "Errors", "n": fmt.Sprint(n)}
	return event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: starts, Labels: labels, Annotations: event.Labels{"summary": "it fails"}, GeneratorURL: "http://prometheus/graph",
		KeepAliveUntil: seen.Add(4 * time.Minute), FiringSeenAt: seen, FirstReceivedAt: seen, LastReceivedAt: seen,
		Roads: []event.Road{event.RoadPrometheus}, SentFingerprints: []event.Fingerprint{labels.Fingerprint()}, Groups: []string{"{}:{}"}, Instances: []string{"prom-0"},
		Raw: json.RawMessage(fmt.Sprintf(`{"seen": %q}`, seen.Format(time.RFC3339Nano))),
	}
}

// chunk is lines and counts of some services, one line a service, pattern and
// second, from starts on. Equal arguments give an equal chunk.
func chunk(name string, starts time.Time, seconds int, services ...string) event.Chunk {
	c := event.Chunk{ReceivedAt: starts.Add(time.Minute), Road: event.RoadLoki}
	id := event.NewID(starts, "chunk", name)
	copy(c.ID[:], id[:])
	for i, service := range services {
		c.Streams = append(c.Streams, event.Stream{Service: service, Environment: "prod", Labels: event.Labels{"app": service, "pod": service + "-0"}})
		for sec := range seconds {
			for level := event.LevelUnknown; level <= event.LevelFatal; level++ {
				when := starts.Add(time.Duration(sec)*time.Second + time.Duration(level)*time.Millisecond)
				pattern := event.PatternID(uint64(level)<<32 | uint64(i))
				text := fmt.Sprintf("%s %s said %s in second %d", when.Format(time.RFC3339Nano), service, level, sec)
				c.Lines = append(c.Lines, event.Line{Stream: i, At: when, Level: level, Pattern: pattern, Version: "1.2", Trace: "4bf92f", Metadata: event.Labels{"thread": fmt.Sprint(sec)}, Text: text})
				c.Counts = append(c.Counts, event.Count{
					CountKey: event.CountKey{Service: service, Environment: "prod", Version: "1.2", Level: level, Pattern: pattern, Second: when.Unix()},
					N:        1, First: when, Last: when, Digest: uint64(when.UnixNano()) ^ uint64(pattern), Template: "<*> said <*>", Sample: text, Upstreams: []string{"db", "mq"},
				})
			}
		}
	}
	return c
}

// incident is a timeline that began d after the start.
func incident(name string, d time.Duration) timeline.Timeline {
	began, ended := at(d), at(d+10*time.Minute)
	id := event.NewID(began, "incident", name)
	return timeline.Timeline{
		Incident: timeline.Incident{
			ID: id, Aliases: []event.ID{}, Title: name, Status: timeline.StatusClosed, Severity: "critical", Services: []string{"checkout", "payments"},
			Environment: "prod", StartedAt: began, EndedAt: &ended, Revision: 1,
		},
		Milestones: []timeline.Milestone{{Name: timeline.Onset, At: &began, Earliest: &began, Confidence: 0.9, Rule: "error_burst", Explanation: "why", Evidence: []event.ID{id}, Origin: timeline.OriginDerived, Alternatives: []timeline.Alternative{}}},
		Entries:    []timeline.Entry{{ID: id, At: began, Kind: timeline.EntryAlertFired, Service: "payments", Summary: "Errors fired <&>", Labels: event.Labels{"a": "b"}, Events: []event.ID{id}, Links: []string{}, Why: "member"}},
		Context:    []timeline.Entry{}, Changes: []timeline.Change{}, Participants: []timeline.Participant{}, Gaps: []timeline.Gap{},
		Durations: map[timeline.DurationName]timeline.Duration{timeline.TimeToDetect: {Seconds: 3.6, From: timeline.Onset, To: timeline.Detected, Basis: timeline.BasisMeasured}},
	}
}
