// Package e2e tests hindcast's binary from outside, as its users have it: over
// HTTP, beside a real Prometheus and a real Alertmanager, and killed in the
// middle of a load.
package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

func TestMain(m *testing.M) {
	os.Exit(runAll(m))
}

func runAll(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hindcast-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	buildDir = dir
	return kafkatest.Finish(enginetest.Finish(m.Run()))
}

var buildDir string

// hindcast builds the binary once, as it is shipped, and returns its path.
var hindcast = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "hindcast")
	cmd := exec.Command("go", "build", "-o", path, "github.com/hindcast/hindcast/cmd/hindcast")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

func buildHindcast(t *testing.T) string {
	t.Helper()
	path, err := hindcast()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// component is the path of a real component's binary, which an environment
// variable names. Without one the test is skipped; in CI that is a failure.
func component(t *testing.T, name, variable string) string {
	t.Helper()
	path := os.Getenv(variable)
	switch {
	case path != "":
		return path
	case os.Getenv("CI") == "true":
		t.Fatalf("there is no %s: %s is not set (make test sets it)", name, variable)
	default:
		t.Skipf("there is no %s: %s is not set (make test sets it)", name, variable)
	}
	return ""
}
