package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
)

// server is hindcast as a process of its own.
type server struct {
	*child.Process
	url string
	// engine is the process that runs its store, 0 where there is none.
	engine int
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

// readyWithin bounds the wait for a server, which reads its store first.
const readyWithin = 5 * time.Minute

// start runs the server and waits until it is ready.
func (l launch) start(ctx context.Context) (*server, error) {
	address, err := child.FreeAddress()
	if err != nil {
		return nil, err
	}
	command := []string{l.binary, "serve", "--store=" + l.store, "--web.listen-address=" + address, "--log.level=warn"}
	command = append(command, l.args...)
	if l.pinned {
		command = append([]string{"taskset", "-c", "0"}, command...)
	}
	s := &server{Process: &child.Process{Name: "hindcast", Command: command, Dir: l.dir}, url: "http://" + address, engine: l.engine}
	if l.oneCore {
		s.Env = []string{"GOMAXPROCS=1"}
	}
	if err := s.Start(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	if err := s.Ready(ctx, child.Answers(s.url+"/-/ready")); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// stop ends the server as an operator would.
func (s *server) stop() error { return s.Stop(time.Minute) }

// peak is the most memory that the server had resident, in MB; false where
// the system does not tell.
func (s *server) peak() (float64, bool) {
	_, most := s.Memory()
	return float64(most) / 1e6, most > 0
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
