package correlate

import (
	"slices"
	"time"
)

// topology says which services call which: as configured, as alerts' labels
// name it, and as lines of trouble name it at the time.
type topology struct {
	always map[edge]struct{}
	logs   *logs
	near   map[string][]string
	// known are all services that anything told of.
	known map[string]bool
}

// calleeLabels name the called service on an alert about a call, as service
// meshes and client libraries set them.
var calleeLabels = []string{"upstream", "upstream_service", "destination_service", "destination_service_name", "destination_workload", "peer_service", "dependency", "target_service", "callee"}

func newTopology(configured []Dependency, signals []*signal, changes []*change, l *logs) *topology {
	t := &topology{always: map[edge]struct{}{}, logs: l, near: map[string][]string{}, known: map[string]bool{}}
	for _, s := range signals {
		t.known[s.service] = true
	}
	for _, c := range changes {
		t.known[c.service] = true
	}
	for service := range l.byService {
		t.known[service] = true
	}
	for _, d := range configured {
		for _, callee := range d.Calls {
			t.always[edge{d.Service, callee}] = struct{}{}
		}
	}
	for _, s := range signals {
		if s.service == "" {
			continue
		}
		if s.callee != "" && s.callee != s.service {
			t.always[edge{s.service, s.callee}] = struct{}{}
		}
	}
	neighbours := func(e edge) {
		t.near[e.caller] = append(t.near[e.caller], e.callee)
		t.near[e.callee] = append(t.near[e.callee], e.caller)
	}
	for e := range t.always {
		neighbours(e)
	}
	for e := range l.edges {
		neighbours(e)
	}
	for e := range l.mentions {
		if t.known[e.callee] {
			neighbours(e)
		}
	}
	for s, n := range t.near {
		slices.Sort(n)
		t.near[s] = slices.Compact(n)
	}
	return t
}

// calls reports whether a is known to call b in [from, to].
func (t *topology) calls(a, b string, from, to time.Time) bool {
	if _, ok := t.always[edge{a, b}]; ok {
		return true
	}
	e := edge{a, b}
	return t.logs.called(e, from, to) || t.known[b] && t.logs.mentioned(e, from, to)
}

// adjacent reports whether one of the two calls the other.
func (t *topology) adjacent(a, b string, from, to time.Time) bool {
	return t.calls(a, b, from, to) || t.calls(b, a, from, to)
}

// path is the services on the way from a to b, both included, of at most two
// hops in [from, to]; nil when there is none.
func (t *topology) path(a, b string, from, to time.Time) []string {
	if t.adjacent(a, b, from, to) {
		return []string{a, b}
	}
	for _, x := range t.near[a] {
		if x != b && t.adjacent(a, x, from, to) && t.adjacent(x, b, from, to) {
			return []string{a, x, b}
		}
	}
	return nil
}

// around is every service within two hops of a, whatever the time.
func (t *topology) around(a string) []string {
	out := []string{}
	for _, x := range t.near[a] {
		out = append(out, x)
		out = append(out, t.near[x]...)
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(s string) bool { return s == a })
}
