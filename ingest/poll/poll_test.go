package poll

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAlertComesStaysAndGoes(t *testing.T) {
	r := newRig(t)
	since := noon.Add(-10 * time.Minute)
	r.am.alerts = []map[string]any{alertOf("A", since, nil, nil)}
	b := r.tick(0)
	if len(b.Observations) != 1 {
		t.Fatalf("first poll: got %d observations, want 1", len(b.Observations))
	}
	o := b.Observations[0]
	if o.Fingerprint != fingerprintOf("A") || !o.FiringSeenAt.Equal(noon) || !o.KeepAliveUntil.Equal(since.Add(time.Hour)) ||
		o.Instances[0] != "am-0" || o.Roads[0] != event.RoadPoll || o.SentFingerprints[0] != o.Fingerprint || len(o.Raw) == 0 {
		t.Errorf("first poll: got %+v", o)
	}
	for _, after := range []time.Duration{15 * time.Second, 15 * time.Second, 15 * time.Second} {
		if b := r.tick(after); b.Len() != 0 {
			t.Errorf("an alert that stays is told again after %s: %+v", r.clock.Sub(noon), b)
		}
	}
	if b := r.tick(15 * time.Second); len(b.Observations) != 1 || !b.Observations[0].FiringSeenAt.Equal(r.clock) {
		t.Errorf("after a minute: got %+v, want a refresh", b)
	}
	r.tick(15 * time.Second)
	seen := r.clock
	r.am.alerts = nil
	b = r.tick(15 * time.Second)
	if len(b.Observations) != 1 {
		t.Fatalf("gone: got %+v", b)
	}
	if o := b.Observations[0]; !o.GoneBy.Equal(r.clock) || !o.FiringSeenAt.Equal(seen) || !o.EndedAt.IsZero() {
		t.Errorf("gone: got %+v, want it seen at %v and gone by %v", o, seen, r.clock)
	}
	if b := r.tick(15 * time.Second); b.Len() != 0 {
		t.Errorf("told twice that it is gone: %+v", b)
	}
	if len(r.store.observations) != 1 {
		t.Errorf("one alert became %d observations", len(r.store.observations))
	}
	if got := r.am.requests[0]; got != "/prefix/api/v2/status" {
		t.Errorf("asked %s", got)
	}
}

func TestGoneIsSaidOnlyWhenItIsKnown(t *testing.T) {
	for name, happens := range map[string]func(r *rig){
		"the Alertmanager was restarted": func(r *rig) { r.am.started = noon.Add(10 * time.Second) },
		"the poll failed":                func(r *rig) { r.am.fail = "silences" },
		"no answer":                      func(r *rig) { r.am.fail, r.am.err = "alerts", errDown },
		"an entry is not understood":     func(r *rig) { r.am.body = `[{"labels":{}}]` },
		"the answer is cut off":          func(r *rig) { r.am.body = `[{"labels":{"a":"b"}` },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.am.alerts = []map[string]any{alertOf("A", noon.Add(-time.Minute), nil, nil)}
			r.tick(0)
			r.am.alerts = nil
			happens(r)
			r.tick(15 * time.Second)
			for _, o := range r.store.observations {
				if !o.GoneBy.IsZero() {
					t.Errorf("said to be gone by %v", o.GoneBy)
				}
			}
		})
	}
}

func TestGoneAfterAFailedPollIsStillSaid(t *testing.T) {
	r := newRig(t)
	r.am.alerts = []map[string]any{alertOf("A", noon.Add(-time.Minute), nil, nil)}
	r.tick(0)
	r.am.alerts, r.am.fail = nil, "alerts"
	r.tick(15 * time.Second)
	r.am.fail = ""
	b := r.tick(15 * time.Second)
	if len(b.Observations) != 1 || !b.Observations[0].GoneBy.Equal(r.clock) {
		t.Errorf("got %+v, want the alert gone by %v", b.Observations, r.clock)
	}
}

