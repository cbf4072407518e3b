package main

import (
	"fmt"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
)

type checkConfigCmd struct {
	File string `arg:"" placeholder:"FILE" help:"The configuration file."`
}

// Help is the command's long help.
func (checkConfigCmd) Help() string {
	return examples("Reads a file as serve would, prints every problem with its line, and else what is in force. Exits with 1 when there is a problem.",
		"hindcast check-config hindcast.yml")
}

// Run checks the file.
func (c *checkConfigCmd) Run(s *streams) error {
	loaded, err := config.Load(c.File)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.out, "%s is good. In force:\n", c.File); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return config.WriteSummary(s.out, loaded)
}
