package server

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/storage"
)

func TestRolesFromText(t *testing.T) {
	for text, want := range map[string]Roles{
		"receive": Receive, "receive,api": Receive | API, "api, consume": API | Consume, "receive,consume,correlate,api": allRoles,
	} {
		var got Roles
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: got %s and error %v, want %s", text, got, err, want)
		}
	}
	for _, text := range []string{"", "all", "receive,", "receive;api", "Receive"} {
		got := API
		if err := got.UnmarshalText([]byte(text)); err == nil || got != API {
			t.Errorf("%q: got %s and error %v, want an error and nothing changed", text, got, err)
		}
	}
	if got, want := Roles(0).String(), "receive,consume,correlate,api"; got != want {
		t.Errorf("no roles are %s, want %s", got, want)
	}
}

// TestRolesCheck refuses what would never do anything, or what nobody would
// derive timelines of.
func TestRolesCheck(t *testing.T) {
	const sqlite, clickhouse = "sqlite:x.db", "clickhouse://h/db"
	for _, c := range []struct {
		roles         Roles
		store         string
		forward       bool
		error         string
		needs, follow bool
	}{
		{0, sqlite, false, "", true, false},
		{0, sqlite, true, "", true, true},
		{Receive | Correlate, sqlite, false, "", true, false},
		{Receive, sqlite, true, "", false, false},
		{Receive, sqlite, false, "one process alone can open a SQLite file, so nobody would derive timelines: add the role correlate, keep the data in ClickHouse (--store), or put it into Kafka (forward: kafka", true, false},
		{API, sqlite, false, "one process alone", true, false},
		{Receive | API, sqlite, true, "one process alone", true, false},
		{Receive, clickhouse, false, "", true, false},
		{API, clickhouse, false, "", true, false},
		{Consume, clickhouse, true, "", true, true},
		{Consume, clickhouse, false, "there is nothing to consume", false, false},
		{Consume | Receive, clickhouse, false, "", true, false},
	} {
		o := Options{Roles: c.roles, Store: c.store, Config: config.Default()}
		if c.forward {
			o.Config.Forward = config.ForwardKafka
		}
		err := o.check()
		if got := errorText(err); (got == "") != (c.error == "") || !strings.Contains(got, c.error) {
			t.Errorf("%s on %s, forward %v: got error %q, want %q in it", c.roles, c.store, c.forward, got, c.error)
		}
		if o.needsStore() != c.needs || o.consumes() != c.follow {
			t.Errorf("%s on %s, forward %v: needs the store %v, consumes %v; want %v, %v", c.roles, c.store, c.forward, o.needsStore(), o.consumes(), c.needs, c.follow)
		}
	}
}

