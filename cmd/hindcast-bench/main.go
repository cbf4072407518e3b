// Command hindcast-bench measures how fast hindcast is, and prints each figure
// beside its target.
//
// It builds the server, runs it as a separate process on one core
// (GOMAXPROCS=1), generates load from another, and runs the Go benchmarks of
// the decoders and the correlator. Everything is on loopback and in a temporary
// folder that is removed at the end.
//
//	go run ./cmd/hindcast-bench            all of it: some minutes, 2 GB of disk
//	go run ./cmd/hindcast-bench -short     a smoke run of seconds
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
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
}

var (
	whole = sizes{lines: 10_000_000, spread: 4 * time.Hour, firing: 5000, stage: 20 * time.Second, probes: 300, entries: 200, benchtime: "1s"}
	brief = sizes{lines: 20_000, spread: 10 * time.Minute, firing: 200, stage: time.Second, probes: 10, entries: 40, benchtime: "1x"}
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "hindcast-bench:", err)
		os.Exit(1)
	}
}

// run reads the flags, measures and prints the report.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("hindcast-bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	short := flags.Bool("short", false, "a smoke run: the same measurements, small and quick; its figures say nothing")
	size := whole
	flags.IntVar(&size.lines, "lines", whole.lines, "log lines to store before anything is measured")
	flags.DurationVar(&size.spread, "spread", whole.spread, "stretch of time until now that the stored lines are from")
	flags.IntVar(&size.firing, "firing", whole.firing, "alerts that fire all the time")
	flags.DurationVar(&size.stage, "stage", whole.stage, "length of each measurement under load")
	flags.IntVar(&size.probes, "probes", whole.probes, "alerts whose way to the timeline is watched")
	flags.IntVar(&size.entries, "entries", whole.entries, "entries of the timeline that is read")
	flags.StringVar(&size.benchtime, "benchtime", whole.benchtime, "of each Go benchmark, as go test takes it; 0 leaves them out")
	binary := flags.String("hindcast", "", "the server's binary; built from the source in this folder where it is not given")
	dir := flags.String("dir", "", "folder for the store, which needs some gigabytes; a temporary one where it is not given. What is made in it is removed")
	profile := flags.String("profile", "", "folder to write CPU and heap profiles of the Go benchmarks to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if *short {
		given := map[string]bool{}
		flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
		size = size.shortened(given)
	}
	if size.lines < linesPerPush || size.firing < 1 || size.probes < 1 || size.entries < 2 || size.stage <= 0 {
		return fmt.Errorf("sizes are too small: want at least %d lines, an alert, a probe, two entries and some time", linesPerPush)
	}
	b := &bench{size: size, report: newReport(stderr), profile: *profile}
	err := b.run(ctx, *binary, *dir)
	b.report.print(stdout)
	return err
}

// shortened takes the brief sizes where none were given.
func (s sizes) shortened(given map[string]bool) sizes {
	out := brief
	for name, take := range map[string]func(){
		"lines":     func() { out.lines = s.lines },
		"spread":    func() { out.spread = s.spread },
		"firing":    func() { out.firing = s.firing },
		"stage":     func() { out.stage = s.stage },
		"probes":    func() { out.probes = s.probes },
		"entries":   func() { out.entries = s.entries },
		"benchtime": func() { out.benchtime = s.benchtime },
	} {
		if given[name] {
			take()
		}
	}
	return out
}
