package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/cmd/hindcast/term"
	"github.com/hindcast/hindcast/correlate/timeline"
)

// recorded is an outage as a real Prometheus, Alertmanager, CI and log shipper
// told it: a deploy of payments that broke it, and checkout with it.
//
//go:embed demo/bad_deploy.jsonl.gz
var recorded []byte

type demoCmd struct {
	Once          bool   `name:"once" help:"Exit after the timeline is printed."`
	ListenAddress string `name:"web.listen-address" placeholder:"HOST:PORT" default:"127.0.0.1:9097" help:"Serve here afterwards (${default}); when it is taken, on a free port."`
}

// Help is the command's long help.
func (demoCmd) Help() string {
	return examples("Plays what a real Prometheus, Alertmanager, CI and log shipper sent during an outage through the HTTP receivers into an SQLite file in a temporary folder, prints the timeline that comes out, and serves it until it is interrupted. Nothing is needed and nothing is left behind.",
		"hindcast demo",
		"hindcast demo --once",
		"NO_COLOR=1 hindcast demo --once | less")
}

// Run plays, prints and serves.
func (c *demoCmd) Run(s *streams) (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	requests, err := cassette.ReadAll(bytes.NewReader(recorded), "the recorded outage")
	if err != nil {
		return err
	}
	temporary, err := newScratch()
	if err != nil {
		return err
	}
	defer temporary.remove()
	listener, err := c.listen(s)
	if err != nil {
		return err
	}
	srv, err := startReplay(ctx, config.Default(), temporary.store(), s.log, listener)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(srv, stopTimeout, nil)) }()

	timelines, err := c.play(ctx, s, srv, requests)
	if err != nil {
		return err
	}
	if err := printAll(s.out, timelines, term.For(s.out)); err != nil {
		return err
	}
	if c.Once {
		return nil
	}
	printURLs(s, srv.URL(), timelines)
	select {
	case <-ctx.Done():
		return nil
	case err := <-srv.Failed():
		return err
	}
}

// listen takes the address if it is free, else any port of the same host.
func (c *demoCmd) listen(s *streams) (net.Listener, error) {
	address := c.ListenAddress
	if c.Once {
		// Nobody is told the address: leave the usual one to others.
		address = "127.0.0.1:0"
	}
	l, err := net.Listen("tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		return l, nil
	}
	host, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	fmt.Fprintf(s.err, "%s is taken: serving on %s instead\n", address, l.Addr())
	return l, nil
}

// play sends the recorded requests and waits for the timelines.
func (c *demoCmd) play(ctx context.Context, s *streams, srv *server.Server, requests []cassette.Request) ([]timeline.Timeline, error) {
	show := newProgress(s.err)
	player := cassette.Player{URL: srv.URL(), Retries: 3, Progress: func(r cassette.Report) {
		show.update("playing the outage", r.Sent, len(requests))
	}}
	report, err := player.Play(ctx, requests)
	show.clear()
	if err != nil {
		return nil, fmt.Errorf("play the outage: %w", err)
	}
	if !report.OK() {
		first := report.Refused[0]
		return nil, fmt.Errorf("play the outage: %s was answered %d: %s", first.Path, first.Status, first.Answer)
	}
	first, last := requests[0].At, requests[len(requests)-1].At
	fmt.Fprintf(s.err, "Played %s, received from %s to %s UTC.\n\n", report.String(), first.UTC().Format("15:04:05"), last.UTC().Format("15:04:05"))
	return settled(ctx, srv)
}

// printURLs says where to look on.
func printURLs(s *streams, base string, timelines []timeline.Timeline) {
	var b strings.Builder
	fmt.Fprintf(&b, "\nServing on %s until interrupted (Ctrl-C):\n\n", base)
	fmt.Fprintf(&b, "  %s/\n  %s/incidents\n", base, base)
	for i := range timelines {
		if inc := &timelines[i].Incident; !inc.Minor {
			fmt.Fprintf(&b, "  %s/incidents/%s/timeline\n", base, inc.ID)
		}
	}
	fmt.Fprintf(&b, "  %s/openapi.json\n  %s/metrics\n", base, base)
	for i := range timelines {
		if inc := &timelines[i].Incident; !inc.Minor {
			fmt.Fprintf(&b, "\nTry:\n\n  curl -H 'Accept: text/markdown' %s/incidents/%s/timeline\n", base, inc.ID)
			if query := logQuery(&timelines[i]); query != "" {
				fmt.Fprintf(&b, "  curl '%s/logs?%s'\n", base, query)
			}
			break
		}
	}
	fmt.Fprint(s.out, b.String())
}

// logQuery asks for the lines of the first pattern that a timeline shows; ""
// when it shows none. The recording is not of the last hour, so it says when.
func logQuery(t *timeline.Timeline) string {
	for i := range t.Entries {
		e := &t.Entries[i]
		if e.Log == nil || e.Service == "" {
			continue
		}
		from := e.Log.FirstSeen.UTC().Truncate(time.Second)
		to := e.Log.LastSeen.UTC().Truncate(time.Second).Add(time.Second)
		return fmt.Sprintf("service=%s&level=%s&from=%s&to=%s", url.QueryEscape(e.Service), e.Log.Level,
			from.Format(time.RFC3339), to.Format(time.RFC3339))
	}
	return ""
}
