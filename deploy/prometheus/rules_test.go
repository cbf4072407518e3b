// Package prometheus holds no code: its tests hold the alert rules, and the
// expressions of the dashboard and of the pages, to promtool, and to the metrics
// that hindcast has.
package prometheus

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// promtool runs Prometheus' own tool, from the PATH or beside the server that
// HINDCAST_TEST_PROMETHEUS names. Where it is missing the test is skipped,
// and fails in CI.
func promtool(t *testing.T, args ...string) {
	t.Helper()
	path, err := exec.LookPath("promtool")
	if server := os.Getenv("HINDCAST_TEST_PROMETHEUS"); err != nil && server != "" {
		path, err = exec.LookPath(filepath.Join(filepath.Dir(server), "promtool"))
	}
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no promtool: it comes with Prometheus")
		}
		t.Skip("there is no promtool: it comes with Prometheus")
	}
	if out, err := exec.CommandContext(t.Context(), path, args...).CombinedOutput(); err != nil {
		t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestRulesAreAccepted(t *testing.T) { promtool(t, "check", "rules", "hindcast.rules.yml") }

func TestRulesFire(t *testing.T) { promtool(t, "test", "rules", "hindcast.rules.test.yml") }

// metricSources are the files that name hindcast's metrics.
var metricSources = []string{
	"../../ingest/metrics.go", "../../ingest/meter.go", "../../correlate/run/metrics.go", "../../api/metrics.go",
	"../../ingest/kafka/metrics.go", "../../ingest/kafka/forward.go",
	"../../cmd/hindcast/server/reload.go", "../../cmd/hindcast/server/retention.go", "../../cmd/hindcast/server/pollers.go",
}

var (
	named = regexp.MustCompile(`\bhindcast_[a-z_]+`)
	given = regexp.MustCompile(`Name:\s+"(hindcast_[a-z_]+)"`)
)

// TestMetricsExist wants every metric that a rule or the dashboard of hindcast
// itself asks for to be one that hindcast has.
func TestMetricsExist(t *testing.T) {
	exists := map[string]bool{"hindcast_build_info": true} // of the version's collector
	for _, file := range metricSources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range given.FindAllSubmatch(text, -1) {
			exists[string(m[1])] = true
		}
	}
	for _, file := range []string{"hindcast.rules.yml", "hindcast.rules.test.yml", "../grafana/dashboards/hindcast-itself.json"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range named.FindAllString(string(text), -1) {
			name = strings.TrimSuffix(name, "_bucket")
			if !exists[name] {
				t.Errorf("%s asks for %s, which hindcast does not have", file, name)
			}
		}
	}
}

// TestDashboardExpressions lets promtool read the expressions of the dashboard.
func TestDashboardExpressions(t *testing.T) {
	text, err := os.ReadFile("../grafana/dashboards/hindcast-itself.json")
	if err != nil {
		t.Fatal(err)
	}
	var expressions []string
	for _, m := range regexp.MustCompile(`"expr": ("(?:[^"\\]|\\.)*")`).FindAllSubmatch(text, -1) {
		expr, err := strconv.Unquote(string(m[1]))
		if err != nil {
			t.Fatal(err)
		}
		expressions = append(expressions, strings.NewReplacer("$__rate_interval", "5m", "$job", ".*", "$instance", ".*").Replace(expr))
	}
	if len(expressions) < 20 {
		t.Fatalf("found %d expressions", len(expressions))
	}
	read(t, expressions)
}

// TestDocumentedExpressions lets promtool read the expressions that the pages tell
// to alert on.
func TestDocumentedExpressions(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| [^|`]+ \\| `([^`]*hindcast_[^`]+)`")
	for file, least := range map[string]int{"../../docs/operating.md": 15, "../../docs/kafka.md": 12} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var expressions []string
		for _, m := range row.FindAllSubmatch(text, -1) {
			expressions = append(expressions, string(m[1]))
		}
		if len(expressions) < least {
			t.Errorf("%s: found %d expressions, want %d or more", file, len(expressions), least)
		}
		read(t, expressions)
	}
}

// read wants of expressions that promtool can read them.
func read(t *testing.T, expressions []string) {
	t.Helper()
	var rules bytes.Buffer
	rules.WriteString("groups:\n- name: read\n  rules:\n")
	for _, expr := range expressions {
		rules.WriteString("  - record: x\n    expr: " + strconv.Quote(expr) + "\n")
	}
	file := t.TempDir() + "/rules.yml"
	if err := os.WriteFile(file, rules.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	promtool(t, "check", "rules", "--lint=none", file)
}
