package sqlite

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/storage"
)

// A feed's cursor is "<the data's name>.<seq>": one of another store, or from
// before a restored backup, is refused.

func (s *Store) feedCursor(seq int64) storage.Cursor {
	return storage.Cursor(fmt.Sprintf("%x.%d", s.identity, seq))
}

// parseFeedCursor returns 0 for the zero cursor.
func (s *Store) parseFeedCursor(c storage.Cursor, tip int64) (int64, error) {
	if c == "" {
		return 0, nil
	}
	name, number, ok := strings.Cut(string(c), ".")
	seq, err := strconv.ParseInt(number, 10, 64)
	if !ok || err != nil || name != fmt.Sprintf("%x", s.identity) || seq < 0 || seq > tip {
		return 0, storage.ErrBadCursor
	}
	return seq, nil
}

// The cursors of lists are a kind, the fields of the last row that was shown,
// and a checksum over them and the data's name.
const (
	cursorLines     = 'l'
	cursorAsides    = 'a'
	cursorIncidents = 'i'
)

func (s *Store) listCursor(kind byte, fields []byte) string {
	b := append([]byte{kind}, fields...)
	return base64.RawURLEncoding.EncodeToString(binary.BigEndian.AppendUint32(b, s.checksum(b)))
}

// parseListCursor returns the fields, which must be of the given size.
func (s *Store) parseListCursor(kind byte, size int, text string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) != 1+size+4 || b[0] != kind {
		return nil, storage.ErrBadCursor
	}
	fields, sum := b[:1+size], binary.BigEndian.Uint32(b[1+size:])
	if sum != s.checksum(fields) {
		return nil, storage.ErrBadCursor
	}
	return fields[1:], nil
}

func (s *Store) checksum(b []byte) uint32 {
	return crc32.Update(crc32.ChecksumIEEE(s.identity[:]), crc32.IEEETable, b)
}

func putInt64(b []byte, n int64) []byte { return binary.BigEndian.AppendUint64(b, uint64(n)) }

func getInt64(b []byte) int64 { return int64(binary.BigEndian.Uint64(b)) }
