package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hindcast/hindcast"

// mayImport says which of hindcast's own packages a package may import: those
// that are equal to an entry, or lie below one that ends in "/...". Packages
// are named without the module. The longest matching key counts.
//
// event ← timeline ← storage ← backends ← cmd; ingest, correlate and api never
// import one another: cmd wires them.
var mayImport = map[string][]string{
	"ingest/event":        {},
	"correlate/timeline":  {"ingest/event"},
	"storage":             {"ingest/event", "correlate/timeline"},
	"storage/...":         {"ingest/event", "correlate/timeline", "storage", "storage/internal/..."},
	"ingest":              {"ingest/..."},
	"ingest/...":          {"ingest/event", "ingest/deploy", "ingest/message", "ingest/internal/..."},
	"ingest/poll":         {"ingest/event", "ingest/alertmanager"},
	"ingest/envelope":     {"ingest/event", "ingest/deploy", "ingest/message", "ingest/internal/...", "proto/..."},
	"ingest/kafka":        {"ingest", "ingest/event", "ingest/envelope", "ingest/kafka/delivery"},
	"ingest/kafka/...":    {"ingest/event", "ingest/kafka/..."},
	"ingest/internal/...": {"ingest/event"},
	"correlate":           {"ingest/event", "correlate/timeline"},
	"correlate/run":       {"ingest/event", "correlate/timeline", "correlate", "storage"},
	"api":                 {"ingest/event", "correlate/timeline", "storage"},
	"api/...":             {"ingest/event", "correlate/timeline", "storage", "api/..."},
	"proto/...":           {},
	"deploy/...":          {},
	"docs":                {},
	"cmd/...":             {"..."},
	// Children of tests and loads, which know nothing of hindcast. Outside of cmd
	// only packages for tests use them.
	"cmd/child/...":                 {"cmd/child"},
	"ingest/kafka/kafkatest":        {"cmd/child/..."},
	"storage/clickhouse/enginetest": {"cmd/child/..."},
	// The copying knows the contract of stores and no backend.
	"cmd/hindcast/transfer": {"ingest/event", "ingest/envelope", "storage"},
	// The protocol of a partition knows nothing of Kafka.
	"ingest/kafka/delivery": {"ingest/event"},
}

// onlyIn says which packages alone may import a package, or what lies below
// it: generated types stop at the decoders, and what does I/O or reads the
// clock has its place.
var onlyIn = map[string][]string{
	module + "/proto/...":                        {"ingest/envelope", "cmd/..."},
	module + "/cmd/child/...":                    {"cmd/child/...", "cmd/hindcast-bench", "cmd/hindcast-soak", "ingest/kafka/kafkatest", "storage/clickhouse/enginetest"},
	"github.com/prometheus/alertmanager/...":     {"ingest/alertmanager"},
	"github.com/grafana/loki/...":                {"ingest/logs", "cmd/hindcast-bench"},
	"github.com/danielgtaylor/huma/...":          {"api", "api/..."},
	"github.com/alecthomas/kong":                 {"cmd/..."},
	"go.yaml.in/yaml/...":                        {"cmd/..."},
	"modernc.org/sqlite/...":                     {"storage/sqlite"},
	"github.com/ClickHouse/...":                  {"storage/clickhouse", "storage/clickhouse/enginetest/...", "cmd/hindcast-bench"},
	"github.com/segmentio/kafka-go/...":          {"ingest/kafka"},
	"github.com/twmb/franz-go/...":               {"ingest/kafka/kafkatest", "cmd/hindcast-soak", "cmd/hindcast-bench"},
	"database/sql":                               {"storage/..."},
	"net/http":                                   {"ingest", "ingest/poll", "ingest/kafka", "ingest/kafka/delivery", "api", "api/...", "storage/clickhouse", "storage/clickhouse/enginetest/...", "cmd/..."},
	"os/exec":                                    {"storage/clickhouse/enginetest", "ingest/kafka/kafkatest", "cmd/..."},
	"github.com/ebitengine/purego/...":           {"storage/clickhouse/enginetest/chdb-server"},
	"github.com/prometheus/client_golang/...":    {"ingest", "ingest/poll", "ingest/kafka", "correlate/run", "api", "api/...", "cmd/..."},
	"github.com/prometheus/common/...":           {"ingest/poll", "cmd/..."},
	"github.com/prometheus/exporter-toolkit/...": {"cmd/..."},
}

// neverLinked are packages that must not enter the binary: what only tests
// use, and what would drag in hundreds of packages.
var neverLinked = []string{
	"testing/...", "C", "runtime/cgo",
	module + "/storage/storagetest", module + "/storage/clickhouse/enginetest/...", module + "/ingest/kafka/kafkatest", module + "/cmd/child/...", "github.com/ebitengine/purego/...",
	"pgregory.net/rapid/...", "go.uber.org/goleak/...", "github.com/rogpeppe/go-internal/...",
	"github.com/prometheus/alertmanager/notify/...", "github.com/prometheus/alertmanager/template/...", "github.com/prometheus/alertmanager/types/...",
	"github.com/prometheus/alertmanager/cluster/...", "github.com/hashicorp/...",
	"github.com/twmb/franz-go/...", "github.com/grafana/loki/v3/...",
	"google.golang.org/grpc/...",
}

// TestImportDirections keeps the directions of imports that the design draws.
func TestImportDirections(t *testing.T) {
	for _, p := range goList(t, module+"/...") {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		allowed, ok := ruleFor(name)
		if !ok {
			t.Errorf("%s: there is no rule for what it may import: give it one in mayImport", name)
			continue
		}
		for _, imported := range p.Imports {
			if own, ok := strings.CutPrefix(imported, module+"/"); ok && !matchesAny(own, allowed) {
				t.Errorf("%s imports %s; it may import %v of hindcast's packages", name, own, allowed)
			}
			for pattern, where := range onlyIn {
				if matches(imported, pattern) && !matchesAny(name, where) {
					t.Errorf("%s imports %s; only %v may", name, imported, where)
				}
			}
		}
	}
}

// TestLinkedPackages keeps what only tests need out of the binary.
func TestLinkedPackages(t *testing.T) {
	for _, p := range goList(t, "-deps", module+"/cmd/hindcast") {
		if matchesAny(p.ImportPath, neverLinked) {
			t.Errorf("%s is linked into the binary", p.ImportPath)
		}
	}
}

// listed is what go list says of a package.
type listed struct {
	ImportPath string
	Imports    []string
	Module     *struct{ Path, Dir string }
}

func goList(t *testing.T, args ...string) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Imports,Module"}, args...)...)
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("go list %v: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatalf("go list %v: %v", args, err)
	}
	var packages []listed
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p listed
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		if err != nil {
			t.Fatalf("go list %v: %v", args, err)
		}
		packages = append(packages, p)
	}
}

// ruleFor finds the rule of a package: its own, else that of the nearest
// folder above.
func ruleFor(name string) ([]string, bool) {
	if allowed, ok := mayImport[name]; ok {
		return allowed, true
	}
	best := ""
	for pattern := range mayImport {
		if matches(name, pattern) && len(pattern) > len(best) {
			best = pattern
		}
	}
	allowed, ok := mayImport[best]
	return allowed, ok
}

func matchesAny(name string, patterns []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { return matches(name, pattern) })
}

// matches reports whether a package is what a pattern names, or lies below it.
func matches(name, pattern string) bool {
	if pattern == "..." {
		return true
	}
	if folder, ok := strings.CutSuffix(pattern, "/..."); ok {
		return name == folder || strings.HasPrefix(name, folder+"/")
	}
	return name == pattern
}
