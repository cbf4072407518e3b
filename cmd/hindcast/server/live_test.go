package server

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// A live server has a clock of its own: no sender may say when it was, and an
// alert that fires now is an incident that is on, however long a replay would
// let things settle.
func TestLiveServerHasItsOwnClock(t *testing.T) {
	began := time.Now()
	s, client := start(t, func(o *Options) { o.Settle = 24 * time.Hour })
	alert := fmt.Sprintf(`[{"labels":{"alertname":"Down","service":"payments","severity":"critical"},"startsAt":%q}]`, began.UTC().Format(time.RFC3339Nano))
	if code, body := do(t, client, "POST", s.URL()+"/api/v2/alerts", alert, "Hindcast-Received-At", "1999-01-01T00:00:00Z"); code != http.StatusOK {
		t.Fatalf("alert: got %d %s, want 200", code, body)
	}
	if err := s.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	var list struct {
		Incidents []struct{ ID, Status string }
	}
	get(t, client, s.URL()+"/incidents?minor=true", &list)
	if len(list.Incidents) != 1 || list.Incidents[0].Status != "open" {
		t.Fatalf("got %+v, want one incident that is open", list.Incidents)
	}
	var fact struct {
		ReceivedAt time.Time `json:"received_at"`
	}
	get(t, client, s.URL()+"/events/"+list.Incidents[0].ID, &fact)
	if fact.ReceivedAt.Before(began.Add(-time.Minute)) {
		t.Errorf("received at %v, as the sender says; want the server's own time, %v", fact.ReceivedAt, began)
	}
}

func get(t *testing.T, client *http.Client, url string, into any) {
	t.Helper()
	code, body := do(t, client, "GET", url, "")
	if code != http.StatusOK {
		t.Fatalf("%s: got %d %s, want 200", url, code, body)
	}
	if err := json.Unmarshal([]byte(body), into); err != nil {
		t.Fatalf("%s: %v", url, err)
	}
}

// What is replayed is old: retention would delete it.
func TestNothingIsDeletedInAReplay(t *testing.T) {
	for _, replay := range []bool{false, true} {
		s, _ := start(t, func(o *Options) { o.TrustTimes, o.Settle = replay, time.Hour })
		runs := slices.ContainsFunc(s.teardown.steps, func(s step) bool { return s.name == "stop retention" })
		if runs == replay {
			t.Errorf("with trusted times %v, retention runs: %v", replay, runs)
		}
	}
}

// A server without bounds of time can be held by connections that say nothing.
func TestServersAreBoundedInTime(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := startWeb(http.NotFoundHandler(), []net.Listener{l}, "", quiet(), make(chan error, 1))
	s := w.servers[0]
	if s.ReadHeaderTimeout <= 0 || s.IdleTimeout <= 0 || s.WriteTimeout <= 0 || s.MaxHeaderBytes <= 0 {
		t.Errorf("header %v, idle %v, write %v, header's bytes %d: want all of them bounded", s.ReadHeaderTimeout, s.IdleTimeout, s.WriteTimeout, s.MaxHeaderBytes)
	}
	eventually(t, "the server serves", func() bool {
		resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Get("http://" + l.Addr().String())
		if err == nil {
			resp.Body.Close()
		}
		return err == nil
	})
	if err := w.stop(t.Context()); err != nil {
		t.Errorf("stop: %v", err)
	}
}
