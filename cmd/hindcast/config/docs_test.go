package config

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write docs/configuration.md")

// root is the repository's, seen from this package.
const root = "../../.."

// TestReference holds docs/configuration.md against the structs that the file
// is decoded into: keys, types, defaults, and what their comments say.
func TestReference(t *testing.T) {
	var want bytes.Buffer
	want.WriteString(introduction)
	r := reference{t: t, out: &want, comments: map[reflect.Type]map[string]string{}}
	r.section("Top level", "", reflect.ValueOf(Default()))
	path := filepath.Join(root, "docs", "configuration.md")
	if *update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want.Bytes()) {
		t.Errorf("%s is not what the structs say; go test ./cmd/hindcast/config -run TestReference -update writes it", path)
	}
}

// TestIntroductionExample reads the example that the reference begins with.
func TestIntroductionExample(t *testing.T) {
	_, rest, ok := strings.Cut(introduction, "```yaml\n")
	example, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("the introduction has no example")
	}
	if _, err := Parse([]byte(example), "docs/configuration.md"); err != nil {
		t.Error(err)
	}
}

const introduction = "<!-- Written by: go test ./cmd/hindcast/config -run TestReference -update -->\n" + `
# Configuration

hindcast needs no configuration file: every key has a default, and an empty file is the defaults.
` + "`hindcast serve --config.file=hindcast.yml` reads one; `hindcast check-config hindcast.yml`" + ` checks it
and prints what is in force. All that is wrong is told at once, each with its line; unknown keys are
errors, with the key that was probably meant.

` + "`SIGHUP`" + ` reads the file again. When it is bad, the old configuration stays in force, the reason is logged,
and the metric ` + "`hindcast_config_last_reload_successful`" + ` is 0. What says so below takes effect at the
next start only.

Durations are written as Prometheus writes them: ` + "`30s`, `5m`, `1h30m`, `7d`" + `. Sizes are bytes, or have a
unit: ` + "`512KiB`, `10MiB`, `1GB`" + `. A list that is given replaces the default list.

` + "```yaml" + `
alertmanagers:
  - url: http://alertmanager:9093
receivers:
  - name: oncall
    class: page
    person: dana
heartbeats: [Watchdog, MeshHeartbeat]
topology:
  - service: checkout
    calls: [payments, inventory]
quiet_period: 15m
github:
  secret_files: []
retention:
  lines: 14d
limits:
  max_body: 32MiB
  alerts: {bytes: 256MiB}
  logs: {bytes: 256MiB}
` + "```" + `
`

// byMachine are defaults that depend on the machine, in words.
var byMachine = map[string]string{
	"limits.alerts.decoding": "4 a processor",
	"limits.logs.decoding":   "processors - 1, at least 1",
}

// reference writes a table for each section.
type reference struct {
	t        *testing.T
	out      *bytes.Buffer
	comments map[reflect.Type]map[string]string
}

func (r *reference) section(title, key string, v reflect.Value) {
	fmt.Fprintf(r.out, "\n## %s\n\n", title)
	if about := r.about(v.Type()); key != "" && about != "" {
		fmt.Fprintf(r.out, "%s\n\n", sentence(about))
	}
	fmt.Fprintf(r.out, "| key | takes | default | meaning |\n|---|---|---|---|\n")
	var sections []func()
	for _, f := range fieldsOf(v.Type()) {
		path, value := join(key, f.key), v.FieldByIndex(f.index)
		if f.typ.Kind() == reflect.Struct && f.typ != durationType {
			fmt.Fprintf(r.out, "| [`%s`](#%s) | section | | %s |\n", f.key, strings.ReplaceAll(path, ".", ""), r.meaning(f))
			sections = append(sections, func() { r.section("`"+path+"`", path, value) })
			continue
		}
		r.row(f, path, value)
		if element := f.typ; element.Kind() == reflect.Slice && element.Elem().Kind() == reflect.Struct {
			r.element(f.key, element.Elem())
		}
	}
	for _, write := range sections {
		write()
	}
}

// element writes the keys of a list's elements.
func (r *reference) element(key string, t reflect.Type) {
	empty := reflect.New(t)
	if err := yaml.Unmarshal([]byte("{}"), empty.Interface()); err != nil {
		r.t.Fatal(err)
	}
	var foreign []string
	for _, f := range fieldsOf(t) {
		if !ours(f.owner) {
			foreign = append(foreign, "`"+f.key+"`")
			continue
		}
		value := empty.Elem().FieldByIndex(f.index)
		f.key = key + "[]." + f.key
		r.row(f, f.key, value)
	}
	if len(foreign) > 0 {
		fmt.Fprintf(r.out, "| %s of `%s[]` | | | As in [Prometheus' configuration](https://prometheus.io/docs/prometheus/latest/configuration/configuration/#http_config). |\n", strings.Join(foreign, ", "), key)
	}
}

