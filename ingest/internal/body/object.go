package body

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Object is a JSON object whose fields are asked for by name. A field that is
// absent or null has its type's zero value. The first field that is wrong is
// remembered and everything after it may be zero: ask for all fields, then for
// the [Object.Failure]. Unknown fields are ignored; of a key that comes twice
// the last one counts. An Object is used by one goroutine.
type Object struct {
	path   string
	fields map[string]json.RawMessage
	shared *shared
}

// shared is what an entry and the objects within it have in common.
type shared struct {
	failure *Failure
	clamp   bool
	suspect bool
	clipped []string
}

// Parse reads one object that stands at path; "" is the top of a body. With
// clamp, times outside the accepted range are brought into it and marked,
// instead of being failures. Anything but an object is a failure.
func Parse(raw json.RawMessage, path string, clamp bool) *Object {
	o := &Object{path: path, shared: &shared{clamp: clamp}}
	o.fields = o.parse(raw, path)
	return o
}

// Failure is the first thing that is wrong with the object or one within it;
// nil when nothing is.
func (o *Object) Failure() *Failure { return o.shared.failure }

// ClockSuspect reports whether a time had to be clamped.
func (o *Object) ClockSuspect() bool { return o.shared.suspect }

// Has reports whether the field is there and not null.
func (o *Object) Has(name string) bool { return o.get(name) != nil }

// Raw is the field's JSON; nil when it is absent or null.
func (o *Object) Raw(name string) json.RawMessage { return o.get(name) }

// Fail records that a field is wrong, unless an earlier one is.
func (o *Object) Fail(name string, class Class, format string, args ...any) {
	o.fail(o.Path(name), class, format, args...)
}

// Path is where a field of the object stands in the body.
func (o *Object) Path(name string) string {
	switch {
	case o.path == "":
		return name
	case name == "":
		return o.path
	}
	return o.path + "." + name
}

// Text is a name-like text, without the white space around it. Numbers are
// taken for their digits: senders have numeric IDs. Longer than limit bytes is
// a failure, because a name that is cut names something else.
func (o *Object) Text(name string, limit int) string {
	text := strings.TrimSpace(o.scalar(name, o.get(name)))
	if len(text) > limit {
		o.Fail(name, ClassSize, "longer than %d bytes", limit)
		return ""
	}
	return text
}

// Need is a Text that must not be empty.
func (o *Object) Need(name string, limit int) string {
	text := o.Text(name, limit)
	if text == "" {
		o.Fail(name, ClassMissing, "required")
	}
	return text
}

// Prose is a text that is cut, and listed in [Object.NoteClipped], when it is
// longer than limit bytes.
func (o *Object) Prose(name string, limit int) string {
	text := o.scalar(name, o.get(name))
	if len(text) <= limit {
		return text
	}
	cut := strings.ToValidUTF8(text[:limit], "")
	o.clip(name, "%d of %d bytes", len(cut), len(text))
	return cut
}

// Bool is a boolean; false when absent.
func (o *Object) Bool(name string) bool {
	raw := o.get(name)
	if raw == nil {
		return false
	}
	var v bool
	if err := json.Unmarshal(raw, &v); err != nil {
		o.Fail(name, ClassType, "want true or false, got %s", typeOf(raw))
	}
	return v
}

// IsBool reports whether the field is true or false.
func (o *Object) IsBool(name string) bool {
	raw := o.get(name)
	return raw != nil && (raw[0] == 't' || raw[0] == 'f')
}

// Time is a time of RFC 3339, in UTC; zero when absent or empty.
func (o *Object) Time(name string) time.Time {
	raw := o.get(name)
	if raw == nil {
		return time.Time{}
	}
	if raw[0] != '"' {
		o.Fail(name, ClassType, "want a time of RFC 3339, as \"2026-01-31T12:00:00Z\", got %s", typeOf(raw))
		return time.Time{}
	}
	text := strings.TrimSpace(o.scalar(name, raw))
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		o.Fail(name, ClassTime, "%s is not a time of RFC 3339, as \"2026-01-31T12:00:00Z\"", quote(text))
		return time.Time{}
	}
	if event.InRange(t) {
		return t.UTC()
	}
	if !o.shared.clamp {
		o.Fail(name, ClassTime, "%s is outside %d to %d", quote(text), event.MinTime.Year(), event.MaxTime.Year())
		return time.Time{}
	}
	o.shared.suspect = true
	t, _ = event.Clamp(t)
	return t
}

