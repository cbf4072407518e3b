package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
)

// TestReadyForWhom: what cannot be done is told, and decides, only where it was
// asked for.
func TestReadyForWhom(t *testing.T) {
	gone := errors.New("the store\nis away")
	for _, c := range []struct {
		roles         Roles
		forward       bool
		named         string
		away          Roles
		status        int
		first, second string
	}{
		{0, false, "", 0, 200, "hindcast is ready.", "receive: ready"},
		// Without Kafka nothing is taken while the store is away.
		{0, false, "", allRoles, 503, "hindcast is not ready: receive, correlate, api.", "receive: not ready: the store; is away"},
		{0, false, "", Correlate, 503, "hindcast is not ready: correlate.", "receive: ready"},
		{0, false, "receive", Correlate, 200, "hindcast is ready.", "receive: ready"},
		{0, false, "consume", 0, 404, "This process has no part for consume, only for receive,correlate,api.", ""},
		// With it receivers go on.
		{0, true, "", Consume | Correlate | API, 200, "hindcast is ready.", "receive: ready"},
		{0, true, "", Receive, 503, "hindcast is not ready: receive.", "receive: not ready: the store; is away"},
		{0, true, "api", Consume | Correlate | API, 503, "hindcast is not ready: api.", "api: not ready: the store; is away"},
		{0, true, "receive,api", API, 503, "hindcast is not ready: api.", "receive: ready"},
		{0, true, "receive, consume,correlate,api", 0, 200, "hindcast is ready.", "receive: ready"},
		{0, true, "api", Receive, 200, "hindcast is ready.", "api: ready"},
		{Receive, true, "", 0, 200, "hindcast is ready.", "receive: ready"},
		{Consume, true, "", Consume, 503, "hindcast is not ready: consume.", "consume: not ready: the store; is away"},
		{Correlate | API, true, "", API, 503, "hindcast is not ready: api.", "correlate: ready"},
		{API, false, "receive", 0, 404, "This process has no part for receive, only for api.", ""},
		{API, false, "store", 0, 400, `role: "store" is no role`, ""},
	} {
		o := Options{Roles: c.roles, Config: config.Default()}
		if c.forward {
			o.Config.Forward = config.ForwardKafka
		}
		r := newReadiness(&o)
		for _, n := range roleNames {
			r.set(n.role, func(context.Context) (string, error) {
				if c.named != "" && !strings.Contains(c.named, n.name) {
					t.Errorf("%s is asked, although it is about %s: it might hang", n.name, c.named)
				}
				if c.away&n.role != 0 {
					return "", gone
				}
				return "", nil
			})
		}
		status, text := r.report(c.named)
		lines := strings.Split(text, "\n")
		if status != c.status || !strings.HasPrefix(lines[0], c.first) || !strings.HasPrefix(lines[1], c.second) {
			t.Errorf("%s, forward %v, asked for %q while %s cannot: got %d\n%s\nwant %d and\n%s\n%s",
				c.roles, c.forward, c.named, c.away, status, text, c.status, c.first, c.second)
		}
	}
}

// TestReadyWhileStarting: parts that do not run yet are told apart from those that
// do, and what a part cannot do is told beside that it is ready.
func TestReadyWhileStarting(t *testing.T) {
	o := Options{Config: config.Default()}
	o.Config.Forward = config.ForwardKafka
	r := newReadiness(&o)
	if status, text := r.report(""); status != http.StatusServiceUnavailable || !strings.Contains(text, "receive: not ready: it is starting") {
		t.Errorf("before anything runs: got %d %s", status, text)
	}
	r.set(Receive, func(context.Context) (string, error) { return "log lines are refused", nil })
	status, text := r.report("receive,consume,correlate,api")
	want := "hindcast is not ready: consume, correlate, api.\nreceive: ready, but log lines are refused\nconsume: not ready: it is starting, and waits for the store\n" +
		"correlate: not ready: it is starting, and waits for the store\napi: not ready: it is starting, and waits for the store\n"
	if status != http.StatusServiceUnavailable || text != want {
		t.Errorf("once it receives: got %d\n%s\nwant 503\n%s", status, text, want)
	}
	if status, text := r.report(""); status != http.StatusOK || text != "hindcast is ready.\nreceive: ready, but log lines are refused\n" {
		t.Errorf("for senders, once it receives: got %d\n%s", status, text)
	}
}
