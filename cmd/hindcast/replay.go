package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/term"
)

type replayCmd struct {
	Files      []string  `arg:"" placeholder:"FILE" help:"Cassettes, plain or compressed with gzip; - is the standard input."`
	To         string    `name:"to" placeholder:"URL" help:"Post to this server, which believes the recorded times with serve --replay.trust-times. Without it a server in this process takes them."`
	Speed      float64   `name:"speed" placeholder:"N" help:"Keep N times the recorded pace. By default nothing is waited for."`
	Retries    int       `name:"retries" default:"30" help:"Try a request again so often that was answered 503 or 429, or not at all."`
	ConfigFile string    `name:"config.file" placeholder:"FILE" help:"The configuration of the server in this process."`
	Store      storeSpec `name:"store" placeholder:"STORE" help:"The store of the server in this process. By default a temporary one, that is removed."`
}

// Help is the command's long help.
func (replayCmd) Help() string {
	return examples(`A cassette holds recorded HTTP requests, one JSON object a line: {"at", "method", "path", "headers", "body"}. They are sent in their order, with the time of their first arrival as Hindcast-Received-At. Without --to, the timelines of all incidents but the minor ones are printed.

Exits with 3 when requests were answered otherwise than 2xx.`,
		"hindcast replay outage.jsonl",
		"hindcast replay --to=http://localhost:9097 outage.jsonl.gz",
		"hindcast replay --speed=10 --store=sqlite:outage.db monday.jsonl tuesday.jsonl")
}

// Run plays the cassettes.
func (c *replayCmd) Run(s *streams) error {
	if c.Speed < 0 {
		return usageError("--speed: want 0 or more, got %v", c.Speed)
	}
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if c.To != "" {
		if c.ConfigFile != "" || c.Store != "" {
			return usageError("--config.file and --store are of the server in this process: they do not go with --to")
		}
		return c.play(ctx, s, c.To)
	}
	return c.playHere(ctx, s)
}

// playHere plays at a server in this process and prints what it derived.
func (c *replayCmd) playHere(ctx context.Context, s *streams) (err error) {
	loaded, err := config.Load(c.ConfigFile)
	if err != nil {
		return err
	}
	store := string(c.Store)
	if store == "" {
		temporary, err := newScratch()
		if err != nil {
			return err
		}
		defer temporary.remove()
		store = temporary.store()
	}
	srv, err := startReplay(ctx, loaded, store, s.log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop(srv, stopTimeout, nil)) }()
	played := c.play(ctx, s, srv.URL())
	if played != nil && !errors.Is(played, cassette.ErrRefused) {
		return played
	}
	timelines, err := settled(ctx, srv)
	if err != nil {
		return err
	}
	return errors.Join(played, printAll(s.out, timelines, term.For(s.out)))
}

// play sends all files to a server and reports what was answered.
func (c *replayCmd) play(ctx context.Context, s *streams, url string) error {
	show := newProgress(s.err)
	player := cassette.Player{URL: url, Speed: c.Speed, Retries: c.Retries}
	var total cassette.Report
	warned := false
	began := time.Now()
	for _, file := range c.Files {
		report, err := playFile(ctx, &player, file, func(r cassette.Report) {
			if r.Disbelieved > 0 && !warned {
				show.clear()
				fmt.Fprintf(s.err, "WARNING: %s does not believe the recorded times and takes its own: the outage will seem to happen now. Start it with serve --replay.trust-times.\n", url)
				warned = true
			}
			show.update(file, r.Sent, 0)
		})
		show.clear()
		total.Merge(report)
		if err != nil {
			return fmt.Errorf("replay: %w", err)
		}
	}
	fmt.Fprintf(s.err, "%s in %v\n", total.String(), time.Since(began).Round(time.Millisecond))
	for _, r := range total.Refused {
		fmt.Fprintf(s.err, "%s: %s was answered %d: %s\n", r.Where, r.Path, r.Status, r.Answer)
	}
	if total.Disbelieved > 0 {
		fmt.Fprintf(s.err, "WARNING: the recorded times of %s were not believed: what %s derives from them has other times.\n", plural(total.Disbelieved, "request"), url)
	}
	if !total.OK() {
		return coded{exitRefused, cassette.ErrRefused}
	}
	return nil
}

// playFile reads and sends request by request: a cassette may be larger than
// memory.
func playFile(ctx context.Context, player *cassette.Player, file string, progress func(cassette.Report)) (cassette.Report, error) {
	var report cassette.Report
	in, name := io.ReadCloser(os.Stdin), "stdin"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return report, fmt.Errorf("open cassette: %w", err)
		}
		in, name = f, file
	}
	defer in.Close()
	reader, err := cassette.NewReader(in, name)
	if err != nil {
		return report, err
	}
	for {
		req, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return report, nil
		}
		if err != nil {
			return report, err
		}
		one, err := player.Play(ctx, []cassette.Request{req})
		report.Merge(one)
		if err != nil {
			return report, err
		}
		progress(report)
	}
}
