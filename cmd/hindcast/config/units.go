package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// ParseDuration reads a duration as Prometheus writes it (5m, 1h30m, 7d), or
// as Go does (1.5h). Negative ones are refused.
func ParseDuration(text string) (time.Duration, error) {
	if d, err := model.ParseDuration(text); err == nil {
		return time.Duration(d), nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%q is not a duration: want one like 30s, 5m, 1h30m or 7d", clip(text))
	}
	return d, nil
}

// FormatDuration writes a duration as Prometheus does.
func FormatDuration(d time.Duration) string {
	if d%time.Millisecond != 0 {
		return d.String()
	}
	return model.Duration(d).String()
}

// Bytes is a size. In YAML it is a number of bytes, or one with a unit: KB, MB,
// GB (powers of 1000), KiB, MiB or GiB (powers of 1024).
type Bytes int64

var units = []struct {
	name string
	size float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30},
	{"KB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"B", 1},
}

var errSize = errors.New("want a size like 512KiB, 10MiB or a number of bytes")

// UnmarshalYAML reads the size.
func (b *Bytes) UnmarshalYAML(node *yaml.Node) error {
	number, size := strings.TrimSpace(node.Value), 1.0
	for _, u := range units {
		if rest, ok := strings.CutSuffix(number, u.name); ok {
			number, size = strings.TrimSpace(rest), u.size
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || !(n >= 0 && n*size < 1<<62) {
		return errSize
	}
	*b = Bytes(n * size)
	return nil
}

// String writes the size with the greatest unit that divides it.
func (b Bytes) String() string {
	switch {
	case b > 0 && b%(1<<30) == 0:
		return fmt.Sprintf("%dGiB", b>>30)
	case b > 0 && b%(1<<20) == 0:
		return fmt.Sprintf("%dMiB", b>>20)
	case b > 0 && b%(1<<10) == 0:
		return fmt.Sprintf("%dKiB", b>>10)
	}
	return strconv.FormatInt(int64(b), 10)
}

// typeName says in the reader's words what a key takes.
func typeName(t reflect.Type) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case t == durationType:
		return "duration"
	case t == reflect.TypeFor[Bytes]():
		return "size"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "list of " + typeName(t.Elem())
	case reflect.Map:
		return "map of " + typeName(t.Elem())
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "text"
	case reflect.Struct:
		return "section"
	}
	return "number"
}
