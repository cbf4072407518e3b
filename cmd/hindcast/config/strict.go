package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a configuration file.
type Problem struct {
	File string
	// Line is 0 when the key is not in the file.
	Line int
	// Key is the path of the key, as "receivers[2].class"; "" for the file as a
	// whole.
	Key     string
	Message string
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	if p.Key != "" {
		b.WriteString(": " + p.Key)
	}
	b.WriteString(": " + p.Message)
	return b.String()
}

// Problems is the error of a configuration that cannot be used: everything
// that is wrong with it, in the order of the file.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// checker holds a YAML document against the type it is to be decoded into. It
// finds unknown keys, which the decoder's KnownFields finds as well but without
// saying where and what was meant; it notes the line of every key, for the
// validation that follows; it rewrites durations and sizes as the decoder reads
// them; and it takes away what cannot be read, so that the rest can be judged.
type checker struct {
	file     string
	problems Problems
	lines    map[string]int
	// unread are keys whose values cannot be read, holdsUnread the sections and
	// lists that these are in, and meant those that unknown ones were probably meant
	// for.
	unread, holdsUnread, meant map[string]bool
	nodes                      int
}

// maxNodes bounds a document after its aliases are followed.
const maxNodes = 100_000

var (
	durationType = reflect.TypeFor[time.Duration]()
	// sizeType is for numbers of bytes: nothing else in the configuration is an
	// int64.
	sizeType = reflect.TypeFor[int64]()
)

func (c *checker) report(line int, key, format string, args ...any) {
	c.problems = append(c.problems, Problem{File: c.file, Line: line, Key: key, Message: fmt.Sprintf(format, args...)})
}

// refuse reports a value that cannot be read.
func (c *checker) refuse(node *yaml.Node, key, format string, args ...any) {
	c.report(node.Line, key, format, args...)
	c.cannotRead(key)
}

func (c *checker) check(node *yaml.Node, t reflect.Type, key string) {
	if c.nodes++; c.nodes > maxNodes {
		if c.nodes == maxNodes+1 {
			c.report(node.Line, key, "the file has more than %d values", maxNodes)
			c.cannotRead("")
		}
		return
	}
	c.lines[key] = node.Line
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.Tag == "!!null" {
		return
	}
	switch {
	case t == durationType:
		c.checkDuration(node, key)
	case t == sizeType:
		c.checkSize(node, key)
	case node.Kind == yaml.ScalarNode && readsItself(t):
		if err := node.Decode(reflect.New(t).Interface()); err != nil {
			c.refuse(node, key, "%v", err)
		}
	case t.Kind() == reflect.Struct && node.Kind == yaml.MappingNode:
		c.checkStruct(node, t, key)
	case t.Kind() == reflect.Slice && node.Kind == yaml.SequenceNode:
		for i, item := range node.Content {
			c.checkPart(item, t.Elem(), key+"["+strconv.Itoa(i)+"]", key)
		}
	case t.Kind() == reflect.Map && node.Kind == yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			c.checkPart(node.Content[i+1], t.Elem(), join(key, node.Content[i].Value), key)
		}
	case t.Kind() == reflect.Struct, t.Kind() == reflect.Map:
		c.refuse(node, key, "want a section with keys, got %s", describe(node))
	case t.Kind() == reflect.Slice:
		c.refuse(node, key, "want a list, got %s", describe(node))
	case node.Kind != yaml.ScalarNode:
		c.refuse(node, key, "want a single value, got %s", describe(node))
	case node.Decode(reflect.New(t).Interface()) != nil:
		c.refuse(node, key, "want %s, got %s", typeName(t), describe(node))
	}
}

// checkPart checks a part without which the whole cannot be read.
func (c *checker) checkPart(node *yaml.Node, t reflect.Type, part, whole string) {
	c.check(node, t, part)
	if c.unread[part] {
		c.cannotRead(whole)
	}
}

// readsItself says of a type that it has a form of its own for a single value.
func readsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[yaml.Unmarshaler]()) || p.Implements(reflect.TypeFor[interface {
		UnmarshalYAML(unmarshal func(any) error) error
	}]()) || p.Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
}

