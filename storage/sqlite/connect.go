package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	_ "modernc.org/sqlite" // registers the driver "sqlite"

	"github.com/hindcast/hindcast/storage"
)

// prepareFile makes the folder and an empty file where there is none, and
// takes the lock that keeps a second process from writing. The lock comes
// first: opening and closing the database file in a process that has it open
// would drop SQLite's own locks.
func prepareFile(path string) (absolute string, lock *os.File, err error) {
	if path == "" || strings.HasPrefix(path, ":memory:") {
		return "", nil, fmt.Errorf("%q: want the path of a file", path)
	}
	path, err = filepath.Abs(path)
	if err != nil {
		return "", nil, err
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", nil, fmt.Errorf("make the folder: %w", err)
	}
	if fi, err := os.Stat(path); err == nil && fi.IsDir() {
		return "", nil, fmt.Errorf("%s is a folder: want the path of a file", path)
	}
	// Two names of one file must mean one lock.
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path, dir = target, filepath.Dir(target)
	} else if target, err := filepath.EvalSymlinks(dir); err == nil {
		path, dir = filepath.Join(target, filepath.Base(path)), target
	}
	lock, err = lockFile(path + ".lock")
	if err != nil {
		return "", nil, err
	}
	if err := createFile(path, dir); err != nil {
		lock.Close()
		return "", nil, err
	}
	return path, lock, nil
}

// createFile makes the file readable for its owner only; SQLite gives its
// other files the same permissions. The folder is synced, so that a power cut
// does not lose the file's name.
func createFile(path, dir string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("make the file: %w", err)
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync the folder: %w", err)
	}
	defer d.Close()
	// Not every file system can sync a folder; those that cannot say so, and
	// need not.
	_ = d.Sync()
	return nil
}

// Settings of the connections. A test asserts that they are in force. The
// driver applies the pragmas in alphabetical order and the other keys after
// them: the page size must be set before the journal's mode.
//
// fullfsync asks macOS for a real barrier; elsewhere it does nothing. The
// writer checkpoints by itself (see [writer.checkpoint]). Memory mapping stays
// off, because mapped pages count as resident memory.
var (
	writerSettings = url.Values{
		"_busy_timeout": {"5000"}, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"},
		"_pragma": {
			"page_size(8192)", "fullfsync(1)", "wal_autocheckpoint(0)", "journal_size_limit(67108864)", "cache_size(-16384)",
			"trusted_schema(0)", "mmap_size(0)",
		},
	}
	readerSettings = url.Values{
		"_busy_timeout": {"5000"}, "_query_only": {"1"},
		"_pragma": {"cache_size(-4096)", "trusted_schema(0)", "mmap_size(0)"},
	}
)

func dsn(path string, settings url.Values) string {
	slashed := filepath.ToSlash(path)
	if !strings.HasPrefix(slashed, "/") {
		slashed = "/" + slashed
	}
	q := maps.Clone(settings)
	q.Set("_error_rc", "1") // no errors from another operation in messages
	q.Set("_dqs", "0")
	return "file:" + (&url.URL{Path: slashed}).EscapedPath() + "?" + q.Encode()
}

func openReaders(path string, conns int) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(path, readerSettings))
	if err != nil {
		return nil, fmt.Errorf("open readers: %w", err)
	}
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// writeConn is the one connection that writes. Only the writer's goroutine
// uses it; contexts are not passed on, because a transaction has many waiters
// and must not die with one of them.
type writeConn struct {
	path  string
	db    *sql.DB
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
}

func openWriteConn(ctx context.Context, path string) (*writeConn, error) {
	db, err := sql.Open("sqlite", dsn(path, writerSettings))
	if err != nil {
		return nil, fmt.Errorf("open writer: %w", err)
	}
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	if err != nil {
		db.Close()
		if code(err) == notADatabase {
			return nil, fmt.Errorf("the file is not a SQLite database: %w", err)
		}
		return nil, fmt.Errorf("open writer: %w", unavailable(err))
	}
	return &writeConn{path: path, db: db, conn: conn, stmts: make(map[string]*sql.Stmt)}, nil
}

func (c *writeConn) close() error {
	for _, stmt := range c.stmts {
		stmt.Close()
	}
	return errors.Join(c.conn.Close(), c.db.Close())
}

// renew replaces a connection that an I/O error has left in an unknown state.
func (c *writeConn) renew() error {
	fresh, err := openWriteConn(context.Background(), c.path)
	if err != nil {
		return err
	}
	// What closing a broken connection says is of no use to anybody.
	_ = c.close()
	*c = *fresh
	return nil
}

func (c *writeConn) prepared(query string) (*sql.Stmt, error) {
	if stmt, ok := c.stmts[query]; ok {
		return stmt, nil
	}
	stmt, err := c.conn.PrepareContext(context.Background(), query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	c.stmts[query] = stmt
	return stmt, nil
}

func (c *writeConn) exec(query string, args ...any) (changed int64, err error) {
	stmt, err := c.prepared(query)
	if err != nil {
		return 0, err
	}
	res, err := stmt.Exec(args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *writeConn) rows(query string, args ...any) (*sql.Rows, error) {
	stmt, err := c.prepared(query)
	if err != nil {
		return nil, err
	}
	return stmt.Query(args...)
}

// scanner is what *sql.Row has in common with an error in its place.
type scanner interface{ Scan(dest ...any) error }

type failedRow struct{ err error }

func (r failedRow) Scan(...any) error { return r.err }

func (c *writeConn) row(query string, args ...any) scanner {
	stmt, err := c.prepared(query)
	if err != nil {
		return failedRow{err}
	}
	return stmt.QueryRow(args...)
}

// lockedError says who else has the file open.
func lockedError(path, holder string) error {
	if holder != "" {
		holder = " (process " + holder + ")"
	}
	return fmt.Errorf("%s is in use by another hindcast%s: %w", strings.TrimSuffix(path, ".lock"), holder, storage.ErrUnavailable)
}
