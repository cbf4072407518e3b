package senders

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// call is a call of curl, or of gh api.
type call struct{ path, body string }

// fake stands for curl and gh: it notes the address among its arguments and
// what comes on its standard input.
const fake = `#!/bin/sh
for argument; do
	case $argument in
	http://*|https://*|repos/*) address=$argument ;;
	esac
done
number=$(ls "$CALLS" | wc -l | tr -d ' ')
{ printf '%s\n' "$address"; cat; } > "$CALLS/$number"
`

// runScript runs a shell script as its sender would, and returns what it
// posts.
func runScript(t *testing.T, script string, env map[string]string) []call {
	t.Helper()
	shell, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("no shell on this machine")
	}
	bin, calls := t.TempDir(), t.TempDir()
	for _, name := range []string{"curl", "gh"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(fake), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	command := exec.Command(shell, "-eu", "-c", script)
	command.Env = []string{"PATH=" + bin + string(os.PathListSeparator) + os.Getenv("PATH"), "CALLS=" + calls}
	if env["HINDCAST_URL"] == "" {
		command.Env = append(command.Env, "HINDCAST_URL=http://hindcast:9097")
	}
	for name, value := range env {
		command.Env = append(command.Env, name+"="+value)
	}
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, err := os.ReadDir(calls)
	if err != nil {
		t.Fatal(err)
	}
	var sent []call
	for _, f := range files {
		text, err := os.ReadFile(filepath.Join(calls, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		address, body, _ := strings.Cut(string(text), "\n")
		sent = append(sent, call{strings.TrimPrefix(address, "http://hindcast:9097"), body})
	}
	return sent
}
