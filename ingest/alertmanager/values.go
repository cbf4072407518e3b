package alertmanager

import (
	"fmt"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest/event"
)

// fault says what is wrong with an entry. Class is for counting.
type fault struct {
	field, class, reason string
}

// The classes of faults, as they are counted.
const (
	classJSON    = "bad_json"
	classType    = "bad_type"
	classTime    = "bad_time"
	classLabel   = "bad_label"
	classMissing = "missing_field"
	classTooLong = "too_long"
	classTooMany = "too_many"
	classUnknown = "unknown_type"
)

// in prefixes the path of what the fault is in.
func (f *fault) in(path string) *fault {
	if f == nil || path == "" {
		return f
	}
	inner := *f
	switch {
	case inner.field == "":
		inner.field = path
	case inner.field[0] == '[':
		inner.field = path + inner.field
	default:
		inner.field = path + "." + inner.field
	}
	return &inner
}

func (f *fault) malformed() *event.Malformed {
	return &event.Malformed{Field: f.field, Reason: f.reason}
}

// values reads what the senders' formats have in common.
type values struct {
	limits Limits
	// known are texts that were seen before in this body. A body repeats most
	// of its texts in every entry.
	known map[string]string
}

// Texts beyond these bounds are not worth remembering.
const (
	maxKnown     = 4096
	maxKnownText = 256
)

func (v *values) keep(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(text) > maxKnownText {
		return string(text)
	}
	if s, ok := v.known[string(text)]; ok {
		return s
	}
	s := string(text)
	if v.known == nil {
		v.known = make(map[string]string, 64)
	}
	if len(v.known) < maxKnown {
		v.known[s] = s
	}
	return s
}

// name takes a text that identifies something and must not be shortened.
func (v *values) name(c *cursor, field string) (string, *fault) {
	text, ok := c.text()
	if !ok {
		return "", &fault{field, classType, "must be a string"}
	}
	if len(text) > v.limits.LabelValue {
		return "", &fault{field, classTooLong, tooLong(len(text), v.limits.LabelValue)}
	}
	return v.keep(text), nil
}

// prose takes a text for people, shortened where it is too long. What is no
// text is left out.
func (v *values) prose(c *cursor) string {
	text, _ := c.text()
	return v.keep(shorten(text, v.limits.LabelValue))
}

// labels takes labels: an object of names and values, or the recorder's
// {"labels": [{"key", "value"}]}. Empty values are dropped. Annotations are
// labels that nothing is identified by: what is too long or too many of them
// is shortened.
func (v *values) labels(c *cursor, field string, annotations bool) (event.Labels, *fault) {
	if c.null() {
		return nil, nil
	}
	if !c.enter('{') {
		return nil, &fault{field, classType, "must be an object"}
	}
	var (
		set   event.Labels
		first *fault
	)
	for c.more('}') {
		name := v.keep(c.key())
		if name == "labels" && c.peek() == '[' {
			f := v.pairs(c, &set, annotations)
			if first == nil {
				first = f.in(field)
			}
			continue
		}
		if f := v.label(c, &set, name, annotations); f != nil && first == nil {
			first = f.in(field)
		}
	}
	if first != nil {
		return nil, first
	}
	return set, nil
}

// pairs takes the recorder's list of labels.
func (v *values) pairs(c *cursor, set *event.Labels, annotations bool) (first *fault) {
	c.enter('[')
	for n := 0; c.more(']'); n++ {
		if !c.enter('{') {
			continue
		}
		var (
			name  string
			value cursor
		)
		for c.more('}') {
			switch string(c.key()) {
			case "key":
				text, _ := c.text()
				name = v.keep(text)
			case "value":
				value = cursor{b: c.skip()}
			default:
				c.skip()
			}
		}
		if value.b == nil {
			continue // protobuf's JSON leaves out what is empty
		}
		if f := v.label(&value, set, name, annotations); f != nil && first == nil {
			first = f
		}
	}
	return first
}

