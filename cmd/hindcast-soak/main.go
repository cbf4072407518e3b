// Command hindcast-soak holds hindcast's consumers of Kafka to their promise:
// whatever is killed, restarted or frozen, each fact is there once and each count
// is exact.
//
// It starts a real Kafka broker and a real ClickHouse engine, builds hindcast, and
// runs it in several processes with --roles=consume. While it produces messages,
// log lines and a share of alerts and deploys, in twelve partitions, one consumer
// after the other is killed as kill -9 does and started again, the broker is
// stopped and started, the second time killed, and the engine is frozen. When
// everything is consumed it asks the engine what is there, and holds that against
// what was produced: every line, alert and deploy once, counts and sums by service,
// no gap, no dead letter, no lag.
//
//	go run ./cmd/hindcast-soak           a million messages, some minutes
//	go run ./cmd/hindcast-soak -short    a smoke run of half a minute
//
// It exits with 0 when all is as it must be, 1 when it is not, or when it could not
// be found out. `make components` fetches what it needs.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/hindcast/hindcast/cmd/child/load"
)

// plan is how much is done, and how often it is disturbed.
type plan struct {
	messages   int           // in all
	facts      int           // of a hundred messages are alerts, and as many deploys
	partitions int           // of all topics together
	rate       int           // messages a second
	consumers  int           // processes
	kill       time.Duration // between two kills
	down       time.Duration // that a killed consumer and a stopped broker stay away
	restarts   int           // of the broker
	freeze     time.Duration // of the engine
	session    time.Duration // the consumers' session time-out
	limit      time.Duration // for consuming everything, from the last message on
}

// The whole run, and the smoke run.
var (
	whole = plan{
		messages: 1_000_000, facts: 5, partitions: 12, rate: 10_000, consumers: 3,
		kill: 10 * time.Second, down: time.Second, restarts: 2, freeze: 15 * time.Second, session: 6 * time.Second, limit: 5 * time.Minute,
	}
	short = plan{
		messages: 10_000, facts: 5, partitions: 12, rate: 2000, consumers: 3,
		kill: 3 * time.Second, down: 300 * time.Millisecond, restarts: 1, freeze: time.Second, session: time.Second, limit: 2 * time.Minute,
	}
)

func main() { load.Main("hindcast-soak", run) }

// run reads the flags and does what they say. The error is errWrong when what was
// found is not what was produced.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	p, place, err := parse(args, stderr)
	if err != nil {
		return err
	}
	s := &soak{Progress: load.NewProgress(stderr), plan: p, out: stdout}
	return place.Within(ctx, "hindcast-soak", s.Say, func(binary, dir string) error { return s.run(ctx, binary, dir) })
}

func parse(args []string, stderr io.Writer) (p plan, place load.Place, err error) {
	flags := flag.NewFlagSet("hindcast-soak", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&p.messages, "messages", whole.messages, "messages to produce")
	flags.IntVar(&p.facts, "facts", whole.facts, "of a hundred messages so many are alerts, and as many deploys; the others are log lines")
	flags.IntVar(&p.partitions, "partitions", whole.partitions, "partitions of all topics together")
	flags.IntVar(&p.rate, "rate", whole.rate, "messages to produce in a second")
	flags.IntVar(&p.consumers, "consumers", whole.consumers, "processes of hindcast")
	flags.DurationVar(&p.kill, "kill", whole.kill, "kill a consumer so often; 0 for never")
	flags.DurationVar(&p.down, "down", whole.down, "let what was killed or stopped stay away for so long")
	flags.IntVar(&p.restarts, "restarts", whole.restarts, "restart the broker so many times, in order and by a kill in turn")
	flags.DurationVar(&p.freeze, "freeze", whole.freeze, "freeze the store, once, for so long; 0 for not at all")
	flags.DurationVar(&p.session, "session", whole.session, "the consumers' session time-out")
	flags.DurationVar(&p.limit, "limit", whole.limit, "give up when not everything is consumed so long after the last message")
	place.Flags(flags, "a gigabyte")
	err = load.Parse(flags, args, func(smoke bool) error {
		if p = whole; smoke {
			p = short
		}
		return nil
	})
	if err == nil {
		err = p.check()
	}
	return p, place, err
}

func (p *plan) check() error {
	switch {
	case p.messages < 100 || p.rate < 1 || p.consumers < 1 || p.limit <= 0:
		return errors.New("want at least 100 messages, one a second, a consumer, and some time")
	case p.partitions < 3:
		return fmt.Errorf("%d partitions: want one for each of lines, alerts and deploys", p.partitions)
	case p.facts < 0 || p.facts > 50:
		return fmt.Errorf("%d of a hundred messages are alerts and as many deploys: want 0 to 50", p.facts)
	case p.kill < 0 || p.down < 0 || p.restarts < 0 || p.freeze < 0 || p.session < 500*time.Millisecond:
		return errors.New("times and numbers must not be negative, and the session time-out at least 500ms")
	}
	return nil
}