func TestMovedAndRepeatedStarts(t *testing.T) {
	r := newRig(t)
	since := noon.Add(-10 * time.Minute)
	r.am.alerts = []map[string]any{alertOf("A", since, nil, nil), alertOf("B", since, nil, nil)}
	r.tick(0)
	again := noon.Add(5 * time.Second)
	r.am.alerts = []map[string]any{alertOf("A", since.Add(-time.Minute), nil, nil), alertOf("B", again, nil, nil)}
	r.tick(15 * time.Second)
	for _, o := range r.store.observations {
		switch {
		case o.Fingerprint == fingerprintOf("A") && !o.GoneBy.IsZero():
			t.Errorf("A's start moved back, and it is said to be gone by %v", o.GoneBy)
		case o.Fingerprint == fingerprintOf("B") && o.StartsAt.Equal(since) && !o.GoneBy.Equal(again):
			t.Errorf("B fires again since %v: the first firing is gone by %v", again, o.GoneBy)
		}
	}
}

func TestClusterMembersAgreeThatAnAlertIsGone(t *testing.T) {
	ams := map[string]*fakeAM{"am-0:9093": {started: noon}, "am-1:9093": {started: noon}}
	store := newStore()
	p, err := New(Config{Alertmanagers: []Alertmanager{{URL: "http://am-0:9093"}, {URL: "http://am-1:9093"}}}, store,
		Options{Transport: roundTripper(func(req *http.Request) (*http.Response, error) { return ams[req.URL.Host].RoundTrip(req) })})
	if err != nil {
		t.Fatal(err)
	}
	alert := []map[string]any{alertOf("A", noon.Add(-time.Minute), nil, nil)}
	ams["am-0:9093"].alerts, ams["am-1:9093"].alerts = alert, alert
	tick := func(i int) { p.watches[i].tick(context.Background()) }
	gone := func() bool {
		for _, o := range store.observations {
			return !o.GoneBy.IsZero()
		}
		return false
	}
	tick(0)
	tick(1)
	ams["am-0:9093"].alerts = nil
	tick(0)
	if gone() {
		t.Error("gone at one member, and the other still shows it")
	}
	ams["am-1:9093"].fail = "status"
	tick(1)
	tick(0)
	if !gone() {
		t.Error("the other member cannot be reached, and the alert is kept on for its sake")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSilences(t *testing.T) {
	r := newRig(t)
	start, end := noon.Add(-time.Minute), noon.Add(time.Hour)
	r.am.silences = []map[string]any{silenceOf("s", "active", start, end, start), silenceOf("later", "pending", end, end.Add(time.Hour), start)}
	actions := func(b event.Batch) string {
		var all []string
		for _, e := range b.Events {
			if e.Silence != nil {
				all = append(all, e.Silence.ID+" "+string(e.Silence.Action)+" "+e.OccurredAt.Format("15:04:05"))
			}
		}
		return strings.Join(all, ", ")
	}
	for _, step := range []struct {
		name string
		do   func()
		want string
	}{
		{"first", func() {}, "s created 11:59:00, later created 11:59:00"},
		{"nothing new", func() {}, ""},
		{"extended", func() {
			r.am.silences[0] = silenceOf("s", "active", start, end.Add(time.Hour), noon)
			r.am.silences[1] = silenceOf("later", "pending", end, end.Add(2*time.Hour), noon)
		}, "s updated 12:00:00, later updated 12:00:00"},
		{"nothing new", func() {}, ""},
		{"deleted early", func() {
			r.am.silences[0] = silenceOf("s", "expired", start, noon.Add(42*time.Second), noon.Add(42*time.Second))
		}, "s expired 12:00:42"},
		{"nothing new", func() {}, ""},
		{"ended", func() { r.am.silences[1] = silenceOf("later", "expired", end, end.Add(2*time.Hour), noon) }, "later expired 15:00:00"},
		{"forgotten", func() { r.am.silences = nil }, ""},
	} {
		step.do()
		if got := actions(r.tick(15 * time.Second)); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}

func TestMutesAreToldOnce(t *testing.T) {
	r := newRig(t)
	since := noon.Add(-10 * time.Minute)
	silenced := noon.Add(-time.Minute)
	r.am.silences = []map[string]any{silenceOf("s", "active", silenced, noon.Add(time.Hour), silenced)}
	r.am.alerts = []map[string]any{alertOf("A", since, nil, nil), alertOf("B", since.Add(time.Minute), nil, []string{fingerprintOf("A").String()})}
	r.tick(0)
	mutes := r.store.kinds(event.KindMute)
	if len(mutes) != 1 {
		t.Fatalf("got %d mutes, want that of B", len(mutes))
	}
	if m := mutes[0]; m.Mute.Fingerprint != fingerprintOf("B") || m.Mute.Inhibitors[0] != fingerprintOf("A") || !m.OccurredAt.Equal(since.Add(time.Minute)) || m.Instance != "am-0" {
		t.Errorf("got %+v %+v", m, m.Mute)
	}
	r.am.alerts[0] = alertOf("A", since, []string{"s"}, nil)
	b := r.tick(15 * time.Second)
	if len(b.Events) != 1 || b.Events[0].Mute == nil {
		t.Fatalf("got %+v, want A silenced", b.Events)
	}
	if e := b.Events[0]; e.Mute.SilenceID != "s" || e.Mute.Labels["alertname"] != "A" || !e.OccurredAt.Equal(silenced) {
		t.Errorf("got %+v %+v", e, e.Mute)
	}
	if b := r.tick(15 * time.Second); b.Len() != 0 {
		t.Errorf("told again: %+v", b)
	}
	known := len(r.store.events)
	r.restart(t)
	r.tick(15 * time.Second)
	if got := len(r.store.events); got != known+1 { // and "reachable"
		t.Errorf("after a restart of hindcast there are %d events, want %d and one on being reachable", got, known)
	}
	if len(r.store.observations) != 2 {
		t.Errorf("after a restart there are %d alerts, want 2", len(r.store.observations))
	}
}

func TestReach(t *testing.T) {
	r := newRig(t)
	var logged strings.Builder
	r.w.log = slog.New(slog.NewTextHandler(&logged, nil))
	var statuses []string
	step := func() {
		for _, e := range r.tick(15 * time.Second).Events {
			statuses = append(statuses, e.Source.Status)
		}
	}
	step()
	step()
	r.am.fail, r.am.err = "alerts", errDown
	step()
	step()
	r.am.fail = ""
	step()
	r.am.started = r.clock
	step()
	if got, want := strings.Join(statuses, " "), "reachable unreachable reachable started"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !strings.Contains(logged.String(), "connection refused") {
		t.Errorf("the log says %q", logged.String())
	}
}

func TestNothingIsLostWhileTheStoreIsDown(t *testing.T) {
	r := newRig(t)
	r.tick(0)
	r.store.err = errDown
	r.am.alerts = []map[string]any{alertOf("A", noon, nil, nil)}
	r.am.silences = []map[string]any{silenceOf("s", "active", noon, noon.Add(time.Hour), noon)}
	r.tick(15 * time.Second)
	// It comes, goes, and the silence is deleted, all while nothing can be stored.
	r.am.alerts = nil
	r.am.silences = []map[string]any{silenceOf("s", "expired", noon, noon.Add(20*time.Second), noon.Add(20*time.Second))}
	r.tick(15 * time.Second)
	gone := r.clock
	for range 10 {
		r.tick(15 * time.Second)
	}
	r.store.err = nil
	b := r.tick(15 * time.Second)
	if len(b.Observations) != 1 || !b.Observations[0].GoneBy.Equal(gone) || b.Observations[0].FiringSeenAt.IsZero() {
		t.Errorf("got %+v, want the alert that came and went", b.Observations)
	}
	if len(b.Events) != 2 {
		t.Errorf("got %d events, want the silence created and expired", len(b.Events))
	}
	if b := r.tick(15 * time.Second); b.Len() != 0 {
		t.Errorf("appended again: %+v", b)
	}
}

func TestAsidesAreToldOnce(t *testing.T) {
	r := newRig(t)
	r.am.body = `[{"labels":{}},{"labels":{"alertname":"A"},"startsAt":"2026-11-22T11:00:00Z"}]`
	if b := r.tick(0); len(b.Asides) != 1 || len(b.Observations) != 1 {
		t.Errorf("got %+v", b)
	}
	if b := r.tick(15 * time.Second); len(b.Asides) != 0 {
		t.Errorf("put aside again: %+v", b.Asides)
	}
}

func TestRunPollsAtItsIntervalAndStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		am := &fakeAM{started: time.Now()}
		polls := 0
		p, err := New(Config{Alertmanagers: []Alertmanager{{URL: "http://am"}}}, newStore(),
			Options{Transport: am, Polled: func(string, time.Duration, error) { polls++ }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- p.Run(ctx) }()
		time.Sleep(10*time.Minute + time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returns %v", err)
		}
		if polls < 37 || polls > 46 { // 41, a tenth more or less
			t.Errorf("%d polls in 10 minutes, want about 41", polls)
		}
	})
}

func TestASlowAlertmanagerIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hang := roundTripper(func(req *http.Request) (*http.Response, error) {
			<-req.Context().Done()
			return nil, req.Context().Err()
		})
		store := newStore()
		p, err := New(Config{Alertmanagers: []Alertmanager{{URL: "http://am", Timeout: 3 * time.Second}}}, store, Options{Transport: hang})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		p.watches[0].tick(t.Context())
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("given up after %s", took)
		}
		if e := store.kinds(event.KindSource); len(e) != 1 || e[0].Source.Status != "unreachable" {
			t.Errorf("got %+v", e)
		}
	})
}

