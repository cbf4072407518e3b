package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// build makes hindcast's binary in a folder.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hindcast")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/hindcast/hindcast/cmd/hindcast")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hindcast: %w: %s", err, out)
	}
	return path, nil
}

// consumer is a process of hindcast, over all its lives.
type consumer struct {
	name    string
	command []string
	address string
	logs    tail

	mu   sync.Mutex
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func newConsumer(name, binary, store, config string) (*consumer, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	c := &consumer{name: name, address: l.Addr().String()}
	c.command = []string{
		binary, "serve", "--roles=consume", "--store=" + store, "--config.file=" + config, "--web.listen-address=" + c.address,
	}
	return c, nil
}

func (c *consumer) start() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	cmd := exec.Command(c.command[0], c.command[1:]...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &c.logs, &c.logs, childAttributes()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", c.name, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait() // how it ended is in its state
	}()
	c.cmd, c.done = cmd, done
	return nil
}

// kill ends the process at once.
func (c *consumer) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = c.cmd.Process.Kill() // it may have ended before
	<-c.done
}

// stop ends the process as an operator would.
func (c *consumer) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cmd == nil {
		return nil
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-c.done:
	case <-time.After(time.Minute):
		_ = c.cmd.Process.Kill()
		<-c.done
		return fmt.Errorf("%s did not stop within a minute of SIGTERM", c.name)
	}
	if code := c.cmd.ProcessState.ExitCode(); code > 0 {
		return fmt.Errorf("%s ended with status %d", c.name, code)
	}
	return nil
}

// ended reports whether the process is gone although nobody killed it.
func (c *consumer) ended() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if len(t.buf) > 32<<10 {
		t.buf = bytes.Clone(t.buf[len(t.buf)-16<<10:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}
