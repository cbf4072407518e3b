package logs

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/hindcast/hindcast/ingest/event"
)

// builder gathers the streams and lines of one push into a chunk. It is used
// once, by one goroutine.
type builder struct {
	d          *Decoder
	road       event.Road
	receivedAt time.Time
	// root is the field that holds the streams; "" where lines come without.
	root string
	// body is the one copy of what was pushed: texts and labels are parts of it.
	body  string
	chunk event.Chunk

	streams, lines int
	at             place
	current        *source
	metadata       []pair
	reader         *lineReader
	counter        counter
	put            putAside
}

// place is where in the push the builder stands, for asides.
type place struct{ stream, entry int }

// source is the stream that lines are added to.
type source struct {
	labels event.Labels
	// hash is the labels' digest; it goes into that of each line.
	hash uint64
	// What the labels say. What they leave open is up to the line.
	service, environment, version string
	level                         event.Level
	// index of the stream in the chunk for lines that leave service and
	// environment as they are; -1 until there is one.
	index int
	// others are the indexes for lines that name a service or environment.
	others map[[2]string]int
}

var errNoTimestamp = errors.New("timestamp is missing")

func newBuilder(d *Decoder, road event.Road, body []byte, receivedAt time.Time) *builder {
	sum := sha256.Sum256(body)
	b := &builder{d: d, road: road, receivedAt: receivedAt.UTC(), root: "streams", body: string(body)}
	b.chunk = event.Chunk{ID: event.ChunkID(sum[:16]), ReceivedAt: b.receivedAt, Road: road}
	b.at = place{stream: -1, entry: -1}
	b.reader = newLineReader(d)
	b.counter.limit = d.limits.Patterns
	return b
}

// countStream counts a stream of the push, good or bad.
func (b *builder) countStream() error {
	if b.root != "" {
		b.at.stream, b.at.entry = b.streams, -1
	}
	if b.streams++; b.streams > b.d.limits.Streams {
		return tooLarge(b.root, fmt.Sprintf("more than %d streams in one push", b.d.limits.Streams))
	}
	return nil
}

// countLine counts an entry of the stream, good or bad.
func (b *builder) countLine() error {
	b.at.entry++
	if b.lines++; b.lines > b.d.limits.Lines {
		return tooLarge(b.root, fmt.Sprintf("more than %d lines in one push", b.d.limits.Lines))
	}
	return nil
}

// expect makes room for lines, as far as the limit lets them come.
func (b *builder) expect(lines int) {
	b.chunk.Lines = slices.Grow(b.chunk.Lines, min(lines, b.d.limits.Lines-b.lines))
}

// stream begins a stream.
func (b *builder) stream(pairs []pair) {
	labels, cut := b.d.limits.labels(pairs)
	if cut != "" {
		b.aside(classCut, cut, "")
	}
	from := b.d.source(labels.Or(b.d.defaults.labels))
	b.current = &from
}

// source is what a stream's labels say.
func (d *Decoder) source(labels event.Labels) source {
	m := d.labels
	s := source{
		labels:      labels,
		hash:        uint64(labels.Fingerprint()),
		service:     known(m.ServiceOf(labels)),
		environment: m.EnvironmentOf(labels),
		version:     labels.First(m.Version...),
		index:       -1,
	}
	for _, name := range m.Level {
		if s.level = ParseLevel(labels[name]); s.level != event.LevelUnknown {
			break
		}
	}
	return s
}

// known is the service's name, unless it is what Loki and OpenTelemetry write
// where they know none.
func known(service string) string {
	if service == "unknown_service" || strings.HasPrefix(service, "unknown_service:") {
		return ""
	}
	return service
}

// line adds a line to the stream. The time is in seconds since 1970 and
// nanoseconds within; b.metadata holds the line's metadata.
func (b *builder) line(sec, nsec int64, text string) {
	b.addLine(b.current, b.current, "", sec, nsec, text)
}

