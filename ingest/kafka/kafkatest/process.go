package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync/atomic"
	"syscall"
	"time"
)

// process is a broker that runs as a child of this process. It dies with it.
type process struct {
	command []string
	log     string // a file that takes what the broker says
	running atomic.Pointer[running]
}

// running is one life of a process.
type running struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

func (p *process) start(ctx context.Context) error {
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the broker's log: %w", err)
	}
	defer log.Close()
	// The process outlives ctx, which ends its start alone.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), p.command[0], p.command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = log, log, childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the broker: %w", err)
	}
	life := &running{cmd: cmd, done: make(chan struct{})}
	p.running.Store(life)
	go func() {
		defer close(life.done)
		_ = cmd.Wait() // how it ended is in its log
	}()
	return nil
}

// done is closed when the process has ended. It is nil before it was started.
func (p *process) done() <-chan struct{} {
	if life := p.running.Load(); life != nil {
		return life.done
	}
	return nil
}

// pid is the process's id, 0 before it was started.
func (p *process) pid() int {
	if life := p.running.Load(); life != nil {
		return life.cmd.Process.Pid
	}
	return 0
}

// signal sends a signal to the process if it runs.
func (p *process) signal(s os.Signal) error {
	life := p.running.Load()
	if life == nil {
		return os.ErrProcessDone
	}
	return life.cmd.Process.Signal(s)
}

// kill ends the process at once and waits until it has ended.
func (p *process) kill() error {
	if err := p.signal(os.Kill); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill the broker: %w", err)
	}
	if done := p.done(); done != nil {
		<-done
	}
	return nil
}

// stop asks the process to end and kills it if it does not.
func (p *process) stop(patience time.Duration) error {
	done := p.done()
	if done == nil {
		return nil
	}
	_ = thaw(p) // one that is frozen hears nothing
	if err := p.signal(syscall.SIGTERM); err != nil {
		return p.kill()
	}
	select {
	case <-done:
		return nil
	case <-time.After(patience):
		return errors.Join(errors.New("the broker did not stop when asked"), p.kill())
	}
}

// logTail is the end of what the broker said.
func (p *process) logTail() string {
	const most = 16 << 10
	text, err := os.ReadFile(p.log)
	if err != nil {
		return err.Error()
	}
	if len(text) > most {
		text = append([]byte("… "), text[len(text)-most:]...)
	}
	return string(text)
}
