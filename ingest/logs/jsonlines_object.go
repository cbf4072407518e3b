package logs

import (
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest/event"
)

// jsonObject reads the objects of a push of JSON lines. It is used again for
// object after object.
type jsonObject struct {
	table *jsonTable
	r     jsonReader
	// path is that of the field that is being read; the part from bare on is
	// its name without the outermost object that only wraps it.
	path []byte
	bare int
	// names are the paths that came before: most come in every object.
	names map[string]string

	// What the current object says: by slot, and all of it in order but for
	// what is dropped.
	found     []jsonValue
	fields    []jsonField
	sec, nsec int64
	level     event.Level
	// silent says that there is a message, and that it is empty.
	silent bool
	// name is the logger's, which is that of the service where a process and a
	// host stand beside it, as bunyan and pino write them.
	name          string
	process, host bool
	gelf          gelf
	// version is what a field of that very name says, whose turn comes when it is
	// known whether the object is GELF.
	version jsonValue
}

// jsonValue is what a slot holds: the value, and the index of its field. Rank
// is zero where it holds nothing.
type jsonValue struct {
	value       string
	rank, field int
}

// jsonField is a field of an object; the part of its name from bare on is that
// without the object that wraps it.
type jsonField struct {
	pair
	bare int
	used bool
}

const (
	// maxJSONPath is how deep fields are told apart; what is deeper is kept as
	// JSON.
	maxJSONPath = 6
	// maxJSONNames and maxJSONNameBytes bound the names that are kept.
	maxJSONNames, maxJSONNameBytes = 4096, 256
)

func newJSONObject(t *jsonTable) *jsonObject {
	return &jsonObject{table: t, names: map[string]string{}, found: make([]jsonValue, jsonLabels+len(t.labels))}
}

// release lets go of what was read, but for names that may come again.
func (o *jsonObject) release() {
	clear(o.fields[:cap(o.fields)])
	o.forget()
	o.r = jsonReader{}
	if len(o.names) == maxJSONNames {
		clear(o.names)
	}
}

// read reads the object that comes.
func (o *jsonObject) read() error {
	o.forget()
	if err := o.object(1); err != nil {
		return err
	}
	if o.found[jsonService].rank == 0 && o.process && o.host && isServiceName(o.name) {
		o.found[jsonService] = jsonValue{value: o.name, rank: 1, field: -1}
	}
	if v := o.version; v.rank > 0 {
		f := &o.found[jsonVersion]
		switch {
		case o.gelf.is():
			o.fields[v.field].used = true
		case f.rank == 0, v.rank < f.rank, v.rank == f.rank && v.field < f.field:
			*f = v
		}
	}
	for _, f := range o.found {
		if f.rank > 0 && f.field >= 0 {
			o.fields[f.field].used = true
		}
	}
	return nil
}

// forget makes it that of no object.
func (o *jsonObject) forget() {
	clear(o.found)
	o.path, o.bare, o.fields, o.level = o.path[:0], 0, o.fields[:0], event.LevelUnknown
	o.silent, o.name, o.process, o.host = false, "", false, false
	o.gelf, o.version = gelf{}, jsonValue{}
}

func (o *jsonObject) object(depth int) error {
	prefix, bare := len(o.path), o.bare
	return o.r.object(func(name string) error {
		o.path, o.bare = append(o.path[:prefix], name...), bare
		if o.table.drop[string(o.path)] {
			_, err := o.r.skip()
			return err
		}
		switch o.r.peek() {
		case '{':
			if depth == maxJSONPath {
				break
			}
			var buf [maxFieldName]byte
			o.path = append(o.path, '.')
			if depth == 1 && transparent[string(squash(&buf, name))] {
				o.bare = len(o.path)
			}
			return o.object(depth + 1)
		case '[':
		default:
			value, isString, err := o.r.scalar()
			if err == nil && (isString || value != "null") {
				o.field(value, isString)
			}
			return err
		}
		raw, err := o.r.skip()
		if err == nil {
			o.fields = append(o.fields, jsonField{pair: pair{o.pathName(), raw}})
		}
		return err
	})
}

// field takes a field with the name in o.path.
func (o *jsonObject) field(value string, isString bool) {
	uses := o.table.usesOf(o.path)
	if len(uses) == 0 && o.bare > 0 {
		uses = o.table.usesOf(o.path[o.bare:])
	}
	for _, u := range uses {
		f := &o.found[u.slot]
		if u.slot == jsonVersion && string(o.path) == gelfVersion {
			f = &o.version
		}
		if f.rank == 0 || u.rank < f.rank {
			if kept := o.usable(u.slot, value, isString); kept != "" {
				*f = jsonValue{value: kept, rank: u.rank, field: len(o.fields)}
			}
		}
	}
	o.gelf.field(o.path)
	switch string(o.path) {
	case "PRIORITY": // journald's; of others the word may mean anything
		if o.found[jsonLevel].rank == 0 {
			o.level = ParseLevel(value)
		}
	case "name":
		o.name = value
	case "pid":
		o.process = true
	case "hostname":
		o.host = true
	}
	if value != "" {
		o.fields = append(o.fields, jsonField{pair: pair{o.pathName(), value}, bare: o.bare})
	}
}

// usable is what a slot takes of a value; "" when it is none for the slot.
func (o *jsonObject) usable(slot int, value string, isString bool) string {
	if slot >= jsonLabels {
		return value
	}
	if slot == jsonMessage {
		if !isString {
			return ""
		}
		o.silent = value == ""
		return value
	}
	if len(value) > maxFacet || !utf8.ValidString(value) {
		return ""
	}
	ok := false
	switch slot {
	case jsonTime:
		var sec, nsec int64
		if sec, nsec, ok = parseTime(value); ok {
			o.sec, o.nsec = sec, nsec
		}
	case jsonLevel:
		var level event.Level
		if level = ParseLevel(value); level != event.LevelUnknown {
			o.level, ok = level, true
		}
	case jsonService:
		ok = isString && isServiceName(value)
	case jsonEnvironment:
		ok = isString && isName(value)
	case jsonVersion:
		ok = isVersion(value)
	case jsonTrace:
		return traceID(value)
	}
	if !ok {
		return ""
	}
	return value
}

func isServiceName(value string) bool { return isName(value) && known(value) != "" }

// pathName is o.path as a text.
func (o *jsonObject) pathName() string {
	name, ok := o.names[string(o.path)]
	if !ok {
		name = string(o.path)
		if len(o.names) < maxJSONNames && len(name) <= maxJSONNameBytes {
			o.names[name] = name
		}
	}
	return name
}
