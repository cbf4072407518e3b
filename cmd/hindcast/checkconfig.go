package main

import (
	"fmt"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
)

type checkConfigCmd struct {
	File  string    `arg:"" placeholder:"FILE" help:"The configuration file: YAML, with the keys of docs/configuration.md."`
	Store storeSpec `name:"store" placeholder:"STORE" help:"Check this address of a store as well, without opening it."`
}

// Help is the command's long help.
func (checkConfigCmd) Help() string {
	return examples(`Reads a file as serve would and prints all that is wrong, each with its line, and exits with 1. Else it prints what is in force, key by key, with * before what is not the default, and exits with 0. Secrets are not printed.

The files with secrets and certificates that the sections github and kafka name are looked at. Nothing is connected to: neither the brokers nor the store nor Alertmanagers are asked. Warnings, as of a password that is sent without TLS, do not change the exit code.`,
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
	if _, err := fmt.Fprintf(s.out, "%s is good. In force (* is not the default):\n", c.File); err != nil {
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
