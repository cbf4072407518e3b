package envelope

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

// Every fact comes back as it was, by both encodings, and also when it passes
// through twice.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawBatch(t)
		now := event.MaxTime.Add(-time.Nanosecond)
		for name, via := range map[string]struct {
			encode func(event.Batch) ([]byte, error)
			decode func([]byte, time.Time) (event.Batch, error)
		}{
			"JSON":     {EncodeJSON, Decoder{Complete: func(*event.Chunk) {}}.DecodeJSON},
			"protobuf": {EncodeProto, Decoder{}.DecodeProto},
		} {
			body, err := via.encode(want)
			if err != nil {
				t.Fatalf("encode as %s: %v", name, err)
			}
			if len(body) == 0 {
				continue
			}
			got, err := via.decode(body, now)
			if err != nil {
				t.Fatalf("decode %s: %v\n%s", name, err, body)
			}
			if !reflect.DeepEqual(got, want) {
				t.Fatalf("by %s\ngot  %+v\nwant %+v", name, got, want)
			}
			again, err := via.encode(got)
			if err != nil || string(again) != string(body) {
				t.Fatalf("by %s the second time: error %v\n%s\n%s", name, err, again, body)
			}
		}
	})
}

func drawBatch(t *rapid.T) event.Batch {
	return event.Batch{
		Events:       some(t, "events", 4, drawEvent),
		Observations: some(t, "observations", 3, drawObservation),
		Chunks:       some(t, "chunks", 2, drawChunk),
		Asides: some(t, "asides", 2, func(t *rapid.T) event.Aside {
			at := instant(t)
			raw := rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "raw")
			if len(raw) == 0 {
				raw = nil
			}
			return event.Aside{ID: event.NewID(at, word(t)), ReceivedAt: at, Road: road(t), Reason: word(t), Class: word(t), Raw: raw}
		}),
	}
}

func drawEvent(t *rapid.T) event.Event {
	at := instant(t)
	e := event.Event{
		ID: event.NewID(at, word(t)), OccurredAt: at, ReceivedAt: instant(t), Road: road(t), Instance: word(t),
		Service: name(t), Environment: word(t), Labels: labels(t), ClockSuspect: rapid.Bool().Draw(t, "suspect"),
	}
	if rapid.Bool().Draw(t, "has raw") {
		raw, err := json.Marshal(word(t))
		if err != nil {
			t.Fatal(err)
		}
		e.Raw = raw
	}
	e.Kind = rapid.SampledFrom([]event.Kind{
		event.KindNotification, event.KindMute, event.KindSilence, event.KindChange, event.KindCommit,
		event.KindMessage, event.KindAcknowledgement, event.KindSource,
	}).Draw(t, "kind")
	switch e.Kind {
	case event.KindNotification:
		e.Notification = &event.Notification{
			Receiver: name(t), Integration: word(t), IntegrationIndex: rapid.IntRange(0, 99).Draw(t, "index"), GroupKey: word(t),
			GroupLabels: labels(t), Reason: word(t), Firing: some(t, "firing", 3, alertRef), Resolved: some(t, "resolved", 3, alertRef),
			Truncated: rapid.IntRange(0, 99).Draw(t, "truncated"), ToHindcast: rapid.Bool().Draw(t, "to hindcast"),
		}
	case event.KindMute:
		e.Mute = &event.Mute{Fingerprint: fingerprint(t), Labels: labels(t), SilenceID: word(t), Rule: word(t), Inhibitors: some(t, "inhibitors", 3, fingerprint)}
	case event.KindSilence:
		e.Silence = &event.Silence{
			ID: name(t), Action: rapid.SampledFrom([]event.SilenceAction{event.SilenceCreated, event.SilenceUpdated, event.SilenceExpired}).Draw(t, "action"),
			MatcherSets: some(t, "matcher sets", 3, func(t *rapid.T) []event.Matcher {
				return some(t, "matchers", 3, func(t *rapid.T) event.Matcher {
					return event.Matcher{Name: word(t), Op: rapid.SampledFrom([]string{"=", "!=", "=~", "!~"}).Draw(t, "op"), Value: word(t)}
				})
			}),
			StartsAt: maybe(t), EndsAt: maybe(t), UpdatedAt: maybe(t), CreatedBy: word(t), Comment: word(t),
		}
	case event.KindChange:
		e.Change = &event.Change{
			Run:     word(t),
			Kind:    rapid.SampledFrom([]event.ChangeKind{event.ChangeDeploy, event.ChangeRollback, event.ChangeConfig, event.ChangeFlag, event.ChangeMigration, event.ChangeRestart}).Draw(t, "change"),
			Status:  rapid.SampledFrom([]event.ChangeStatus{event.ChangeStarted, event.ChangeSucceeded, event.ChangeFailed, event.ChangeCancelled}).Draw(t, "status"),
			Version: word(t), PreviousVersion: word(t), Actor: word(t), URL: word(t), Message: word(t), Commit: word(t),
			Commits: some(t, "commits", 3, drawCommit),
		}
	case event.KindCommit:
		c := drawCommit(t)
		e.Commit = &c
	case event.KindMessage:
		e.Message = &event.Message{Author: name(t), Channel: word(t), Thread: word(t), Text: name(t), URL: word(t), Incident: word(t)}
	case event.KindAcknowledgement:
		e.Acknowledgement = &event.Acknowledgement{Actor: name(t), Alerts: some(t, "alerts", 3, alertRef), Incident: word(t), Note: word(t)}
	case event.KindSource:
		e.Source = &event.SourceStatus{Status: name(t), Detail: word(t)}
	}
	return e
}

