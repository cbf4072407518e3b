package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a server that a test started. It is stopped when the test ends.
type process struct {
	name string
	cmd  *exec.Cmd
	log  *logBuffer
	done chan struct{} // closed when it has ended
}

// start runs a program. Its output is shown when the test fails.
func start(t *testing.T, name, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), log: &logBuffer{}, done: make(chan struct{})}
	p.cmd.Dir = t.TempDir()
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	dieWithParent(p.cmd)
	started := make(chan error, 1)
	go func() {
		// The thread must live as long as the process: see dieWithParent.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		err := p.cmd.Start()
		started <- err
		if err == nil {
			_ = p.cmd.Wait() // how it ended is in its state
		}
	}()
	if err := <-started; err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", p.name, p.log.tail())
		}
	})
	return p
}

// stop ends the process as an operator would, and by force when that takes
// longer than it may.
func (p *process) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended before
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		t.Errorf("%s did not stop within 20 s of SIGTERM", p.name)
		p.kill()
	}
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill() {
	_ = p.cmd.Process.Kill() // it may have ended before
	<-p.done
}

// wait polls until a condition is met. It fails the test when that takes too
// long, or when a process that it takes has ended.
func wait(t *testing.T, what string, limit time.Duration, ok func() bool, needs ...*process) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		for _, p := range needs {
			select {
			case <-p.done:
				t.Fatalf("wait for %s: %s ended: %v", what, p.name, p.cmd.ProcessState)
			default:
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %v", what, limit)
		}
	}
}

// serving matches what hindcast logs when it serves.
var serving = regexp.MustCompile(`"msg":"hindcast serves","url":"([^"]+)"`)

// serve starts hindcast on a free port. Calls of address answer "" until it
// serves.
func serve(t *testing.T, binary, store string, args ...string) *process {
	t.Helper()
	return start(t, "hindcast", binary, append([]string{
		"--log.format=json", "serve", "--web.listen-address=127.0.0.1:0", "--store=" + store}, args...)...)
}

// address is the URL at which hindcast serves; "" while it does not.
func (p *process) address() string {
	if found := serving.FindSubmatch(p.log.head()); found != nil {
		return string(found[1])
	}
	return ""
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// logBuffer keeps the beginning and the end of what a process said.
type logBuffer struct {
	mu          sync.Mutex
	first, last []byte
}

const logKeep = 64 << 10

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := min(len(p), logKeep-len(b.first))
	b.first = append(b.first, p[:n]...)
	b.last = append(b.last, p[n:]...)
	if len(b.last) > 2*logKeep {
		b.last = append([]byte(nil), b.last[len(b.last)-logKeep:]...)
	}
	return len(p), nil
}

func (b *logBuffer) head() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.first)
}

func (b *logBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.first) + string(b.last)
}
