// Package envelope decodes and encodes proto/hindcast/v1, the envelope in which
// facts of every kind come from custom producers, travel through Kafka and
// rest in backups.
//
// In the flow it stands between a receiver, a Kafka consumer or a restore and
// storage: bytes in, facts out; and the other way for what is forwarded or
// saved. Every fact survives the way there and back, with its ID and its
// receipt. It does no I/O and keeps nothing.
package envelope

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Bounds of a body. What is beyond is put aside, or an error where an array
// cannot be cut without losing what follows.
const (
	MaxEnvelopes = 100_000 // envelopes of one body
	MaxLines     = 200_000 // log lines of one body
)

// Decoder decodes envelopes. The zero Decoder is ready; it is immutable, and
// its methods may be called concurrently.
type Decoder struct {
	// Complete is called for every chunk of lines that came without counts: it
	// finds what a line's text says (level, version, trace), its pattern, and
	// sums the counts. A line's fields that are set are the producer's word.
	// Nil leaves the chunk as it came.
	Complete func(*event.Chunk)
}

// DecodeJSON decodes JSON: one envelope, a Batch, an array of envelopes, or
// one envelope a line (NDJSON).
//
// One envelope that stands alone and is wrong is an error (*event.Malformed).
// One among others is put aside, and the others are taken; when none is left,
// the first failure is the error as well, beside what was put aside.
func (d Decoder) DecodeJSON(b []byte, receivedAt time.Time) (event.Batch, error) {
	entries, err := splitJSON(b)
	if err != nil {
		return event.Batch{}, err
	}
	t := taker{decoder: d, receivedAt: receivedAt.UTC()}
	for _, entry := range entries {
		env, f := parseJSON(entry)
		if f == nil {
			f = t.take(env, entry.path, entry.raw, entry.alone)
		}
		if f != nil {
			if entry.alone {
				return event.Batch{}, f.Malformed()
			}
			t.putAside(f, entry.raw)
		}
	}
	return t.result()
}

// DecodeProto decodes a Batch in protobuf. Envelopes that are wrong are put
// aside as in an array of [Decoder.DecodeJSON].
func (d Decoder) DecodeProto(b []byte, receivedAt time.Time) (event.Batch, error) {
	entries, err := splitProto(b)
	if err != nil {
		return event.Batch{}, err
	}
	t := taker{decoder: d, receivedAt: receivedAt.UTC()}
	for i, raw := range entries {
		path := "envelopes[" + strconv.Itoa(i) + "]"
		env, f := parseProto(raw, path)
		if f == nil {
			f = t.take(env, path, nil, false)
		}
		if f != nil {
			t.putAside(f, raw)
		}
	}
	return t.result()
}

func tooMany(n int) error {
	if n <= MaxEnvelopes {
		return nil
	}
	return &event.Malformed{Reason: fmt.Sprintf("more than %d envelopes: send them in several bodies", MaxEnvelopes)}
}

// plain is an error's text without what the protobuf packages put before it,
// which is not the same from build to build.
func plain(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return strings.TrimSpace(strings.TrimPrefix(text, "proto:"))
}
