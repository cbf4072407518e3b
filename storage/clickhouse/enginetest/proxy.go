package enginetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

// Proxy stands in front of an engine's HTTP interface and fails as networks do:
// answers come late, in another order, or not at all. Its methods may be called
// concurrently. A request in its hands ends when its client goes.
type Proxy struct {
	engine *Engine
	server *httptest.Server

	mu      sync.Mutex
	delay   time.Duration
	shuffle *shuffle // nil: answers go out as they come
	down    bool
	once    []*rule
	frees   []func() // let go what HoldNext holds
}

// rule is what happens to the next request that it matches.
type rule struct {
	match func(*http.Request) bool
	held  chan struct{} // hold: closed when the request may go on
	what  effect
}

type effect int

const (
	hold effect = iota
	dropAnswer
	refuse
)

// NewProxy starts a proxy on a port of its own; it ends with the test. An engine
// without HTTP skips the test.
func NewProxy(tb testing.TB, e *Engine) *Proxy {
	tb.Helper()
	if e.http == "" {
		tb.Skip("the given ClickHouse server has no plain HTTP interface to put a proxy in front of")
	}
	p := &Proxy{engine: e}
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: e.Addr()}) },
		// An engine that is down closes the client's connection as well.
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
		ModifyResponse: p.answered,
		Transport:      transport,
		ErrorLog:       log.New(io.Discard, "", 0),
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.pass(forward, w, r)
	}))
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.server.Start()
	tb.Cleanup(func() {
		p.release()
		p.server.CloseClientConnections()
		p.server.Close()
		transport.CloseIdleConnections()
	})
	return p
}

// Addr is the host:port of the proxy.
func (p *Proxy) Addr() string { return p.server.Listener.Addr().String() }

// DSN is Engine.DSN by way of the proxy. It takes a database's name, or a DSN
// such as Engine.Database returns.
func (p *Proxy) DSN(database string) string {
	u := &url.URL{Scheme: "http", Host: p.Addr(), Path: "/" + database}
	if given, err := url.Parse(database); err == nil && given.Host != "" {
		u.Path, u.RawQuery, u.User = given.Path, given.RawQuery, given.User
	}
	return u.String()
}

// Delay holds every answer back for d. Zero ends that.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// Reorder collects the answers of up to group concurrent requests, for at most
// 200 ms, and lets them go in an order drawn with the seed. A group below two
// ends that.
func (p *Proxy) Reorder(seed uint64, group int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shuffle = nil; group > 1 {
		p.shuffle = &shuffle{group: group, random: rand.New(rand.NewPCG(seed, seed))}
	}
}

// HoldNext keeps the next request that matches from the engine until release is
// called. Held is closed when the request has come.
func (p *Proxy) HoldNext(match func(*http.Request) bool) (held <-chan struct{}, release func()) {
	came, free := make(chan struct{}), make(chan struct{})
	first := sync.OnceFunc(func() { close(came) })
	p.add(&rule{what: hold, held: free, match: func(r *http.Request) bool {
		if !match(r) {
			return false
		}
		first()
		return true
	}})
	release = sync.OnceFunc(func() { close(free) })
	p.mu.Lock()
	defer p.mu.Unlock()
	p.frees = append(p.frees, release)
	return came, release
}

// DropAnswerNext lets the engine execute the next request that matches; its
// client sees a broken connection: failed, but persisted.
func (p *Proxy) DropAnswerNext(match func(*http.Request) bool) {
	p.add(&rule{what: dropAnswer, match: match})
}

// RefuseNext breaks the connection of the next request that matches; the engine
// does not see it: failed, and not persisted.
func (p *Proxy) RefuseNext(match func(*http.Request) bool) {
	p.add(&rule{what: refuse, match: match})
}

// Down breaks every connection with a request on it while it is true.
func (p *Proxy) Down(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Inserts matches the requests of batches into a table, "" for any table. The
// statement is in the URL, the rows are in the body.
func Inserts(table string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		query := strings.ToUpper(strings.TrimSpace(r.URL.Query().Get("query")))
		return strings.HasPrefix(query, "INSERT INTO") && strings.Contains(query, strings.ToUpper(table))
	}
}

func (p *Proxy) add(r *rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.once = append(p.once, r)
}

// take removes the first rule that a request matches and returns it.
func (p *Proxy) take(r *http.Request) *rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return &rule{what: refuse}
	}
	for i, rule := range p.once {
		if rule.match(r) {
			p.once = append(p.once[:i:i], p.once[i+1:]...)
			return rule
		}
	}
	return nil
}

func (p *Proxy) pass(forward http.Handler, w http.ResponseWriter, r *http.Request) {
	rule := p.take(r)
	switch {
	case rule == nil:
	case rule.what == refuse:
		panic(http.ErrAbortHandler)
	case rule.what == dropAnswer:
		// The client may go at once; the engine still gets the request whole.
		r = r.WithContext(context.WithValue(r.Context(), dropping{}, true))
	case rule.what == hold:
		// The body is taken first: one that is not read hides that the client goes.
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		<-rule.held
		// A client that has gone meanwhile does not keep its insert from the
		// engine: that is how a delayed insert lands after its sender gave up.
		r = r.WithContext(context.WithoutCancel(r.Context()))
	}
	forward.ServeHTTP(w, r)
}

// dropping marks a request whose answer is dropped.
type dropping struct{}

var errDropped = errors.New("the answer is dropped")

// answered has the engine's answer in hand, before the client gets it.
func (p *Proxy) answered(response *http.Response) error {
	ctx := response.Request.Context()
	if ctx.Value(dropping{}) != nil {
		_, _ = io.Copy(io.Discard, response.Body) // what breaks it breaks it too
		return errDropped
	}
	p.mu.Lock()
	delay, shuffle := p.delay, p.shuffle
	p.mu.Unlock()
	if shuffle != nil {
		shuffle.wait(ctx)
	}
	if delay > 0 {
		select {
		case <-time.After(delay):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// release lets all go that is held.
func (p *Proxy) release() {
	p.Reorder(0, 0)
	p.Delay(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, free := range p.frees {
		free()
	}
}

// shuffle lets waiters go in groups, each in a random order.
type shuffle struct {
	group  int
	mu     sync.Mutex
	random *rand.Rand
	waits  []chan struct{}
}

// patience is how long a group waits to be full.
const patience = 200 * time.Millisecond

// wait returns when its group is full or old, after those that were drawn
// before it.
func (s *shuffle) wait(ctx context.Context) {
	mine := make(chan struct{})
	s.mu.Lock()
	s.waits = append(s.waits, mine)
	if len(s.waits) >= s.group {
		s.letGo()
	}
	s.mu.Unlock()
	select {
	case <-mine:
	case <-ctx.Done():
	case <-time.After(patience):
		s.mu.Lock()
		s.letGo()
		s.mu.Unlock()
		<-mine
	}
}

// letGo opens all waiters in a random order, with a pause between so that the
// answers leave in it. It needs the lock.
func (s *shuffle) letGo() {
	group := s.waits
	s.waits = nil
	if len(group) == 0 {
		return
	}
	s.random.Shuffle(len(group), func(i, j int) { group[i], group[j] = group[j], group[i] })
	go func() {
		for _, waiter := range group {
			close(waiter)
			time.Sleep(time.Millisecond)
		}
	}()
}