func (c *checker) checkStruct(node *yaml.Node, t reflect.Type, key string) {
	fields, others := fieldsOf(t), othersOf(t)
	seen := map[string]bool{}
	var read []*yaml.Node
	for i := 0; i+1 < len(node.Content); i += 2 {
		name, value := node.Content[i], node.Content[i+1]
		path := join(key, name.Value)
		at := slices.IndexFunc(fields, func(f field) bool { return f.key == name.Value })
		switch {
		case at < 0 && others != nil:
			c.check(value, others, path)
		case at < 0:
			c.unknown(name.Line, key, name.Value, fields)
			continue
		case seen[name.Value]:
			c.refuse(name, path, "the key stands here twice")
		default:
			c.check(value, fields[at].typ, path)
			c.lines[path] = name.Line
		}
		seen[name.Value] = true
		if !c.unread[path] {
			read = append(read, name, value)
		}
	}
	node.Content = read
}

// unknown reports a key that there is not in a section, and what was probably
// meant, or where what it might hold is given.
func (c *checker) unknown(line int, section, name string, fields []field) {
	path, hint := join(section, name), ""
	file, meant := name+"_file", suggest(name, fields)
	switch {
	case elsewhere[path] != "":
		hint = elsewhere[path]
	case slices.ContainsFunc(fields, func(f field) bool { return f.key == file }):
		hint = fmt.Sprintf("; put it into a file of its own, and name that: %s: FILE", file)
		c.meant[join(section, file)] = true
	case meant != "":
		hint = fmt.Sprintf("; did you mean %q?", meant)
		c.meant[join(section, meant)] = true
	}
	c.report(line, path, "unknown key%s", hint)
}

func (c *checker) checkDuration(node *yaml.Node, key string) {
	d, err := ParseDuration(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil {
		c.refuse(node, key, "want a duration like 30s, 5m, 1h30m or 7d, got %s", describe(node))
		return
	}
	node.Tag, node.Value, node.Style = "!!str", d.String(), 0
}

func (c *checker) checkSize(node *yaml.Node, key string) {
	n, err := ParseSize(node.Value)
	if node.Kind != yaml.ScalarNode || err != nil {
		c.refuse(node, key, "%v, got %s", errSize, describe(node))
		return
	}
	node.Tag, node.Value, node.Style = "!!int", strconv.FormatInt(n, 10), 0
}

// field is a key of a section.
type field struct {
	key  string
	typ  reflect.Type
	name string
	// owner is the struct that declares it, index where it is in the section's
	// struct.
	owner reflect.Type
	index []int
}

// fieldsOf lists the keys of a struct, those of inlined structs among them.
func fieldsOf(t reflect.Type) []field {
	var fields []field
	for i := range t.NumField() {
		f := t.Field(i)
		key, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
		switch {
		case key == "-" || !f.IsExported():
		case options == "inline" && f.Type.Kind() == reflect.Struct:
			for _, inner := range fieldsOf(f.Type) {
				inner.index = append([]int{i}, inner.index...)
				fields = append(fields, inner)
			}
		case options == "inline":
		default:
			if key == "" {
				key = strings.ToLower(f.Name)
			}
			fields = append(fields, field{key: key, typ: f.Type, name: f.Name, owner: t, index: []int{i}})
		}
	}
	return fields
}

// othersOf is the type of the values of all keys that are none of a struct's
// fields, where it inlines a map for them; else nil.
func othersOf(t reflect.Type) reflect.Type {
	for i := range t.NumField() {
		if f := t.Field(i); f.Tag.Get("yaml") == ",inline" && f.Type.Kind() == reflect.Map {
			return f.Type.Elem()
		}
	}
	return nil
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}

func describe(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a section with keys"
	case yaml.SequenceNode:
		return "a list"
	}
	return strconv.Quote(clip(node.Value))
}

func clip(s string) string {
	if len(s) > 60 {
		return s[:60] + "…"
	}
	return s
}

// yamlProblem turns an error of the YAML parser into a problem.
func yamlProblem(file string, err error) Problem {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	var typeError *yaml.TypeError
	if errors.As(err, &typeError) {
		message = strings.Join(typeError.Errors, "; ")
	}
	p := Problem{File: file, Message: message}
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		if number, text, ok := strings.Cut(rest, ": "); ok {
			if line, err := strconv.Atoi(number); err == nil {
				p.Line, p.Message = line, text
			}
		}
	}
	return p
}
