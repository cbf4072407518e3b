package sqlite

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/storage"
)

//go:embed migrations/*.sql
var migrations embed.FS

// applicationID marks the file as hindcast's in its header: "hind".
const applicationID = 0x68696e64

// migrate brings the schema up to date: files are applied in the order of
// their numbers, each in a transaction with the number that records it.
func migrate(ctx context.Context, conn *sql.Conn) error {
	files, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return fmt.Errorf("list migrations: %w", err)
	}
	version, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if version > len(files) {
		return fmt.Errorf("schema %d, this binary knows %d: %w", version, len(files), storage.ErrNewerSchema)
	}
	for i, name := range files {
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		if n, err := strconv.Atoi(number); err != nil || n != i+1 {
			return fmt.Errorf("migration %s: want number %d", name, i+1)
		}
		if i < version {
			continue
		}
		if err := apply(ctx, conn, name, i+1); err != nil {
			return fmt.Errorf("migration %s: %w", name, err)
		}
	}
	return nil
}

// schemaVersion is 0 for an empty file. A database of another application is
// an error: nothing is written to it.
func schemaVersion(ctx context.Context, conn *sql.Conn) (int, error) {
	var version, application, tables int
	for query, dest := range map[string]*int{
		"PRAGMA user_version":                &version,
		"PRAGMA application_id":              &application,
		"SELECT count(*) FROM sqlite_schema": &tables,
	} {
		if err := conn.QueryRowContext(ctx, query).Scan(dest); err != nil {
			return 0, fmt.Errorf("%s: %w", query, unavailable(err))
		}
	}
	if application != applicationID && (application != 0 || version != 0 || tables != 0) {
		return 0, errors.New("the file is a SQLite database of another application")
	}
	return version, nil
}

func apply(ctx context.Context, conn *sql.Conn, name string, version int) (err error) {
	script, err := migrations.ReadFile(name)
	if err != nil {
		return err
	}
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return unavailable(err)
	}
	defer tx.Rollback()
	for _, stmt := range []string{
		string(script),
		fmt.Sprintf("PRAGMA user_version = %d", version),
		fmt.Sprintf("PRAGMA application_id = %d", applicationID),
	} {
		if _, err := tx.ExecContext(ctx, stmt); err != nil {
			return unavailable(err)
		}
	}
	return unavailable(tx.Commit())
}
