// Package sqlite keeps hindcast's data in one SQLite file. It is the store of
// an installation that fits on one machine.
//
// In the flow it stands behind the storage contract: ingest appends to it,
// correlate/run reads its feed and publishes to it, the API reads it. One
// goroutine writes, many may read. What Append answered with nil is in the
// write-ahead log and fsynced.
package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
	"github.com/hindcast/hindcast/storage/internal/recent"
)

// Options tunes a store. Zero values stand for the defaults.
type Options struct {
	// Logger is told what no caller can be told. Default: discard.
	Logger *slog.Logger
	// QueueBytes bounds what waits to be written, in bytes as they are stored.
	// Logs may take three quarters of it. Default 32 MiB.
	QueueBytes int64
	// ReaderConns is how many readers may work at once. Default 4.
	ReaderConns int
	// OnCommit, when set, is called by the writer after every transaction of
	// appended batches. It must return quickly.
	OnCommit func(Commit)
}

// Commit tells of one transaction of appended batches.
type Commit struct {
	// Batches is how many callers shared it, Bytes how much they brought.
	Batches int
	Bytes   int64
	// Took is the time from begin to durable.
	Took time.Duration
	Err  error
}

// Store is a [storage.Store] in one SQLite file.
type Store struct {
	path      string
	log       *slog.Logger
	identity  [8]byte
	lock      *os.File
	readers   *sql.DB
	reads     sync.Map // query text -> *sql.Stmt
	writer    *writer
	timelines recent.Timelines[int64]

	life     lifetime.Lifetime
	close    sync.Once
	closeErr error
}

var _ storage.Store = (*Store)(nil)

// Open opens the file at path, and makes it and its folder when they do not
// exist. It brings an older schema up to date; a newer one is
// [storage.ErrNewerSchema]. A file that another process has open for writing
// is [storage.ErrUnavailable]. ctx bounds the opening only.
func Open(ctx context.Context, path string, opts Options) (*Store, error) {
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	if opts.QueueBytes <= 0 {
		opts.QueueBytes = 32 << 20
	}
	if opts.ReaderConns <= 0 {
		opts.ReaderConns = 4
	}
	path, lock, err := prepareFile(path)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{path: path, log: opts.Logger, lock: lock}
	if err := s.connect(ctx, opts); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, opts Options) error {
	conn, err := openWriteConn(ctx, s.path)
	if err != nil {
		return err
	}
	seq, err := s.prepareSchema(ctx, conn)
	if err != nil {
		conn.close()
		return err
	}
	s.readers, err = openReaders(s.path, opts.ReaderConns)
	if err != nil {
		conn.close()
		return err
	}
	s.writer = startWriter(conn, seq, opts)
	return nil
}

func (s *Store) prepareSchema(ctx context.Context, conn *writeConn) (seq int64, err error) {
	if err := migrate(ctx, conn.conn); err != nil {
		return 0, err
	}
	var identity []byte
	if err := conn.row("SELECT store, seq FROM meta").Scan(&identity, &seq); err != nil {
		return 0, fmt.Errorf("read meta: %w", err)
	}
	copy(s.identity[:], identity)
	return seq, nil
}

// Close stores what is queued, answers everyone who waits, lets readers finish
// and brings the write-ahead log home into the file. A [Store.Prune] under way
// stops early. What is called after Close returns [storage.ErrUnavailable].
func (s *Store) Close() error {
	s.close.Do(func() {
		s.life.End()
		s.life.Wait()
		s.closeReaders()
		s.closeErr = s.writer.stop()
		s.lock.Close()
	})
	if s.closeErr != nil {
		return fmt.Errorf("close store %s: %w", s.path, s.closeErr)
	}
	return nil
}

func (s *Store) closeReaders() {
	s.reads.Range(func(_, stmt any) bool {
		stmt.(*sql.Stmt).Close()
		return true
	})
	s.readers.Close()
}

// QueueDepth is how many batches wait to be written, and their bytes.
func (s *Store) QueueDepth() (batches int, bytes int64) { return s.writer.queue.depth() }

// rows runs a query on a reader connection. Statements are prepared once.
func (s *Store) rows(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return nil, classify(err)
	}
	rows, err := stmt.QueryContext(ctx, args...)
	return rows, classify(err)
}

// row is rows for one row: it scans it into dest and returns
// [storage.ErrNotFound] when there is none.
func (s *Store) row(ctx context.Context, query string, args []any, dest ...any) error {
	stmt, err := s.prepared(ctx, query)
	if err != nil {
		return classify(err)
	}
	return classify(stmt.QueryRowContext(ctx, args...).Scan(dest...))
}

func (s *Store) prepared(ctx context.Context, query string) (*sql.Stmt, error) {
	if stmt, ok := s.reads.Load(query); ok {
		return stmt.(*sql.Stmt), nil
	}
	stmt, err := s.readers.PrepareContext(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("prepare: %w", err)
	}
	if known, loaded := s.reads.LoadOrStore(query, stmt); loaded {
		stmt.Close()
		return known.(*sql.Stmt), nil
	}
	return stmt, nil
}
