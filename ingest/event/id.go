package event

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"
)

// ID names a fact. It begins with the time of the fact, in milliseconds since
// 1970, so that facts that are near in time are near in an index, and ends in
// 80 bits of a digest of the sender's own identity. Its text is 26 characters
// of Crockford's base 32 (the layout of a ULID, https://github.com/ulid/spec)
// and sorts as its bytes do. The zero ID names nothing.
type ID [16]byte

// NewID makes the ID of the fact that happened at the given time and that its
// sender identifies by parts. Equal input gives an equal ID, on every machine.
// Parts are length-prefixed: ("ab","c") and ("a","bc") differ.
func NewID(at time.Time, parts ...string) ID {
	var short [512]byte // most facts' identities fit: this spares allocations
	text := short[:0]
	for _, p := range parts {
		text = binary.BigEndian.AppendUint64(text, uint64(len(p)))
		text = append(text, p...)
	}
	sum := sha256.Sum256(text)
	var id ID
	ms := uint64(max(at.UnixMilli(), 0))
	binary.BigEndian.PutUint16(id[0:], uint16(ms>>32))
	binary.BigEndian.PutUint32(id[2:], uint32(ms))
	copy(id[6:], sum[:10])
	return id
}

// Time is the time the ID begins with, to the millisecond, in UTC.
func (id ID) Time() time.Time {
	ms := uint64(binary.BigEndian.Uint16(id[0:]))<<32 | uint64(binary.BigEndian.Uint32(id[2:]))
	return time.UnixMilli(int64(ms)).UTC()
}

// IsZero reports whether the ID names nothing.
func (id ID) IsZero() bool { return id == ID{} }

// Compare orders IDs by time, then by digest.
func (id ID) Compare(other ID) int { return bytes.Compare(id[:], other[:]) }

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// String is the ID's 26 characters; "" for the zero ID.
func (id ID) String() string {
	if id.IsZero() {
		return ""
	}
	hi, lo := binary.BigEndian.Uint64(id[:8]), binary.BigEndian.Uint64(id[8:])
	var text [26]byte
	for i := 25; i >= 0; i-- {
		text[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(text[:])
}

// ErrBadID says that a text is no ID.
var ErrBadID = errors.New("not an ID: want 26 characters of Crockford's base 32")

// ParseID reads what String wrote, in either case. "" is the zero ID.
func ParseID(text string) (ID, error) {
	if text == "" {
		return ID{}, nil
	}
	if len(text) != 26 || text[0] > '7' {
		return ID{}, fmt.Errorf("%q: %w", clip(text, 40), ErrBadID)
	}
	var hi, lo uint64
	for i := range len(text) {
		v := strings.IndexByte(crockford, upper(text[i]))
		if v < 0 {
			return ID{}, fmt.Errorf("%q: %w", clip(text, 40), ErrBadID)
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	var id ID
	binary.BigEndian.PutUint64(id[:8], hi)
	binary.BigEndian.PutUint64(id[8:], lo)
	return id, nil
}

// MarshalText writes the ID as String does.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads the ID as ParseID does.
func (id *ID) UnmarshalText(text []byte) error {
	parsed, err := ParseID(string(text))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

func upper(b byte) byte {
	if 'a' <= b && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "…"
}
