package api

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// The parameters are read as text and parsed here, so that what is wrong with
// them is told in one way, as a 400 that names them all. Their types say to
// the OpenAPI document what is wanted.
type (
	timeParam    string
	limitParam   string
	boolParam    string
	statusParam  string
	levelParam   string
	patternParam string
	cursorParam  string
	textParam    string
	formatParam  string
)

const (
	maxLimit  = 500
	maxCursor = 2048 // bytes
	maxText   = 1024 // bytes
)

// parse returns the zero time for an absent parameter. A "+" of a zone that was
// not escaped arrives as a space, and is taken for what it was.
func (p timeParam) parse(name string, f *faults) time.Time {
	if p == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, strings.Replace(string(p), " ", "+", 1))
	if err != nil || !event.InRange(t) {
		f.add(name, string(p), "want a time by RFC 3339 between 1970 and 2200, such as 2026-01-02T15:04:05Z")
		return time.Time{}
	}
	return t.UTC()
}

// parseRange reads from and to, of which from must be the earlier one.
func parseRange(from, to timeParam, f *faults) (time.Time, time.Time) {
	start, end := from.parse("from", f), to.parse("to", f)
	if !start.IsZero() && !end.IsZero() && !start.Before(end) {
		f.add("to", string(to), "want a time after from")
	}
	return start, end
}

func (p limitParam) parse(name string, absent int, f *faults) int {
	if p == "" {
		return absent
	}
	n, err := strconv.Atoi(string(p))
	if err != nil || n < 1 || n > maxLimit {
		f.add(name, string(p), fmt.Sprintf("want a whole number from 1 to %d", maxLimit))
		return absent
	}
	return n
}

func (p boolParam) parse(name string, f *faults) bool {
	switch p {
	case "", "false", "0":
		return false
	case "true", "1":
		return true
	}
	f.add(name, string(p), "want true or false")
	return false
}

var statuses = []timeline.Status{
	timeline.StatusOpen, timeline.StatusMitigated, timeline.StatusRestored, timeline.StatusClosed,
}

func (p statusParam) parse(name string, f *faults) timeline.Status {
	s := timeline.Status(p)
	if s != "" && !slices.Contains(statuses, s) {
		f.add(name, string(p), "want open, mitigated, restored or closed")
		return ""
	}
	return s
}

var levels = []event.Level{
	event.LevelUnknown, event.LevelDebug, event.LevelInfo, event.LevelWarn, event.LevelError, event.LevelFatal,
}

func (p levelParam) parse(name string, f *faults) event.Level {
	var l event.Level
	if p == "" {
		return l
	}
	if err := l.UnmarshalText([]byte(strings.ToLower(string(p)))); err != nil {
		f.add(name, string(p), "want unknown, debug, info, warn, error or fatal")
	}
	return l
}

func (p patternParam) parse(name string, f *faults) event.PatternID {
	var id event.PatternID
	if p == "" {
		return id
	}
	if err := id.UnmarshalText([]byte(p)); err != nil {
		f.add(name, string(p), "want the 16 hex digits of a pattern")
	}
	return id
}

// parse returns the cursor as it is: its content is the store's.
func (p cursorParam) parse(name string, f *faults) string {
	if len(p) > maxCursor {
		f.add(name, string(p), "want the next_cursor of an earlier page of the same list")
		return ""
	}
	return string(p)
}

func (p textParam) parse(name string, f *faults) string {
	if len(p) > maxText {
		f.add(name, string(p), fmt.Sprintf("want at most %d bytes", maxText))
		return ""
	}
	return string(p)
}

// parse returns the media type that a format stands for, and "" for an absent
// parameter.
func (p formatParam) parse(name string, f *faults) string {
	switch p {
	case "":
		return ""
	case "json":
		return typeJSON
	case "md":
		return typeMarkdown
	}
	f.add(name, string(p), "want json or md")
	return ""
}

func (timeParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Format: "date-time"}
}

func (limitParam) Schema(huma.Registry) *huma.Schema {
	least, most := 1.0, float64(maxLimit)
	return &huma.Schema{Type: huma.TypeInteger, Minimum: &least, Maximum: &most}
}

func (boolParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeBoolean}
}

func (statusParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: texts(statuses)}
}

func (levelParam) Schema(huma.Registry) *huma.Schema {
	s := &huma.Schema{Type: huma.TypeString}
	for _, l := range levels {
		s.Enum = append(s.Enum, l.String())
	}
	return s
}

func (patternParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Pattern: "^[0-9a-fA-F]{16}$"}
}

func (cursorParam) Schema(huma.Registry) *huma.Schema {
	most := maxCursor
	return &huma.Schema{Type: huma.TypeString, MaxLength: &most}
}

func (formatParam) Schema(huma.Registry) *huma.Schema {
	return &huma.Schema{Type: huma.TypeString, Enum: []any{"json", "md"}}
}

func (textParam) Schema(huma.Registry) *huma.Schema {
	most := maxText
	return &huma.Schema{Type: huma.TypeString, MaxLength: &most}
}

func texts[T ~string](values []T) []any {
	out := make([]any, len(values))
	for i, v := range values {
		out[i] = string(v)
	}
	return out
}
