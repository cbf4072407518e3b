package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/storage"
)

// start starts a server on a free port. Its connections are closed after the
// test, so that nothing leaks.
func start(t *testing.T, change func(*Options)) (*Server, *http.Client) {
	t.Helper()
	o := Options{Config: config.Default(), Store: "sqlite:" + filepath.Join(t.TempDir(), "data", "x.db"), Logger: quiet()}
	if change != nil {
		change(&o)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), o, l)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := s.Stop(context.Background()); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return s, client
}

// deploy is a body for /ingest/deploys.
const deploy = `{"id":"1","at":"2026-11-22T15:19:51Z","service":"payments","version":"2.0.0","kind":"deploy","status":"succeeded"}`

func do(t *testing.T, client *http.Client, method, url, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

func TestServerTakesInAndGivesOut(t *testing.T) {
	s, client := start(t, nil)
	if code, body := do(t, client, "POST", s.URL()+"/ingest/deploys", deploy); code != http.StatusOK {
		t.Fatalf("deploy: got %d %s, want 200", code, body)
	}
	if err := s.Idle(t.Context()); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/incidents": `"incidents"`, "/-/healthy": "", "/-/ready": "", "/openapi.json": "3.1",
		"/metrics": `hindcast_ingest_facts_total{from="receivers",kind="change",road="deploys"} 1`,
	} {
		if code, body := do(t, client, "GET", s.URL()+path, ""); code != http.StatusOK || !strings.Contains(body, want) {
			t.Errorf("%s: got %d, want 200 with %q in it; body:\n%.500s", path, code, want, body)
		}
	}
	if code, _ := do(t, client, "GET", s.URL()+"/nonsense", ""); code != http.StatusNotFound {
		t.Errorf("/nonsense: got %d, want 404", code)
	}
}

// TestStopAnswersWhatIsUnderWay stops the server while a body is being sent.
func TestStopAnswersWhatIsUnderWay(t *testing.T) {
	s, client := start(t, nil)
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/ingest/deploys", reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answered := make(chan error, 1)
	go func() {
		resp, err := client.Do(req)
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				err = fmt.Errorf("the answer is %s", resp.Status)
			}
		}
		answered <- err
	}()
	fmt.Fprint(writer, deploy[:20])
	inFlight(t, client, s)

	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(context.Background()) }()
	eventually(t, "new requests are refused while the other waits", func() bool {
		code, err := try(t, client, s.URL()+"/ingest/deploys")
		return err != nil || code == http.StatusServiceUnavailable
	})
	select {
	case err := <-stopped:
		t.Fatalf("the server stopped before it had answered: %v", err)
	default:
	}
	fmt.Fprint(writer, deploy[20:])
	writer.Close()
	if err := <-answered; err != nil {
		t.Errorf("the request under way: %v", err)
	}
	if err := <-stopped; err != nil {
		t.Errorf("stop: %v", err)
	}
}

// inFlight waits until the server is reading a request.
func inFlight(t *testing.T, client *http.Client, s *Server) {
	t.Helper()
	eventually(t, "the request is under way", func() bool {
		_, body := do(t, client, "GET", s.URL()+"/metrics", "")
		return strings.Contains(body, `hindcast_ingest_requests_in_flight{lane="alerts"} 1`)
	})
}

// eventually asks until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func try(t *testing.T, client *http.Client, url string) (int, error) {
	req, err := http.NewRequestWithContext(t.Context(), "POST", url, strings.NewReader(deploy))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// TestStopIsBounded stops the server while a body never ends.
func TestStopIsBounded(t *testing.T) {
	s, client := start(t, nil)
	reader, writer := io.Pipe()
	req, err := http.NewRequestWithContext(t.Context(), "POST", s.URL()+"/ingest/deploys", reader)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	}()
	fmt.Fprint(writer, deploy[:20])
	inFlight(t, client, s)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Stop(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refuse new requests") {
		t.Errorf("stop: got error %v, want that the time was over, and where", err)
	}
	writer.Close()
	<-answered
}

