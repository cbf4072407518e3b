package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// TestKill kills the server with SIGKILL at random moments while clients post
// facts of all kinds, and starts it again. A client posts a body until it is
// answered 2xx, as senders that retry do. In the end everything that was
// answered 2xx is stored exactly once, and nothing is stored twice.
func TestKill(t *testing.T) {
	lives := 16
	if testing.Short() {
		lives = 4
	}
	testKill(t, "sqlite:"+filepath.Join(t.TempDir(), "hindcast.db"), lives)
}

// TestKillOverClickHouse does so with a store that lives on.
func TestKillOverClickHouse(t *testing.T) {
	lives := 8
	if testing.Short() {
		lives = 2
	}
	testKill(t, enginetest.Shared(t).Database(t), lives)
}

func testKill(t *testing.T, store string, lives int) {
	binary := buildHindcast(t)
	var to atomicURL
	clients := newClients(t.Context(), &to, 1)
	wg := clients.start(t)
	for life := range lives {
		p := serve(t, binary, store)
		if life%4 != 3 {
			// In most lives the load goes on for a while; in the others the
			// server is killed while it starts.
			wait(t, "hindcast serves", 30*time.Second, func() bool { return p.address() != "" }, p)
			before := clients.acknowledged()
			to.set(p.address())
			wait(t, "facts are acknowledged", 30*time.Second, func() bool { return clients.acknowledged() >= before+len(clients.all) }, p)
		}
		time.Sleep(time.Duration(rand.IntN(600)) * time.Millisecond)
		p.kill(t)
		to.set("")
	}

	p := serve(t, binary, store)
	wait(t, "hindcast serves", 30*time.Second, func() bool { return p.address() != "" }, p)
	to.set(p.address())
	clients.stop()
	wg.Wait() // what was under way is answered first
	p.stop(t)

	for _, c := range clients.all {
		if len(c.answered) < lives {
			t.Errorf("%s: %d facts were acknowledged in %d lives: too few to show anything", c.kind, len(c.answered), lives)
		}
	}
	checkStore(t, store, clients)
}

// checkStore wants all that was answered 2xx exactly once in a store, and nothing
// twice.
func checkStore(t *testing.T, store string, clients *clients) {
	t.Helper()
	found := readStore(t, store)
	for _, c := range clients.all {
		t.Logf("%s: %d acknowledged after %d posts, the slowest answer after %v", c.kind, len(c.answered), c.posts, c.slowest.Round(time.Millisecond))
		if c.refused != "" {
			t.Errorf("%s was refused: %s", c.kind, c.refused)
		}
		for _, key := range c.answered {
			if n := found[key]; n != 1 {
				t.Errorf("%s was answered 2xx and is stored %d times", key, n)
			}
		}
	}
	for key, n := range found {
		if n > 1 {
			t.Errorf("%s is stored %d times", key, n)
		}
	}
}
