package event

import (
	"encoding/hex"
	"fmt"
	"time"
)

// ChunkID names log lines that arrived together: over HTTP the digest of the
// decompressed body, over Kafka the topic, partition and offsets. Appending a
// chunk whose ID is known replaces it by itself.
type ChunkID [16]byte

// String is the chunk's ID in hex.
func (id ChunkID) String() string { return hex.EncodeToString(id[:]) }

// Chunk is log lines that arrived together, with their counts.
type Chunk struct {
	ID         ChunkID
	ReceivedAt time.Time
	Road       Road
	Streams    []Stream
	Lines      []Line
	// Counts sums Lines by service, environment, version, level, pattern and
	// second.
	Counts []Count
}

// Stream is what lines have in common.
type Stream struct {
	Service     string
	Environment string
	Labels      Labels
}

// Line is one log line.
type Line struct {
	// Stream is the index of the line's stream in its chunk.
	Stream int
	At     time.Time
	Level  Level
	// Pattern is what the line looks like with its variable parts masked.
	Pattern PatternID
	Version string
	Trace   string
	// Metadata is what the sender gave beside the text (Loki's structured
	// metadata). It may be nil.
	Metadata Labels
	Text     string
}

// PatternID is a digest of a pattern's text. Its text is 16 hex digits.
type PatternID uint64

// String is the pattern's ID in hex.
func (p PatternID) String() string { return fmt.Sprintf("%016x", uint64(p)) }

// Level is a log line's severity. The zero Level is LevelUnknown.
type Level uint8

// The levels, in ascending order of severity.
const (
	LevelUnknown Level = iota
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelFatal
)

var levelNames = [...]string{"unknown", "debug", "info", "warn", "error", "fatal"}

// String is the level's name: unknown, debug, info, warn, error or fatal.
func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return levelNames[LevelUnknown]
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads the level's name.
func (l *Level) UnmarshalText(text []byte) error {
	for i, n := range levelNames {
		if n == string(text) {
			*l = Level(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a level", clip(string(text), 40))
}

// Count says how often a pattern was seen in one second by one chunk. Counts
// with an equal key and an equal Digest tell of the same lines: only one of
// them counts, which is what makes a redelivery in another batch harmless.
type Count struct {
	CountKey
	N int64 `json:"n"`
	// First and Last are the earliest and the latest line's time.
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Digest is a digest of the lines behind the count, independent of their
	// order.
	Digest uint64 `json:"digest"`
	// Template is the pattern's text; Sample is the first line, verbatim,
	// shortened to [MaxSample] bytes.
	Template string `json:"template"`
	Sample   string `json:"sample"`
	// Upstreams are the services that the lines name as called: sorted, at most
	// eight.
	Upstreams []string `json:"upstreams,omitempty"`
}

// MaxSample bounds a sample, in bytes.
const MaxSample = 2048

// CountKey is what a count is by.
type CountKey struct {
	Service     string    `json:"service"`
	Environment string    `json:"environment,omitempty"`
	Version     string    `json:"version,omitempty"`
	Level       Level     `json:"level"`
	Pattern     PatternID `json:"pattern"`
	// Second is the start of the second, in seconds since 1970.
	Second int64 `json:"second"`
}

// ID names the count's key as a fact: what the log said in that second, from
// whatever chunks.
func (k CountKey) ID() ID {
	return NewID(time.Unix(k.Second, 0), "log", k.Service, k.Environment, k.Version, k.Level.String(), k.Pattern.String())
}

// MarshalText writes the pattern's ID in hex.
func (p PatternID) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (p *PatternID) UnmarshalText(text []byte) error {
	f, err := ParseFingerprint(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a pattern: want 16 hex digits", clip(string(text), 40))
	}
	*p = PatternID(f)
	return nil
}
