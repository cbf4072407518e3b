package main

import (
	"fmt"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
)

type checkConfigCmd struct {
	File  string    `arg:"" placeholder:"FILE" help:"The configuration file."`
	Store storeSpec `name:"store" placeholder:"STORE" help:"Check this address of a store as well, without opening it."`
}

// Help is the command's long help.
func (checkConfigCmd) Help() string {
	return examples("Reads a file as serve would, prints every problem with its line, and else what is in force. Exits with 1 when there is a problem.",
		"hindcast check-config hindcast.yml",
		"hindcast check-config '--store=clickhouse://hindcast@ch1:9440/hindcast?secure=true' hindcast.yml")
}

// Run checks the file.
func (c *checkConfigCmd) Run(s *streams) error {
	loaded, err := config.Check(c.File)
	if err != nil {
		return err
	}
	if err := server.CheckKafka(loaded); err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	for _, text := range loaded.Kafka.Warnings() {
		fmt.Fprintf(s.err, "%s: warning: kafka.%s\n", c.File, text)
	}
	if _, err := fmt.Fprintf(s.out, "%s is good. In force:\n", c.File); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	if err := config.WriteSummary(s.out, loaded); err != nil || c.Store == "" {
		return err
	}
	if _, err := fmt.Fprintf(s.out, "The store's address is good: %s\n", server.RedactStore(string(c.Store))); err != nil {
		return fmt.Errorf("print: %w", err)
	}
	return nil
}