func TestConfig(t *testing.T) {
	read := func(text string) (Config, error) {
		var c Config
		d := yaml.NewDecoder(strings.NewReader(text))
		d.KnownFields(true)
		if err := d.Decode(&c); err != nil {
			return c, err
		}
		return c, c.Validate()
	}
	c, err := read(`
alertmanagers:
  - url: http://am-0:9093
  - url: https://am-1:9093/prefix
    name: one
    interval: 30s
    timeout: 5s
    basic_auth: {username: hindcast, password_file: /etc/hindcast/password}
    tls_config: {insecure_skip_verify: true}
`)
	if err != nil {
		t.Fatal(err)
	}
	if a := c.Alertmanagers[0]; a.Interval != DefaultInterval || a.Timeout != DefaultTimeout || a.name() != "http://am-0:9093" {
		t.Errorf("got %+v", a)
	}
	if a := c.Alertmanagers[1]; a.Interval != 30*time.Second || a.Timeout != 5*time.Second || a.name() != "one" ||
		a.HTTPClientConfig.BasicAuth == nil || a.HTTPClientConfig.BasicAuth.PasswordFile != "/etc/hindcast/password" || !a.HTTPClientConfig.TLSConfig.InsecureSkipVerify {
		t.Errorf("got %+v", a)
	}
	for text, want := range map[string]string{
		"alertmanagers: [{url: ''}]":                                                      "alertmanagers[0]: url is missing",
		"alertmanagers: [{url: 'am:9093'}]":                                               "want http://HOST:PORT",
		"alertmanagers: [{url: 'http://u:secret@am'}]":                                    "basic_auth",
		"alertmanagers: [{url: 'http://am', interval: 10ms}]":                             "shorter than",
		"alertmanagers: [{url: 'http://am', timeout: -1s}]":                               "negative",
		"alertmanagers: [{url: 'http://am'}, {url: 'http://am'}]":                         "alertmanagers[1]: another one is named",
		"alertmanagers: [{url: 'http://am', intervall: 10s}]":                             "intervall",
		"alertmanagers: [{url: 'http://am', bearer_token: a, basic_auth: {username: b}}]": "at most one",
	} {
		_, err := read(text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error %v, want one that says %q", text, err, want)
		}
	}
}