func TestStartFails(t *testing.T) {
	dir := t.TempDir()
	blocked := filepath.Join(dir, "file")
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*Options){
		"no such store": func(o *Options) { o.Store = "mysql:x" },
		"no folder":     func(o *Options) { o.Store = "sqlite:" + filepath.Join(blocked, "x.db") },
		"bad limits":    func(o *Options) { o.Config.Limits.MaxBody = 0 },
	} {
		t.Run(name, func(t *testing.T) {
			o := Options{Config: config.Default(), Store: "sqlite:" + filepath.Join(dir, "x.db"), Logger: quiet()}
			change(&o)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			if s, err := Start(t.Context(), o, l); err == nil {
				t.Error("it started")
				s.Stop(t.Context())
			}
			if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
				t.Error("the listener is still open")
			}
		})
	}
}

func TestTwoServersCannotShareAFile(t *testing.T) {
	store := "sqlite:" + filepath.Join(t.TempDir(), "x.db")
	start(t, func(o *Options) { o.Store = store })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Start(t.Context(), Options{Config: config.Default(), Store: store, Logger: quiet()}, l); !errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("got error %v, want that the store is unavailable", err)
	}
}

// TestReload changes what senders may post and whom the server asks.
func TestReload(t *testing.T) {
	var polls atomic.Int64
	polled := make(chan struct{}, 100)
	alertmanager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		polls.Add(1)
		polled <- struct{}{}
		io.WriteString(w, "[]")
	}))
	defer alertmanager.Close()
	file := filepath.Join(t.TempDir(), "hindcast.yml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, client := start(t, nil)
	ping := func() int {
		code, _ := do(t, client, "POST", s.URL()+"/ingest/github", "{}", "X-GitHub-Event", "ping")
		return code
	}
	if code := ping(); code != http.StatusOK {
		t.Errorf("without a secret: got %d, want 200", code)
	}

	write("github: {secrets: [hush]}\nalertmanagers: [{url: '" + alertmanager.URL + "'}]")
	if err := s.Reload(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if code := ping(); code != http.StatusUnauthorized && code != http.StatusForbidden {
		t.Errorf("unsigned with a secret: got %d, want 401 or 403", code)
	}
	<-polled

	write("alertmanagers: [{url: nonsense}]")
	if err := s.Reload(t.Context(), file); err == nil {
		t.Error("a bad file was put in force")
	}
	if code := ping(); code != http.StatusUnauthorized && code != http.StatusForbidden {
		t.Errorf("after a bad file: got %d, want that the old configuration stays", code)
	}

	write("")
	if err := s.Reload(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	if code := ping(); code != http.StatusOK {
		t.Errorf("without a secret again: got %d, want 200", code)
	}
	if s.pollers.running == nil {
		t.Error("no poller runs")
	}
	if got := len(s.pollers.config.Alertmanagers); got != 0 {
		t.Errorf("%d Alertmanagers are still asked", got)
	}
}

func TestWebConfig(t *testing.T) {
	hash, err := bcrypt.GenerateFromPassword([]byte("hush"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "web.yml")
	if err := os.WriteFile(file, []byte("basic_auth_users:\n  dana: "+string(hash)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, client := start(t, func(o *Options) { o.WebConfigFile = file })
	for _, path := range []string{"/incidents", "/metrics"} {
		if code, _ := do(t, client, "GET", s.URL()+path, ""); code != http.StatusUnauthorized {
			t.Errorf("%s without a password: got %d, want 401", path, code)
		}
		with := strings.Replace(s.URL(), "http://", "http://dana:hush@", 1)
		if code, _ := do(t, client, "GET", with+path, ""); code != http.StatusOK {
			t.Errorf("%s with the password: got %d, want 200", path, code)
		}
	}
}

func TestURL(t *testing.T) {
	for address, want := range map[string]string{
		"[::]:9097": "http://localhost:9097", "0.0.0.0:1": "http://localhost:1", "127.0.0.1:2": "http://127.0.0.1:2", "[::1]:3": "http://[::1]:3",
	} {
		tcp, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		s := Server{address: tcp}
		if got := s.URL(); got != want {
			t.Errorf("%s: got %s, want %s", address, got, want)
		}
	}
}
