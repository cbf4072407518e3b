package config

import (
	"fmt"
	"io"
	"reflect"
	"strings"
	"text/tabwriter"
	"time"

	promconfig "github.com/prometheus/common/config"
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
		text := format(value)
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

// format writes a value as the file would, on one line and without secrets.
func format(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return FormatDuration(time.Duration(v.Int()))
	case v.Type() == sizeType:
		return FormatSize(v.Int())
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
				items = append(items, f.key+": "+format(item))
			}
		}
		return "{" + strings.Join(items, ", ") + "}"
	case reflect.Map:
		return fmt.Sprintf("(%d keys)", v.Len())
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
