package enginetest

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// Kill ends the engine at once, as kill -9 does, and waits until it has ended.
func (e *Engine) Kill(tb testing.TB) {
	tb.Helper()
	if err := e.own(tb).kill(); err != nil {
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
	if err := freeze(e.own(tb)); err != nil {
		tb.Fatalf("freeze the engine: %v", err)
	}
}

// Thaw lets a frozen engine go on.
func (e *Engine) Thaw(tb testing.TB) {
	tb.Helper()
	if err := thaw(e.own(tb)); err != nil {
		tb.Fatalf("thaw the engine: %v", err)
	}
}

func (e *Engine) own(tb testing.TB) *process {
	tb.Helper()
	if e.process == nil {
		tb.Fatal("the engine is not this test's: take one by enginetest.Start")
	}
	return e.process
}

// Pid is the engine's process id, 0 for a server that was there already.
func (e *Engine) Pid() int {
	if e.process == nil {
		return 0
	}
	if life := e.process.running.Load(); life != nil {
		return life.cmd.Process.Pid
	}
	return 0
}

// RSS is how many bytes of memory the engine's process holds, and how many it
// held at most. Both are 0 where /proc does not say so.
func (e *Engine) RSS() (now, most int64) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", e.Pid()))
	if err != nil {
		return 0, 0
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "VmRSS":
			now = kilobytes(value)
		case "VmHWM":
			most = kilobytes(value)
		}
	}
	return now, most
}

func kilobytes(v string) int64 {
	n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(v), " kB"), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
