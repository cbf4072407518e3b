package logs

import (
	"cmp"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
)

// Complete finds what the lines of a chunk say, as in a push: level, version,
// trace and pattern, and the service and environment of streams that name
// none, the decoder's defaults included. What is set already is the producer's word and stays. Then it sums the
// counts. Texts that are longer than [Limits] allows are cut, and lines of more
// patterns than it allows have the pattern "<other>".
//
// Every line's Stream must be an index of the chunk's streams. The streams,
// lines and counts are replaced; nobody else may use the chunk meanwhile.
func (d *Decoder) Complete(c *event.Chunk) {
	b := &builder{d: d, chunk: event.Chunk{Streams: slices.Clone(c.Streams)}}
	b.reader = newLineReader(d)
	defer b.reader.release()
	b.counter.limit = d.limits.Patterns

	sources := make([]source, len(c.Streams))
	for i := range c.Streams {
		b.chunk.Streams[i].Labels = c.Streams[i].Labels.Or(d.defaults.labels)
		sources[i] = d.sourceOf(&b.chunk.Streams[i])
		sources[i].index = i
		b.chunk.Streams[i].Service, b.chunk.Streams[i].Environment = sources[i].service, sources[i].environment
	}
	for i := range c.Lines {
		b.complete(&c.Lines[i], &sources[c.Lines[i].Stream])
	}
	c.Streams, c.Counts = b.chunk.Streams, b.counter.counts()
}

// sourceOf is what a stream says, by its fields before its labels.
func (d *Decoder) sourceOf(s *event.Stream) source {
	from := d.source(s.Labels)
	from.service = first(s.Service, from.service)
	from.environment = first(s.Environment, from.environment)
	return from
}

// complete finds what a line of a source says, and counts it.
func (b *builder) complete(l *event.Line, from *source) {
	said := *from
	said.version = first(l.Version, said.version)
	if l.Level != event.LevelUnknown {
		said.level = l.Level
	}
	b.metadata = b.metadata[:0]
	for name, value := range l.Metadata {
		b.metadata = append(b.metadata, pair{name, value})
	}
	slices.SortFunc(b.metadata, func(a, b pair) int { return cmp.Compare(a.name, b.name) })

	hash := lineHash(from.hash, l.At.Unix(), int64(l.At.Nanosecond()), l.Text)
	l.Text = clipRunes(l.Text, b.d.limits.LineBytes)
	r := b.reader.read(&said, b.metadata, l.Text)
	count := b.counter.add(counted{
		service: r.service, environment: r.environment, version: r.version, level: r.level,
		second: l.At.Unix(), at: l.At, hash: hash, text: l.Text, pattern: l.Pattern, template: r.template, upstreams: r.upstreams,
	})
	l.Stream = b.streamIndex(from, r.service, r.environment)
	l.Level, l.Version, l.Pattern = r.level, count.Version, count.Pattern
	l.Trace = first(l.Trace, r.trace)
}
