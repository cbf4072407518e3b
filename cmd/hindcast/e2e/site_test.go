package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// site is a small site: a service with a metric, a Prometheus that watches it,
// an Alertmanager that pages, and hindcast, which all of them tell.
//
//	service ◄── Prometheus ──► Alertmanager ──► pager
//	                │             │  ▲
//	                └─► hindcast ◄┘  │
//	                      └── poll ──┘
type site struct {
	t            *testing.T
	target       *target
	pager        *pager
	alertmanager *alertmanager
	url          string // hindcast's
	servers      []*process
}

func startSite(t *testing.T) *site {
	t.Helper()
	// All are looked for first: nothing is built or started for a skipped test.
	amBinary := component.Binary(t, "Alertmanager", "HINDCAST_TEST_ALERTMANAGER")
	prometheusBinary := component.Binary(t, "Prometheus", "HINDCAST_TEST_PROMETHEUS")
	binary := buildHindcast(t)

	s := &site{t: t, target: newTarget(t), pager: newPager(t)}
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	amAddress := freeAddress(t)
	config := writeFile(t, "hindcast.yml", fmt.Sprintf("alertmanagers: [{url: 'http://%s', name: am, interval: 1s}]\n", amAddress))
	hindcast := serve(t, binary, "sqlite:"+filepath.Join(t.TempDir(), "hindcast.db"), "--config.file="+config)
	wait(t, "hindcast serves", 30*time.Second, func() bool { return hindcast.address() != "" }, hindcast)
	s.url = hindcast.address()
	s.alertmanager = startAlertmanager(t, amBinary, amAddress, s.url, s.pager.url())
	prometheus := startPrometheus(t, prometheusBinary, s.target.address(), amAddress, strings.TrimPrefix(s.url, "http://"))
	s.servers = []*process{hindcast, s.alertmanager.process, prometheus}
	return s
}

// await waits until the one incident's timeline meets a condition.
func (s *site) await(what string, limit time.Duration, ok func(*timeline.Timeline) bool) *timeline.Timeline {
	s.t.Helper()
	var last timeline.Timeline
	defer func() {
		if s.t.Failed() {
			s.t.Logf("the timeline before it failed:\n%s", s.markdown(last.Incident.ID))
		}
	}()
	wait(s.t, what, limit, func() bool {
		list := s.incidents()
		if len(list) == 0 {
			return false
		}
		last = timeline.Timeline{}
		getJSON(s.t, s.url+"/incidents/"+list[0].ID.String()+"/timeline", &last)
		return ok(&last)
	}, s.servers...)
	return &last
}

func (s *site) incidents() []timeline.Incident {
	s.t.Helper()
	var list struct {
		Incidents []timeline.Incident `json:"incidents"`
	}
	getJSON(s.t, s.url+"/incidents?minor=true", &list)
	return list.Incidents
}

// observation finds the alert among an entry's facts.
func (s *site) observation(ids []event.ID) event.Observation {
	s.t.Helper()
	for _, id := range ids {
		var fact struct {
			Alert *event.Observation `json:"alert"`
		}
		getJSON(s.t, s.url+"/events/"+id.String(), &fact)
		if fact.Alert != nil {
			return *fact.Alert
		}
	}
	s.t.Fatalf("none of %v is an alert", ids)
	return event.Observation{}
}

func (s *site) markdown(id event.ID) string {
	if id.IsZero() {
		return "(there is no incident)"
	}
	text, err := get(s.t.Context(), s.url+"/incidents/"+id.String()+"/timeline", "text/markdown")
	if err != nil {
		return err.Error()
	}
	return string(text)
}

// target is the service that Prometheus watches.
type target struct {
	server  *httptest.Server
	failing atomic.Bool
}

func newTarget(t *testing.T) *target {
	s := &target{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		ratio := 0.01
		if s.failing.Load() {
			ratio = 0.8
		}
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		fmt.Fprintf(w, "error_ratio{service=\"payments\",env=\"prod\"} %v\n", ratio)
	}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *target) fail(yes bool)   { s.failing.Store(yes) }
func (s *target) address() string { return s.server.Listener.Addr().String() }

// pager is where Alertmanager pages.
type pager struct {
	server *httptest.Server
	pages  atomic.Int64
}

func newPager(t *testing.T) *pager {
	p := &pager{}
	p.server = httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { p.pages.Add(1) }))
	t.Cleanup(p.server.Close)
	return p
}

func (p *pager) url() string  { return p.server.URL }
func (p *pager) count() int64 { return p.pages.Load() }

// freeAddress is an address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	address, err := child.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}
