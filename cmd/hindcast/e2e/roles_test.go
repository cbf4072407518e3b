package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// The tests of this file have several processes on one store.

// member is a hindcast that shares a store.
type member struct {
	*process
	url string
}

// join starts a hindcast on a store and waits until it is ready.
func join(t *testing.T, store string, args ...string) *member {
	t.Helper()
	m := &member{process: serve(t, buildHindcast(t), store, args...)}
	wait(t, "hindcast serves", liveness, func() bool { m.url = m.address(); return m.url != "" }, m.process)
	wait(t, "hindcast is ready", liveness, func() bool {
		_, err := get(t.Context(), m.url+"/-/ready", "text/plain")
		return err == nil
	}, m.process)
	return m
}

// joinTwo starts two on a store, the second when the first leads.
func joinTwo(t *testing.T, store string) (leads, standsBy *member) {
	t.Helper()
	leads = join(t, store)
	wait(t, "the first leads", liveness, func() bool { return leads.owns(t) }, leads.process)
	return leads, join(t, store)
}

// postTo has clients of each kind post, to this process first, until they are
// stopped; then posting ends.
func postTo(t *testing.T, m *member) (posters *clients, posting *sync.WaitGroup) {
	t.Helper()
	posters = newClients(t.Context(), new(atomicURL), 1)
	posters.pause = 20 * time.Millisecond
	posters.to.set(m.url)
	return posters, posters.start(t)
}

// fewer is how often something is done that takes long: n times, or once in a
// short run.
func fewer(n int) int {
	if testing.Short() {
		return 1
	}
	return n
}

// owns says whether it derives the timelines, by its own word.
func (m *member) owns(t *testing.T) bool {
	t.Helper()
	text, err := get(t.Context(), m.url+"/metrics", "text/plain")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Contains(text, []byte("\nhindcast_correlate_owner 1\n"))
}

// fire posts an alert of a service of its own.
func (m *member) fire(t *testing.T, service string) {
	t.Helper()
	sendJSON(t, http.MethodPost, m.url+"/api/v2/alerts", []map[string]any{{
		"labels":   map[string]string{"alertname": "Down", "service": service, "severity": "critical", "key": "fired " + service},
		"startsAt": time.Now().UTC(),
	}}, nil)
}

// incidents are the incidents of a service; of all with "".
func (m *member) incidents(ctx context.Context, service string) ([]timeline.Incident, error) {
	q := url.Values{"minor": {"true"}, "limit": {"200"}}
	if service != "" {
		q.Set("service", service)
	}
	var all []timeline.Incident
	for {
		text, err := get(ctx, m.url+"/incidents?"+q.Encode(), "application/json")
		if err != nil {
			return nil, err
		}
		var page struct {
			Incidents []timeline.Incident
			Next      string `json:"next_cursor"`
		}
		if err := json.Unmarshal(text, &page); err != nil {
			return nil, err
		}
		all = append(all, page.Incidents...)
		if q.Set("cursor", page.Next); page.Next == "" {
			return all, nil
		}
	}
}

// derives posts an alert and waits for its timeline. It returns how long that took.
func (m *member) derives(t *testing.T, service string) time.Duration {
	t.Helper()
	began := time.Now()
	m.fire(t, service)
	wait(t, "the timeline of a new alert is there", time.Minute, func() bool {
		list, err := m.incidents(t.Context(), service)
		return err == nil && len(list) == 1
	}, m.process)
	return time.Since(began)
}

// reader looks at all incidents again and again, and checks that what it is told
// is consistent.
type reader struct {
	t      *testing.T
	mu     sync.Mutex
	seen   map[string]string // an incident as it was told, by ID and revision
	latest map[event.ID]int64
	looks  int
}

