package envelope

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

func splitProto(b []byte) ([][]byte, error) {
	const envelopes protowire.Number = 1
	var entries [][]byte
	rest := b
	for len(rest) > 0 {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return nil, notProto(len(b)-len(rest), n)
		}
		rest = rest[n:]
		if number != envelopes || kind != protowire.BytesType {
			if n = protowire.ConsumeFieldValue(number, kind, rest); n < 0 {
				return nil, notProto(len(b)-len(rest), n)
			}
			rest = rest[n:]
			continue
		}
		raw, n := protowire.ConsumeBytes(rest)
		if n < 0 {
			return nil, notProto(len(b)-len(rest), n)
		}
		rest = rest[n:]
		if entries = append(entries, raw); len(entries) > MaxEnvelopes {
			return nil, tooMany(len(entries))
		}
	}
	if len(entries) == 0 {
		return nil, &event.Malformed{Field: "envelopes", Reason: "none: want a hindcast.v1.Batch in protobuf"}
	}
	return entries, nil
}

func notProto(at, code int) error {
	return &event.Malformed{Reason: fmt.Sprintf("not a hindcast.v1.Batch in protobuf, at byte %d: %s", at, plain(protowire.ParseError(code)))}
}

func parseProto(raw []byte, path string) (*hindcastv1.Envelope, *body.Failure) {
	if lines(raw) > MaxLines {
		return nil, &body.Failure{Field: path + ".log_lines.lines", Class: body.ClassSize, Reason: fmt.Sprintf("more than %d", MaxLines)}
	}
	var env hindcastv1.Envelope
	if err := proto.Unmarshal(raw, &env); err != nil {
		return nil, &body.Failure{Field: path, Class: body.ClassType, Reason: plain(err)}
	}
	return &env, nil
}

// lines bounds the log lines of an envelope, or what else is repeated in its
// fact, before they are made messages: two bytes may become a hundred times as
// many.
func lines(raw []byte) int {
	n := 0
	eachField(raw, func(number protowire.Number, inner []byte) {
		n++
		if number >= firstFact {
			eachField(inner, func(protowire.Number, []byte) { n++ })
		}
	})
	return n
}

// firstFact is the least number of the fields that hold the fact.
const firstFact protowire.Number = 20

// eachField yields the fields that are texts, bytes or messages, up to the
// first byte that is no protobuf.
func eachField(raw []byte, yield func(protowire.Number, []byte)) {
	for len(raw) > 0 {
		number, kind, n := protowire.ConsumeTag(raw)
		if n < 0 {
			return
		}
		size := protowire.ConsumeFieldValue(number, kind, raw[n:])
		if size < 0 {
			return
		}
		if kind == protowire.BytesType {
			inner, _ := protowire.ConsumeBytes(raw[n:])
			yield(number, inner)
		}
		raw = raw[n+size:]
	}
}
