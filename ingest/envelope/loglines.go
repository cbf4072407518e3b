package envelope

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// maxLine bounds the text of a producer's log line, in bytes.
const maxLine = 256 << 10

// logLines is the chunk that an envelope carries.
func logLines(r *reader, c common, l *hindcastv1.LogLines) event.Chunk {
	chunk := event.Chunk{ReceivedAt: c.receivedAt, Road: c.road}
	for i, s := range l.GetStreams() {
		chunk.Streams = append(chunk.Streams, event.Stream{
			Service:     r.name(index("log_lines.streams", i)+".service", s.GetService()),
			Environment: r.name(index("log_lines.streams", i)+".environment", s.GetEnvironment()),
			Labels:      r.labels(index("log_lines.streams", i)+".labels", s.GetLabels()),
		})
	}
	if len(chunk.Streams) == 0 && len(l.GetLines()) > 0 {
		chunk.Streams = []event.Stream{{
			Service:     r.name("service", c.env.GetService()),
			Environment: r.name("environment", c.env.GetEnvironment()),
			Labels:      r.labels("labels", c.env.GetLabels()),
		}}
	}
	at := r.time("occurred_at", c.env.GetOccurredAt())
	if at.IsZero() {
		at = c.receivedAt
	}
	for i, line := range l.GetLines() {
		chunk.Lines = append(chunk.Lines, logLine(r, index("log_lines.lines", i), line, at, len(chunk.Streams)))
	}
	for i, count := range l.GetCounts() {
		chunk.Counts = append(chunk.Counts, logCount(r, index("log_lines.counts", i), count))
	}
	chunk.ID = chunkID(r, c, chunk)
	return chunk
}

func logLine(r *reader, field string, l *hindcastv1.LogLine, at time.Time, streams int) event.Line {
	if int64(l.GetStream()) >= int64(streams) {
		r.fail(field+".stream", body.ClassValue, "%d is none of the %d streams", l.GetStream(), streams)
	}
	line := event.Line{
		Stream:   int(l.GetStream()),
		At:       r.time(field+".at", l.GetAt()),
		Level:    level(r, field, l.GetLevel()),
		Pattern:  pattern(r, field, l.GetPattern()),
		Version:  r.name(field+".version", l.GetVersion()),
		Trace:    r.name(field+".trace", l.GetTrace()),
		Metadata: r.labels(field+".metadata", l.GetMetadata()),
		Text:     r.prose(field+".text", l.GetText(), maxLine),
	}
	if line.At.IsZero() {
		line.At = at
	}
	return line
}

func logCount(r *reader, field string, c *hindcastv1.LogCount) event.Count {
	if c.GetN() < 1 && !r.restore {
		r.fail(field+".n", body.ClassValue, "%d lines: want one or more", c.GetN())
	}
	return event.Count{
		CountKey: event.CountKey{
			Service:     c.GetService(),
			Environment: c.GetEnvironment(),
			Version:     c.GetVersion(),
			Level:       level(r, field, c.GetLevel()),
			Pattern:     pattern(r, field, c.GetPattern()),
			Second:      r.second(field+".second", c.GetSecond()),
		},
		N:         c.GetN(),
		First:     r.time(field+".first", c.GetFirst()),
		Last:      r.time(field+".last", c.GetLast()),
		Digest:    c.GetDigest(),
		Template:  c.GetTemplate(),
		Sample:    c.GetSample(),
		Upstreams: c.GetUpstreams(),
	}
}

func level(r *reader, field, word string) event.Level {
	var l event.Level
	if word == "" {
		return l
	}
	if err := l.UnmarshalText([]byte(word)); err != nil {
		r.fail(field+".level", body.ClassValue, "%v: want unknown, debug, info, warn, error or fatal", err)
	}
	return l
}

func pattern(r *reader, field, text string) event.PatternID {
	var p event.PatternID
	if text == "" {
		return p
	}
	if err := p.UnmarshalText([]byte(text)); err != nil {
		r.fail(field+".pattern", body.ClassValue, "%v", err)
	}
	return p
}

// chunkID is the ID that the envelope gives, else one that is taken from the
// producer's identity, else from the lines.
func chunkID(r *reader, c common, chunk event.Chunk) event.ChunkID {
	var id event.ChunkID
	if !r.own {
		b, err := hex.DecodeString(c.env.GetId())
		if err != nil || len(b) != len(id) {
			r.fail("id", body.ClassValue, "%.40q is no ID of log lines: want 32 hex digits", c.env.GetId())
		}
		copy(id[:], b)
		return id
	}
	identity := []any{"envelope", c.env.GetInstance()}
	if source := r.name("source_id", c.env.GetSourceId()); source != "" {
		identity = append(identity, source)
	} else {
		identity = append(identity, "", chunk.Streams, chunk.Lines, chunk.Counts)
	}
	sum := sha256.Sum256([]byte(digest(identity)))
	copy(id[:], sum[:])
	return id
}

// chunkOf is a chunk in an envelope.
func chunkOf(chunk event.Chunk) *hindcastv1.Envelope {
	l := &hindcastv1.LogLines{}
	for _, s := range chunk.Streams {
		l.Streams = append(l.Streams, &hindcastv1.LogStream{Service: s.Service, Environment: s.Environment, Labels: texts(s.Labels)})
	}
	for _, line := range chunk.Lines {
		l.Lines = append(l.Lines, &hindcastv1.LogLine{
			Stream: uint32(line.Stream), At: timestamp(line.At), Level: levelOf(line.Level), Pattern: patternOf(line.Pattern),
			Version: line.Version, Trace: line.Trace, Metadata: texts(line.Metadata), Text: line.Text,
		})
	}
	for _, c := range chunk.Counts {
		count := &hindcastv1.LogCount{
			Service: c.Service, Environment: c.Environment, Version: c.Version, Level: levelOf(c.Level),
			Pattern: patternOf(c.Pattern), Second: c.Second, N: c.N, First: timestamp(c.First), Last: timestamp(c.Last),
			Digest: c.Digest, Template: c.Template, Sample: c.Sample,
			Upstreams: slices.Clone(c.Upstreams),
		}
		l.Counts = append(l.Counts, count)
	}
	return &hindcastv1.Envelope{
		Id:         chunk.ID.String(),
		ReceivedAt: timestamp(chunk.ReceivedAt),
		Road:       string(chunk.Road),
		Fact:       &hindcastv1.Envelope_LogLines{LogLines: l},
	}
}

func levelOf(l event.Level) string {
	if l == event.LevelUnknown {
		return ""
	}
	return l.String()
}

func patternOf(p event.PatternID) string {
	if p == 0 {
		return ""
	}
	return p.String()
}
