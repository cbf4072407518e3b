package main

import (
	"fmt"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
)

// newConsumer is a hindcast that consumes alone, not started yet.
func newConsumer(name, binary, store, config string) (*child.Process, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	return &child.Process{Name: name, Command: []string{
		binary, "serve", "--roles=consume", "--store=" + store, "--config.file=" + config, "--web.listen-address=" + address,
	}}, nil
}

// stopConsumer stops a consumer as an operator would, and wants it to end well.
func stopConsumer(c *child.Process) error {
	if err := c.Stop(time.Minute); err != nil {
		return err
	}
	if code := c.State().ExitCode(); code > 0 {
		return fmt.Errorf("%s ended with status %d", c.Name, code)
	}
	return nil
}
