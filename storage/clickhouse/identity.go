package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/storage"
)

// readIdentity is the number that names this data in cursors. It is made when
// there is none. Of those that are made at once the engine keeps the first: all
// have one token.
func (s *Store) readIdentity(ctx context.Context) (id uint64, err error) {
	const query = "SELECT id FROM identity ORDER BY created_at, id LIMIT 1"
	err = s.row(ctx, query, &id)
	if !errors.Is(err, storage.ErrNotFound) {
		return id, err
	}
	var random [8]byte
	rand.Read(random[:])
	insert := fmt.Sprintf("INSERT INTO identity (id) VALUES (%d)", binary.BigEndian.Uint64(random[:])|1)
	token := withToken(ctx, "identity")
	if err := inTurn(ctx, func() error { return s.conn.Exec(token, insert) }); err != nil {
		return 0, classify(ctx, fmt.Errorf("name the data: %w", err))
	}
	return id, s.row(ctx, query, &id)
}
