package cursor

import (
	"strings"

	"github.com/hindcast/hindcast/storage"
)

// A position of an export is "<the data's name>.<part>.<place>". Names and places
// hold no dots.

// Position is the position of a place in a part of an export.
func Position(identity, part, place string) string { return identity + "." + part + "." + place }

// ParsePosition is the inverse of [Position]; both are "" for the start. A
// position of other data is [storage.ErrBadCursor].
func ParsePosition(identity, position string) (part, place string, err error) {
	if position == "" {
		return "", "", nil
	}
	fields := strings.Split(position, ".")
	if len(fields) != 3 || fields[0] != identity || fields[1] == "" {
		return "", "", storage.ErrBadCursor
	}
	return fields[1], fields[2], nil
}
