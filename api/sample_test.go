package api

import (
	"fmt"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

func id(n int) event.ID { return event.NewID(after(float64(n)), "test", fmt.Sprint(n)) }

func ids(ns ...int) []event.ID {
	var out []event.ID
	for _, n := range ns {
		out = append(out, id(n))
	}
	return out
}

// sample is a timeline with everything in it.
func sample() timeline.Timeline {
	payments := event.Labels{"alertname": "PaymentsErrors", "service": "payments", "severity": "critical"}
	return timeline.Timeline{
		Incident: timeline.Incident{
			ID: id(20), Aliases: ids(25), Title: "PaymentsErrors on payments, checkout", Status: timeline.StatusRestored,
			Severity: "critical", Services: []string{"payments", "checkout"}, Environment: "prod",
			StartedAt: after(10), EndedAt: at(300), Revision: 17,
		},
		Milestones: []timeline.Milestone{
			{
				Name: timeline.Onset, At: at(10), Earliest: at(8), Latest: at(20), Confidence: 0.9, Rule: "first_error_burst",
				Explanation: "A new error pattern began 10 s before the first alert.", Evidence: ids(10, 11),
				Origin: timeline.OriginDerived,
				Alternatives: []timeline.Alternative{
					{At: after(20), Rule: "first_alert", Evidence: ids(20), WhyNot: "a log burst came before it"},
				},
			},
			{Name: timeline.Detected, At: at(20), Earliest: at(20), Latest: at(20), Confidence: 1, Rule: "first_alert", Evidence: ids(20), Origin: timeline.OriginDerived},
			{
				Name: timeline.Acknowledged, At: at(60), Earliest: at(60), Latest: at(60), Confidence: 1, Rule: "human", Evidence: ids(60),
				Actor: "dana", Origin: timeline.OriginHuman,
				Derived: &timeline.Milestone{Name: timeline.Acknowledged, At: at(90), Confidence: 0.8, Rule: "silence", Evidence: ids(90), Origin: timeline.OriginDerived},
			},
			{Name: timeline.Restored, Earliest: at(280), Latest: at(300), Confidence: 0.7, Rule: "inferred", Origin: timeline.OriginDerived},
		},
		Entries: []timeline.Entry{
			{
				ID: id(10), At: after(10), Kind: timeline.EntryLogPattern, Service: "payments", Summary: "412 times: card declined for <*>",
				Events: ids(10), Why: "service payments",
				Log: &timeline.LogExcerpt{
					Pattern: 0xabc, Template: "card `declined` | for <*>", Level: event.LevelError, Count: 412,
					FirstSeen: after(10), LastSeen: after(280), New: true,
					Lines: []string{"card declined for 4711 <b>", "``` | card declined for 4712"},
				},
			},
			{
				ID: id(20), At: after(20), Kind: timeline.EntryAlertFired, Service: "payments", Summary: "PaymentsErrors fired",
				Fingerprint: payments.Fingerprint().String(), Labels: payments, Events: ids(20),
				Links: []string{"https://prometheus.example/graph?g0.expr=up"}, Why: "the first member",
			},
			{
				ID: id(25), At: after(25), Kind: timeline.EntryNotified, Service: "payments", Summary: "pagerduty was told",
				Events: ids(25), Why: "about a member", Count: 3, Until: at(200), Labels: event.Labels{"receiver": "pagerduty"},
			},
			{ID: id(60), At: after(60), Kind: timeline.EntryAcknowledged, Summary: "on it", Actor: "dana", Events: ids(60), Why: "names payments"},
		},
		Context: []timeline.Entry{
			{ID: id(1), At: after(1), Kind: timeline.EntryAlertFired, Service: "mailer", Summary: "MailerQueue fired", Events: ids(1), Why: "flapping before the incident began"},
		},
		Changes: []timeline.Change{
			{
				ID: id(5), Events: ids(5, 6), At: after(6), StartedAt: at(5), FinishedAt: at(6), Environment: "prod", Service: "payments",
				Version: "2.0.0", PreviousVersion: "1.0.0", Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, Actor: "mira",
				URL: "https://ci.example/runs/1", Verdict: timeline.VerdictSuspect, Score: 0.93,
				Reasons: []string{"finished 4 s before onset", "its commit names card.go, as the stack trace does"},
				Commits: []timeline.Commit{{SHA: "4f2a9c0d11", Author: "mira", Message: "Check cards twice", Score: 0.8, Reasons: []string{"touches card.go"}}},
			},
			{
				ID: id(100), Events: ids(100), At: after(100), Environment: "prod", Service: "payments", Version: "1.0.0",
				Kind: event.ChangeRollback, Status: event.ChangeSucceeded, Actor: "dana", Verdict: timeline.VerdictRemedy, Score: 0.2,
				Reasons: []string{"errors ended after it"},
			},
			{
				ID: id(2), Events: ids(2), At: after(2), Service: "search", Version: "9", Kind: event.ChangeDeploy,
				Status: event.ChangeSucceeded, Verdict: timeline.VerdictExonerated, Reasons: []string{"another service, not connected"},
			},
		},
		Participants: []timeline.Participant{
			{Name: "dana", Did: []string{"acknowledged", "rolled back payments"}, Stages: []timeline.MilestoneName{timeline.Acknowledged, timeline.Mitigated}, FirstAt: after(60), LastAt: after(100)},
		},
		Gaps: []timeline.Gap{
			{Kind: timeline.GapSilencedEndUnseen, Explanation: "The end of PaymentsErrors was silenced.", Evidence: ids(20)},
		},
		Durations: map[timeline.DurationName]timeline.Duration{
			timeline.TimeToDetect:  {Seconds: 10, From: timeline.Onset, To: timeline.Detected, Basis: timeline.BasisMeasured},
			timeline.TimeToRestore: {Seconds: 290.5, From: timeline.Onset, To: timeline.Restored, Basis: timeline.BasisInferred},
		},
	}
}

// sampleStore holds the sample, and incident n seconds after t0 for each n.
func sampleStore(ns ...int) *fakeStore {
	s := &fakeStore{timelines: []timeline.Timeline{sample()}, signals: map[event.ID]event.ID{id(25): id(20), id(26): id(20)}}
	for _, n := range ns {
		s.add(small(n))
	}
	return s
}

// small is a timeline with nothing in it but the incident.
func small(n int) timeline.Timeline {
	return timeline.Timeline{Incident: timeline.Incident{
		ID: id(n), Title: fmt.Sprint("incident ", n), Status: timeline.StatusOpen, StartedAt: after(float64(n)), Revision: 1,
	}}
}
