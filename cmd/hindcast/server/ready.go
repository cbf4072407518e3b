package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

// check says whether a part can do its work now; limits is what it cannot do all
// the same, "" for nothing.
type check func(context.Context) (limits string, err error)

// readiness says of the roles of a process whether they can do their work now.
//
// Parts fail apart: who forwards receives while the store is away, and must not be
// taken out of a load balancer then. So where receivers forward, it is them that
// are asked for when no role is named; else all roles.
type readiness struct {
	runs Roles // those that have a part
	// unnamed are those that are meant when none is named.
	unnamed Roles

	mu     sync.Mutex
	checks map[Roles]check
}

// readyPatience is how long a part is waited for: probes commonly give up after a
// second.
const readyPatience = 900 * time.Millisecond

// newReadiness knows which parts there will be, all of which still wait.
func newReadiness(o *Options) *readiness {
	r := &readiness{checks: map[Roles]check{}}
	for _, n := range roleNames {
		if o.Roles.has(n.role) && (n.role != Consume || o.consumes()) {
			r.runs |= n.role
		}
	}
	if r.unnamed = r.runs; o.forwards() {
		r.unnamed = Receive
	}
	return r
}

// set says how to ask the part of a role.
func (r *readiness) set(role Roles, c check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.checks[role] = c
}

// errWaits is why a part is not ready that does not run yet.
var errWaits = errors.New("it is starting, and waits for the store")

// report answers a question for roles, as --roles has them; "" for those that
// senders need. The text is for people: its first line says whether they are ready,
// and the others tell of each. No other part is asked: it may hang.
func (r *readiness) report(named string) (status int, text string) {
	wanted := r.unnamed
	if named != "" {
		if err := wanted.UnmarshalText([]byte(named)); err != nil {
			return http.StatusBadRequest, fmt.Sprintf("role: %v\n", err)
		}
		if missing := wanted &^ r.runs; missing != 0 {
			return http.StatusNotFound, fmt.Sprintf("This process has no part for %s, only for %s.\n", missing, r.runs)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), readyPatience)
	defer cancel()
	type state struct {
		limits string
		err    error
	}
	states := make([]state, len(roleNames))
	var asking sync.WaitGroup
	for i, n := range roleNames {
		if wanted&n.role != 0 {
			asking.Go(func() { states[i].limits, states[i].err = r.ask(ctx, n.role) })
		}
	}
	asking.Wait()

	status = http.StatusOK
	var why []string
	var parts strings.Builder
	for i, n := range roleNames {
		s := states[i]
		switch {
		case wanted&n.role == 0:
			continue
		case s.err != nil:
			fmt.Fprintf(&parts, "%s: not ready: %v\n", n.name, oneLine(s.err))
			status = http.StatusServiceUnavailable
			why = append(why, n.name)
		case s.limits != "":
			fmt.Fprintf(&parts, "%s: ready, but %s\n", n.name, s.limits)
		default:
			fmt.Fprintf(&parts, "%s: ready\n", n.name)
		}
	}
	if status == http.StatusOK {
		return status, "hindcast is ready.\n" + parts.String()
	}
	return status, "hindcast is not ready: " + strings.Join(why, ", ") + ".\n" + parts.String()
}

func (r *readiness) ask(ctx context.Context, role Roles) (limits string, err error) {
	r.mu.Lock()
	c := r.checks[role]
	r.mu.Unlock()
	if c == nil {
		return "", errWaits
	}
	return c(ctx)
}

// oneLine keeps the lines of the report apart: joined errors have several.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// whether makes a check of what has no limits.
func whether(ready func(context.Context) error) check {
	return func(ctx context.Context) (string, error) { return "", ready(ctx) }
}