// TestRolesWarn: who is told to consume, and has nothing to, is not left to find out.
func TestRolesWarn(t *testing.T) {
	for _, c := range []struct {
		roles            Roles
		forward, warning bool
	}{{0, false, false}, {Consume | Correlate, false, true}, {allRoles, false, false}, {Consume | Correlate, true, false}, {Receive | Correlate, false, false}} {
		o := Options{Roles: c.roles, Config: config.Default()}
		if c.forward {
			o.Config.Forward = config.ForwardKafka
		}
		got := strings.Join(o.warnings(), "\n")
		if (got != "") != c.warning || c.warning && !strings.Contains(got, "nothing is consumed: the configuration has neither kafka.topics nor forward: kafka") {
			t.Errorf("--roles=%s, forward %v: got %q, want a warning: %v", c.roles, c.forward, got, c.warning)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestAbsentRoles: a process says what it does not do, and by what it was told
// so.
func TestAbsentRoles(t *testing.T) {
	for roles, want := range map[Roles]map[string]int{
		Correlate | API:     {"POST /ingest/deploys": 404, "POST /api/v2/alerts": 404, "POST /loki/api/v1/push": 404, "POST /ingest/x": 404, "GET /incidents": 200, "GET /": 200},
		Receive | Correlate: {"POST /ingest/deploys": 200, "GET /incidents": 404, "GET /": 404, "GET /openapi.json": 404},
		Correlate:           {"POST /ingest/deploys": 404, "GET /incidents": 404},
	} {
		s, client := start(t, func(o *Options) { o.Roles = roles })
		if err := s.Idle(t.Context()); err != nil {
			t.Errorf("%s: %v", roles, err)
		}
		for request, code := range want {
			method, path, _ := strings.Cut(request, " ")
			got, body := do(t, client, method, s.URL()+path, deploy)
			if got != code || code == 404 && !strings.Contains(body, "--roles="+roles.String()) {
				t.Errorf("%s: %s: got %d %s, want %d", roles, request, got, body, code)
			}
		}
		for _, path := range []string{"/-/healthy", "/-/ready", "/metrics"} {
			if code, body := do(t, client, "GET", s.URL()+path, ""); code != http.StatusOK {
				t.Errorf("%s: %s: got %d %s, want 200", roles, path, code, body)
			}
		}
		file := filepath.Join(t.TempDir(), "absent.yml")
		if err := s.Reload(t.Context(), file); err == nil {
			t.Errorf("%s: a file that is not there was put in force", roles)
		}
		if err := s.Reload(t.Context(), ""); err != nil {
			t.Errorf("%s: reload: %v", roles, err)
		}
	}
}

// askedLease is a store that is asked who leads.
type askedLease struct {
	storage.Lease
	asked int
	err   error
}

func (l *askedLease) Holder(context.Context) (storage.Claim, time.Duration, error) {
	l.asked++
	return storage.Claim{}, 0, l.err
}

// TestProbe asks a store whether it answers, and not for everybody anew.
func TestProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &askedLease{}
		p := probe{ask: askStore(store)}
		for _, c := range []struct {
			err   error
			ready bool
		}{{nil, true}, {storage.ErrNotFound, true}, {storage.ErrUnavailable, false}, {nil, true}} {
			store.err = c.err
			for range 10 {
				if err := p.state(t.Context()); (err == nil) != c.ready {
					t.Errorf("the store says %v: got %v, want ready %v", c.err, err, c.ready)
				}
			}
			time.Sleep(2 * probeFor)
		}
		if store.asked != 4 {
			t.Errorf("the store was asked %d times, want 4", store.asked)
		}
	})
}

// TestProbeOfWhatHangs: who asks is answered in their time, by what was last known
// as long as that can be relied on.
func TestProbeOfWhatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hangs := false
		p := probe{ask: func(ctx context.Context) error {
			if hangs {
				<-ctx.Done()
			}
			return ctx.Err()
		}}
		state := func() error {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), readyPatience)
			defer cancel()
			began := time.Now()
			err := p.state(ctx)
			if took := time.Since(began); took > readyPatience {
				t.Errorf("it took %s, want no more than %s", took, readyPatience)
			}
			return err
		}
		if err := state(); err != nil {
			t.Fatalf("it answers: got error %v", err)
		}
		hangs = true
		time.Sleep(2 * probeFor)
		if err := state(); err != nil {
			t.Errorf("it is slow: got error %v, want what was last known", err)
		}
		time.Sleep(probeWait)
		if err := state(); err == nil {
			t.Error("it did not answer in all the time that it had: got ready")
		}
		hangs = false
		time.Sleep(probeWait)
		if err := state(); err != nil {
			t.Errorf("it answers again: got error %v", err)
		}
		hangs = true
		time.Sleep(2 * probeTrust)
		if err := state(); err == nil || !strings.Contains(err.Error(), "no answer") {
			t.Errorf("it is slow, and what was known is old: got error %v, want that there is no answer", err)
		}
		if err := p.end(t.Context()); err != nil {
			t.Errorf("end: %v", err)
		}
	})
}
