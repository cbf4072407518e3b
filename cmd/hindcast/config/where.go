package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// reportAt reports what is wrong with the first key, or does not go together
// with the others, at a line of the file: that of the first of them that stands
// there. Where none does it is the section that would hold the first one.
func (c *checker) reportAt(keys []string, message string) {
	for i, key := range keys {
		line, ok := c.lines[key]
		if !ok {
			continue
		}
		if i > 0 && hasDefault(keys[0]) {
			message += fmt.Sprintf("; %s is not in the file, and has its default", keys[0])
		}
		c.report(line, keys[0], "%s", message)
		return
	}
	line := 0
	for key := parent(keys[0]); key != "" && line == 0; key = parent(key) {
		line = c.lines[key]
	}
	c.report(line, keys[0], "%s", message)
}

// hasDefault reports whether a key that is left out has another value than none.
func hasDefault(key string) bool {
	at := reflect.ValueOf(Default())
	for name := range strings.SplitSeq(key, ".") {
		if at.Kind() != reflect.Struct {
			return false
		}
		fields := fieldsOf(at.Type())
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == name })
		if i < 0 {
			return false
		}
		at = at.FieldByIndex(fields[i].index)
	}
	return !at.IsZero()
}

// hidden reports whether nothing can be said about the value of a key, because
// something about it was reported already: it cannot be read, or lacks because its
// name is written wrong.
func (c *checker) hidden(key string) bool {
	if c.holdsUnread[key] {
		return true
	}
	for ; key != ""; key = parent(key) {
		if _, given := c.lines[key]; c.unread[key] || c.meant[key] && !given {
			return true
		}
	}
	return false
}

// cannotRead notes that the value of a key cannot be read.
func (c *checker) cannotRead(key string) {
	c.unread[key] = true
	for key != "" {
		key = parent(key)
		c.holdsUnread[key] = true
	}
}

// parent is the key of what holds a key; "" is the file.
func parent(key string) string {
	if at := strings.LastIndexAny(key, ".["); at >= 0 {
		return key[:at]
	}
	return ""
}
