package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// server is hindcast as a process of its own.
type server struct {
	cmd  *exec.Cmd
	url  string
	logs tail
	done chan struct{} // closed when it has ended
	// engine is the process that runs its store, 0 where there is none.
	engine int
}

// build makes the server's binary in a folder.
func build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hindcast")
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path, "github.com/hindcast/hindcast/cmd/hindcast")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build hindcast: %w: %s", err, out)
	}
	return path, nil
}

// launch says how the server is started.
type launch struct {
	binary, dir, store string
	// args are further ones of serve.
	args []string
	// oneCore makes the server use one core at a time, pinned keep to the first.
	oneCore, pinned bool
	// engine is the process that runs the store, 0 where there is none.
	engine int
}

// start runs the server and waits until it is ready.
func (l launch) start(ctx context.Context) (*server, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	args := []string{l.binary, "serve", "--store=" + l.store, "--web.listen-address=" + address, "--log.level=warn"}
	args = append(args, l.args...)
	if l.pinned {
		args = append([]string{"taskset", "-c", "0"}, args...)
	}
	s := &server{url: "http://" + address, done: make(chan struct{}), engine: l.engine}
	s.cmd = exec.Command(args[0], args[1:]...)
	s.cmd.Dir = l.dir
	s.cmd.Env = os.Environ()
	if l.oneCore {
		s.cmd.Env = append(s.cmd.Env, "GOMAXPROCS=1")
	}
	s.cmd.Stdout, s.cmd.Stderr = &s.logs, &s.logs
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start hindcast: %w", err)
	}
	go func() {
		defer close(s.done)
		_ = s.cmd.Wait() // how it ended is in its state
	}()
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

// readyWithin bounds the wait for a server, which reads its store first.
const readyWithin = 5 * time.Minute

func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/-/ready", nil)
		if err != nil {
			return err
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for hindcast: %w; it said: %s", ctx.Err(), s.logs.String())
		case <-s.done:
			return fmt.Errorf("hindcast ended: %s", s.logs.String())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// stop ends the server as an operator would, and by force when that takes too
// long.
func (s *server) stop() error {
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-s.done:
		return nil
	case <-time.After(time.Minute):
	}
	_ = s.cmd.Process.Kill()
	<-s.done
	return errors.New("hindcast did not stop within a minute of SIGTERM")
}

// peak is the most memory that the server had resident, in MB; false where
// the system does not tell.
func (s *server) peak() (float64, bool) { return peakOf(s.cmd.Process.Pid) }

func peakOf(pid int) (float64, bool) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(status)) {
		if kb, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(kb), " kB"), 64)
			return n * 1024 / 1e6, err == nil
		}
	}
	return 0, false
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
	if len(t.buf) > 16<<10 {
		t.buf = bytes.Clone(t.buf[len(t.buf)-8<<10:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// pin keeps this process off the server's core, and reports whether both can
// have one of their own.
func pin() bool {
	if runtime.NumCPU() < 2 {
		return false
	}
	if _, err := exec.LookPath("taskset"); err != nil {
		return false
	}
	return exec.Command("taskset", "-a", "-p", "-c", "1", strconv.Itoa(os.Getpid())).Run() == nil
}
