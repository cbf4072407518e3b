package e2e

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
)

// process is a server that a test started. It is stopped when the test ends.
type process struct{ child.Process }

// start runs a program. Its output is shown when the test fails.
func start(t *testing.T, name, path string, args ...string) *process {
	t.Helper()
	p := &process{child.Process{Name: name, Command: append([]string{path}, args...), Dir: t.TempDir()}}
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.stop(t)
		if t.Failed() {
			t.Logf("%s said:\n%s", p.Name, p.Said())
		}
	})
	return p
}

// stop ends the process as an operator would, and by force when that takes
// longer than it may.
func (p *process) stop(t *testing.T) {
	t.Helper()
	if err := p.Stop(20 * time.Second); err != nil {
		t.Error(err)
	}
}

// kill ends the process at once and waits until it is gone.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

// wait polls until a condition is met. It fails the test when that takes too
// long, or when a process that it takes has ended.
func wait(t *testing.T, what string, limit time.Duration, ok func() bool, needs ...*process) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		for _, p := range needs {
			select {
			case <-p.Done():
				t.Fatalf("wait for %s: %s ended: %v", what, p.Name, p.State())
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
	if found := serving.FindStringSubmatch(p.Said()); found != nil {
		return found[1]
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