func drawCommit(t *rapid.T) event.Commit {
	return event.Commit{
		SHA: name(t), Repository: word(t), Author: word(t), At: maybe(t), Message: word(t), Files: some(t, "files", 3, word),
		Diff: word(t), URL: word(t),
	}
}

func drawObservation(t *rapid.T) event.Observation {
	l := labels(t)
	if l == nil {
		l = event.Labels{}
	}
	l["alertname"] = name(t)
	o := event.Observation{
		Fingerprint: l.Fingerprint(), StartsAt: instant(t), Labels: l, Annotations: labels(t), GeneratorURL: word(t),
		KeepAliveUntil: maybe(t), EndedAt: maybe(t), FiringSeenAt: maybe(t), GoneBy: maybe(t),
		FirstReceivedAt: instant(t), LastReceivedAt: instant(t),
		Roads: ordered(some(t, "roads", 3, road)), SentFingerprints: ordered(some(t, "sent", 3, fingerprint)),
		Groups: ordered(some(t, "groups", 3, word)), Instances: ordered(some(t, "instances", 3, word)),
		ClockSuspect: rapid.Bool().Draw(t, "suspect"),
	}
	if rapid.Bool().Draw(t, "has raw") {
		o.Raw = json.RawMessage(`{"status": "firing"}`)
	}
	return o
}

func drawChunk(t *rapid.T) event.Chunk {
	c := event.Chunk{ReceivedAt: instant(t), Road: road(t)}
	copy(c.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	c.Streams = some(t, "streams", 3, func(t *rapid.T) event.Stream {
		return event.Stream{Service: word(t), Environment: word(t), Labels: labels(t)}
	})
	if len(c.Streams) > 0 {
		c.Lines = some(t, "lines", 4, func(t *rapid.T) event.Line {
			return event.Line{
				Stream: rapid.IntRange(0, len(c.Streams)-1).Draw(t, "stream"), At: instant(t), Level: anyLevel(t), Pattern: event.PatternID(fingerprint(t)),
				Version: word(t), Trace: word(t), Metadata: labels(t), Text: word(t),
			}
		})
	}
	c.Counts = some(t, "counts", 3, func(t *rapid.T) event.Count {
		return event.Count{
			CountKey: event.CountKey{Service: word(t), Environment: word(t), Version: word(t), Level: anyLevel(t), Pattern: event.PatternID(fingerprint(t)),
				Second: rapid.Int64Range(event.MinTime.Unix(), event.MaxTime.Unix()-1).Draw(t, "second")},
			N: rapid.Int64Min(1).Draw(t, "n"), First: instant(t), Last: instant(t), Digest: rapid.Uint64().Draw(t, "digest"),
			Template: word(t), Sample: word(t), Upstreams: some(t, "upstreams", 3, word),
		}
	})
	return c
}

// some is a list that is nil when it is empty, as decoded ones are.
func some[T any](t *rapid.T, label string, limit int, draw func(*rapid.T) T) []T {
	var list []T
	for range rapid.IntRange(0, limit).Draw(t, "number of "+label) {
		list = append(list, draw(t))
	}
	return list
}

func ordered[T ~string | ~uint64](list []T) []T {
	slices.Sort(list)
	return slices.Compact(list)
}

func instant(t *rapid.T) time.Time {
	return time.Unix(rapid.Int64Range(0, event.MaxTime.Unix()-1).Draw(t, "seconds"), rapid.Int64Range(0, 1e9-1).Draw(t, "nanoseconds")).UTC()
}

func maybe(t *rapid.T) time.Time {
	if rapid.Bool().Draw(t, "absent") {
		return time.Time{}
	}
	return instant(t)
}

func word(t *rapid.T) string { return strings.ToValidUTF8(rapid.String().Draw(t, "text"), "?") }

// name is a text that may be required: it has more than white space.
func name(t *rapid.T) string { return "n" + word(t) }

func road(t *rapid.T) event.Road {
	return rapid.SampledFrom([]event.Road{event.RoadWebhook, event.RoadRecorder, event.RoadLoki, event.RoadEnvelope}).Draw(t, "road")
}

func fingerprint(t *rapid.T) event.Fingerprint {
	return event.Fingerprint(rapid.Uint64().Draw(t, "fingerprint"))
}

func alertRef(t *rapid.T) event.AlertRef {
	return event.AlertRef{Fingerprint: fingerprint(t), StartsAt: maybe(t)}
}

func anyLevel(t *rapid.T) event.Level {
	return event.Level(rapid.IntRange(int(event.LevelUnknown), int(event.LevelFatal)).Draw(t, "level"))
}

func labels(t *rapid.T) event.Labels {
	l := event.Labels{}
	for range rapid.IntRange(0, 3).Draw(t, "number of labels") {
		l[word(t)] = word(t)
	}
	if len(l) == 0 {
		return nil
	}
	return l
}
