package enginetest

import (
	"context"
	"errors"
	"os"
	"testing"

	"github.com/hindcast/hindcast/cmd/child/component"
)

var shared = component.Shared[*Engine]{Name: "the engine", Run: func(ctx context.Context) (*Engine, error) {
	c, err := choose()
	if err != nil {
		return nil, err
	}
	return start(ctx, c, Options{})
}}

// Shared is the one engine of this test process. The first call starts it, Main
// ends it. Where there is none the test is skipped with the reason, and fails
// when CI=true. Tests share it by Engine.Database; one that kills or freezes an
// engine takes one of its own by Start.
func Shared(tb testing.TB) *Engine {
	tb.Helper()
	return shared.Get(tb)
}

// Main runs the tests, ends the shared engine and exits: a package that uses
// Shared calls it from TestMain.
func Main(m *testing.M) { os.Exit(Finish(m.Run())) }

// Finish ends the shared engine and returns the exit code that a TestMain exits
// with: for one that has more to do than Main does.
func Finish(code int) int { return shared.Finish(code) }

// Start starts an engine of the test's own, with a process and a folder of its
// own, and closes it when the test ends. Its log is shown when the test failed.
// A given server cannot be killed: then the test is skipped.
func Start(tb testing.TB, o Options) *Engine {
	tb.Helper()
	e, err := Run(context.Background(), o)
	if missing := new(component.Unavailable); errors.As(err, &missing) && os.Getenv("HINDCAST_TEST_CLICKHOUSE") != "" {
		tb.Skip(err)
	}
	component.Need(tb, err)
	component.Own(tb, "the engine", e)
	return e
}
