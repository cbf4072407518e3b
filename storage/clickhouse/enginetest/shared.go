package enginetest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
)

// shared is the one engine of a test process.
var shared struct {
	once   sync.Once
	engine *Engine
	err    error
}

// Shared is the one engine of this test process. The first call starts it, Main
// ends it. Where there is none the test is skipped with the reason, and fails
// when CI=true. Tests share it by Engine.Database; one that kills or freezes an
// engine takes one of its own by Start.
func Shared(tb testing.TB) *Engine {
	tb.Helper()
	shared.once.Do(func() {
		c, err := choose()
		if err == nil {
			shared.engine, err = start(context.Background(), c, Options{})
		}
		shared.err = err
	})
	need(tb, shared.err)
	return shared.engine
}

// Main runs the tests, ends the shared engine and exits: a package that uses
// Shared calls it from TestMain.
func Main(m *testing.M) { os.Exit(Finish(m.Run())) }

// Finish ends the shared engine and returns the exit code that a TestMain exits
// with: for one that has more to do than Main does.
func Finish(code int) int {
	if shared.engine == nil {
		return code
	}
	if code != 0 && shared.engine.process != nil {
		fmt.Fprintf(os.Stderr, "the engine's log:\n%s\n", shared.engine.process.logTail())
	}
	if err := shared.engine.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the engine:", err)
		return max(code, 1)
	}
	return code
}

// Start starts an engine of the test's own, with a process and a folder of its
// own, and stops it when the test ends. Its log is shown when the test failed.
// A given server cannot be killed: then the test is skipped.
func Start(tb testing.TB, o Options) *Engine {
	tb.Helper()
	e, err := Run(context.Background(), o)
	if unavailable := new(Unavailable); errors.As(err, &unavailable) && os.Getenv("HINDCAST_TEST_CLICKHOUSE") != "" {
		tb.Skip(err)
	}
	need(tb, err)
	tb.Cleanup(func() {
		if tb.Failed() {
			tb.Logf("the engine's log:\n%s", e.process.logTail())
		}
		if err := e.Stop(); err != nil {
			tb.Errorf("stop the engine: %v", err)
		}
	})
	return e
}

// need skips a test for which there is no engine, and fails it in CI or when
// there is one that does not start.
func need(tb testing.TB, err error) {
	tb.Helper()
	if err == nil {
		return
	}
	if unavailable := new(Unavailable); errors.As(err, &unavailable) && os.Getenv("CI") != "true" {
		tb.Skip(err)
	}
	tb.Fatal(err)
}
