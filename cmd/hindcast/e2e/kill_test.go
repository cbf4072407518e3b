package e2e

import (
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"
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
	binary := buildHindcast(t)
	store := filepath.Join(t.TempDir(), "hindcast.db")
	var to atomicURL
	clients := newClients(t.Context(), &to)
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	t.Cleanup(clients.stop)
	for _, c := range clients.all {
		wg.Go(c.post)
	}
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
		p.kill()
		to.set("")
	}

	p := serve(t, binary, store)
	wait(t, "hindcast serves", 30*time.Second, func() bool { return p.address() != "" }, p)
	to.set(p.address())
	clients.stop()
	wg.Wait() // what was under way is answered first
	p.stop(t)

	found := readStore(t, store)
	for _, c := range clients.all {
		t.Logf("%s: %d acknowledged after %d posts", c.kind, len(c.answered), c.posts)
		if c.refused != "" {
			t.Errorf("%s was refused: %s", c.kind, c.refused)
		}
		if len(c.answered) < lives {
			t.Errorf("%s: %d bodies were acknowledged in %d lives: too few to show anything", c.kind, len(c.answered), lives)
		}
		for _, key := range c.answered {
			if n := found[key]; n != 1 {
				t.Errorf("%s was answered 2xx and is stored %d times", key, n)
			}
		}
	}
	for key, n := range found {
		if n != 1 {
			t.Errorf("%s is stored %d times", key, n)
		}
	}
}
