// Package grafana holds no code: its tests hold the dashboards and what
// provisions them against Grafana's rules, against the views that they read, and
// against the real ClickHouse engine filled with recorded outages. The package
// beside it, generate, writes the dashboards.
package grafana

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dashboard is what the tests know of Grafana's JSON.
type dashboard struct {
	UID, Title, Description string
	ID                      any
	SchemaVersion           int
	Tags                    []string
	Time                    struct{ From, To string }
	Templating              struct{ List []variable }
	Annotations             struct{ List []annotation }
	Panels                  []panel
	Links                   []struct{ Type, URL string }

	file, text string
}

type variable struct {
	Name, Type, Label, Description, Definition string
	Datasource                                 *source
	Query                                      json.RawMessage
	Multi, IncludeAll                          bool
	Current                                    struct{ Text, Value any }
}

type source struct{ Type, UID string }

type annotation struct {
	Name       string
	BuiltIn    int
	Datasource *source
	Target     target
}

type panel struct {
	ID                       int
	Type, Title, Description string
	Datasource               *source
	GridPos                  struct{ H, W, X, Y int }
	Targets                  []target
	FieldConfig              struct {
		Defaults  map[string]any
		Overrides []struct {
			Matcher    struct{ ID, Options string }
			Properties []struct {
				ID    string
				Value any
			}
		}
	}
}

type target struct {
	RefID, EditorType, QueryType, RawSQL, Expr string
	Format                                     any
	Datasource                                 *source

	// Of the Infinity data source.
	Type, Source, Parser, URL string
	RootSelector              string `json:"root_selector"`
	Columns                   []struct{ Selector, Text, Type string }
}

// dashboards reads all of them.
func dashboards(t *testing.T) []dashboard {
	t.Helper()
	files, err := filepath.Glob("dashboards/*.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 6 {
		t.Fatalf("there are %d dashboards, want 6", len(files))
	}
	var all []dashboard
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d := dashboard{file: file, text: string(text)}
		if err := json.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all = append(all, d)
	}
	return all
}

// sqlQuery is a query in SQL and where it is.
type sqlQuery struct{ where, sql string }

// sql are the queries of the panels, annotations and variables.
func (d dashboard) sql() (all []sqlQuery) {
	for _, p := range d.Panels {
		for _, q := range p.Targets {
			if q.RawSQL != "" {
				all = append(all, sqlQuery{p.Title, q.RawSQL})
			}
		}
	}
	for _, a := range d.Annotations.List {
		if a.Target.RawSQL != "" {
			all = append(all, sqlQuery{"annotation " + a.Name, a.Target.RawSQL})
		}
	}
	for _, v := range d.Templating.List {
		var q target
		if v.Type == "query" && json.Unmarshal(v.Query, &q) == nil && q.RawSQL != "" {
			all = append(all, sqlQuery{"variable " + v.Name, q.RawSQL})
		}
	}
	return all
}

// rawSQL is the query of a variable.
func (v variable) rawSQL(t *testing.T) string {
	t.Helper()
	var q target
	if err := json.Unmarshal(v.Query, &q); err != nil || q.RawSQL == "" {
		t.Fatalf("variable %s has no query in SQL: %v", v.Name, err)
	}
	return q.RawSQL
}

// TestDashboardsAreGenerated compares the files with what the program writes.
func TestDashboardsAreGenerated(t *testing.T) {
	dir := t.TempDir()
	generate(t, dir)
	written, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, entry := range written {
		names = append(names, entry.Name())
		want, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join("dashboards", entry.Name())); err != nil || string(got) != string(want) {
			t.Errorf("%s is not what the program writes (%v): run go generate ./deploy/grafana/generate", entry.Name(), err)
		}
	}
	for _, d := range dashboards(t) {
		if !slices.Contains(names, filepath.Base(d.file)) {
			t.Errorf("the program does not write %s", d.file)
		}
	}
}

