package clickhouse

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/hindcast/hindcast/storage"
)

// migrate brings the schema up to date.
func migrate(ctx context.Context, target *Target, s schema, log *slog.Logger) error {
	conn, err := target.connect()
	if err != nil {
		return err
	}
	defer conn.Close()
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	for _, name := range files {
		script, err := migrations.ReadFile(name)
		if err != nil {
			return err
		}
		statements, err := s.statements(string(script))
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if err := conn.Exec(ctx, statement); err != nil {
				return classify(ctx, fmt.Errorf("migration %s: %w", name, err))
			}
		}
		log.Debug("applied", "migration", name)
	}
	return nil
}

// readIdentity is the number that names this data in cursors. It is made when
// there is none; of two that are made at once the first counts for both.
func (s *Store) readIdentity(ctx context.Context) (id uint64, err error) {
	const query = "SELECT id FROM identity ORDER BY created_at, id LIMIT 1"
	err = s.row(ctx, query, &id)
	if !errors.Is(err, storage.ErrNotFound) {
		return id, err
	}
	var random [8]byte
	rand.Read(random[:])
	if err := s.conn.Exec(ctx, fmt.Sprintf("INSERT INTO identity (id) SELECT %d", binary.BigEndian.Uint64(random[:])|1)); err != nil {
		return 0, classify(ctx, fmt.Errorf("name the data: %w", err))
	}
	return id, s.row(ctx, query, &id)
}
