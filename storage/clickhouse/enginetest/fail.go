package enginetest

import (
	"context"
	"testing"

	"github.com/hindcast/hindcast/cmd/child"
)

// Kill ends the engine at once, as kill -9 does, and waits until it has ended.
func (e *Engine) Kill(tb testing.TB) {
	tb.Helper()
	if err := e.own(tb).Kill(); err != nil {
		tb.Fatal(err)
	}
	e.client.CloseIdleConnections()
}

// Restart starts the engine again, on the same folder and the same address, and
// waits until it answers. One that still runs is killed before.
func (e *Engine) Restart(tb testing.TB) {
	tb.Helper()
	e.Kill(tb)
	if err := e.launch(context.Background()); err != nil {
		tb.Fatal(err)
	}
}

// Freeze stops the engine as SIGSTOP does: connections stay, nothing answers.
func (e *Engine) Freeze(tb testing.TB) {
	tb.Helper()
	if err := e.own(tb).Freeze(); err != nil {
		tb.Fatal(err)
	}
}

// Thaw lets a frozen engine go on.
func (e *Engine) Thaw(tb testing.TB) {
	tb.Helper()
	if err := e.own(tb).Thaw(); err != nil {
		tb.Fatal(err)
	}
}

func (e *Engine) own(tb testing.TB) *child.Process {
	tb.Helper()
	if e.process == nil {
		tb.Fatal("the engine is not this test's: take one by enginetest.Start")
	}
	return e.process
}

// Process is the engine's process; nil for a server that was there already.
func (e *Engine) Process() *child.Process { return e.process }

// Pid is the engine's process id, 0 for a server that was there already.
func (e *Engine) Pid() int {
	if e.process == nil {
		return 0
	}
	return e.process.Pid()
}

// RSS is how many bytes of memory the engine's process holds, and how many it
// held at most. Both are 0 where nobody says so.
func (e *Engine) RSS() (now, most int64) {
	if e.process == nil {
		return 0, 0
	}
	return e.process.Memory()
}
