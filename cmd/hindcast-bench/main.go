// Command hindcast-bench measures how fast hindcast is, and prints each figure
// beside its target.
//
// It builds the server, runs it as a separate process and generates load from
// another. Everything is on loopback and in a temporary folder that is removed
// at the end.
//
// On SQLite the server has one core (GOMAXPROCS=1) and the generator the other,
// and the Go benchmarks of the decoders and the correlator are run first. On
// ClickHouse the engine, the server and the generator share the machine; the
// engine is the one that storage/clickhouse/enginetest finds, in a process of its
// own, and the store is first held against bare inserts into that engine. With
// Kafka, log lines from a real broker to ClickHouse are held against the same ones
// over HTTP.
//
//	go run ./cmd/hindcast-bench                      some minutes, 2 GB of disk
//	go run ./cmd/hindcast-bench -store clickhouse    some ten minutes, 10 GB of disk
//	go run ./cmd/hindcast-bench -store kafka         some minutes, 2 GB of disk
//	go run ./cmd/hindcast-bench -short               a smoke run of seconds
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"time"

	"github.com/hindcast/hindcast/cmd/child/load"
)

// sizes say how much is measured.
type sizes struct {
	lines     int           // stored before anything is measured
	spread    time.Duration // of the stored lines' times, until now
	firing    int           // alerts that fire all the time
	stage     time.Duration // of each measurement under load
	probes    int           // alerts whose way to the timeline is watched
	entries   int           // of the timeline that is read
	benchtime string        // of each Go benchmark

	// On ClickHouse: how many of the lines come over HTTP, and what else is
	// stored; rounds is how often the store is held against bare inserts. On Kafka
	// pushed and rounds alone: how many lines come over each road, and how often.
	pushed    int
	events    int
	incidents int
	past      time.Duration // of the events' times, until now
	rounds    int
}

// stores are what can be measured: whole, and in short.
var stores = map[string][2]sizes{
	"sqlite": {
		{lines: 10_000_000, spread: 4 * time.Hour, firing: 5000, stage: 20 * time.Second, probes: 300, entries: 200, benchtime: "1s"},
		{lines: 20_000, spread: 10 * time.Minute, firing: 200, stage: time.Second, probes: 10, entries: 40, benchtime: "1x"},
	},
	"clickhouse": {
		{
			lines: 50_000_000, spread: 24 * time.Hour, firing: 1, stage: 20 * time.Second, probes: 100, entries: 200, benchtime: "2s",
			pushed: 6_000_000, events: 1_000_000, incidents: 4000, past: 100 * 24 * time.Hour, rounds: 5,
		},
		{
			lines: 60_000, spread: 10 * time.Minute, firing: 1, stage: time.Second, probes: 5, entries: 40, benchtime: "1x",
			pushed: 20_000, events: 3000, incidents: 40, past: 100 * 24 * time.Hour, rounds: 1,
		},
	},
	"kafka": {{pushed: 1_500_000, rounds: 5}, {pushed: 40_000, rounds: 1}},
}

func main() { load.Main("hindcast-bench", run) }

// run reads the flags, measures and prints the report.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	c, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b := &bench{size: c.size, report: &report{Progress: load.NewProgress(stderr)}, profile: c.profile}
	measure := b.run
	switch c.store {
	case "kafka":
		measure = (&onKafka{onClickHouse: &onClickHouse{bench: b}}).run
	case "clickhouse":
		measure = (&onClickHouse{bench: b}).run
	}
	err = c.place.Within(ctx, "hindcast-bench", b.report.Say, func(binary, dir string) error {
		b.launch.binary, b.launch.dir = binary, dir
		return measure(ctx)
	})
	b.report.print(stdout)
	return err
}

// call is what the command line says.
type call struct {
	size           sizes
	store, profile string
	place          load.Place
}

func parse(args []string, stderr io.Writer) (*call, error) {
	c := &call{}
	flags := flag.NewFlagSet("hindcast-bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.store, "store", "sqlite", "what the server keeps its data in: sqlite or clickhouse; kafka is clickhouse behind Kafka")
	flags.IntVar(&c.size.lines, "lines", 0, "log lines that are stored when the rest is measured")
	flags.DurationVar(&c.size.spread, "spread", 0, "stretch of time until now that the stored lines are from")
	flags.IntVar(&c.size.firing, "firing", 0, "alerts that fire all the time (SQLite)")
	flags.DurationVar(&c.size.stage, "stage", 0, "length of each measurement under load")
	flags.IntVar(&c.size.probes, "probes", 0, "alerts whose way to the timeline is watched")
	flags.IntVar(&c.size.entries, "entries", 0, "entries of the timeline that is read")
	flags.StringVar(&c.size.benchtime, "benchtime", "", "of each Go benchmark, as go test takes it; 0 leaves them out")
	flags.IntVar(&c.size.pushed, "pushed", 0, "how many of the lines come over HTTP; the others are copied from them inside the engine (ClickHouse). How many come over either road (Kafka)")
	flags.IntVar(&c.size.events, "events", 0, "events that are stored (ClickHouse)")
	flags.IntVar(&c.size.incidents, "incidents", 0, "incidents that are stored (ClickHouse)")
	flags.DurationVar(&c.size.past, "past", 0, "stretch of time until now that the stored events are from (ClickHouse)")
	flags.IntVar(&c.size.rounds, "rounds", 0, "how often the store is held against bare inserts (ClickHouse), and Kafka against HTTP (Kafka)")
	flags.StringVar(&c.profile, "profile", "", "folder to write CPU and heap profiles of the Go benchmarks to")
	c.place.Flags(flags, "some gigabytes")
	err := load.Parse(flags, args, func(short bool) error {
		all, ok := stores[c.store]
		if !ok {
			return fmt.Errorf("there is no store %q: want sqlite, clickhouse or kafka", c.store)
		}
		if c.size = all[0]; short {
			c.size = all[1]
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return c, c.size.check(c.store)
}

func (s *sizes) check(store string) error {
	if store == "kafka" {
		if s.pushed < linesPerPush || s.rounds < 1 {
			return fmt.Errorf("sizes are too small: want at least %d pushed lines and a round", linesPerPush)
		}
		return nil
	}
	if s.lines < linesPerPush || s.firing < 1 || s.probes < 1 || s.entries < 2 || s.stage <= 0 {
		return fmt.Errorf("sizes are too small: want at least %d lines, an alert, a probe, two entries and some time", linesPerPush)
	}
	if store == "clickhouse" && (s.pushed < linesPerPush || s.lines < s.pushed || s.incidents < largeEvery || s.events < 20*s.incidents || s.past <= 0 || s.rounds < 1) {
		return fmt.Errorf("sizes are too small: want at least %d pushed lines, no fewer lines than that, a round, %d incidents, and 20 events for each", linesPerPush, largeEvery)
	}
	return nil
}