// TestDashboardRules holds every dashboard to what Grafana wants.
func TestDashboardRules(t *testing.T) {
	uids := map[string]string{}
	for _, d := range dashboards(t) {
		t.Run(filepath.Base(d.file), func(t *testing.T) {
			if other := uids[d.UID]; other != "" || d.UID == "" || len(d.UID) > 40 {
				t.Errorf("uid %q: want one of its own of at most 40 characters; %s has it too", d.UID, other)
			}
			uids[d.UID] = d.file
			if d.Title == "" || d.Description == "" || d.Time.From == "" || d.Time.To == "" || !slices.Contains(d.Tags, "hindcast") {
				t.Error("want a title, a description, a time range and the tag hindcast")
			}
			if d.ID != nil {
				t.Errorf("id %v: want null, Grafana gives it", d.ID)
			}
			if d.SchemaVersion < 41 {
				t.Errorf("schemaVersion %d is old", d.SchemaVersion)
			}
			d.checkPanels(t)
			d.checkVariables(t)
			d.checkSources(t)
			for _, q := range d.sql() {
				q.check(t)
			}
		})
	}
}

func (d dashboard) checkPanels(t *testing.T) {
	ids := map[int]bool{}
	type cell struct{ x, y int }
	taken := map[cell]string{}
	for _, p := range d.Panels {
		if p.ID <= 0 || ids[p.ID] {
			t.Errorf("panel %q: id %d is not its own", p.Title, p.ID)
		}
		ids[p.ID] = true
		g := p.GridPos
		if g.W < 1 || g.H < 1 || g.X < 0 || g.Y < 0 || g.X+g.W > 24 {
			t.Errorf("panel %q does not lie in the grid: %+v", p.Title, g)
		}
		for x := g.X; x < g.X+g.W; x++ {
			for y := g.Y; y < g.Y+g.H; y++ {
				if other := taken[cell{x, y}]; other != "" {
					t.Fatalf("panels %q and %q overlap", p.Title, other)
				}
				taken[cell{x, y}] = p.Title
			}
		}
		if p.Title == "" {
			t.Errorf("panel %d has no title", p.ID)
		}
		if p.Type != "row" {
			p.check(t)
		}
	}
}

// oldPanels are types that Grafana no longer has, or replaces.
var oldPanels = []string{"graph", "table-old", "singlestat", "grafana-piechart-panel"}

func (p panel) check(t *testing.T) {
	if p.Description == "" || !strings.HasSuffix(p.Description, ".") {
		t.Errorf("panel %q: want a description in sentences", p.Title)
	}
	if slices.Contains(oldPanels, p.Type) {
		t.Errorf("panel %q is a %s, which Grafana replaces", p.Title, p.Type)
	}
	if text, _ := p.FieldConfig.Defaults["noValue"].(string); text == "" {
		t.Errorf("panel %q does not say what it means that there is nothing (noValue)", p.Title)
	}
	if slices.Contains([]string{"stat", "timeseries", "barchart"}, p.Type) && p.FieldConfig.Defaults["unit"] == nil {
		t.Errorf("panel %q has no unit", p.Title)
	}
	if len(p.Targets) == 0 {
		t.Errorf("panel %q has no query", p.Title)
	}
	refs := map[string]bool{}
	for _, q := range p.Targets {
		if q.RefID == "" || refs[q.RefID] {
			t.Errorf("panel %q: refId %q is not its own", p.Title, q.RefID)
		}
		refs[q.RefID] = true
		if q.RawSQL == "" {
			continue
		}
		if q.EditorType != "sql" || q.QueryType == "" || q.Format == nil {
			t.Errorf("panel %q: want editorType sql, a queryType and a format", p.Title)
		}
		if series := p.Type == "timeseries"; series != (q.Format == 0.0) || series != (q.QueryType == "timeseries") {
			t.Errorf("panel %q is a %s: format %v and query type %s do not go with it", p.Title, p.Type, q.Format, q.QueryType)
		}
		if p.Type == "timeseries" && !strings.Contains(q.RawSQL, " AS time") {
			t.Errorf("panel %q: a series needs a column time", p.Title)
		}
		if !strings.Contains(q.RawSQL, "\n") {
			t.Errorf("panel %q: its SQL is not formatted", p.Title)
		}
	}
	p.checkColumns(t)
}