// label takes the value of one label.
func (v *values) label(c *cursor, set *event.Labels, name string, annotations bool) *fault {
	text, ok := c.text()
	fieldOf := func() string { return "[" + strconv.Quote(clip(name, 64)) + "]" }
	switch {
	case !ok && annotations:
		return nil
	case !ok:
		return &fault{fieldOf(), classType, "must be a string"}
	case len(text) == 0:
		delete(*set, name)
		return nil
	case name == "":
		return &fault{"", classLabel, "has a label without a name"}
	}
	if annotations {
		_, known := (*set)[name]
		if len(name) > v.limits.LabelName || len(*set) >= v.limits.Labels && !known {
			return nil
		}
		text = shorten(text, v.limits.LabelValue)
	} else {
		switch {
		case len(name) > v.limits.LabelName:
			return &fault{fieldOf(), classTooLong, "name " + tooLong(len(name), v.limits.LabelName)}
		case len(text) > v.limits.LabelValue:
			return &fault{fieldOf(), classTooLong, tooLong(len(text), v.limits.LabelValue)}
		case len(*set) >= v.limits.Labels:
			if _, known := (*set)[name]; !known {
				return &fault{"", classTooMany, fmt.Sprintf("has more than %d labels", v.limits.Labels)}
			}
		}
	}
	if *set == nil {
		*set = make(event.Labels, 8)
	}
	(*set)[name] = v.keep(text)
	return nil
}

// instant takes a time. Null, "" and Alertmanager's "no end" (the first year)
// are the zero time. The result is in UTC and not yet held against the
// accepted range.
func (v *values) instant(c *cursor, field string) (time.Time, *fault) {
	quoted := c.peek() == '"'
	text, ok := c.text()
	if !ok {
		return time.Time{}, &fault{field, classTime, "must be a time as RFC 3339 writes it"}
	}
	if len(text) == 0 {
		return time.Time{}, nil
	}
	const longest = 64
	if !quoted || len(text) > longest {
		return time.Time{}, &fault{field, classTime, fmt.Sprintf("%q is not a time as RFC 3339 writes it", clip(string(shorten(text, longest)), longest))}
	}
	t, err := time.Parse(time.RFC3339, string(text))
	if err != nil {
		return time.Time{}, &fault{field, classTime, fmt.Sprintf("%q is not a time as RFC 3339 writes it", text)}
	}
	if t = t.UTC(); t.Year() <= 1 {
		return time.Time{}, nil
	}
	return t, nil
}

// fingerprint takes a fingerprint. Alertmanager's webhook and API write 16 hex
// digits, its event recorder a decimal number, in quotes or not. Sixteen
// decimal digits could be either: decimal says which is expected.
func (v *values) fingerprint(c *cursor, decimal bool) (event.Fingerprint, bool) {
	text, ok := c.text()
	if !ok {
		return 0, false
	}
	hex, isHex := digits(text, 16)
	dec, isDec := digits(text, 10)
	isHex = isHex && len(text) == 16
	if isHex && (!decimal || !isDec) {
		return event.Fingerprint(hex), true
	}
	return event.Fingerprint(dec), isDec
}

// digits is strconv.ParseUint without a copy of the text.
func digits(text []byte, base uint64) (n uint64, ok bool) {
	for _, c := range text {
		var d uint64
		switch {
		case '0' <= c && c <= '9':
			d = uint64(c - '0')
		case 'a' <= c && c <= 'f':
			d = uint64(c-'a') + 10
		case 'A' <= c && c <= 'F':
			d = uint64(c-'A') + 10
		default:
			return 0, false
		}
		if d >= base || n > (math.MaxUint64-d)/base {
			return 0, false
		}
		n = n*base + d
	}
	return n, len(text) > 0
}

// number takes a count that may be quoted; what is none is 0.
func (v *values) number(c *cursor) uint64 {
	text, _ := c.text()
	n, _ := digits(text, 10)
	return n
}

// flag takes a boolean; what is none is false.
func (v *values) flag(c *cursor) bool {
	text, _ := c.text()
	return string(text) == "true"
}

// toMillisecond is the precision in which alerts' and silences' times are
// kept.
func toMillisecond(t time.Time) time.Time { return t.Truncate(time.Millisecond) }

func tooLong(got, most int) string {
	return fmt.Sprintf("is %d bytes long, at most %d are taken", got, most)
}

// shorten cuts a text between two characters.
func shorten(text []byte, most int) []byte {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return string(shorten([]byte(s), most)) + "…"
}
