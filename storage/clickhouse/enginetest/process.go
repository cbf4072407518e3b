package enginetest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/hindcast/hindcast/cmd/child"
)

// prepare says how the chosen engine is started on its folder.
func (e *Engine) prepare(c choice) error {
	o := e.options
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return fmt.Errorf("make the engine's folder: %w", err)
	}
	command := append([]string{c.binary, "--lib", c.library, "--path", filepath.Join(o.Dir, "data")}, o.Args...)
	if c.kind == kindServer {
		var err error
		if command, err = e.prepareServer(c.binary); err != nil {
			return err
		}
	}
	e.process = &child.Process{Name: "the engine", Command: slices.Concat(o.Under, command), Env: o.Env}
	if c.kind == kindLibrary {
		e.process.Command = append(e.process.Command, "--listen", "127.0.0.1:0")
	}
	return nil
}

// announced matches what chdb-server says when it listens.
var announced = regexp.MustCompile(`(?m)^listening on (\S+)$`)

// findAddress takes the address that chdb-server chose. When it is started again
// it listens there.
func (e *Engine) findAddress() error {
	found := announced.FindStringSubmatch(e.process.Said())
	if found == nil {
		return errors.New("it does not say where it listens")
	}
	e.http = found[1]
	e.process.Command[len(e.process.Command)-1] = e.http
	return nil
}
