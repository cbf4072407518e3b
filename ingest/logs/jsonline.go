package logs

import "strings"

// jsonLine reads log lines that are JSON objects. Their pattern is made of the
// message and of the details that tell one event from another (error, reason,
// status, route …), in the order in which they come; an object without a
// message is all its fields. Objects within are read as if their names were
// joined by dots: {"service": {"name": "x"}} is service.name.
type jsonLine struct {
	r jsonReader
	// name is the path of the field that is being read.
	name    []byte
	message string
	rank    uint8
	details []pair
	others  []pair
	mask    *masker
	facets  *facets
	gelf    gelf
	// version is the value of a field of that very name, whose turn comes when it
	// is known whether the line is GELF.
	version string
}

const (
	// maxJSONFields bounds the fields that become part of a pattern.
	maxJSONFields = 12
	// maxJSONName bounds the path of a field.
	maxJSONName = 96
)

// Objects whose fields are read as if they stood outside.
var transparent = map[string]bool{
	"attributes": true, "resource": true, "fields": true, "context": true, "labels": true, "extra": true,
	"jsonpayload": true, "data": true, "mdc": true, "contextmap": true, "properties": true, "record": true, "meta": true,
}

// read appends the line's pattern to the mask and tells the facets of its
// fields. The message is what the line says in words. A line that is no JSON
// object from its beginning to its end is not ok, and then nothing was done
// but that facets may know of fields that stood before the fault.
func (j *jsonLine) read(text string, f *facets, m *masker) (message string, ok bool) {
	text = strings.TrimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' {
		return "", false
	}
	j.r.s, j.r.i = text, 0
	j.name, j.message, j.rank, j.mask, j.facets = j.name[:0], "", 0, m, f
	j.details, j.others, j.gelf, j.version = j.details[:0], j.others[:0], gelf{}, ""
	if err := j.object(0); err != nil || j.r.peek() != 0 {
		return "", false
	}
	if !j.gelf.is() {
		f.take(lookUp(m.table, gelfVersion), j.version, true)
	}
	j.write()
	return j.message, true
}

func (j *jsonLine) object(depth int) error {
	if depth > maxJSONDepth {
		return errJSONDeep
	}
	prefix := len(j.name)
	return j.r.object(func(name string) error {
		j.name = append(j.name[:prefix], name...)
		defer func() { j.name = j.name[:prefix] }()
		switch j.r.peek() {
		case '{':
			var buf [maxFieldName]byte
			if depth > 3 || len(j.name) > maxJSONName {
				_, err := j.r.skip()
				return err
			}
			if transparent[string(squash(&buf, name))] {
				j.name = j.name[:prefix]
			} else {
				j.name = append(j.name, '.')
			}
			return j.object(depth + 1)
		case '[':
			_, err := j.r.skip()
			return err
		}
		value, isString, err := j.r.scalar()
		if err == nil && (isString || value != "null") && value != "" && len(j.name) <= maxJSONName {
			j.field(value, isString)
		}
		return err
	})
}

// field takes a field whose name is j.name.
func (j *jsonLine) field(value string, isString bool) {
	f := lookUp(j.mask.table, j.name)
	switch string(j.name) {
	case "s", "@l": // MongoDB, Serilog
		f.roles |= roleLevel
	case "error.message", "err.message", "exception.message", "err.msg":
		// The message where there is no other.
		f.roles, f.rank = f.roles|roleMessage, 200
	}
	j.gelf.field(j.name)
	if string(j.name) == gelfVersion {
		j.version = first(j.version, value)
	} else {
		j.facets.take(f, value, true)
	}
	switch {
	case f.roles&roleMessage != 0 && isString && (j.message == "" || f.rank < j.rank):
		if j.message != "" {
			j.detail(pair{"message", j.message})
		}
		j.message, j.rank = value, f.rank
	case f.roles&(roleDetail|roleMessage) != 0:
		j.detail(pair{string(j.name), value})
	case f.roles == 0 && len(j.others) < maxJSONFields && !endsInID(j.name):
		j.others = append(j.others, pair{string(j.name), value})
	}
}

func (j *jsonLine) detail(p pair) {
	if len(j.details) < maxJSONFields {
		j.details = append(j.details, p)
	}
}

// write appends the pattern.
func (j *jsonLine) write() {
	fields := j.details
	if j.message != "" {
		message := j.message
		// What Docker wraps is a line itself, which may be JSON in turn.
		if inner := (jsonLine{}); strings.HasPrefix(message, "{") {
			if text, ok := inner.read(message, j.facets, j.mask); ok {
				j.message = first(text, message)
				return
			}
		}
		j.mask.text(message)
	} else if len(fields) == 0 {
		fields = j.others
	}
	j.mask.fields(fields)
}

// fields appends fields with their values.
func (m *masker) fields(fields []pair) {
	for _, p := range fields {
		if m.full {
			return
		}
		m.text(" ")
		m.text(p.name)
		m.assign(p.value)
	}
}

// assign appends "=" and a field's value, of which the name was written.
func (m *masker) assign(value string) {
	f := lookUp(m.table, m.out[m.run:])
	varies := f.roles&roleVaries != 0 || endsInID(m.out[m.run:])
	m.put("=")
	m.run = len(m.out)
	switch {
	case varies:
		m.put(anyNumber)
	case f.roles&roleStatus != 0 && isStatus(value):
		m.put(statusClass(value))
	default:
		m.text(value)
	}
}
