package envelope

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/hindcast/hindcast/ingest/deploy"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
)

// reader reads the fields of one envelope and remembers the first that is
// wrong.
type reader struct {
	path string
	// clamp brings times into range that stand among others.
	clamp bool
	// own says that a producer made the envelope: what it leaves out is filled
	// in, and what it says is bounded. Without it the envelope is hindcast's
	// own, and is taken as it is.
	own bool
	// restore says that it is of a backup: nothing is checked or brought into
	// range, because it was when it came.
	restore bool
	suspect bool
	failure *body.Failure
	// clipped lists what was cut short.
	clipped []string
}

// maxName bounds names, versions and addresses, in bytes.
const maxName = 1024

func (r *reader) fail(field string, class body.Class, format string, args ...any) {
	if r.failure != nil {
		return
	}
	path := r.path
	switch {
	case path == "":
		path = field
	case field != "":
		path += "." + field
	}
	r.failure = &body.Failure{Field: path, Class: class, Reason: fmt.Sprintf(format, args...)}
}

// name is a text that identifies something, and so is not cut.
func (r *reader) name(field, text string) string {
	if r.own && len(text) > maxName {
		r.fail(field, body.ClassSize, "longer than %d bytes", maxName)
	}
	return text
}

// need is a name that a producer must not leave empty. What another decoder took
// without it is taken.
func (r *reader) need(field, text string) string {
	if strings.TrimSpace(text) == "" && r.own {
		r.fail(field, body.ClassMissing, "required")
	}
	return r.name(field, text)
}

// url is the address of a page.
func (r *reader) url(field, text string) string {
	if r.own && len(text) > deploy.MaxURL {
		r.fail(field, body.ClassSize, "longer than %d bytes", deploy.MaxURL)
	}
	return text
}

// prose is a text that is cut where it is longer than limit bytes.
func (r *reader) prose(field, text string, limit int) string {
	if !r.own || len(text) <= limit {
		return text
	}
	cut := strings.ToValidUTF8(text[:limit], "")
	r.cut(field, "%d of %d bytes", len(cut), len(text))
	return cut
}

func (r *reader) cut(field, format string, args ...any) {
	r.clipped = append(r.clipped, field+": "+fmt.Sprintf(format, args...))
}

// labels are names with values; nil when there are none.
func (r *reader) labels(field string, values map[string]string) event.Labels {
	if len(values) == 0 {
		return nil
	}
	if r.own {
		if len(values) > body.MaxLabels {
			r.fail(field, body.ClassSize, "more than %d labels", body.MaxLabels)
		}
		for _, name := range slices.Sorted(maps.Keys(values)) {
			if len(name) > body.MaxLabelName || len(values[name]) > body.MaxLabelValue {
				r.fail(field, body.ClassSize, "the label %.40q is longer than %d bytes, or its value than %d", name, body.MaxLabelName, body.MaxLabelValue)
				break
			}
		}
	}
	return values
}

// time is a time; zero when absent.
func (r *reader) time(field string, ts *timestamppb.Timestamp) time.Time {
	if ts == nil {
		return time.Time{}
	}
	t := ts.AsTime()
	switch err := ts.CheckValid(); {
	case err == nil && (r.restore || event.InRange(t)):
		return t.UTC()
	case r.clamp:
		r.suspect = true
		// Whole seconds: what does not fit may be the nanoseconds, and seconds far
		// beyond a time.Time would wrap around.
		s := min(max(ts.GetSeconds(), event.MinTime.Unix()-1), event.MaxTime.Unix())
		clamped, _ := event.Clamp(time.Unix(s, 0))
		return clamped
	}
	r.fail(field, body.ClassTime, "%s is outside %d to %d", seconds(ts), event.MinTime.Year(), event.MaxTime.Year())
	return time.Time{}
}

// second is a second since 1970. One of a backup is taken as it is.
func (r *reader) second(field string, s int64) int64 {
	if r.restore {
		return s
	}
	return r.time(field, &timestamppb.Timestamp{Seconds: s}).Unix()
}

// end is a time of which the year 1 says that there is none, as in Alertmanager.
func (r *reader) end(field string, ts *timestamppb.Timestamp) time.Time {
	if ts == nil || ts.AsTime().IsZero() {
		return time.Time{}
	}
	return r.time(field, ts)
}

func seconds(ts *timestamppb.Timestamp) string {
	if ts.CheckValid() == nil {
		return ts.AsTime().Format(time.RFC3339Nano)
	}
	return strconv.FormatInt(ts.GetSeconds(), 10) + " seconds"
}

// fingerprint is one in 16 hex digits.
func (r *reader) fingerprint(field, text string) event.Fingerprint {
	f, err := event.ParseFingerprint(strings.ToLower(text))
	if err != nil {
		r.fail(field, body.ClassValue, "%v", err)
	}
	return f
}

func (r *reader) fingerprints(field string, texts []string) []event.Fingerprint {
	var list []event.Fingerprint
	for i, text := range texts {
		list = append(list, r.fingerprint(index(field, i), text))
	}
	return list
}

func index(field string, i int) string { return field + "[" + strconv.Itoa(i) + "]" }
