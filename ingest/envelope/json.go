package envelope

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/internal/body"
	hindcastv1 "github.com/hindcast/hindcast/proto/hindcast/v1"
)

// entry is one envelope in JSON.
type entry struct {
	raw json.RawMessage
	// path is where it stands in the body.
	path  string
	alone bool
}

func splitJSON(b []byte) ([]entry, error) {
	if lines := jsonLines(b); lines != nil {
		return lines, tooMany(len(lines))
	}
	b, err := body.Clean(b)
	if err != nil {
		return nil, err
	}
	path := ""
	if b[0] == '{' {
		var batch struct {
			Envelopes json.RawMessage `json:"envelopes"`
		}
		// It is valid JSON and an object: nothing else can fail.
		_ = json.Unmarshal(b, &batch)
		if len(batch.Envelopes) == 0 {
			return []entry{{raw: b, alone: true}}, nil
		}
		b, path = batch.Envelopes, "envelopes"
	}
	if b[0] != '[' {
		return nil, &event.Malformed{Field: path, Reason: "want an envelope or an array of them"}
	}
	elements, err := body.Elements(b, MaxEnvelopes)
	if errors.Is(err, body.ErrTooMany) {
		return nil, tooMany(MaxEnvelopes + 1)
	}
	if err != nil {
		return nil, &event.Malformed{Field: path, Reason: err.Error()}
	}
	entries := make([]entry, len(elements))
	for i, raw := range elements {
		entries[i] = entry{raw: raw, path: path + "[" + strconv.Itoa(i) + "]"}
	}
	return entries, nil
}

// jsonLines are the lines of a body that holds one object a line; nil when it
// is anything else. A line that is broken is still a line: it is put aside.
func jsonLines(b []byte) []entry {
	b = bytes.TrimSpace(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf")))
	first, _, more := bytes.Cut(b, []byte("\n"))
	first = bytes.TrimSpace(first)
	if !more || len(first) < 2 || first[0] != '{' || first[len(first)-1] != '}' || json.Valid(b) {
		return nil
	}
	var entries []entry
	number := 0
	for line := range bytes.Lines(b) {
		number++
		if line = bytes.TrimSpace(line); len(line) > 0 {
			entries = append(entries, entry{raw: bytes.ToValidUTF8(line, []byte("\uFFFD")), path: "line " + strconv.Itoa(number)})
		}
		if len(entries) > MaxEnvelopes {
			break
		}
	}
	return entries
}

func parseJSON(e entry) (*hindcastv1.Envelope, *body.Failure) {
	if objects(e.raw) > MaxLines+16 {
		return nil, &body.Failure{Field: e.path, Class: body.ClassSize, Reason: fmt.Sprintf("more than %d objects in an envelope", MaxLines)}
	}
	var env hindcastv1.Envelope
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(e.raw, &env); err != nil {
		return nil, &body.Failure{Field: e.path, Class: body.ClassType, Reason: plain(err)}
	}
	return &env, nil
}

// objects counts the objects of valid JSON: each may become a message of many
// times its size.
func objects(raw []byte) int {
	n, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case c == '\\' && quoted:
			i++
		case c == '"':
			quoted = !quoted
		case c == '{' && !quoted:
			n++
		}
	}
	return n
}
