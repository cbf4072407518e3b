package envelope

import (
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/hindcast/hindcast/ingest/event"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// escape makes the texts of an envelope UTF-8, as protobuf's texts are and log
// lines need not be (see [event.EscapeText]), and marks it. It reports whether
// there was anything to do.
func escape(env *hindcastv1.Envelope) bool {
	valid := true
	changeTexts(env.ProtoReflect(), func(s string) string {
		valid = valid && utf8.ValidString(s)
		return s
	})
	if valid || env.GetEscaped() {
		return false
	}
	changeTexts(env.ProtoReflect(), event.EscapeText)
	env.Escaped = true
	return true
}

func escapeAll(list []*hindcastv1.Envelope) bool {
	escaped := false
	for _, env := range list {
		escaped = escape(env) || escaped
	}
	return escaped
}

// unescape is the inverse of escape.
func unescape(env *hindcastv1.Envelope) {
	changeTexts(env.ProtoReflect(), event.UnescapeText)
	env.Escaped = false
}

// changeTexts puts what change makes of it in the place of every text of a
// message: names and values of maps, and what lies below it, included.
func changeTexts(m protoreflect.Message, change func(string) string) {
	value := func(field protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
		switch field.Kind() {
		case protoreflect.StringKind:
			return protoreflect.ValueOfString(change(v.String()))
		case protoreflect.MessageKind:
			changeTexts(v.Message(), change)
		}
		return v
	}
	m.Range(func(field protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case field.IsMap():
			pairs := make(map[string]protoreflect.Value, v.Map().Len())
			v.Map().Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
				pairs[change(k.String())] = value(field.MapValue(), v)
				return true
			})
			changed := m.NewField(field)
			for k, v := range pairs {
				changed.Map().Set(protoreflect.ValueOfString(k).MapKey(), v)
			}
			m.Set(field, changed)
		case field.IsList():
			list := v.List()
			for i := range list.Len() {
				list.Set(i, value(field, list.Get(i)))
			}
		case field.Kind() == protoreflect.StringKind:
			m.Set(field, value(field, v))
		default:
			value(field, v)
		}
		return true
	})
}
