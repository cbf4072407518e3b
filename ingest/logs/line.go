package logs

import (
	"strings"
	"sync"

	"github.com/hindcast/hindcast/ingest/event"
)

// lineReader works out what one line says. It is used again for line after
// line; a reading is valid until the next.
type lineReader struct {
	mask   masker
	facets facets
	json   jsonLine
	// details are fields beside the text that are part of its pattern.
	details []pair
	// defaults counts after everything else.
	defaults source
}

// readers keeps the memory of those that have done: a Kafka record is often one
// line.
var readers = sync.Pool{New: func() any { return new(lineReader) }}

// newLineReader is a reader for a decoder's lines, to be released.
func newLineReader(d *Decoder) *lineReader {
	l := readers.Get().(*lineReader)
	l.mask.table, l.defaults = d.fields, d.defaults
	return l
}

// release gives back a reader, and lets go of the lines. Readings are not valid
// any more.
func (l *lineReader) release() {
	upstreams := l.facets.upstreams[:cap(l.facets.upstreams)]
	clear(upstreams)
	*l = lineReader{mask: masker{out: l.mask.out}, facets: facets{upstreams: upstreams[:0]}}
	readers.Put(l)
}

// reading is what a line says.
type reading struct {
	service, environment, version, trace string
	level                                event.Level
	template                             []byte
	upstreams                            []string
}

// read reads a line of a stream. What the stream's labels say counts before
// what the metadata says, that before what the line says, and that before the
// defaults.
func (l *lineReader) read(from *source, metadata []pair, text string) reading {
	f := &l.facets
	f.reset()
	if len(metadata) > 0 {
		for _, p := range metadata {
			f.take(lookUp(l.mask.table, p.name), p.value, true)
		}
		f.lock()
	}
	l.mask.into = f
	l.mask.begin(MaxTemplate)
	words := text // what speaks, for the rules that read words
	if message, ok := l.json.read(text, f, &l.mask); ok {
		words = message
	} else {
		l.mask.text(text)
		l.mask.fields(l.details)
	}

	r := reading{
		service:     first(first(from.service, f.service.value), l.defaults.service),
		environment: first(first(from.environment, f.environment.value), l.defaults.environment),
		version:     first(first(from.version, f.version.value), l.defaults.version),
		trace:       f.trace.value,
		level:       from.level,
		template:    l.mask.end(),
	}
	if r.level == event.LevelUnknown {
		r.level = f.level
	}
	if r.level == event.LevelUnknown {
		r.level = l.defaults.level
	}
	if r.level == event.LevelUnknown {
		r.level = guessLevel(words)
		if f.troubled {
			r.level = max(r.level, event.LevelError)
		}
	}
	if r.level == event.LevelUnknown || r.level >= event.LevelWarn {
		f.upstreams = upstreamsIn(words, f.upstreams)
	}
	r.upstreams = withoutName(f.upstreams, r.service)
	return r
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// withoutName leaves out the service itself: no service is its own upstream.
func withoutName(names []string, service string) []string {
	for i, n := range names {
		if strings.EqualFold(n, service) {
			return append(names[:i], names[i+1:]...)
		}
	}
	return names
}
