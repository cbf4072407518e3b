// Package body reads what senders post as JSON: one object, or an array of
// them. It is what the decoders of hand-written payloads (deploys, commits,
// messages, code hosts) have in common: which entry is taken, which is put
// aside, how a bad field is named, and how large anything may be.
//
// In the flow it stands between the raw bytes of a request and a decoder,
// which asks an [Object] for fields by name and says what they mean.
package body

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// MaxEntries bounds the entries of one body.
const MaxEntries = 10_000

// Decode reads a body of one object or an array of objects and makes an event
// of each. Read takes the fields it knows from the entry and returns what they
// say; Decode adds receipt, road, raw payload and the clock's mark, and drops
// the event when the entry has failed.
//
// A single object that fails is the error (*event.Malformed). An entry of an
// array that fails is put aside, and the others are taken; when all fail, the
// first failure is the error as well, beside what was put aside.
func Decode(body []byte, road event.Road, receivedAt time.Time, read func(*Object) event.Event) (event.Batch, error) {
	receivedAt = receivedAt.UTC()
	entries, single, err := Split(body)
	if err != nil {
		return event.Batch{}, err
	}
	var batch event.Batch
	var first *Failure
	for i, raw := range entries {
		path := ""
		if !single {
			path = "[" + strconv.Itoa(i) + "]"
		}
		entry := Parse(raw, path, !single)
		e := read(entry)
		if f := entry.Failure(); f != nil {
			if single {
				return event.Batch{}, f.Malformed()
			}
			if first == nil {
				first = f
			}
			batch.Asides = append(batch.Asides, f.Aside(road, receivedAt, raw))
			continue
		}
		e.Road, e.ReceivedAt, e.Raw = road, receivedAt, raw
		e.ClockSuspect = entry.ClockSuspect()
		batch.Events = append(batch.Events, e)
	}
	if first != nil && len(batch.Events) == 0 {
		return batch, first.Malformed()
	}
	return batch, nil
}

// Split cuts a body into its entries and reports whether it is one object that
// stands alone. Entries are copies, and valid UTF-8. The error is
// *event.Malformed.
func Split(body []byte) (entries []json.RawMessage, single bool, err error) {
	body, err = Clean(body)
	if err != nil {
		return nil, false, err
	}
	switch body[0] {
	case '{':
		return []json.RawMessage{body}, true, nil
	case '[':
		entries, err = Elements(body, MaxEntries)
		if errors.Is(err, ErrTooMany) {
			err = &event.Malformed{Reason: fmt.Sprintf("more than %d entries: send them in several posts", MaxEntries)}
		}
		return entries, false, err
	}
	return nil, false, &event.Malformed{Reason: "want a JSON object or an array of them, got " + typeOf(body)}
}

// Clean checks that a body is JSON and returns a copy without the white space
// and the byte order mark around it, with invalid UTF-8 replaced. The error is
// *event.Malformed and says where the body breaks.
func Clean(body []byte) ([]byte, error) {
	body = bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")))
	if len(body) == 0 {
		return nil, &event.Malformed{Reason: "body is empty: want a JSON object or an array of them"}
	}
	body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	if !json.Valid(body) {
		var anything json.RawMessage
		err := json.Unmarshal(body, &anything)
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, &event.Malformed{Reason: fmt.Sprintf("not valid JSON, at byte %d: %v", syntax.Offset, err)}
		}
		return nil, &event.Malformed{Reason: "not valid JSON"}
	}
	return body, nil
}

// ErrTooMany says that an array has more elements than it may have.
var ErrTooMany = errors.New("too many elements")

// Elements returns the first limit elements of a valid JSON array, as copies,
// with ErrTooMany when there are more.
func Elements(array []byte, limit int) ([]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(array))
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("open array: %w", err)
	}
	var elements []json.RawMessage
	for dec.More() {
		if len(elements) == limit {
			return elements, ErrTooMany
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("read element %d: %w", len(elements), err)
		}
		elements = append(elements, raw)
	}
	return elements, nil
}

// typeOf names the type of a JSON value, for people.
func typeOf(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '{':
		return "an object"
	case '[':
		return "an array"
	case '"':
		return "a string"
	case 't', 'f':
		return "a boolean"
	case 'n':
		return "null"
	}
	return "a number"
}