const module = "github.com/hindcast/hindcast/"

// ours says of a type that its source is in this repository.
func ours(t reflect.Type) bool { return strings.HasPrefix(t.PkgPath(), module) }

func (r *reference) row(f field, path string, value reflect.Value) {
	standard := ""
	switch {
	case byMachine[path] != "":
		standard = byMachine[path]
	case !value.IsZero(), f.typ == durationType, value.CanInt(), value.Kind() == reflect.Bool:
		standard = "`" + strings.ReplaceAll(formatField(f, value), "|", "\\|") + "`"
	}
	meaning := r.meaning(f)
	if f.typ.Kind() == reflect.Slice && f.typ.Elem().Kind() == reflect.Struct {
		if about := r.about(f.typ.Elem()); about != "" {
			meaning += " Each " + about
		}
	}
	fmt.Fprintf(r.out, "| `%s` | %s | %s | %s |\n", f.key, typeName(f.typ), standard, meaning)
}

// stated are sentences of comments that tell the default, as the table does.
var stated = regexp.MustCompile(`\s*\bDefault[: ][^.]*\.`)

// meaning is the comment of a field, with keys for the names of fields.
func (r *reference) meaning(f field) string {
	text := stated.ReplaceAllString(r.read(f.owner)[f.name], "")
	for _, sibling := range fieldsOf(f.owner) {
		if sibling.owner == f.owner && sibling.typ.Kind() != reflect.Struct {
			text = regexp.MustCompile(`\b`+sibling.name+`\b`).ReplaceAllString(text, "`"+sibling.key+"`")
		}
	}
	if text == "" && r.about(f.owner) == "" {
		r.t.Errorf("neither %s nor its field %s has a comment for the reference", f.owner, f.name)
	}
	rest, _ := strings.CutPrefix(text, "`"+f.key[strings.LastIndex(f.key, ".")+1:]+"` ")
	rest, _ = strings.CutPrefix(rest, f.name+" ")
	if verb, _, _ := strings.Cut(rest, " "); strings.HasSuffix(verb, "s") || verb == "are" {
		return sentence(rest)
	}
	return text
}

// sentence makes one of what a comment says after the name: "is how long …".
func sentence(text string) string {
	for _, verb := range []string{"is ", "are "} {
		text, _ = strings.CutPrefix(text, verb)
	}
	if text == "" || text[0] == '`' {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}

// about is the comment of a struct, in the words of the file.
func (r *reference) about(t reflect.Type) string {
	text, _ := strings.CutPrefix(r.read(t)[""], t.Name()+" ")
	for _, f := range fieldsOf(t) {
		text = regexp.MustCompile(`\b`+f.name+`\b`).ReplaceAllString(text, "`"+f.key+"`")
	}
	return text
}

// read finds the comments of a struct, under "", and of its fields in the
// source. A field without one shares that of the field before it, if that
// names it.
func (r *reference) read(t reflect.Type) map[string]string {
	if comments, ok := r.comments[t]; ok {
		return comments
	}
	dir := filepath.Join(root, strings.TrimPrefix(t.PkgPath(), module))
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		r.t.Fatal(err)
	}
	comments := map[string]string{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			r.t.Fatal(err)
		}
		for _, declared := range parsed.Decls {
			types, ok := declared.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range types.Specs {
				if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == t.Name() {
					comments[""] = oneLine(types.Doc)
					readFields(spec, comments)
				}
			}
		}
	}
	r.comments[t] = comments
	return comments
}

func readFields(spec *ast.TypeSpec, comments map[string]string) {
	s, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	before := ""
	for _, f := range s.Fields.List {
		for _, name := range f.Names {
			switch {
			case f.Doc != nil:
				before = oneLine(f.Doc)
				comments[name.Name] = before
			case regexp.MustCompile(`\b` + name.Name + `\b`).MatchString(before):
				comments[name.Name] = before
			}
		}
	}
}

var linked = regexp.MustCompile(`\[([A-Za-z.]+)\]`)

// oneLine is the text of a comment, without its links, for a cell of a table.
func oneLine(comment *ast.CommentGroup) string {
	text := strings.Join(strings.Fields(comment.Text()), " ")
	return strings.ReplaceAll(linked.ReplaceAllString(text, "$1"), "|", "\\|")
}