var (
	macroArguments = regexp.MustCompile(`\$__(?:time|date)\w+\(([^)]*)`)
	columnName     = regexp.MustCompile(`^\w+$`)
	fromTable      = regexp.MustCompile(`\b(?:FROM|(?:LEFT|INNER) JOIN)\s+(\w+)`)
)

// check wants queries to read views and not tables, and the macros of times to
// be given plain columns: versions of the data source read brackets in brackets
// differently.
func (q sqlQuery) check(t *testing.T) {
	for _, m := range macroArguments.FindAllStringSubmatch(q.sql, -1) {
		if !columnName.MatchString(m[1]) {
			t.Errorf("%s: a macro is given %q, want a column", q.where, m[1])
		}
	}
	for _, m := range fromTable.FindAllStringSubmatch(q.sql, -1) {
		if named := strings.Contains(q.sql, m[1]+" AS ("); !strings.HasPrefix(m[1], "v_") && !named {
			t.Errorf("%s: it reads %s, want a view", q.where, m[1])
		}
	}
}

// checkColumns holds what a panel says of columns to those of its query.
func (p panel) checkColumns(t *testing.T) {
	if len(p.Targets) != 1 || p.Targets[0].Expr != "" {
		return
	}
	has := func(name string) bool {
		q := p.Targets[0]
		if q.RawSQL == "" {
			for _, c := range q.Columns {
				if c.Text == name {
					return true
				}
			}
			return false
		}
		return regexp.MustCompile(`(^|[\s".])` + regexp.QuoteMeta(name) + `($|[\s",])`).MatchString(q.RawSQL)
	}
	for _, o := range p.FieldConfig.Overrides {
		if o.Matcher.ID == "byName" && !has(o.Matcher.Options) {
			t.Errorf("panel %q: no query gives the column %q", p.Title, o.Matcher.Options)
		}
		for _, property := range o.Properties {
			for _, m := range fieldReference.FindAllStringSubmatch(fmt.Sprint(property.Value), -1) {
				if !has(m[1]) {
					t.Errorf("panel %q: a link uses the column %q, which no query gives", p.Title, m[1])
				}
			}
		}
	}
}

var (
	fieldReference = regexp.MustCompile(`\$\{__data\.fields\.(\w+)`)
	reference      = regexp.MustCompile(`\$(\w+)|\$\{(\w+)[^}]*\}`)
)

// checkVariables wants every variable that is used to exist, and every one that
// exists to be used.
func (d dashboard) checkVariables(t *testing.T) {
	used := map[string]bool{}
	for _, m := range reference.FindAllStringSubmatch(d.text, -1) {
		if name := m[1] + m[2]; !strings.HasPrefix(name, "__") {
			used[name] = true
		}
	}
	exists := map[string]bool{}
	for _, v := range d.Templating.List {
		if exists[v.Name] {
			t.Errorf("variable %s is there twice", v.Name)
		}
		exists[v.Name] = true
		if !used[v.Name] {
			t.Errorf("variable %s is not used", v.Name)
		}
		if v.Label == "" || v.Description == "" {
			t.Errorf("variable %s: want a label and a description", v.Name)
		}
		if v.Multi && !v.IncludeAll {
			t.Errorf("variable %s: want the entry All", v.Name)
		}
		if v.Multi && v.Datasource.Type == "grafana-clickhouse-datasource" && !strings.Contains(d.text, ", $"+v.Name+")") {
			t.Errorf("variable %s: what happens with All is not said by $__conditionalAll", v.Name)
		}
	}
	for name := range used {
		if !exists[name] {
			t.Errorf("there is no variable %s", name)
		}
	}
}