// addLine adds a line to a stream. Said is the stream, or a copy with the
// version and level of this line; so is trace that of the line, where it is
// known beside the text and the metadata.
func (b *builder) addLine(stream, said *source, trace string, sec, nsec int64, text string) {
	at := time.Unix(sec, nsec).UTC()
	if sec < event.MinTime.Unix() || sec >= event.MaxTime.Unix() {
		// A line has no mark for a clock that is wrong. When it arrived is the
		// best that is known of it: at the edge of the range, where events are
		// clamped to, nobody would look for it.
		b.put.badTimes++
		at, sec, nsec = b.receivedAt, 0, 0
	}
	hash := lineHash(stream.hash, sec, nsec, text)
	if len(text) > b.d.limits.LineBytes {
		text = clipRunes(text, b.d.limits.LineBytes)
		b.put.longLines++
	}
	r := b.reader.read(said, b.metadata, text)
	count := b.counter.add(counted{
		service: r.service, environment: r.environment, version: r.version, level: r.level,
		second: at.Unix(), at: at, hash: hash, text: text, template: r.template, upstreams: r.upstreams,
	})
	b.chunk.Lines = append(b.chunk.Lines, event.Line{
		Stream:   b.streamIndex(stream, r.service, r.environment),
		At:       at,
		Level:    r.level,
		Pattern:  count.Pattern,
		Version:  count.Version,
		Trace:    first(trace, r.trace),
		Metadata: b.takeMetadata(),
		Text:     text,
	})
}

// takeMetadata makes labels of b.metadata.
func (b *builder) takeMetadata() event.Labels {
	if len(b.metadata) == 0 {
		return nil
	}
	labels, cut := b.d.limits.labels(b.metadata)
	if cut != "" {
		b.put.cutMetadata++
	}
	return labels
}

// streamIndex is the index of the chunk's stream for lines of a source that are
// the given service's, in the given environment.
func (b *builder) streamIndex(s *source, service, environment string) int {
	if service == s.service && environment == s.environment {
		if s.index < 0 {
			s.index = b.addStream(s, service, environment)
		}
		return s.index
	}
	key := [2]string{service, environment}
	i, ok := s.others[key]
	if !ok {
		if s.others == nil {
			s.others = map[[2]string]int{}
		}
		i = b.addStream(s, service, environment)
		s.others[key] = i
	}
	return i
}

func (b *builder) addStream(s *source, service, environment string) int {
	b.chunk.Streams = append(b.chunk.Streams, event.Stream{Service: service, Environment: environment, Labels: s.labels})
	return len(b.chunk.Streams) - 1
}

// finish makes the batch. When everything was put aside, the push as a whole is
// malformed.
func (b *builder) finish() (event.Batch, error) {
	b.reader.release()
	if len(b.chunk.Lines) == 0 && b.put.first != nil {
		return event.Batch{}, b.put.first
	}
	batch := event.Batch{Asides: b.asides()}
	if len(b.chunk.Lines) > 0 {
		b.chunk.Counts = b.counter.counts()
		batch.Chunks = []event.Chunk{b.chunk}
	}
	return batch, nil
}

// lineHash is a digest of a line that is the same on every machine and in
// every batch.
func lineHash(stream uint64, sec, nsec int64, text string) uint64 {
	const k1, k2 = 0x9e3779b97f4a7c15, 0xbf58476d1ce4e5b9
	h := xxhash.Sum64String(text)
	h ^= stream * k1
	h = (h ^ h>>29) * k2
	h ^= uint64(sec)*1e9 + uint64(nsec)
	h = (h ^ h>>32) * k1
	return h ^ h>>29
}

// labels makes a set of the pairs, within the limits, and says what had to be
// cut. Of two with one name the last counts. Empty values are dropped.
func (l Limits) labels(pairs []pair) (labels event.Labels, cut string) {
	if len(pairs) > l.Labels {
		pairs = slices.Clone(pairs)
		slices.SortStableFunc(pairs, func(a, b pair) int { return cmp.Compare(a.name, b.name) })
	}
	labels = make(event.Labels, min(len(pairs), l.Labels))
	for _, p := range pairs {
		if p.value == "" {
			continue
		}
		if len(p.name) > l.LabelName {
			cut = fmt.Sprintf("a label's name is longer than %d bytes", l.LabelName)
			continue
		}
		if _, have := labels[p.name]; !have && len(labels) >= l.Labels {
			cut = fmt.Sprintf("more than %d labels", l.Labels)
			break
		}
		if len(p.value) > l.LabelValue {
			cut = fmt.Sprintf("the label %s is longer than %d bytes", p.name, l.LabelValue)
			p.value = clipRunes(p.value, l.LabelValue)
		}
		labels[strings.ToValidUTF8(p.name, "\uFFFD")] = strings.ToValidUTF8(p.value, "\uFFFD")
	}
	return labels, cut
}
