// Command hindcast takes in what machines and people emit during an outage,
// and says what really happened, with the evidence.
//
// This package holds the commands; the packages below it hold the
// configuration, the wiring of the server, the reading of cassettes, the
// scoring of cases, the copying of stores and the printing of timelines.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Who reads the output may stop early, as head does: that is an error of
	// writing, after which commands clean up, and not the end of the process.
	signal.Ignore(syscall.SIGPIPE)
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}
