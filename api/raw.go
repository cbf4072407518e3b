package api

import (
	"encoding/json"
	"unicode/utf8"
)

// rawEncoding says how a payload stands in an answer.
type rawEncoding string

const (
	rawJSON   rawEncoding = "json"   // as the sender wrote it
	rawText   rawEncoding = "text"   // as a string
	rawBase64 rawEncoding = "base64" // as a string: it is not UTF-8
)

// rawPayload puts a payload into an answer, whatever it is: a sender's bytes
// must not break the JSON around them. Without a payload both are empty.
func rawPayload(payload []byte) (json.RawMessage, rawEncoding, error) {
	switch {
	case len(payload) == 0:
		return nil, "", nil
	case !utf8.Valid(payload):
		text, err := json.Marshal(payload)
		return text, rawBase64, err
	case json.Valid(payload):
		return payload, rawJSON, nil
	}
	text, err := json.Marshal(string(payload))
	return text, rawText, err
}
