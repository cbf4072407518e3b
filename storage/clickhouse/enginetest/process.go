package enginetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// process is an engine that runs as a child of this process. It dies with it.
type process struct {
	command      []string
	env          []string
	log          string // a file that takes what the engine says
	http, native string // addresses, once it runs; the same after a restart
	announces    bool   // it says on stdout where it listens
	running      atomic.Pointer[running]
}

// running is one life of a process.
type running struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when the process has ended
}

// newProcess says how the chosen engine is started on a folder.
func newProcess(c choice, o Options) (*process, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the engine's folder: %w", err)
	}
	p := &process{env: append(os.Environ(), o.Env...), log: filepath.Join(o.Dir, "engine.log")}
	if c.kind == kindServer {
		if err := p.prepareServer(c.binary, o.Dir); err != nil {
			return nil, err
		}
	} else {
		p.announces = true
		p.command = append([]string{c.binary, "--lib", c.library, "--path", filepath.Join(o.Dir, "data")}, o.Args...)
	}
	p.command = append(append([]string{}, o.Under...), p.command...)
	return p, nil
}

// start starts the process. With announces it returns when the engine has said
// where it listens.
func (p *process) start(ctx context.Context) error {
	command := p.command
	if p.announces {
		listen := "127.0.0.1:0"
		if p.http != "" {
			listen = p.http
		}
		command = append(append([]string{}, command...), "--listen", listen)
	}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the engine's log: %w", err)
	}
	defer log.Close()
	// The process outlives ctx, which ends its start alone.
	cmd := exec.CommandContext(context.WithoutCancel(ctx), command[0], command[1:]...)
	cmd.Env, cmd.Stderr, cmd.SysProcAttr = p.env, log, childAttributes()
	if !p.announces {
		cmd.Stdout = log
	}
	var said io.Reader
	if p.announces {
		if said, err = cmd.StdoutPipe(); err != nil {
			return fmt.Errorf("start the engine: %w", err)
		}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the engine: %w", err)
	}
	life := &running{cmd: cmd, done: make(chan struct{})}
	p.running.Store(life)
	address := make(chan string, 1)
	go func() {
		defer close(life.done)
		if said != nil {
			readAddress(said, address)
		}
		_ = cmd.Wait() // how it ended is in its log
	}()
	if !p.announces {
		return nil
	}
	select {
	case p.http = <-address:
		return nil
	case <-life.done:
		return fmt.Errorf("the engine ended while it started: %s", p.logTail())
	case <-ctx.Done():
		return fmt.Errorf("the engine did not start: %w", context.Cause(ctx))
	}
}

// readAddress sends the address that the engine says it listens on, and reads on
// until the engine ends.
func readAddress(said io.Reader, address chan<- string) {
	lines := bufio.NewScanner(said)
	for lines.Scan() {
		if at, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
			select {
			case address <- at:
			default: // it said so before
			}
		}
	}
}

// done is closed when the process has ended. It is nil before it was started.
func (p *process) done() <-chan struct{} {
	if life := p.running.Load(); life != nil {
		return life.done
	}
	return nil
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
		return fmt.Errorf("kill the engine: %w", err)
	}
	if done := p.done(); done != nil {
		<-done
	}
	return nil
}

// stop asks the process to end and kills it if it does not.
func (p *process) stop() error {
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
	case <-time.After(stopTimeout):
		return errors.Join(errors.New("the engine did not stop when asked"), p.kill())
	}
}

const stopTimeout = 30 * time.Second

// logTail is the end of what the engine said.
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
