package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// history is what a site of fifty services has seen: incidents at a steady
// pace, and between them what its senders tell every day. Equal values give
// equal facts.
type history struct {
	from, until time.Time
	incidents   int
	// days is how many events of every day there are.
	days int
	// entries is how many entries a large incident has about: one of largeEvery
	// is large.
	entries int
}

const (
	historyServices = 50
	largeEvery      = 20
)

// appender takes batches.
type appender interface {
	Append(ctx context.Context, batch event.Batch) error
}

// told is how much of a history was appended.
type told struct {
	events, observations int
	// raw is the bytes of the events' payloads.
	raw int64
}

// writeIncidents appends the facts of the incidents from one to another one,
// writeDaily the other events.
func (h history) writeIncidents(ctx context.Context, to appender, first, end int) (told, error) {
	return appendAll(ctx, to, end-first, incidentsAtOnce, func(i int) event.Batch { return h.incident(first + i) })
}

// before is how many incidents begin before a time.
func (h history) before(t time.Time) int {
	return sort.Search(h.incidents, func(i int) bool { return !h.start(i).Before(t) })
}

func (h history) writeDaily(ctx context.Context, to appender) (told, error) {
	return appendAll(ctx, to, h.days, dailyAtOnce, func(i int) event.Batch { return event.Batch{Events: []event.Event{h.daily(i)}} })
}

// How many incidents, or events of every day, are a batch, and how many batches
// are under way.
const (
	incidentsAtOnce = 50
	dailyAtOnce     = 2500
	writers         = 16
)

// appendAll appends the facts of 0 to n, some at once.
func appendAll(ctx context.Context, to appender, n, atOnce int, make func(i int) event.Batch) (told, error) {
	var sum told
	var mu sync.Mutex
	var next atomic.Int64
	err := parallel(ctx, writers, func(ctx context.Context) (bool, error) {
		from := int(next.Add(int64(atOnce))) - atOnce
		if from >= n {
			return false, nil
		}
		var b event.Batch
		for i := from; i < min(from+atOnce, n); i++ {
			b.Add(make(i))
		}
		mu.Lock()
		for i := range b.Events {
			sum.raw += int64(len(b.Events[i].Raw))
		}
		sum.events += len(b.Events)
		sum.observations += len(b.Observations)
		mu.Unlock()
		return true, to.Append(ctx, b)
	})
	return sum, err
}

// start is when an incident begins.
func (h history) start(i int) time.Time {
	return h.from.Add(h.until.Sub(h.from) / time.Duration(2*h.incidents) * time.Duration(2*i+1)).UTC().Truncate(time.Millisecond)
}

// alerts are an incident's alerts: what is near in time and of one service.
func (h history) alerts(i int) []postedAlert {
	n := 3 + i%4
	if i%largeEvery == 0 {
		n = h.entries / 2
	}
	service := fmt.Sprintf("svc-%02d", i%historyServices)
	alerts := make([]postedAlert, n)
	for j := range alerts {
		alerts[j] = newAlert(fmt.Sprintf("Symptom%d", j%7), service, fmt.Sprintf("10.4.%d.%d:9100", i%250, j), h.start(i).Add(time.Duration(j)*time.Second))
	}
	return alerts
}

// id is the ID of an incident: that of its earliest alert.
func (h history) id(i int) event.ID { return h.alerts(i)[0].id() }

// incident is its alerts, who was told, who took it and who talked.
func (h history) incident(i int) event.Batch {
	var b event.Batch
	began := h.start(i)
	ended := began.Add(time.Duration(12+i%30) * time.Minute)
	alerts := h.alerts(i)
	service := alerts[0].Labels["service"]
	group := fmt.Sprintf(`{}/{severity="critical"}:{service="%s"}`, service)
	refs := make([]event.AlertRef, len(alerts))
	for j := range alerts {
		a := &alerts[j]
		o := event.Observation{
			Fingerprint: a.Labels.Fingerprint(), StartsAt: a.StartsAt, Labels: a.Labels, Annotations: a.Annotations, GeneratorURL: a.GeneratorURL,
			EndedAt: ended, FiringSeenAt: a.StartsAt.Add(15 * time.Second), FirstReceivedAt: a.StartsAt.Add(15 * time.Second), LastReceivedAt: ended.Add(time.Second),
			Roads: []event.Road{event.RoadWebhook}, SentFingerprints: []event.Fingerprint{a.Labels.Fingerprint()}, Groups: []string{group},
		}
		o.Raw = payload(a)
		b.Observations = append(b.Observations, o)
		refs[j] = event.AlertRef{Fingerprint: o.Fingerprint, StartsAt: o.StartsAt}
	}
	refs = refs[:min(len(refs), 20)]
	add := func(after time.Duration, kind event.Kind, road event.Road, fill func(*event.Event)) {
		b.Events = append(b.Events, made(began.Add(after), kind, road, service, fmt.Sprint("incident ", i), fill))
	}
	for j, receiver := range []string{"pagerduty-payments", "slack-oncall"} {
		notify := func(e *event.Event) {
			e.Notification = &event.Notification{Receiver: receiver, Integration: []string{"pagerduty", "slack"}[j], GroupKey: group, GroupLabels: event.Labels{"service": service}, Reason: "first", Firing: refs}
		}
		add(30*time.Second+time.Duration(j)*time.Millisecond, event.KindNotification, event.RoadRecorder, notify)
		add(5*time.Minute+time.Duration(j)*time.Millisecond, event.KindNotification, event.RoadRecorder, notify)
		add(ended.Sub(began)+time.Duration(j)*time.Millisecond, event.KindNotification, event.RoadRecorder, func(e *event.Event) {
			notify(e)
			e.Notification.Firing, e.Notification.Resolved = nil, refs
		})
	}
	add(2*time.Minute, event.KindAcknowledgement, event.RoadMessages, func(e *event.Event) {
		e.Acknowledgement = &event.Acknowledgement{Actor: fmt.Sprintf("engineer-%d", i%12), Alerts: refs[:1]}
	})
	for j := range 5 {
		add(time.Duration(3+j)*time.Minute, event.KindMessage, event.RoadMessages, func(e *event.Event) {
			e.Message = &event.Message{Author: fmt.Sprintf("engineer-%d", (i+j)%12), Channel: "incidents", Text: fmt.Sprintf("%s: latency of %s is at %d ms, looking at the pool of connections", service, service, 400+j*37)}
		})
	}
	return b
}

