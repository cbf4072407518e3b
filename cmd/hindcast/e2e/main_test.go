// Package e2e tests hindcast's binary from outside, as its users have it: over
// HTTP and Kafka, in one process and in several, beside a real Prometheus,
// Alertmanager, ClickHouse and Kafka, and killed in the middle of a load.
package e2e

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/hindcast/hindcast/cmd/child"
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
var hindcast = sync.OnceValues(func() (string, error) { return child.Build(context.Background(), buildDir) })

func buildHindcast(t *testing.T) string {
	t.Helper()
	path, err := hindcast()
	if err != nil {
		t.Fatal(err)
	}
	return path
}
