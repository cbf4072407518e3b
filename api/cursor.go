package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
)

var errBadCursor = errors.New("not a cursor of this list")

// encodeCursor makes an opaque text of a position.
func encodeCursor(position any) (string, error) {
	text, err := json.Marshal(position)
	if err != nil {
		return "", fmt.Errorf("encode a cursor: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// decodeCursor reads what encodeCursor wrote. Whoever calls it checks the
// position: anybody can write a cursor.
func decodeCursor(text string, position any) error {
	if len(text) > maxCursor {
		return errBadCursor
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return errBadCursor
	}
	if err := json.Unmarshal(raw, position); err != nil {
		return errBadCursor
	}
	return nil
}
