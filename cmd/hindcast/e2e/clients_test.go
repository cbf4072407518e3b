package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// atomicURL is where a server is; "" while there is none.
type atomicURL struct{ v atomic.Value }

func (u *atomicURL) set(url string) { u.v.Store(url) }

func (u *atomicURL) get() string {
	url, _ := u.v.Load().(string)
	return url
}

// client posts bodies one after the other, each until it is answered 2xx. Every
// body holds facts that can be found again by their keys.
type client struct {
	kind, path string
	// make makes the body with a number, and the keys of its facts.
	make func(n int) (body any, keys []string)
	// first is the number of its first body, step leads to the next one's.
	first, step int

	set          *clients
	acknowledged atomic.Int64 // bodies
	again        atomic.Int64 // posts that were answered 503
	// What it has done; to be read when it has ended.
	posts, broken int
	answered      []string // keys
	bodies        [][]byte // those that were answered 2xx
	// refused is an answer that is neither 2xx nor to come again later. It ends
	// the client.
	refused string
	slowest time.Duration
}

type clients struct {
	ctx    context.Context // ends them at once
	all    []*client
	to     *atomicURL
	pause  time.Duration // between attempts
	rest   time.Duration // after a body was answered 2xx
	total  atomic.Int64
	done   chan struct{}
	finish func()
}

// stop lets every client end when its body is answered.
func (s *clients) stop() { s.finish() }

// acknowledged is the number of bodies that were answered 2xx.
func (s *clients) acknowledged() int { return int(s.total.Load()) }

// newClients makes some clients of each kind.
func newClients(ctx context.Context, to *atomicURL, ofEach int) *clients {
	s := &clients{ctx: ctx, to: to, pause: 5 * time.Millisecond, done: make(chan struct{})}
	s.finish = sync.OnceFunc(func() { close(s.done) })
	for i := range ofEach {
		s.all = append(s.all,
			&client{kind: "message", path: "/ingest/messages", make: makeMessages, first: i},
			&client{kind: "deploy", path: "/ingest/deploys", make: makeDeploys, first: i},
			&client{kind: "webhook", path: "/ingest/alertmanager", make: makeWebhook, first: i},
			&client{kind: "aside", path: "/ingest/alertmanager", make: makeHalfBad, first: i},
			&client{kind: "alert", path: "/api/v2/alerts", make: makeAlerts, first: i},
			&client{kind: "recorder", path: "/ingest/alertmanager/events", make: makeRecorder, first: i},
			&client{kind: "line", path: "/loki/api/v1/push", make: makeLines, first: i})
	}
	for _, c := range s.all {
		c.set, c.step = s, ofEach
	}
	return s
}

// start lets all clients post until they are stopped, and returns what waits for
// their end.
func (s *clients) start(t *testing.T) *sync.WaitGroup {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(s.stop)
	for _, c := range s.all {
		wg.Go(c.post)
	}
	return &wg
}

// more returns whether each client had so many bodies acknowledged since the
// call.
func (s *clients) more(n int64) func() bool {
	return s.counts(n, func(c *client) int64 { return c.acknowledged.Load() })
}

// toldAgain returns whether each client was told to come again since the call.
func (s *clients) toldAgain() func() bool {
	return s.counts(1, func(c *client) int64 { return c.again.Load() })
}

func (s *clients) counts(n int64, of func(*client) int64) func() bool {
	before := make([]int64, len(s.all))
	for i, c := range s.all {
		before[i] = of(c)
	}
	return func() bool {
		for i, c := range s.all {
			if of(c) < before[i]+n {
				return false
			}
		}
		return true
	}
}

// giveUp bounds how long a client waits for a server: it ends even when none
// comes back.
const giveUp = time.Minute

// post posts until the clients are stopped.
func (c *client) post() {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	web := &http.Client{Transport: transport}
	for n := c.first; ; n += c.step {
		select {
		case <-c.set.done:
			return
		default:
		}
		body, keys := c.make(n)
		text, err := json.Marshal(body)
		if err != nil {
			panic(err) // the makers below make JSON
		}
		for deadline := time.Now().Add(giveUp); ; time.Sleep(c.set.pause) {
			if c.try(web, text) {
				c.answered = append(c.answered, keys...)
				c.bodies = append(c.bodies, text)
				c.acknowledged.Add(1)
				c.set.total.Add(1)
				time.Sleep(c.set.rest)
				break
			}
			if c.refused != "" || c.set.ctx.Err() != nil || time.Now().After(deadline) {
				return
			}
		}
	}
}