// read reads at a process until stop is called.
func (r *reader) read(m *member) (stop func()) {
	ctx, cancel := context.WithCancel(r.t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			if list, err := m.incidents(ctx, ""); err == nil {
				r.look(list)
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
	stop = sync.OnceFunc(func() { cancel(); wg.Wait() })
	r.t.Cleanup(stop)
	return stop
}

// look wants of every incident that it keeps its ID, or that another has it as an
// alias; that revisions grow; and that one revision is one content.
func (r *reader) look(list []timeline.Incident) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.looks++
	names := map[event.ID]bool{}
	for i := range list {
		in := &list[i]
		if names[in.ID] {
			r.t.Errorf("incident %s stands twice in a list", in.ID)
		}
		names[in.ID] = true
		for _, alias := range in.Aliases {
			names[alias] = true
		}
		text, err := json.Marshal(in)
		if err != nil {
			r.t.Error(err)
		}
		key := fmt.Sprint(in.ID, " ", in.Revision)
		if before, ok := r.seen[key]; ok && before != string(text) {
			r.t.Errorf("revision %d of incident %s was %s, and is %s", in.Revision, in.ID, before, text)
		}
		r.seen[key] = string(text)
		if before := r.latest[in.ID]; in.Revision < before {
			r.t.Errorf("incident %s had revision %d, and has %d", in.ID, before, in.Revision)
		}
		r.latest[in.ID] = in.Revision
	}
	for id := range r.latest {
		if !names[id] {
			r.t.Errorf("incident %s is gone", id)
			delete(r.latest, id)
		}
	}
}

func newReader(t *testing.T) *reader {
	return &reader{t: t, seen: map[string]string{}, latest: map[event.ID]int64{}}
}

// takeOverWithin is what is promised; the tests wait for longer, since the machine
// that they run on may be busy.
const takeOverWithin = 15 * time.Second

func reportTakeOver(t *testing.T, how string, took time.Duration) {
	t.Helper()
	t.Logf("%s: the timeline of a new alert was there after %v (%v are promised)", how, took.Round(10*time.Millisecond), takeOverWithin)
	if took > 3*takeOverWithin {
		t.Errorf("%s: the take-over took %v", how, took)
	}
}

// TestOwnerKilled kills the process that derives the timelines, again and again,
// while clients post to the other one, which takes over.
func TestOwnerKilled(t *testing.T) {
	store := enginetest.Shared(t).Database(t)
	owner := join(t, store)
	clients, posting := postTo(t, owner)
	r := newReader(t)
	for i := range fewer(3) {
		wait(t, "the first leads", liveness, func() bool { return owner.owns(t) }, owner.process)
		other := join(t, store)
		if other.owns(t) {
			t.Error("a second process leads while the first lives")
		}
		stop := r.read(other)
		other.derives(t, fmt.Sprintf("before-%d", i))
		wait(t, "clients get on", liveness, clients.more(2), owner.process, other.process)
		clients.to.set(other.url)
		owner.kill(t)
		reportTakeOver(t, "kill -9", other.derives(t, fmt.Sprintf("after-%d", i)))
		if !other.owns(t) {
			t.Error("who took over does not say so")
		}
		wait(t, "clients get on", liveness, clients.more(2), other.process)
		stop()
		owner = other
	}
	clients.stop()
	posting.Wait()
	checkShared(t, owner, r, clients)
	owner.stop(t)
	checkStore(t, store, clients)
}

// checkShared checks what the clients were told against what one member tells.
func checkShared(t *testing.T, m *member, r *reader, clients *clients) {
	t.Helper()
	all := told(t, clients)
	wait(t, "every service has one incident with all of its alerts", liveness, func() bool {
		list, err := m.incidents(t.Context(), "")
		if err != nil {
			return false
		}
		r.look(list)
		of := map[string]int{}
		for i := range list {
			for _, s := range list[i].Services {
				of[s]++
			}
		}
		for service := range all.alerts {
			if of[service] != 1 {
				return false
			}
		}
		return true
	}, m.process)
	checkFacts(t, m.url, all)
	checkLines(t, m.url, all.lines)
	t.Logf("%d looks at %d incidents in %d revisions", r.looks, len(r.latest), len(r.seen))
}

// TestOwnerStandsStill stops the owner with SIGSTOP, in the middle of whatever it
// does, and lets it go on when another has taken over.
func TestOwnerStandsStill(t *testing.T) {
	store := enginetest.Shared(t).Database(t)
	a, b := joinTwo(t, store)
	clients, posting := postTo(t, b)
	r := newReader(t)
	for i := range fewer(2) {
		clients.to.set(b.url)
		stop := r.read(b)
		b.derives(t, fmt.Sprintf("before-%d", i))
		wait(t, "clients get on", liveness, clients.more(2), b.process)
		if err := a.Freeze(); err != nil {
			t.Fatal(err)
		}
		reportTakeOver(t, "SIGSTOP", b.derives(t, fmt.Sprintf("after-%d", i)))
		if err := a.Thaw(); err != nil {
			t.Fatal(err)
		}
		// What it was about to publish comes now, and what it derives next.
		a.fire(t, fmt.Sprintf("woken-%d", i))
		wait(t, "the woken one stands by", liveness, func() bool { return !a.owns(t) }, a.process)
		if !b.owns(t) {
			t.Error("who took over does not lead any more")
		}
		if _, err := get(t.Context(), a.url+"/-/ready", "text/plain"); err != nil {
			t.Errorf("the woken one: %v", err)
		}
		wait(t, "clients get on", liveness, clients.more(2), a.process, b.process)
		ofA, ofB := newReader(t), newReader(t)
		ofA.read(a)
		ofB.read(b)
		wait(t, "both are read", liveness, func() bool {
			ofA.mu.Lock()
			defer ofA.mu.Unlock()
			ofB.mu.Lock()
			defer ofB.mu.Unlock()
			return ofA.looks > 3 && ofB.looks > 3
		}, a.process, b.process)
		stop()
		a, b = b, a
	}
	clients.stop()
	posting.Wait()
	checkShared(t, a, r, clients)
	b.stop(t)
	a.stop(t)
	checkStore(t, store, clients)
}

// TestCleanEndIsTakenOverAtOnce: an upgrade, one process after the other, leaves no
// gap of seconds.
func TestCleanEndIsTakenOverAtOnce(t *testing.T) {
	store := enginetest.Shared(t).Database(t)
	a, b := joinTwo(t, store)
	a.stop(t)
	took := b.derives(t, "after")
	t.Logf("after a clean end, the timeline of a new alert was there after %v", took.Round(10*time.Millisecond))
}

// answers checks what a process answers, and that a 404 says why.
func (m *member) answers(t *testing.T, roles string, want map[string]int) {
	t.Helper()
	for request, code := range want {
		method, path, _ := strings.Cut(request, " ")
		req, err := http.NewRequestWithContext(t.Context(), method, m.url+path, strings.NewReader(`{"at":"2026-11-22T15:19:51Z","author":"dana","text":"hello"}`))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		var said bytes.Buffer
		_, _ = said.ReadFrom(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != code || code == http.StatusNotFound && !strings.Contains(said.String(), "--roles="+roles) {
			t.Errorf("%s: %s: got %s %s, want %d", roles, request, resp.Status, &said, code)
		}
	}
}

// TestRolesApart: each role in a process of its own.
func TestRolesApart(t *testing.T) {
	store := enginetest.Shared(t).Database(t)
	receiver, server := join(t, store, "--roles=receive"), join(t, store, "--roles=api")
	receiver.fire(t, "payments") // while nobody derives
	first, second := join(t, store, "--roles=correlate"), join(t, store, "--roles=correlate")
	wait(t, "the alert has its timeline", liveness, func() bool {
		list, err := server.incidents(t.Context(), "payments")
		return err == nil && len(list) == 1
	}, receiver.process, server.process, first.process, second.process)
	health := map[string]int{"GET /metrics": 200, "GET /-/healthy": 200, "GET /-/ready": 200}
	for _, m := range []*member{receiver, server, first, second} {
		m.answers(t, "", health)
	}
	receiver.answers(t, "receive", map[string]int{"POST /ingest/messages": 200, "GET /incidents": 404, "GET /": 404, "GET /events/x": 404})
	server.answers(t, "api", map[string]int{"POST /ingest/messages": 404, "POST /api/v2/alerts": 404, "POST /loki/api/v1/push": 404, "GET /incidents": 200, "GET /": 200})
	first.answers(t, "correlate", map[string]int{"POST /ingest/messages": 404, "GET /incidents": 404})
	if first.owns(t) == second.owns(t) || server.owns(t) {
		t.Error("want that one of the two correlators leads")
	}
}

// forwarding makes the topics of a group of processes and their configuration.
func forwarding(t *testing.T, broker *kafkatest.Broker, partitions int) (file string) {
	t.Helper()
	alerts, logs := broker.Topic(t, partitions, nil), broker.Topic(t, partitions, nil)
	dead := broker.Topic(t, 1, nil)
	return writeFile(t, "hindcast.yml", fmt.Sprintf(`
forward: kafka
kafka:
  brokers: ['%s']
  group: %s
  dead_letters: %s
  forward_topics: {alerts: %s, logs: %s}
`, broker.Addr(), kafkatest.Name(t), dead, alerts, logs))
}

// TestRolesOverKafka: several receivers forward to a real broker and have no
// store; several consumers bring it to the store, of which one is killed; one of
// several correlators derives, of which the first is killed too.
func TestRolesOverKafka(t *testing.T) {
	broker := kafkatest.Shared(t)
	store := enginetest.Shared(t).Database(t)
	file := "--config.file=" + forwarding(t, broker, 4)
	const nowhere = "clickhouse://127.0.0.1:1/none"
	receivers := []*member{join(t, nowhere, "--roles=receive", file), join(t, nowhere, "--roles=receive", file)}
	consumers := []*member{join(t, store, "--roles=consume", file), join(t, store, "--roles=consume", file)}
	owner := join(t, store, "--roles=correlate,api", file)
	wait(t, "the first leads", liveness, func() bool { return owner.owns(t) }, owner.process)
	standby := join(t, store, "--roles=correlate,api", file)

	var toFirst, toSecond atomicURL
	toFirst.set(receivers[0].url)
	toSecond.set(receivers[1].url)
	one, two := newClients(t.Context(), &toFirst, 1), newClients(t.Context(), &toSecond, 1)
	for _, c := range two.all {
		c.first, c.step = 1, 2 // bodies of their own
	}
	for _, c := range one.all {
		c.step = 2
	}
	clients := &clients{all: append(slices.Clone(one.all), two.all...)}
	one.pause, two.pause = 20*time.Millisecond, 20*time.Millisecond
	one.rest, two.rest = 200*time.Millisecond, 200*time.Millisecond // Kafka takes much more than is looked at here
	posting := []*sync.WaitGroup{one.start(t), two.start(t)}
	wait(t, "clients get on", liveness, one.more(3), receivers[0].process)
	wait(t, "clients get on", liveness, two.more(3), receivers[1].process)

	consumers[0].kill(t)
	owner.kill(t)
	began := time.Now()
	receivers[0].fire(t, "after")
	wait(t, "the timeline of a new alert is there", 2*time.Minute, func() bool {
		list, err := standby.incidents(t.Context(), "after")
		return err == nil && len(list) == 1
	}, receivers[0].process, consumers[1].process, standby.process)
	reportTakeOver(t, "kill -9 of a consumer and of the owner", time.Since(began))

	// A receiver ends cleanly: what it answered is there.
	toFirst.set(receivers[1].url)
	receivers[0].stop(t)
	wait(t, "clients get on", liveness, one.more(1), receivers[1].process)
	one.stop()
	two.stop()
	for _, wg := range posting {
		wg.Wait()
	}
	all := told(t, clients)
	awaitFacts(t, standby, all, consumers[1].process)
	checkIncidents(t, standby.url, withAlert(all.alerts, "after"))
	checkLines(t, standby.url, all.lines)
	checkAsides(t, standby.url, all.asides)
	consumers[1].stop(t)
	standby.stop(t)
	checkStore(t, store, clients)
}

// awaitFacts waits until all facts can be read: what is in Kafka arrives in a
// while.
func awaitFacts(t *testing.T, m *member, all *truth, needs ...*process) {
	t.Helper()
	left := map[event.ID]bool{}
	for id := range all.facts {
		left[id] = true
	}
	for id := range all.logs {
		left[id] = true
	}
	wait(t, "all facts are there", 2*time.Minute, func() bool {
		for id := range left {
			text, err := get(t.Context(), m.url+"/events/"+id.String(), "application/json")
			if err != nil {
				return false
			}
			var fact struct {
				Log *struct{ Count int64 }
			}
			decode(t, text, &fact)
			if fact.Log != nil && fact.Log.Count < all.logs[id] {
				return false
			}
			delete(left, id)
		}
		return true
	}, append(needs, m.process)...)
	checkFacts(t, m.url, all)
}

// withAlert adds the alert of member.fire.
func withAlert(alerts map[string]map[string]bool, service string) map[string]map[string]bool {
	alerts = maps.Clone(alerts)
	alerts[service] = map[string]bool{"fired " + service: true}
	return alerts
}

// TestReceivesBeforeTheStore: with forward: kafka, a process that does everything
// receives while the store is away.
func TestReceivesBeforeTheStore(t *testing.T) {
	broker := kafkatest.Shared(t)
	engine := enginetest.Start(t, enginetest.Options{})
	engine.Kill(t)
	address := freeAddress(t)
	m := &member{url: "http://" + address}
	m.process = start(t, "hindcast", buildHindcast(t), "--log.format=json", "serve", "--web.listen-address="+address,
		"--store="+engine.DSN("hindcast"), "--config.file="+forwarding(t, broker, 2))
	wait(t, "an alert is taken", liveness, func() bool {
		resp, err := http.Post(m.url+"/api/v2/alerts", "application/json", strings.NewReader(`[{"labels":{"alertname":"Down","service":"early","severity":"critical"}}]`))
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}, m.process)
	m.answers(t, "", map[string]int{
		"GET /incidents": 503, "GET /-/ready": 200, "GET /-/ready?role=api": 503, "GET /-/ready?role=receive": 200, "GET /-/healthy": 200, "GET /metrics": 200,
	})
	engine.Restart(t)
	wait(t, "its timeline is there", liveness, func() bool {
		list, err := m.incidents(t.Context(), "early")
		return err == nil && len(list) == 1
	}, m.process)
	// And while it goes away again.
	engine.Kill(t)
	wait(t, "it is not ready for readers", liveness, func() bool {
		_, err := get(t.Context(), m.url+"/-/ready?role=api", "text/plain")
		return err != nil
	}, m.process)
	m.answers(t, "", map[string]int{"GET /-/ready": 200})
	m.fire(t, "later")
	engine.Restart(t)
	wait(t, "its timeline is there", liveness, func() bool {
		list, err := m.incidents(t.Context(), "later")
		return err == nil && len(list) == 1
	}, m.process)
}
