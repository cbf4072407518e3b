package logs

import (
	"errors"

	"github.com/hindcast/hindcast/ingest/event"
)

// Limits bounds what one push may hold. A field that is zero or less stands
// for its default. A push with more lines or streams than allowed is refused
// as a whole (its sender can split it, and none of it is lost); what else is
// too large is cut, and an aside says so.
type Limits struct {
	// Lines in a push; 100,000 by default.
	Lines int `yaml:"lines"`
	// Streams in a push; 10,000 by default.
	Streams int `yaml:"streams"`
	// LineBytes of one line's text; 256 KiB by default. The rest is cut off.
	LineBytes int `yaml:"line_bytes"`
	// Labels of a stream, and of a line's structured metadata; 64 by default.
	// Those that are left are the first by name.
	Labels int `yaml:"labels"`
	// LabelName and LabelValue are in bytes; 256 and 2,048 by default. A label
	// with a longer name is dropped, a longer value is cut.
	LabelName  int `yaml:"label_name"`
	LabelValue int `yaml:"label_value"`
	// Patterns that one push may tell apart; 5,000 by default. Lines beyond
	// have the pattern "<other>".
	Patterns int `yaml:"patterns"`
}

// DefaultLimits are the limits that hold where none is configured.
func DefaultLimits() Limits {
	return Limits{
		Lines:      100_000,
		Streams:    10_000,
		LineBytes:  256 << 10,
		Labels:     64,
		LabelName:  256,
		LabelValue: 2048,
		Patterns:   5000,
	}
}

func (l Limits) withDefaults() Limits {
	def := DefaultLimits()
	for _, f := range []struct {
		have *int
		def  int
	}{
		{&l.Lines, def.Lines}, {&l.Streams, def.Streams}, {&l.LineBytes, def.LineBytes},
		{&l.Labels, def.Labels}, {&l.LabelName, def.LabelName}, {&l.LabelValue, def.LabelValue},
		{&l.Patterns, def.Patterns},
	} {
		if *f.have <= 0 {
			*f.have = f.def
		}
	}
	return l
}

// ErrTooLarge says that a body is larger than its receiver takes, compressed
// or not, or holds more than [Limits] allows. The sender has to send less at a
// time. It comes wrapped; where it is about a decoded body, the error is an
// [event.Malformed] as well.
var ErrTooLarge = errors.New("too large")

// tooLarge is both an [event.Malformed], which names the field, and
// [ErrTooLarge].
func tooLarge(field, reason string) error {
	return errors.Join(&event.Malformed{Field: field, Reason: reason}, ErrTooLarge)
}
