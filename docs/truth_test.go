package docs

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest"
)

// sources parses the Go files of a folder, tests left out.
func sources(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var out []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, f)
	}
	if len(out) == 0 {
		t.Fatalf("%s: no sources", dir)
	}
	return out
}

// constants are the values of the text constants of a type.
func constants(t *testing.T, dir, typeName string) []string {
	t.Helper()
	var out []string
	for _, f := range sources(t, dir) {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			if id, ok := s.Type.(*ast.Ident); ok && id.Name == typeName {
				for _, v := range s.Values {
					out = append(out, text(v))
				}
			}
			return true
		})
	}
	if len(out) == 0 {
		t.Fatalf("%s: no constants of type %s", dir, typeName)
	}
	return out
}

// text is the value of a literal text; "" for anything else.
func text(e ast.Expr) string {
	l, ok := e.(*ast.BasicLit)
	if !ok || l.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(l.Value)
	if err != nil {
		return ""
	}
	return s
}

// rules are the names of the rules that milestones are derived by: what is
// assigned to a field named rule or Rule.
func rules(t *testing.T) []string {
	t.Helper()
	var out []string
	add := func(e ast.Expr) {
		if s := text(e); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, f := range sources(t, "../correlate") {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if id, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(id.Name, "rule") {
					add(n.Value)
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if s, ok := left.(*ast.SelectorExpr); ok && strings.EqualFold(s.Sel.Name, "rule") && len(n.Rhs) == len(n.Lhs) {
						add(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	if len(out) < 15 {
		t.Fatalf("found only the rules %v", out)
	}
	return out
}

// rows are the names in the first column of a page's tables.
var rows = regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")

func TestMilestones(t *testing.T) {
	page := read(t, "milestones.md")
	var known []string
	for what, names := range map[string][]string{
		"gap": constants(t, "../correlate/timeline", "GapKind"), "duration": constants(t, "../correlate/timeline", "DurationName"),
		"rule": rules(t), "status": constants(t, "../correlate/timeline", "Status"),
	} {
		known = append(known, names...)
		for _, name := range names {
			if !strings.Contains(page, "\n| `"+name+"` |") {
				t.Errorf("docs/milestones.md has no row for the %s %s", what, name)
			}
		}
	}
	for _, m := range rows.FindAllStringSubmatch(page, -1) {
		if !slices.Contains(known, m[1]) {
			t.Errorf("docs/milestones.md has a row for %s, which is not in the code", m[1])
		}
	}
	for _, name := range timeline.MilestoneNames {
		if !strings.Contains(page, "\n### "+string(name)+":") {
			t.Errorf("docs/milestones.md has no heading for %s", name)
		}
	}
}

func TestChanges(t *testing.T) {
	page := read(t, "changes.md")
	for _, v := range constants(t, "../correlate/timeline", "Verdict") {
		if !strings.Contains(page, "\n| `"+v+"` |") {
			t.Errorf("docs/changes.md has no row for the verdict %s", v)
		}
	}
}

// TestDefaults holds that values in brackets behind a configuration key are
// its default.
func TestDefaults(t *testing.T) {
	c := config.Default()
	for key, want := range map[string]string{
		"link_within": c.LinkWithin.String(), "quiet_period": c.QuietPeriod.String(), "chronic_after": c.ChronicAfter.String(),
		"seal_after": c.SealAfter.String(), "late_detection": c.LateDetection.String(), "notified_late": c.NotifiedLate.String(),
		"no_acknowledgement": c.NoAcknowledgement.String(), "flap_firings": strconv.Itoa(c.FlapFirings), "flap_window": c.FlapWindow.String(),
		"storm_notifications": strconv.Itoa(c.StormNotifications), "storm_window": c.StormWindow.String(), "cause_within": c.CauseWithin.String(),
	} {
		said := regexp.MustCompile("`" + key + "` \\(([^)]+)\\)")
		found := false
		for path, page := range pages(t) {
			for _, m := range said.FindAllStringSubmatch(page, -1) {
				found = true
				if got := duration(m[1]); got != want {
					t.Errorf("%s: %s is said to be %s, want %s", path, key, got, want)
				}
			}
		}
		if !found {
			t.Errorf("no page says the default of %s", key)
		}
	}
}

// duration writes a duration of a page as Go does.
func duration(said string) string {
	n, unit, ok := strings.Cut(said, " ")
	if !ok {
		return said
	}
	switch strings.TrimSuffix(unit, "s") {
	case "min":
		return n + "m0s"
	case "h":
		return n + "h0m0s"
	case "day":
		days, err := strconv.Atoi(n)
		if err == nil {
			return strconv.Itoa(24*days) + "h0m0s"
		}
	}
	return said
}

// TestMetrics holds that every metric that a page names is one of hindcast's.
func TestMetrics(t *testing.T) {
	demo := startDemo(t)
	defer demo.stop()
	known := get(t, demo.url+"/metrics")
	help := regexp.MustCompile(`(?m)^# TYPE (\w+) `)
	var names []string
	for _, m := range help.FindAllStringSubmatch(known, -1) {
		names = append(names, m[1])
	}
	// A metric with labels is not given out before it has a value.
	for _, dir := range []string{"../ingest", "../ingest/kafka", "../correlate/run", "../api", "../cmd/hindcast/server"} {
		for _, f := range sources(t, dir) {
			ast.Inspect(f, func(n ast.Node) bool {
				if kv, ok := n.(*ast.KeyValueExpr); ok {
					if id, ok := kv.Key.(*ast.Ident); ok && id.Name == "Name" && strings.HasPrefix(text(kv.Value), "hindcast_") {
						names = append(names, text(kv.Value))
					}
				}
				return true
			})
		}
	}
	metric := regexp.MustCompile(`\bhindcast_(?:ingest|kafka|correlate|api|poll|retention|config)_\w+`)
	for path, page := range pages(t) {
		for _, name := range metric.FindAllString(page, -1) {
			if !slices.Contains(names, strings.TrimSuffix(name, "_bucket")) {
				t.Errorf("%s: there is no metric %s", path, name)
			}
		}
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("%s was answered %d: %s", url, answer.StatusCode, body)
	}
	return string(body)
}

// TestRefusals holds that every reason for a refusal is explained.
func TestRefusals(t *testing.T) {
	page, found := read(t, "operating.md"), 0
	for _, f := range sources(t, "../ingest") {
		ast.Inspect(f, func(n ast.Node) bool {
			s, ok := n.(*ast.ValueSpec)
			if !ok || len(s.Names) != 1 || len(s.Values) != 1 || !strings.HasPrefix(s.Names[0].Name, "reason") || text(s.Values[0]) == "" {
				return true
			}
			found++
			if !strings.Contains(page, "`"+text(s.Values[0])+"`") {
				t.Errorf("docs/operating.md does not explain the reason %s", text(s.Values[0]))
			}
			return true
		})
	}
	if found < 10 {
		t.Errorf("found only %d reasons", found)
	}
}

// TestFlags holds that every flag that a page names exists.
func TestFlags(t *testing.T) {
	var help strings.Builder
	for _, command := range []string{
		"serve", "demo", "replay", "eval", "check-config", "migrate", "copy",
		"dead-letters list", "dead-letters show", "dead-letters redrive",
	} {
		out, err := exec.Command(binary, append(strings.Fields(command), "--help")...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s --help: %v\n%s", command, err, out)
		}
		help.Write(out)
	}
	others := []string{"--enable-feature", "--fail"} // of Alertmanager and curl
	flags := regexp.MustCompile("(?:`|hindcast \\w+ )(--[a-z][a-z.-]+)")
	for path, page := range pages(t) {
		for _, m := range flags.FindAllStringSubmatch(page, -1) {
			if !strings.Contains(help.String(), m[1]) && !slices.Contains(others, m[1]) {
				t.Errorf("%s: there is no flag %s", path, m[1])
			}
		}
	}
}

// TestPaths holds that every address that a page names is served.
func TestPaths(t *testing.T) {
	limits := ingest.DefaultLimits()
	served := []string{"/", "/metrics", "/openapi.json"}
	for _, f := range ingest.DefaultFormats(ingest.FormatOptions{Limits: limits}) {
		served = append(served, f.Path)
	}
	var document struct {
		Paths map[string]any `json:"paths"`
	}
	if err := json.Unmarshal([]byte(read(t, "../api/openapi.json")), &document); err != nil {
		t.Fatal(err)
	}
	for path := range document.Paths {
		served = append(served, path)
	}
	named := regexp.MustCompile("(?:(?:GET|POST) |localhost:9097|`)(/(?:ingest|incidents|events|logs|asides|loki|api|-|metrics|openapi)[\\w./{}<>$-]*)")
	id := regexp.MustCompile(`<[^>]*>|\{id\}|\$ID|[0-9A-HJKMNP-TV-Z]{26}`)
	elsewhere := []string{"/api/v2/silences"} // of Alertmanager
	for path, page := range pages(t) {
		for _, m := range named.FindAllStringSubmatch(page, -1) {
			name := strings.TrimRight(id.ReplaceAllString(m[1], "{id}"), ".")
			if !slices.Contains(served, name) && !slices.Contains(elsewhere, name) {
				t.Errorf("%s: hindcast serves no %s", path, name)
			}
		}
	}
	for path := range document.Paths {
		if !strings.Contains(read(t, "api.md"), "`GET "+path+"`") {
			t.Errorf("docs/api.md does not name %s", path)
		}
	}
	for _, f := range ingest.DefaultFormats(ingest.FormatOptions{Limits: limits}) {
		if f.Path != "" && !strings.Contains(read(t, "senders.md"), f.Path) && f.Name != "github" && f.Name != "messages" {
			t.Errorf("docs/senders.md does not name %s", f.Path)
		}
	}
}

// TestBlocks parses what pages show as JSON, YAML and shell, and hindcast's
// own configuration as hindcast does.
func TestBlocks(t *testing.T) {
	for path, page := range pages(t) {
		if strings.HasPrefix(path, "../") {
			continue // README.md has parts of files; proto has tests of its own
		}
		for _, b := range blocks(page) {
			switch b.language {
			case "json":
				if !json.Valid([]byte(b.text)) {
					t.Errorf("%s: this is not JSON:\n%s", path, b.text)
				}
			case "yaml":
				var v any
				if err := yaml.Unmarshal([]byte(b.text), &v); err != nil {
					t.Errorf("%s: this is not YAML: %v\n%s", path, err, b.text)
				}
				if strings.HasPrefix(b.text, "# hindcast.yml") {
					if _, err := config.Parse([]byte(b.text), path); err != nil {
						t.Error(err)
					}
				}
			case "sh":
				shell, err := exec.LookPath("sh")
				if err != nil {
					continue
				}
				command := exec.Command(shell, "-n")
				command.Stdin = strings.NewReader(b.text)
				if out, err := command.CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s\n%s", path, err, out, b.text)
				}
			}
		}
	}
}

// TestNothingOfThisMachine holds that no page tells of where it was written.
func TestNothingOfThisMachine(t *testing.T) {
	home, err := os.UserHomeDir()
	if err != nil {
		t.Skip(err)
	}
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	for path, page := range pages(t) {
		for _, here := range []string{home + "/", root + "/"} {
			if strings.Contains(page, here) {
				t.Errorf("%s holds %s", path, here)
			}
		}
	}
}
