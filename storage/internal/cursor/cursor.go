// Package cursor makes the cursors of lists that a store hands out: texts that
// hold a place in a list, and that are refused when they come from another list,
// another store or nowhere. The backends of storage share it.
package cursor

import (
	"encoding/base64"
	"encoding/binary"
	"hash/crc32"
	"strings"

	"github.com/hindcast/hindcast/storage"
)

// The kinds of lists that cursors are of.
const (
	Feed      = 'f'
	Lines     = 'l'
	Asides    = 'a'
	Incidents = 'i'
)

// Any is the size of fields that may have any length.
const Any = -1

// most bounds the text of a cursor, in bytes.
const most = 16 << 20

// Codec writes and reads the cursors of one store. The zero Codec is that of a
// store without a name. It may be used concurrently.
type Codec struct {
	seed uint32
}

// New is the codec of the store with that name.
func New(name []byte) Codec { return Codec{crc32.ChecksumIEEE(name)} }

// Encode is a cursor of a kind of list, with the fields that say the place. The
// kind, the fields and the store's name are under a checksum.
func (c Codec) Encode(kind byte, fields []byte) string {
	b := make([]byte, 0, 1+len(fields)+4)
	b = append(append(b, kind), fields...)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, c.checksum(b)))
}

// Decode returns the fields of what Encode wrote for the kind; size is their
// length in bytes, or [Any]. Everything else is [storage.ErrBadCursor].
func (c Codec) Decode(kind byte, size int, text string) ([]byte, error) {
	// The decoder skips line ends, wherever they are.
	if len(text) > most || strings.ContainsAny(text, "\r\n") {
		return nil, storage.ErrBadCursor
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < 1+4 || b[0] != kind || size != Any && len(b) != 1+size+4 {
		return nil, storage.ErrBadCursor
	}
	fields, sum := b[:len(b)-4], binary.BigEndian.Uint32(b[len(b)-4:])
	if sum != c.checksum(fields) {
		return nil, storage.ErrBadCursor
	}
	return fields[1:], nil
}

func (c Codec) checksum(b []byte) uint32 { return crc32.Update(c.seed, crc32.IEEETable, b) }

// PutInt64 appends a number to fields.
func PutInt64(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

// Int64 reads the number that fields begin with; they must be 8 bytes at least.
func Int64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
