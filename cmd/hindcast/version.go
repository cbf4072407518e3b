package main

import (
	"fmt"

	"github.com/prometheus/common/version"
)

type versionCmd struct{}

// Help is the command's long help.
func (versionCmd) Help() string {
	return examples("Prints the version, the revision and what it was built with.", "hindcast version")
}

// Run prints the version.
func (versionCmd) Run(s *streams) error {
	_, err := fmt.Fprintln(s.out, versionText())
	return err
}

func versionText() string {
	if version.Version == "" {
		version.Version = "dev"
	}
	return version.Print("hindcast")
}
