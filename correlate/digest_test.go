package correlate

import (
	"reflect"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestDigestSeesEveryField sets each field of a timeline, however deep, to
// another value and wants another digest: a field that the digest does not see
// would be published late or never.
func TestDigestSeesEveryField(t *testing.T) {
	full := func() *timeline.Timeline {
		at := time.Unix(1000, 0).UTC()
		m := timeline.Milestone{At: &at, Earliest: &at, Latest: &at, Evidence: []event.ID{{1}}, Alternatives: []timeline.Alternative{{Evidence: []event.ID{{1}}}}}
		inner := m
		inner.Alternatives = []timeline.Alternative{{Evidence: []event.ID{{1}}}}
		m.Derived = &inner
		entry := timeline.Entry{Labels: event.Labels{"a": "b"}, Events: []event.ID{{1}}, Links: []string{"x"}, Until: &at, Log: &timeline.LogExcerpt{Lines: []string{"x"}}}
		background := entry
		background.Labels, background.Events, background.Links = event.Labels{"a": "b"}, []event.ID{{1}}, []string{"x"}
		background.Log = &timeline.LogExcerpt{Lines: []string{"x"}}
		return &timeline.Timeline{
			Incident:   timeline.Incident{Services: []string{"x"}, EndedAt: &at},
			Milestones: []timeline.Milestone{m}, Entries: []timeline.Entry{entry}, Context: []timeline.Entry{background},
			Changes:      []timeline.Change{{Events: []event.ID{{1}}, StartedAt: &at, FinishedAt: &at, Reasons: []string{"x"}, Commits: []timeline.Commit{{Reasons: []string{"x"}}}}},
			Participants: []timeline.Participant{{Did: []string{"x"}, Stages: []timeline.MilestoneName{"x"}}},
			Gaps:         []timeline.Gap{{Evidence: []event.ID{{1}}}},
			Durations:    map[timeline.DurationName]timeline.Duration{timeline.TimeToDetect: {}},
		}
	}
	base := digestOf(full())
	blind := map[string]bool{
		"Timeline.Incident.Revision": true, "Timeline.Incident.Aliases": true,
		// The API pages entries; the engine does not.
		"Timeline.EntriesCursor": true,
	}
	tl := full()
	walk(reflect.ValueOf(tl).Elem(), "Timeline", func(path string) {
		if got := digestOf(tl); (got == base) != blind[path] {
			t.Errorf("changing %s: digest differs %v, want %v", path, got != base, !blind[path])
		}
	})
}

// walk changes every value below v, calls check, and puts it back.
func walk(v reflect.Value, path string, check func(string)) {
	switch v.Kind() {
	case reflect.Struct:
		if at, ok := v.Interface().(time.Time); ok {
			alter(v, reflect.ValueOf(at.Add(time.Nanosecond)), path, check)
			return
		}
		for i := range v.NumField() {
			walk(v.Field(i), path+"."+v.Type().Field(i).Name, check)
		}
	case reflect.Pointer:
		if v.IsNil() {
			return
		}
		at := v.Elem()
		alter(v, reflect.Zero(v.Type()), path, check)
		if at.Kind() == reflect.Struct && at.Type() == reflect.TypeFor[time.Time]() {
			other := reflect.New(at.Type())
			other.Elem().Set(reflect.ValueOf(at.Interface().(time.Time).Add(time.Nanosecond)))
			alter(v, other, path, check)
			return
		}
		walk(at, path, check)
	case reflect.Slice:
		alter(v, reflect.Zero(v.Type()), path, check)
		for i := range v.Len() {
			walk(v.Index(i), path, check)
		}
	case reflect.Array:
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		v.Index(0).SetUint(v.Index(0).Uint() + 1)
		check(path)
		v.Set(was)
	case reflect.Map:
		alter(v, reflect.MakeMap(v.Type()), path, check)
		for _, k := range v.MapKeys() {
			value := reflect.New(v.Type().Elem()).Elem()
			value.Set(v.MapIndex(k))
			walk(value, path, func(p string) {
				was := v.MapIndex(k)
				v.SetMapIndex(k, value)
				check(p)
				v.SetMapIndex(k, was)
			})
		}
	case reflect.String:
		alter(v, reflect.ValueOf(v.String()+"x").Convert(v.Type()), path, check)
	case reflect.Bool:
		alter(v, reflect.ValueOf(!v.Bool()), path, check)
	case reflect.Float64:
		alter(v, reflect.ValueOf(v.Float()+1), path, check)
	case reflect.Int, reflect.Int64:
		alter(v, reflect.ValueOf(v.Int()+1).Convert(v.Type()), path, check)
	case reflect.Uint8, reflect.Uint64:
		alter(v, reflect.ValueOf(v.Uint()+1).Convert(v.Type()), path, check)
	default:
		panic("a timeline holds a " + v.Kind().String() + " at " + path)
	}
}

func alter(v, to reflect.Value, path string, check func(string)) {
	was := reflect.New(v.Type()).Elem()
	was.Set(v)
	v.Set(to)
	check(path)
	v.Set(was)
}