// daily is an event of every day.
func (h history) daily(n int) event.Event {
	r := rand.New(rand.NewPCG(uint64(n), 11))
	at := h.from.Add(h.until.Sub(h.from) / time.Duration(h.days) * time.Duration(n)).UTC()
	service := fmt.Sprintf("svc-%02d", r.IntN(historyServices))
	who := fmt.Sprint("daily ", n)
	switch p := r.IntN(100); {
	case p < 3:
		return made(at, event.KindChange, event.RoadDeploys, service, who, func(e *event.Event) {
			sha := fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32())
			status := event.ChangeStarted
			if n%2 == 1 {
				status = event.ChangeSucceeded
			}
			e.Change = &event.Change{
				Run: fmt.Sprint(n / 2), Kind: event.ChangeDeploy, Status: status, Version: fmt.Sprintf("1.%d.%d", n/1000, n%1000), Actor: fmt.Sprintf("engineer-%d", r.IntN(40)),
				URL: fmt.Sprintf("https://ci.example/%s/runs/%d", service, n), Commit: sha, Message: fmt.Sprintf("Release %d of %s", n, service),
			}
		})
	case p < 50:
		return made(at, event.KindNotification, event.RoadRecorder, service, who, func(e *event.Event) {
			labels := event.Labels{"alertname": "DiskFillsUp", "service": service}
			e.Notification = &event.Notification{
				Receiver: "slack-platform", Integration: "slack", GroupKey: fmt.Sprintf(`{}:{alertname="DiskFillsUp", service="%s"}`, service), GroupLabels: labels, Reason: "repeat interval",
				Firing: []event.AlertRef{{Fingerprint: labels.Fingerprint(), StartsAt: h.from}},
			}
		})
	case p < 88:
		return made(at, event.KindMute, event.RoadRecorder, service, who, func(e *event.Event) {
			labels := event.Labels{"alertname": "CertificateExpires", "service": service, "instance": fmt.Sprintf("10.5.0.%d:443", r.IntN(250)), "severity": "warning"}
			e.Mute = &event.Mute{Fingerprint: labels.Fingerprint(), Labels: labels, SilenceID: fmt.Sprintf("%08x-0000-4000-8000-%012x", n%50, n%50)}
		})
	case p < 92:
		return made(at, event.KindCommit, event.RoadCommits, service, who, func(e *event.Event) {
			e.Commit = &event.Commit{
				SHA: fmt.Sprintf("%016x%016x%08x", r.Uint64(), r.Uint64(), r.Uint32()), Repository: "shop/" + service, Author: fmt.Sprintf("engineer-%d", r.IntN(40)), At: at,
				Message: fmt.Sprintf("Make the %d. handler of orders wait no longer than its caller", n), Files: []string{"internal/orders/handler.go", fmt.Sprintf("internal/orders/step%d.go", n%90)},
			}
		})
	default:
		return made(at, event.KindMessage, event.RoadMessages, service, who, func(e *event.Event) {
			e.Message = &event.Message{Author: fmt.Sprintf("engineer-%d", r.IntN(40)), Channel: "platform", Text: fmt.Sprintf("the migration of %s to the new cluster is at step %d, nothing to see so far", service, n%17)}
		})
	}
}

// made fills in what all events have; the payload is about what a sender sends
// for it.
func made(at time.Time, kind event.Kind, road event.Road, service, identity string, fill func(*event.Event)) event.Event {
	e := event.Event{Kind: kind, OccurredAt: at, ReceivedAt: at.Add(300 * time.Millisecond), Road: road, Service: service, Environment: "prod", Labels: event.Labels{"service": service, "team": "shop"}}
	fill(&e)
	e.ID = event.NewID(at, string(kind), identity)
	e.Raw = payload(&e)
	return e
}

func payload(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // of our own types
	}
	return text
}
