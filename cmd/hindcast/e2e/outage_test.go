package e2e

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// The tests of this file let a store fail while senders post. Each of them wants
// that senders are told to come again, that hindcast recovers without being
// started again, and that in the end everything that was answered 2xx is there
// once.

// TestEngineKilled kills the engine several times, and starts it again.
func TestEngineKilled(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	o := startOutage(t, e.DSN("hindcast"))
	for range fewer(3) {
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond) // in the middle of whatever it does
		e.Kill(t)
		o.awaitReady(http.StatusServiceUnavailable)
		o.refuses()
		e.Restart(t)
		o.recovers()
	}
	o.finish()
}

// TestEngineFrozen freezes the engine for longer than any answer is waited for.
func TestEngineFrozen(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	// What waits for the engine gives up after this time.
	o := startOutage(t, e.DSN("hindcast")+"?read_timeout=3s")
	t.Cleanup(func() { e.Thaw(t) }) // hindcast would not stop in time without
	for i := range fewer(2) {
		e.Freeze(t)
		o.refuses()
		if i == 0 {
			o.awaitReady(http.StatusServiceUnavailable)
		}
		e.Thaw(t)
		o.recovers()
	}
	o.finish()
}

// TestEngineDiskFull fills the engine's disk while it takes inserts, and makes
// room again. What is stored can be read all the time.
//
// No merge is under way when the disk gets full: the engine (26.5) may then put a
// merged part in force that it did not write whole.
func TestEngineDiskFull(t *testing.T) {
	e, data := startOnSmallDisk(t)
	o := startOutage(t, e.DSN("hindcast"))
	e.Exec(t, "SYSTEM STOP MERGES")
	ballast := filepath.Join(data, "ballast")
	fill(t, ballast)
	o.refuses()
	if _, err := get(t.Context(), o.url+"/incidents?minor=true", "application/json"); err != nil {
		t.Errorf("while the disk is full: %v", err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	e.Exec(t, "SYSTEM START MERGES")
	o.recovers()
	o.finish()
}

// TestEngineAnswersLate delays the engine's answers and lets them come in another
// order.
func TestEngineAnswersLate(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	proxy := enginetest.NewProxy(t, e)
	o := startOutage(t, proxy.DSN("hindcast"))
	proxy.Delay(30 * time.Millisecond)
	proxy.Reorder(1, 4)
	o.progress(2)
	proxy.Delay(0)
	proxy.Reorder(0, 0)
	o.recovers()
	o.finish()
}

// TestEngineConnectionsBreak breaks connections before the engine got a request,
// and after it executed one.
func TestEngineConnectionsBreak(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	proxy := enginetest.NewProxy(t, e)
	o := startOutage(t, proxy.DSN("hindcast"))
	random := rand.New(rand.NewPCG(7, 7))
	tables := []string{"chunks", "lines", "counts", "events", "observations", "asides", "journal", "holders", "pinned", "revisions"}
	breaks := 40
	if testing.Short() {
		breaks = 15
	}
	for range breaks {
		into := enginetest.Inserts(tables[random.IntN(len(tables))] + " (")
		broken := proxy.DropAnswerNext
		if random.IntN(2) == 0 {
			broken = proxy.RefuseNext
		}
		broken(into)
		if random.IntN(3) == 0 {
			broken(into) // the store's own second attempt as well
		}
		time.Sleep(100 * time.Millisecond)
	}
	o.progress(1)
	proxy.Down(true)
	o.refuses()
	proxy.Down(false)
	o.recovers()
	o.finish()
}

// TestEngineComesLater starts hindcast before its store.
func TestEngineComesLater(t *testing.T) {
	e := enginetest.Start(t, enginetest.Options{})
	e.Kill(t)
	o := newOutage(t, e.DSN("hindcast"))
	o.awaitReady(http.StatusServiceUnavailable)
	o.to.set(o.url)
	o.refuses()
	if _, err := get(t.Context(), o.url+"/-/healthy", "text/plain"); err != nil {
		t.Errorf("while the store is waited for: %v", err)
	}
	e.Restart(t)
	o.recovers()
	o.finish()
}

// outage is a hindcast over an engine that fails, and senders.
type outage struct {
	t        *testing.T
	store    string
	hindcast *process
	url      string
	to       atomicURL
	clients  *clients
	posting  *sync.WaitGroup
}

// The time that hindcast may take for an answer, and how long anything may take
// at most on a machine that is busy.
const (
	appendTimeout = 2 * time.Second
	liveness      = 40 * time.Second
)

// startOutage starts hindcast over a store, and senders, and waits until both
// are at work.
func startOutage(t *testing.T, store string) *outage {
	t.Helper()
	o := newOutage(t, store)
	o.awaitReady(http.StatusOK)
	o.to.set(o.url)
	o.progress(2)
	return o
}

func newOutage(t *testing.T, store string) *outage {
	t.Helper()
	binary := buildHindcast(t)
	o := &outage{t: t, store: store}
	limits := fmt.Sprintf("{append_timeout: %v}", appendTimeout)
	config := writeFile(t, "hindcast.yml", fmt.Sprintf("limits: {alerts: %s, logs: %s}\n", limits, limits))
	address := freeAddress(t)
	o.url = "http://" + address
	o.hindcast = start(t, "hindcast", binary, "--log.format=json", "serve", "--web.listen-address="+address, "--store="+store, "--config.file="+config)
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	o.clients = newClients(t.Context(), &o.to, 2)
	o.clients.pause = 50 * time.Millisecond
	o.posting = o.clients.start(t)
	return o
}

// progress waits until every sender had so many bodies acknowledged.
func (o *outage) progress(n int64) {
	o.t.Helper()
	wait(o.t, "every sender gets on", liveness, o.clients.more(n), o.hindcast)
}

// awaitReady waits until hindcast says that it is ready, or not.
func (o *outage) awaitReady(status int) {
	o.t.Helper()
	last := ""
	defer func() {
		if o.t.Failed() {
			o.t.Log("ready: " + last)
		}
	}()
	wait(o.t, fmt.Sprintf("/-/ready answers %d", status), liveness, func() bool {
		resp, err := http.Get(o.url + "/-/ready")
		if err != nil {
			last = err.Error()
			return false
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		last = fmt.Sprintf("%d %s", resp.StatusCode, text)
		return err == nil && resp.StatusCode == status
	}, o.hindcast)
}

// refuses waits until every sender was told to come again.
func (o *outage) refuses() {
	o.t.Helper()
	wait(o.t, "every sender is told to come again", liveness, o.clients.toldAgain(), o.hindcast)
}

// recovers waits until hindcast is ready and all senders get on again.
func (o *outage) recovers() {
	o.t.Helper()
	o.progress(2)
	o.awaitReady(http.StatusOK)
}

// finish ends the senders and checks what they were told, and what is stored.
func (o *outage) finish() {
	o.t.Helper()
	o.clients.stop()
	o.posting.Wait()
	for _, c := range o.clients.all {
		if c.broken > 0 {
			o.t.Errorf("%s: %d of %d posts were not answered at all", c.kind, c.broken, c.posts)
		}
		// The time of an answer is twice what decoding and appending may take.
		if limit := 2*appendTimeout + 10*time.Second; c.slowest > limit {
			o.t.Errorf("%s: an answer took %v, want %v at most", c.kind, c.slowest, limit)
		}
	}
	checkAPI(o.t, o.url, o.clients)
	o.hindcast.stop(o.t)
	checkStore(o.t, o.store, o.clients)
}

// startOnSmallDisk starts an engine on a file system of its own, and returns
// where this process sees it.
func startOnSmallDisk(t *testing.T) (*enginetest.Engine, string) {
	t.Helper()
	small, data := enginetest.SmallDisk(t, 256)
	e := enginetest.Start(t, small)
	return e, filepath.Join(fmt.Sprintf("/proc/%d/root", e.Pid()), data)
}

// fill writes a file until the disk is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		_, err := f.Write(block)
		switch {
		case errors.Is(err, syscall.ENOSPC):
			block = block[:len(block)/2] // what is left
		case err != nil:
			t.Fatal(err)
		}
	}
}
