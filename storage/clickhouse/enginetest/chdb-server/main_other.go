//go:build !linux

package main

import (
	"fmt"
	"os"
)

func main() {
	fmt.Fprintln(os.Stderr, "chdb-server: the engine's library exists for Linux only")
	os.Exit(1)
}
