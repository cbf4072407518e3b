package child_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hindcast/hindcast/cmd/child"
)

// role makes this test's binary the child that a test needs.
const role = "HINDCAST_TEST_CHILD"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "":
		goleak.VerifyTestMain(m)
	case "waits":
		ended := make(chan os.Signal, 1)
		signal.Notify(ended, syscall.SIGTERM)
		fmt.Println("ready")
		<-ended
		fmt.Println("bye")
	case "deaf":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "fails":
		fmt.Fprintln(os.Stderr, "no such luck")
		os.Exit(3)
	case "talks":
		fmt.Println("first")
		for i := range 10_000 {
			fmt.Println("line", i, strings.Repeat("-", 50))
		}
		fmt.Println("last")
	case "parent":
		p := newProcess("waits")
		if err := p.Start(); err != nil {
			panic(err)
		}
		fmt.Println(p.Pid())
		time.Sleep(time.Hour)
	}
}

func newProcess(as string) *child.Process {
	return &child.Process{Name: "the child", Command: []string{os.Args[0]}, Env: []string{role + "=" + as}}
}

// started starts a child and waits until it says that it is ready.
func started(t *testing.T, as string) *child.Process {
	t.Helper()
	p := newProcess(as)
	t.Cleanup(func() {
		if err := p.Kill(); err != nil {
			t.Error(err)
		}
	})
	start(t, p, 1)
	return p
}

// start starts a child again or for the first time.
func start(t *testing.T, p *child.Process, life int) {
	t.Helper()
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	if err := p.Ready(t.Context(), says(p, "ready", life)); err != nil {
		t.Fatal(err)
	}
}

func says(p *child.Process, text string, times int) func(context.Context) error {
	return func(context.Context) error {
		if n := strings.Count(p.Said(), text); n != times {
			return fmt.Errorf("%q was said %d times", text, n)
		}
		return nil
	}
}

func TestStopAndStartAgain(t *testing.T) {
	p := started(t, "waits")
	if p.State() != nil || p.Pid() == 0 {
		t.Errorf("state %v of process %d, want none while it runs", p.State(), p.Pid())
	}
	first := p.Done()
	if err := p.Stop(time.Minute); err != nil {
		t.Fatal(err)
	}
	if code := p.State().ExitCode(); code != 0 {
		t.Errorf("it ended with status %d", code)
	}
	start(t, p, 2)
	if first == p.Done() {
		t.Error("the second life has ended with the first")
	}
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
	if p.State().ExitCode() != -1 {
		t.Errorf("it was killed and its state is %v", p.State())
	}
	if got := p.Said(); got != "ready\nbye\nready\n" {
		t.Errorf("it said %q, want what it said in both lives", got)
	}
	if err := p.Stop(time.Minute); err != nil {
		t.Errorf("stop what has ended: %v", err)
	}
}

func TestStopHasPatience(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no process is asked to end there")
	}
	p := started(t, "deaf")
	if err := p.Stop(10 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "the child did not stop within 10ms") {
		t.Errorf("error %v, want one that it did not stop", err)
	}
	if p.State() == nil {
		t.Error("it still runs")
	}
}

func TestFreezeAndThaw(t *testing.T) {
	p := started(t, "waits")
	err := p.Freeze()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		if err := p.Ready(t.Context(), is(p, 'T')); err != nil {
			t.Error(err)
		}
	}
	if err := p.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := p.Freeze(); err != nil {
		t.Fatal(err)
	}
	// It is thawed to hear that it is to end.
	if err := p.Stop(time.Minute); err != nil {
		t.Error(err)
	}
	if err := p.Freeze(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("freeze what has ended: error %v", err)
	}
}

// is asks the kernel what a process does.
func is(p *child.Process, state byte) func(context.Context) error {
	return func(context.Context) error {
		stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.Pid()), "stat"))
		if err != nil {
			return err
		}
		if _, rest, _ := strings.Cut(string(stat), ") "); rest[0] != state {
			return fmt.Errorf("its state is %c, want %c", rest[0], state)
		}
		return nil
	}
}

func TestReadyTellsWhyNot(t *testing.T) {
	never := func(context.Context) error { return errors.New("not yet") }
	p := newProcess("fails")
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	err := p.Ready(t.Context(), never)
	if err == nil || !strings.Contains(err.Error(), "the child ended while it started: exit status 3: no such luck") {
		t.Errorf("it ended: error %v", err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	err = started(t, "waits").Ready(ctx, never)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "not yet; it said: ready") {
		t.Errorf("it takes too long: error %v", err)
	}
}

func TestRun(t *testing.T) {
	if err := newProcess("fails").Run(t.Context()); err == nil || !strings.Contains(err.Error(), "exit status 3: no such luck") {
		t.Errorf("error %v, want how it ended and what it said", err)
	}
	p := newProcess("talks")
	if err := p.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	said := p.Said()
	if len(said) > 256<<10 || !strings.HasPrefix(said, "first\n") || !strings.HasSuffix(said, "last\n") {
		t.Errorf("%d bytes are kept, from %.20q on, want the beginning and the end", len(said), said)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	p = newProcess("deaf")
	if err := p.Run(ctx); !errors.Is(err, context.DeadlineExceeded) || p.State() == nil {
		t.Errorf("cancelled: error %v, state %v", err, p.State())
	}
	missing := child.Process{Name: "nobody", Command: []string{"./no-such-program"}}
	if err := missing.Run(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no such program: error %v", err)
	}
}

// TestBeforeStart: what was never started has ended.
func TestBeforeStart(t *testing.T) {
	p := newProcess("waits")
	if err := errors.Join(p.Kill(), p.Stop(time.Minute)); err != nil {
		t.Error(err)
	}
	if p.Done() != nil || p.State() != nil || p.Pid() != 0 || p.Said() != "" {
		t.Error("it has a life")
	}
}

// TestEndsWithItsParent kills a parent, which then cannot end its child.
func TestEndsWithItsParent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("on Linux alone")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), role+"=parent")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Error(err)
	}
	if err := parent.Process.Kill(); err != nil {
		t.Error(err)
	}
	_, _ = io.Copy(io.Discard, out)
	_ = parent.Wait()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	for range 500 {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d still runs", pid)
}

func TestMemory(t *testing.T) {
	p := started(t, "waits")
	now, most := p.Memory()
	if runtime.GOOS == "linux" && (now <= 0 || most < now) {
		t.Errorf("memory %d, at most %d", now, most)
	}
}

func TestFreeAddresses(t *testing.T) {
	addresses, err := child.FreeAddresses(50)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range addresses {
		if seen[a] || !strings.HasPrefix(a, "127.0.0.1:") {
			t.Errorf("%s is there twice, or elsewhere", a)
		}
		seen[a] = true
	}
}

func TestAnswers(t *testing.T) {
	status := http.StatusServiceUnavailable
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer server.Close()
	ask := child.Answers(server.URL + "/ready")
	if err := ask(t.Context()); err == nil || !strings.Contains(err.Error(), "/ready answers 503") {
		t.Errorf("it is not ready: error %v", err)
	}
	status = http.StatusOK
	if err := ask(t.Context()); err != nil {
		t.Error(err)
	}
	server.Close()
	if err := ask(t.Context()); err == nil {
		t.Error("nobody answers, and there is no error")
	}
}
