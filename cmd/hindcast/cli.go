package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the commands and the flags that all of them take.
type cli struct {
	Log          logFlags         `embed:"" prefix:"log."`
	PrintVersion kong.VersionFlag `name:"version" help:"Print the version."`

	Serve       serveCmd       `cmd:"" help:"Take alerts, deploys and logs in, and give timelines out."`
	Demo        demoCmd        `cmd:"" help:"Play a recorded outage, print its timeline, and serve it."`
	Replay      replayCmd      `cmd:"" help:"Play cassettes of recorded requests."`
	Eval        evalCmd        `cmd:"" help:"Measure derived timelines against what really happened."`
	Copy        copyCmd        `cmd:"" help:"Copy a store to another one, or to a backup and back."`
	Migrate     migrateCmd     `cmd:"" help:"Bring a store's schema up to date, and ClickHouse's TTL to what the configuration wants."`
	DeadLetters deadLettersCmd `cmd:"" name:"dead-letters" help:"List, show and redrive the records of Kafka that could not be decoded."`
	CheckConfig checkConfigCmd `cmd:"" name:"check-config" help:"Check a configuration file and say what is in force."`
	Version     versionCmd     `cmd:"" help:"Print the version."`
}

const description = `hindcast says what really happened in an outage: when it began, when it was noticed, who was told, who took it, what caused it, what fixed it and when service was back, each with its evidence.

Exit codes: 0 all is well; 1 the command failed, or eval missed a target, or a file is wrong; 2 the command line is wrong; 3 requests were refused by the server.`

// Exit codes for scripts.
const (
	exitOK      = 0
	exitFailure = 1
	exitUsage   = 2
	exitRefused = 3
)

// coded is an error with the exit code that it makes.
type coded struct {
	code int
	err  error
}

func (c coded) Error() string { return c.err.Error() }
func (c coded) Unwrap() error { return c.err }

// errSilent fails a command that has said already why.
var errSilent = errors.New("")

// usageError is a command line that is wrong in a way that only the command
// itself can tell.
func usageError(format string, args ...any) error {
	return coded{exitUsage, fmt.Errorf(format, args...)}
}

// streams are what a command writes to.
type streams struct {
	out, err io.Writer
	log      *slog.Logger
}

// run parses a command line and runs its command. It returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	var c cli
	parser, err := kong.New(&c,
		kong.Name("hindcast"),
		kong.Description(description),
		kong.Writers(stdout, stderr),
		kong.Vars{"version": versionText()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
	)
	if err != nil {
		fmt.Fprintln(stderr, "hindcast:", err)
		return exitFailure
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(stderr, "hindcast: %v\n", err)
		if wrong, ok := errors.AsType[*kong.ParseError](err); ok {
			command = wrong.Context
		}
		pointToHelp(stderr, command)
		return exitUsage
	}
	logger, err := c.Log.logger(stderr)
	if err != nil {
		fmt.Fprintln(stderr, "hindcast:", err)
		return exitUsage
	}
	err = command.Run(&streams{out: stdout, err: stderr, log: logger})
	if err == nil {
		return exitOK
	}
	if !errors.Is(err, errSilent) && !readerGone(err) {
		fmt.Fprintln(stderr, "hindcast:", err)
	}
	with, ok := errors.AsType[coded](err)
	switch {
	case !ok:
		return exitFailure
	case with.code == exitUsage:
		pointToHelp(stderr, command)
	}
	return with.code
}

// pointToHelp names the help of the command that was meant, as far as it is
// known.
func pointToHelp(w io.Writer, command *kong.Context) {
	name := "hindcast"
	if command != nil && command.Selected() != nil {
		name = command.Selected().FullPath()
	}
	fmt.Fprintf(w, "Try '%s --help'.\n", name)
}

// readerGone reports whether an output could not be written because nobody
// reads it any more.
func readerGone(err error) bool {
	file, ok := errors.AsType[*fs.PathError](err)
	return ok && errors.Is(file, syscall.EPIPE)
}