// Bounds of labels: how many, and the bytes of a name and of a value.
const (
	MaxLabels     = 64
	MaxLabelName  = 256
	MaxLabelValue = 4096
)

// Labels are names with texts, numbers or booleans; null and empty values are
// left out. Nil when there are none.
func (o *Object) Labels(name string) event.Labels {
	raw := o.get(name)
	if raw == nil {
		return nil
	}
	fields := o.parse(raw, o.Path(name))
	if len(fields) > MaxLabels {
		o.Fail(name, ClassSize, "more than %d labels", MaxLabels)
		return nil
	}
	inner := &Object{path: o.Path(name), fields: fields, shared: o.shared}
	var labels event.Labels
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if len(key) > MaxLabelName {
			o.Fail(name, ClassSize, "a name is longer than %d bytes", MaxLabelName)
			return nil
		}
		value := inner.Text(key, MaxLabelValue)
		if value == "" || key == "" {
			continue
		}
		if labels == nil {
			labels = event.Labels{}
		}
		labels[key] = value
	}
	return labels
}

// Object is an object within the object; an empty one when absent.
func (o *Object) Object(name string) *Object {
	inner := &Object{path: o.Path(name), shared: o.shared}
	if raw := o.get(name); raw != nil {
		inner.fields = o.parse(raw, inner.path)
	}
	return inner
}

// Item is an element of a list.
type Item struct {
	Raw  json.RawMessage
	path string
	from *Object
}

// List is an array's elements; nulls are left out. More than limit are cut and
// listed in [Object.NoteClipped].
func (o *Object) List(name string, limit int) []Item {
	raw := o.get(name)
	if raw == nil {
		return nil
	}
	if raw[0] != '[' {
		o.Fail(name, ClassType, "want an array, got %s", typeOf(raw))
		return nil
	}
	elements, err := Elements(raw, limit)
	if errors.Is(err, ErrTooMany) {
		o.clip(name, "the first %d", limit)
	} else if err != nil {
		o.Fail(name, ClassType, "%v", err)
		return nil
	}
	items := make([]Item, 0, len(elements))
	for i, element := range elements {
		if string(element) != "null" {
			items = append(items, Item{Raw: element, path: o.Path(name) + "[" + strconv.Itoa(i) + "]", from: o})
		}
	}
	return items
}

// IsText reports whether the element is a string.
func (i Item) IsText() bool { return i.Raw[0] == '"' }

// Text is the element as [Object.Text] takes a field.
func (i Item) Text(limit int) string {
	holder := &Object{path: i.path, fields: map[string]json.RawMessage{"": i.Raw}, shared: i.from.shared}
	return holder.Text("", limit)
}

// Fail records that the element is wrong, as [Object.Fail] does of a field.
func (i Item) Fail(class Class, format string, args ...any) {
	i.from.fail(i.path, class, format, args...)
}

// Object is the element as an object. Its failures are those of the object
// that holds the list.
func (i Item) Object() *Object {
	return &Object{path: i.path, fields: i.from.parse(i.Raw, i.path), shared: i.from.shared}
}

// Alone is the element as an entry of its own: its failures are not those of
// the object that holds the list, and its times are clamped.
func (i Item) Alone() *Object { return Parse(i.Raw, i.path, true) }

func (o *Object) get(name string) json.RawMessage {
	raw := o.fields[name]
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	return raw
}

func (o *Object) parse(raw json.RawMessage, path string) map[string]json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		o.fail(path, ClassType, "want an object, got %s", typeOf(raw))
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(raw, &fields); err != nil {
		o.fail(path, ClassType, "%v", err)
	}
	return fields
}

// scalar is the text of a string, a number or a boolean.
func (o *Object) scalar(name string, raw json.RawMessage) string {
	if raw == nil {
		return ""
	}
	switch raw[0] {
	case '{', '[':
		o.Fail(name, ClassType, "want a text, got %s", typeOf(raw))
		return ""
	case '"':
		var text string
		if err := json.Unmarshal(raw, &text); err != nil {
			o.Fail(name, ClassType, "%v", err)
		}
		return text
	}
	return string(raw)
}

func (o *Object) fail(path string, class Class, format string, args ...any) {
	if o.shared.failure == nil {
		o.shared.failure = &Failure{Field: path, Class: class, Reason: fmt.Sprintf(format, args...)}
	}
}

// quote shortens a sender's text for a reason.
func quote(text string) string {
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "") + "…"
	}
	return strconv.Quote(text)
}