// checkSources wants the variable for every data source, of one plug-in.
func (d dashboard) checkSources(t *testing.T) {
	first := d.Templating.List[0]
	var plugin string
	if err := json.Unmarshal(first.Query, &plugin); err != nil || first.Name != "datasource" || first.Type != "datasource" {
		t.Fatalf("the first variable is %s: want that of the data source (%v)", first.Name, err)
	}
	check := func(where string, s *source) {
		if s == nil || s.UID != "${datasource}" || s.Type != plugin {
			t.Errorf("%s: the data source is %+v, want ${datasource} of type %s", where, s, plugin)
		}
	}
	for _, p := range d.Panels {
		if p.Type == "row" {
			continue
		}
		check("panel "+p.Title, p.Datasource)
		for _, q := range p.Targets {
			check("a query of panel "+p.Title, q.Datasource)
		}
	}
	for _, v := range d.Templating.List[1:] {
		if v.Type == "query" {
			check("variable "+v.Name, v.Datasource)
		}
	}
	for _, a := range d.Annotations.List {
		if a.BuiltIn == 0 {
			check("annotation "+a.Name, a.Datasource)
			check("the query of annotation "+a.Name, a.Target.Datasource)
		}
	}
}

var linkTarget = regexp.MustCompile(`"url": "([^"]*)"`)

// TestLinksResolve wants links to lead to a dashboard that is there, or to an
// address of hindcast's API.
func TestLinksResolve(t *testing.T) {
	all := dashboards(t)
	for _, d := range all {
		for _, m := range linkTarget.FindAllStringSubmatch(d.text, -1) {
			link := m[1]
			switch {
			case link == "", link == "${__value.raw}", d.isQuery(link):
			case strings.HasPrefix(link, "/d/"):
				path, parameters, _ := strings.Cut(strings.TrimPrefix(link, "/d/"), "?")
				uid, _, _ := strings.Cut(path, "/")
				i := slices.IndexFunc(all, func(o dashboard) bool { return o.UID == uid })
				if i < 0 {
					t.Errorf("%s: %s leads to no dashboard", d.UID, link)
					continue
				}
				for parameter := range strings.SplitSeq(parameters, "&") {
					name, _, _ := strings.Cut(parameter, "=")
					if name, ok := strings.CutPrefix(name, "var-"); ok && !slices.ContainsFunc(all[i].Templating.List, func(v variable) bool { return v.Name == name }) {
						t.Errorf("%s: %s sets the variable %s, which %s does not have", d.UID, link, name, uid)
					}
				}
			case strings.HasPrefix(link, "${hindcast_url}/"):
				path, _, _ := strings.Cut(strings.TrimPrefix(link, "${hindcast_url}"), "?")
				if !slices.Contains(apiPaths(t), strings.Replace(path, "${__value.raw}", "{id}", 1)) {
					t.Errorf("%s: %s is no address of the API", d.UID, link)
				}
			default:
				t.Errorf("%s: this test does not know where %s leads", d.UID, link)
			}
		}
	}
}

// isQuery reports whether an address is asked by a query and no link.
func (d dashboard) isQuery(address string) bool {
	return d.Templating.List[0].Name == "datasource" && strings.Contains(d.text, `"url_options"`) && strings.HasPrefix(address, "/incidents")
}

// apiPaths are the paths that the API describes.
func apiPaths(t *testing.T) (paths []string) {
	t.Helper()
	text, err := os.ReadFile("../../api/openapi.json")
	if err != nil {
		t.Fatal(err)
	}
	var described struct{ Paths map[string]any }
	if err := json.Unmarshal(text, &described); err != nil {
		t.Fatal(err)
	}
	for path := range described.Paths {
		paths = append(paths, path)
	}
	return paths
}
