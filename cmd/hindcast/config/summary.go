package config

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	promconfig "github.com/prometheus/common/config"

	"github.com/hindcast/hindcast/ingest"
)

// WriteSummary prints what is in force, key by key, and marks what is not the
// default. Secrets are not printed.
func WriteSummary(w io.Writer, c Config) error {
	rows := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	summarize(rows, "", reflect.ValueOf(c), reflect.ValueOf(Default()))
	if err := rows.Flush(); err != nil {
		return fmt.Errorf("print summary: %w", err)
	}
	return nil
}

func summarize(w io.Writer, section string, got, standard reflect.Value) {
	for _, f := range fieldsOf(got.Type()) {
		key := join(section, f.key)
		value, usual := got.FieldByIndex(f.index), standard.FieldByIndex(f.index)
		if f.typ.Kind() == reflect.Struct && f.typ != durationType {
			summarize(w, key, value, usual)
			continue
		}
		text := formatField(f, value)
		if f.key == "secrets" {
			text = fmt.Sprintf("(%d, not shown)", value.Len())
		}
		if reflect.DeepEqual(value.Interface(), usual.Interface()) {
			fmt.Fprintf(w, "  %s\t%s\n", key, text)
		} else {
			fmt.Fprintf(w, "* %s\t%s\n", key, text)
		}
	}
}

// formatField writes the value of a key. Labels are known to be no secrets, as the
// values of other maps may be.
func formatField(f field, v reflect.Value) string {
	if f.name == "Labels" && v.Kind() == reflect.Map {
		return formatLabels(v)
	}
	return format(v)
}

// format writes a value as the file would, on one line and without secrets.
func format(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return ingest.FormatDuration(time.Duration(v.Int()))
	case v.Type() == sizeType:
		return ingest.FormatSize(v.Int())
	case v.Type() == reflect.TypeFor[promconfig.Secret]():
		return "(not shown)"
	}
	if u, ok := v.Interface().(interface{ Redacted() string }); ok {
		return u.Redacted()
	}
	switch v.Kind() {
	case reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = format(v.Index(i))
		}
		return "[" + strings.Join(items, ", ") + "]"
	case reflect.Struct:
		var items []string
		for _, f := range fieldsOf(v.Type()) {
			if item := v.FieldByIndex(f.index); !item.IsZero() {
				items = append(items, f.key+": "+formatField(f, item))
			}
		}
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Map:
		return formatNames(v)
	case reflect.Pointer:
		if v.IsNil() {
			return ""
		}
		return format(v.Elem())
	case reflect.String:
		if strings.ContainsAny(v.String(), ",[]{}:#\"'\\ ") {
			return fmt.Sprintf("%q", v.String())
		}
	}
	return fmt.Sprint(v.Interface())
}

// formatNames writes the keys of a map, of which nobody knows whether the values
// are secrets.
func formatNames(v reflect.Value) string {
	if v.Len() == 0 {
		return "{}"
	}
	var names []string
	for _, key := range v.MapKeys() {
		names = append(names, format(key))
	}
	slices.Sort(names)
	return "{" + strings.Join(names, ", ") + "} (values not shown)"
}

func formatLabels(v reflect.Value) string {
	var items []string
	for _, key := range v.MapKeys() {
		items = append(items, format(key)+": "+format(v.MapIndex(key)))
	}
	slices.Sort(items)
	return "{" + strings.Join(items, ", ") + "}"
}
