package sqlite

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
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

// cursors makes those of lists, which hold the fields of the last row that was
// shown.
func (s *Store) cursors() cursor.Codec { return cursor.New(s.identity[:]) }
