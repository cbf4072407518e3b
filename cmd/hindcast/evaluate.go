package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/cassette"
	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/eval"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
	"github.com/hindcast/hindcast/correlate/timeline"
)

type evalCmd struct {
	Dirs       []string `arg:"" placeholder:"DIR" help:"Cases, or folders of cases. A case is a folder with cassette.jsonl (or cassette.jsonl.gz) and truth.json."`
	JSON       bool     `name:"json" help:"Print the scores as JSON."`
	Shuffle    *uint64  `name:"shuffle" placeholder:"SEED" help:"Play each case once more, shuffled, a third sent twice, batched otherwise and with a restart in the middle; the timelines must be the same."`
	ConfigFile string   `name:"config.file" placeholder:"FILE" help:"The configuration of the server."`
}

// Help is the command's long help.
func (evalCmd) Help() string {
	return examples(`Each case is played at a new server in this process, over HTTP and with the recorded times. What it derives is read over HTTP and held against the truth: incidents missed and invented, how far each milestone is off and whether the truth lies in its interval, the cause, failed remedies, participants, and background alerts among the members.

Exits with 1 when a target was missed or, with --shuffle, a timeline differs.`,
		"hindcast eval cmd/hindcast/testdata/cases",
		"hindcast eval --json cmd/hindcast/testdata/cases/rollback_fails | jq .totals",
		"hindcast eval --shuffle=7 cmd/hindcast/testdata/cases")
}

// evalReport is what --json prints.
type evalReport struct {
	eval.Report
	// Shuffled tells of each case whether the shuffled delivery gave the same
	// timelines.
	Shuffled []shuffled `json:"shuffled,omitempty"`
}

type shuffled struct {
	Case string `json:"case"`
	Same bool   `json:"same"`
	// Difference is the first one.
	Difference string `json:"difference,omitempty"`
}

// Run plays and scores the cases.
func (c *evalCmd) Run(s *streams) error {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	loaded, err := config.Load(c.ConfigFile)
	if err != nil {
		return err
	}
	cases, err := eval.Find(c.Dirs...)
	if err != nil {
		return err
	}
	var scores []eval.Score
	report := evalReport{}
	show := newProgress(s.err)
	for i, one := range cases {
		show.update(one.Name, i, len(cases))
		score, same, err := c.evaluate(ctx, s, loaded, one)
		if err != nil {
			show.clear()
			return fmt.Errorf("case %s: %w", one.Name, err)
		}
		scores = append(scores, score)
		if same != nil {
			report.Shuffled = append(report.Shuffled, *same)
		}
	}
	show.clear()
	report.Report = eval.Summarize(scores)
	return c.print(s, report)
}

// evaluate plays one case, and a second time if it is to be shuffled.
func (c *evalCmd) evaluate(ctx context.Context, s *streams, loaded config.Config, one eval.Case) (eval.Score, *shuffled, error) {
	requests, err := cassette.ReadFile(one.Cassette)
	if err != nil {
		return eval.Score{}, nil, err
	}
	derived, err := derive(ctx, s, loaded, requests)
	if err != nil {
		return eval.Score{}, nil, err
	}
	score := eval.Judge(one, eval.WebhookOnly(requests), derived)
	if c.Shuffle == nil {
		return score, nil, nil
	}
	again := cassette.Shuffle(requests, *c.Shuffle)
	other, err := derive(ctx, s, loaded, again[:len(again)/2], again[len(again)/2:])
	if err != nil {
		return score, nil, fmt.Errorf("shuffled: %w", err)
	}
	difference, err := eval.Difference(derived, other)
	return score, &shuffled{Case: one.Name, Same: difference == "", Difference: difference}, err
}

// derive plays the parts of a cassette into one store, each at a server of its
// own, and returns what the last one derived.
func derive(ctx context.Context, s *streams, loaded config.Config, parts ...[]cassette.Request) (derived []timeline.Timeline, err error) {
	temporary, err := newScratch()
	if err != nil {
		return nil, err
	}
	defer temporary.remove()
	for i, part := range parts {
		srv, err := startReplay(ctx, loaded, temporary.store(), s.log)
		if err != nil {
			return nil, err
		}
		err = send(ctx, s, srv, part)
		if err == nil && i == len(parts)-1 {
			// Only here: a server that is stopped may have work left.
			derived, err = settled(ctx, srv)
		}
		if err := stop(srv, stopTimeout, err); err != nil {
			return nil, err
		}
	}
	return derived, nil
}

func send(ctx context.Context, s *streams, srv *server.Server, requests []cassette.Request) error {
	player := cassette.Player{URL: srv.URL(), Retries: 3}
	report, err := player.Play(ctx, requests)
	for _, r := range report.Refused {
		fmt.Fprintf(s.err, "%s: %s was answered %d: %s\n", r.Where, r.Path, r.Status, r.Answer)
	}
	return err
}

// deriveTimeout bounds the wait for what was played to be derived.
const deriveTimeout = 5 * time.Minute

// settled waits until everything is derived and reads it.
func settled(ctx context.Context, srv *server.Server) ([]timeline.Timeline, error) {
	ctx, cancel := context.WithTimeout(ctx, deriveTimeout)
	defer cancel()
	if err := srv.Idle(ctx); err != nil {
		return nil, err
	}
	client := eval.Client{URL: srv.URL()}
	return client.Timelines(ctx)
}

// print writes the report; it fails when a target was missed.
func (c *evalCmd) print(s *streams, report evalReport) error {
	good := report.Met
	for _, one := range report.Shuffled {
		good = good && one.Same
	}
	if c.JSON {
		encoder := json.NewEncoder(s.out)
		encoder.SetIndent("", "  ")
		if err := encoder.Encode(report); err != nil {
			return fmt.Errorf("print report: %w", err)
		}
	} else {
		if err := report.WriteText(s.out); err != nil {
			return err
		}
		for _, one := range report.Shuffled {
			if one.Same {
				fmt.Fprintf(s.out, "shuffled %s: the same timelines\n", one.Case)
			} else {
				fmt.Fprintf(s.out, "shuffled %s: DIFFERENT timelines:\n%s\n", one.Case, one.Difference)
			}
		}
	}
	if !good {
		return coded{exitFailure, errSilent}
	}
	return nil
}
