// Package component is what packages have in common that run a real component for
// tests, such as a broker: one for all tests of a process, and tests that are
// skipped where it is missing.
package component

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Component is one that runs.
type Component interface {
	// Close ends it and removes what is its own.
	Close() error
	// Log is the end of what it said, "" when it is not known.
	Log() string
}

// Shared is the one component of a test process, which the first test that needs
// it starts.
type Shared[C Component] struct {
	// Name stands in messages: "the broker".
	Name string
	// Run starts it and waits until it can be used.
	Run func(context.Context) (C, error)

	once    sync.Once
	runs    bool
	err     error
	running C
}

// Get is the component, started by the first call. Without it the test is skipped,
// or fails, as Need says.
func (s *Shared[C]) Get(tb testing.TB) C {
	tb.Helper()
	s.once.Do(func() {
		s.running, s.err = s.Run(context.Background())
		s.runs = s.err == nil
	})
	Need(tb, s.err)
	return s.running
}

// Finish ends the component, if it was started, and returns the exit code that a
// TestMain exits with. Its log is shown when tests failed.
func (s *Shared[C]) Finish(code int) int {
	if !s.runs {
		return code
	}
	if log := s.running.Log(); code != 0 && log != "" {
		fmt.Fprintf(os.Stderr, "%s's log:\n%s\n", s.Name, log)
	}
	if err := s.running.Close(); err != nil {
		fmt.Fprintf(os.Stderr, "close %s: %v\n", s.Name, err)
		return max(code, 1)
	}
	return code
}

// Own leaves a component to a test: it ends with the test, and its log is shown
// when the test failed.
func Own(tb testing.TB, name string, c Component) {
	tb.Helper()
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("%s's log:\n%s", name, c.Log())
		}
		if err := c.Close(); err != nil {
			tb.Errorf("close %s: %v", name, err)
		}
	})
}

// Unavailable says why a component cannot run on this machine, and how to get it.
type Unavailable struct{ What, Why string }

func (u *Unavailable) Error() string { return "no " + u.What + ": " + u.Why }

// Need goes on without an error. It skips the test when a component is
// Unavailable, and fails it for any other error, and for that one with CI=true.
func Need(tb testing.TB, err error) {
	tb.Helper()
	Skip(tb, err)
	if err != nil {
		tb.Fatal(err)
	}
}

// Skip skips the test when the error is that a component is Unavailable, but with
// CI=true, where none may be missing.
func Skip(tb testing.TB, err error) {
	tb.Helper()
	if unavailable := new(Unavailable); errors.As(err, &unavailable) && os.Getenv("CI") != "true" {
		tb.Skip(err)
	}
}

// Binary is the path of a component's program, which an environment variable
// names. Without one the test is skipped, as Need says.
func Binary(tb testing.TB, name, variable string) string {
	tb.Helper()
	path := os.Getenv(variable)
	if path == "" {
		Need(tb, &Unavailable{name, variable + " is not set (make test sets it)"})
	}
	return path
}

// Cached is a path below the folder into which `make components` puts what it
// fetches. The error is [os.ErrNotExist] outside of hindcast's source.
func Cached(path ...string) (string, error) {
	dir, err := os.Getwd() // tests run in the folder of their package
	if err != nil {
		return "", fmt.Errorf("find the module: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(append([]string{dir, ".cache"}, path...)...), nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", os.ErrNotExist
		}
		dir = parent
	}
}