// try posts once and reports whether it was answered 2xx.
func (c *client) try(web *http.Client, text []byte) bool {
	url := c.set.to.get()
	if url == "" {
		return false
	}
	c.posts++
	ctx, cancel := context.WithTimeout(c.set.ctx, giveUp)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+c.path, bytes.NewReader(text))
	if err != nil {
		return false
	}
	req.Header.Set("Content-Type", "application/json")
	began := time.Now()
	resp, err := web.Do(req)
	if err != nil {
		c.broken++
		return false
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	c.slowest = max(c.slowest, time.Since(began))
	again, _ := strconv.Atoi(resp.Header.Get("Retry-After"))
	switch {
	case resp.StatusCode/100 == 2:
	case resp.StatusCode == http.StatusServiceUnavailable && again > 0:
		c.again.Add(1)
	default:
		c.refused = fmt.Sprintf("%s, Retry-After %q: %s", resp.Status, resp.Header.Get("Retry-After"), answer)
	}
	return err == nil && resp.StatusCode/100 == 2
}

// The makers: some facts of one kind a body, of many services, so that no
// incident becomes a monster.

func service(n int) string { return fmt.Sprintf("service-%d", n%500) }

func makeMessages(n int) (any, []string) {
	key := fmt.Sprintf("message %d", n)
	return map[string]any{"at": time.Now().UTC(), "author": "dana", "text": key}, []string{key}
}

func makeDeploys(n int) (any, []string) {
	var list []map[string]any
	var keys []string
	for i := range 2 {
		version := fmt.Sprintf("%d.%d", n, i)
		list = append(list, map[string]any{"at": time.Now().UTC(), "service": service(n), "version": version, "kind": "deploy", "status": "succeeded", "actor": "mira"})
		keys = append(keys, "deploy "+version)
	}
	return list, keys
}

// alertsOf makes two alerts that no other body has.
func alertsOf(kind string, n int) (alerts []map[string]any, keys []string) {
	for i := range 2 {
		key := fmt.Sprintf("%s %d.%d", kind, n, i)
		alerts = append(alerts, map[string]any{
			"status":   "firing",
			"labels":   map[string]string{"alertname": "Unique", "service": service(n), "severity": "info", "key": key},
			"startsAt": time.Now().UTC().Truncate(time.Millisecond),
			"endsAt":   time.Now().UTC().Add(time.Hour).Truncate(time.Millisecond),
		})
		keys = append(keys, key)
	}
	return alerts, keys
}

func makeWebhook(n int) (any, []string) {
	alerts, keys := alertsOf("webhook", n)
	for _, a := range alerts {
		a["endsAt"] = "0001-01-01T00:00:00Z"
	}
	return map[string]any{
		"version": "4", "groupKey": fmt.Sprintf("{}:{n=%d}", n), "status": "firing", "receiver": "hindcast", "alerts": alerts,
	}, keys
}

// makeHalfBad makes a webhook with one alert that is good, and one that is put
// aside.
func makeHalfBad(n int) (any, []string) {
	good := fmt.Sprintf("half %d", n)
	bad := fmt.Sprintf("aside %d", n)
	alert := func(key string, startsAt any) map[string]any {
		return map[string]any{
			"status": "firing", "startsAt": startsAt, "endsAt": "0001-01-01T00:00:00Z",
			"labels": map[string]string{"alertname": "Unique", "service": service(n), "severity": "info", "key": key},
		}
	}
	return map[string]any{
		"version": "4", "groupKey": fmt.Sprintf("{}:{half=%d}", n), "status": "firing", "receiver": "hindcast",
		"alerts": []any{alert(good, time.Now().UTC().Truncate(time.Millisecond)), alert(bad, "yesterday")},
	}, []string{good}
}

func makeAlerts(n int) (any, []string) {
	alerts, keys := alertsOf("alert", n)
	return alerts, keys
}

func makeRecorder(n int) (any, []string) {
	key := fmt.Sprintf("recorder %d", n)
	now := time.Now().UTC()
	return []map[string]any{{
		"@timestamp": now, "instance": "am",
		"data": map[string]any{"silenceCreated": map[string]any{"silence": map[string]any{
			"id": key, "startsAt": now, "endsAt": now.Add(time.Hour), "updatedAt": now, "createdBy": "dana", "comment": "a comment",
			"matchers": []map[string]any{{"type": "TYPE_EQUAL", "name": "key", "pattern": key}},
		}}},
	}}, []string{key}
}

func makeLines(n int) (any, []string) {
	var values [][]string
	var keys []string
	for i := range 20 {
		key := fmt.Sprintf("line %d.%d", n, i)
		values = append(values, []string{fmt.Sprint(time.Now().UnixNano()), key})
		keys = append(keys, key)
	}
	return map[string]any{"streams": []any{map[string]any{"stream": map[string]string{"service": service(n)}, "values": values}}}, keys
}
