package poll

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// fakeAM answers as Alertmanager's API does. Fields may be changed between
// polls.
type fakeAM struct {
	mu       sync.Mutex
	started  time.Time
	alerts   []map[string]any
	silences []map[string]any
	// fail makes one route fail: with an error, or with a status of 500.
	fail     string
	err      error
	body     string // instead of the alerts
	requests []string
}

func (f *fakeAM) RoundTrip(req *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = append(f.requests, req.URL.Path)
	answer := func(status int, body any) (*http.Response, error) {
		text, ok := body.(string)
		if !ok {
			b, err := json.Marshal(body)
			if err != nil {
				return nil, err
			}
			text = string(b)
		}
		return &http.Response{StatusCode: status, Status: http.StatusText(status), Body: io.NopCloser(strings.NewReader(text)), Request: req}, nil
	}
	route := req.URL.Path[strings.LastIndex(req.URL.Path, "/")+1:]
	if f.fail == route {
		if f.err != nil {
			return nil, f.err
		}
		return answer(500, "no")
	}
	switch route {
	case "status":
		return answer(200, map[string]any{"uptime": f.started.Format("2006-01-02T15:04:05.000Z"), "config": map[string]any{}})
	case "alerts":
		if f.body != "" {
			return answer(200, f.body)
		}
		return answer(200, append([]map[string]any{}, f.alerts...))
	case "silences":
		return answer(200, append([]map[string]any{}, f.silences...))
	}
	return answer(404, "")
}

func apiTime(t time.Time) string { return t.Format("2006-01-02T15:04:05.000Z") }

// alertOf is an alert as the API lists it.
func alertOf(name string, startsAt time.Time, silencedBy, inhibitedBy []string) map[string]any {
	labels := map[string]string{"alertname": name}
	state := "active"
	if len(silencedBy)+len(inhibitedBy) > 0 {
		state = "suppressed"
	}
	return map[string]any{
		"labels": labels, "annotations": map[string]string{"summary": name + " fails"}, "fingerprint": fingerprintOf(name).String(),
		"startsAt": apiTime(startsAt), "endsAt": apiTime(startsAt.Add(time.Hour)), "updatedAt": apiTime(startsAt), "generatorURL": "http://p",
		"receivers": []map[string]string{{"name": "chat"}},
		"status":    map[string]any{"state": state, "silencedBy": silencedBy, "inhibitedBy": inhibitedBy, "mutedBy": []string{}},
	}
}

func fingerprintOf(name string) event.Fingerprint {
	return event.Labels{"alertname": name}.Fingerprint()
}

// silenceOf is a silence as the API lists it.
func silenceOf(id, state string, startsAt, endsAt, updatedAt time.Time) map[string]any {
	return map[string]any{
		"id": id, "status": map[string]string{"state": state}, "startsAt": apiTime(startsAt), "endsAt": apiTime(endsAt), "updatedAt": apiTime(updatedAt),
		"createdBy": "dana", "comment": "looking", "matchers": []map[string]any{{"name": "alertname", "value": "A", "isRegex": false, "isEqual": true}},
	}
}

// store keeps facts as a store does: events once, observations merged.
type store struct {
	mu           sync.Mutex
	err          error
	batches      []event.Batch
	events       map[event.ID]event.Event
	observations map[event.ID]event.Observation
}

func newStore() *store {
	return &store{events: make(map[event.ID]event.Event), observations: make(map[event.ID]event.Observation)}
}

func (s *store) Append(_ context.Context, b event.Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.batches = append(s.batches, b)
	for _, e := range b.Events {
		if _, ok := s.events[e.ID]; !ok {
			s.events[e.ID] = e
		}
	}
	for _, o := range b.Observations {
		if known, ok := s.observations[o.ID()]; ok {
			o = known.Merge(o)
		}
		s.observations[o.ID()] = o
	}
	return nil
}

// last is what the last append brought; the empty batch when there was none
// since.
func (s *store) last() event.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.batches) == 0 {
		return event.Batch{}
	}
	b := s.batches[len(s.batches)-1]
	s.batches = nil
	return b
}

func (s *store) kinds(kind event.Kind) (all []event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range s.events {
		if e.Kind == kind {
			all = append(all, e)
		}
	}
	return all
}

// rig is a poller of one Alertmanager with a clock of its own.
type rig struct {
	am    *fakeAM
	store *store
	clock time.Time
	w     *watch
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{am: &fakeAM{started: noon.Add(-time.Hour)}, store: newStore(), clock: noon}
	r.restart(t)
	return r
}

// restart is a restart of hindcast.
func (r *rig) restart(t *testing.T) {
	t.Helper()
	p, err := New(Config{Alertmanagers: []Alertmanager{{URL: "http://am:9093/prefix/", Name: "am-0"}}}, r.store,
		Options{Transport: r.am, Now: func() time.Time { return r.clock }})
	if err != nil {
		t.Fatal(err)
	}
	r.w = p.watches[0]
}

// tick polls after some time has passed.
func (r *rig) tick(after time.Duration) event.Batch {
	r.clock = r.clock.Add(after)
	r.w.tick(context.Background())
	return r.store.last()
}

var errDown = errors.New("connection refused")
