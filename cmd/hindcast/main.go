// Command hindcast takes in what machines and people emit during an outage,
// and says what really happened, with the evidence.
//
// This package holds the commands; the packages below it hold the
// configuration, the wiring of the server, the reading of cassettes, the
// scoring of cases and the printing of timelines.
package main

import "os"

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }
