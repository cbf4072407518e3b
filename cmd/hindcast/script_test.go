package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestMain(m *testing.M) {
	testscript.Main(withEngine{m}, map[string]func(){"hindcast": main})
}

// withEngine ends the engine and the broker that tests shared.
type withEngine struct{ m *testing.M }

func (w withEngine) Run() int { return kafkatest.Finish(enginetest.Finish(w.m.Run())) }

// TestScripts runs the binary as a user would.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: setup, Cmds: commands})
}

// TestClickHouseScripts does so with an empty database of a ClickHouse, whose
// address is in $STORE, without a password, and in $ENGINE.
func TestClickHouseScripts(t *testing.T) {
	engine := enginetest.Shared(t)
	testscript.Run(t, testscript.Params{
		Dir: "testdata/clickhouse",
		Setup: func(env *testscript.Env) error {
			env.Setenv("STORE", engine.Database(t))
			env.Setenv("ENGINE", engine.Addr())
			return setup(env)
		},
		Cmds: commands,
	})
}

// commands are what scripts can do beside what testscript knows.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"exec-code": execCode,
	"freeport":  freePort,
	"await":     await,
	"signal":    signalAll,
	"cut":       cut,
}

// setup gives each script the demo's outage as a case, in $WORK/cases, and the
// other recorded ones in $CASES.
func setup(env *testscript.Env) error {
	others, err := filepath.Abs("testdata/cases")
	if err != nil {
		return err
	}
	env.Setenv("CASES", others)
	dir := filepath.Join(env.WorkDir, "cases", "bad_deploy")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	truth, err := os.ReadFile("demo/truth.json")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "truth.json"), truth, 0o644); err != nil {
		return err
	}
	env.Setenv("TMPDIR", env.WorkDir)
	return os.WriteFile(filepath.Join(dir, "cassette.jsonl.gz"), recorded, 0o644)
}

// execCode runs a program that must exit with a code: exec-code CODE PROGRAM….
func execCode(ts *testscript.TestScript, _ bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("run %q: %v", args[1:], err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%q exited with %d, want %s", args[1:], code, args[0])
	}
}

// cut leaves the first bytes of a file only: cut FILE BYTES.
func cut(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), n))
}

// freePort sets a variable to the address of a free port: freeport NAME.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	defer l.Close()
	ts.Setenv(args[0], l.Addr().String())
}

// await asks a URL until the answer matches: await URL REGEXP.
func await(ts *testscript.TestScript, _ bool, args []string) {
	pattern, err := regexp.Compile(args[1])
	ts.Check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for {
		text, err := get(ctx, args[0])
		if err == nil && pattern.MatchString(text) {
			return
		}
		if ctx.Err() != nil {
			ts.Fatalf("%s does not answer with %q; last: %v %s", args[0], args[1], err, text)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func get(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return fmt.Sprintf("%d %s", resp.StatusCode, text), err
}

// signalAll signals what runs in the background: signal TERM.
func signalAll(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TERM": syscall.SIGTERM, "HUP": syscall.SIGHUP}
	for _, cmd := range ts.BackgroundCmds() {
		ts.Check(cmd.Process.Signal(signals[args[0]]))
	}
}
