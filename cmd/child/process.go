// Package child runs other programs for tests and for the commands that load
// hindcast: hindcast itself, a broker, an engine, what sends alerts. It is never
// part of hindcast's binary.
//
// A child is in a process group of its own and ends with this process, however
// that one ends: both on Linux alone. What it says is kept in memory.
package child

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

// Process is a program that runs as a child of this process, over all its lives:
// what has ended may be started again. Its methods may be called concurrently,
// but for Start and what ends the process. It is not to be copied.
type Process struct {
	// Name stands in errors: "the broker", "consumer 1".
	Name string
	// Command is the program and its arguments.
	Command []string
	// Dir is the folder that it runs in, this process's where it is empty.
	Dir string
	// Env is added to the environment of this process.
	Env []string

	output output
	life   atomic.Pointer[life]
}

// life is one life of a process.
type life struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// drainTime bounds the wait for what a process that has ended left to be read, or
// that others go on writing to its output.
const drainTime = 5 * time.Second

// Start starts the process. One that runs must have ended before.
func (p *Process) Start() error {
	// What ends it is Stop and Kill.
	cmd := exec.CommandContext(context.Background(), p.Command[0], p.Command[1:]...)
	cmd.Dir, cmd.Env = p.Dir, append(os.Environ(), p.Env...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &p.output, &p.output, attributes()
	cmd.WaitDelay = drainTime
	l := &life{cmd: cmd, done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// A child ends with the thread that started it, which must live as long.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(l.done)
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its state
		}
	}()
	if err := <-started; err != nil {
		return fmt.Errorf("start %s: %w", p.Name, err)
	}
	p.life.Store(l)
	return nil
}

// Run starts the process and waits until it has ended by itself. A ctx that is
// done kills it. The error says how it ended and what it said.
func (p *Process) Run(ctx context.Context) error {
	if err := p.Start(); err != nil {
		return err
	}
	select {
	case <-p.Done():
	case <-ctx.Done():
		return errors.Join(fmt.Errorf("%s: %w", p.Name, context.Cause(ctx)), p.Kill())
	}
	if state := p.State(); !state.Success() {
		return fmt.Errorf("%s: %v: %s", p.Name, state, p.Said())
	}
	return nil
}

// askEvery is how often Ready asks.
const askEvery = 20 * time.Millisecond

// Ready asks until it gets no error, and gives up when ctx is done or the process
// has ended.
func (p *Process) Ready(ctx context.Context, ask func(context.Context) error) error {
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w; it said: %s", p.Name, context.Cause(ctx), err, p.Said())
		case <-p.Done():
			return fmt.Errorf("%s ended while it started: %v: %s", p.Name, p.State(), p.Said())
		case <-time.After(askEvery):
		}
	}
}

// Kill ends the process at once, as kill -9 does, and waits until it has ended.
func (p *Process) Kill() error {
	if err := p.signal(os.Kill); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.Name, err)
	}
	if done := p.Done(); done != nil {
		<-done
	}
	return nil
}

// Stop asks the process to end as an operator would. One that does not end in so
// long is killed, which is an error.
func (p *Process) Stop(patience time.Duration) error {
	_ = p.Thaw() // one that is frozen hears nothing
	if err := p.signal(syscall.SIGTERM); err != nil {
		return p.Kill() // it has ended, or cannot be asked
	}
	select {
	case <-p.Done():
		return nil
	case <-time.After(patience):
		return errors.Join(fmt.Errorf("%s did not stop within %v of SIGTERM", p.Name, patience), p.Kill())
	}
}

// Freeze stops the process as SIGSTOP does: connections stay, nothing answers.
// Where there is no such signal the error is [errors.ErrUnsupported].
func (p *Process) Freeze() error {
	if err := p.signal(suspend); err != nil {
		return fmt.Errorf("freeze %s: %w", p.Name, err)
	}
	return nil
}

// Thaw lets a frozen process go on.
func (p *Process) Thaw() error {
	if err := p.signal(resume); err != nil {
		return fmt.Errorf("thaw %s: %w", p.Name, err)
	}
	return nil
}

func (p *Process) signal(s os.Signal) error {
	l := p.life.Load()
	switch {
	case l == nil:
		return os.ErrProcessDone
	case s == nil:
		return errors.ErrUnsupported
	}
	return l.cmd.Process.Signal(s)
}

// Done is closed when the process has ended. It is nil before the first Start, and
// another one in each life.
func (p *Process) Done() <-chan struct{} {
	if l := p.life.Load(); l != nil {
		return l.done
	}
	return nil
}

// State is how the process ended; nil while it runs, and before.
func (p *Process) State() *os.ProcessState {
	if l := p.life.Load(); l != nil {
		select {
		case <-l.done:
			return l.cmd.ProcessState
		default:
		}
	}
	return nil
}

// Pid is the id of the process, 0 before it was started.
func (p *Process) Pid() int {
	if l := p.life.Load(); l != nil {
		return l.cmd.Process.Pid
	}
	return 0
}

// Said is the beginning and the end of what the process said in all its lives, on
// stdout and stderr.
func (p *Process) Said() string { return p.output.String() }
