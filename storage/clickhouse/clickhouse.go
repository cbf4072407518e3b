package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
	"github.com/hindcast/hindcast/storage/internal/recent"
)

// Store is a [storage.Store] on ClickHouse. Use [Open].
type Store struct {
	conn     driver.Conn
	schema   schema
	identity uint64
	log      *slog.Logger

	writer    *writer
	owners    owners
	fences    fenceCache
	unchanged unchanged
	newest    atomic.Int64 // the latest start of an incident that was listed
	timelines recent.Timelines[revisionKey]

	windowPage int // see window.go

	life     lifetime.Lifetime
	close    sync.Once
	closeErr error
}

var _ storage.Store = (*Store)(nil)

// Open connects to the servers that a DSN names (see [ParseDSN]), makes the
// database and its tables where they do not exist (see [Options.Existing]), and
// brings an older schema up to date; a newer one is [storage.ErrNewerSchema]. A
// server that does not answer is [storage.ErrUnavailable]. ctx bounds the opening
// only.
func Open(ctx context.Context, dsn string, o Options) (*Store, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	target, err := ParseDSN(dsn, o)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	s := &Store{windowPage: windowPage, log: o.Logger, schema: target.schema(o)}
	if err := s.connect(ctx, target, o); err != nil {
		return nil, fmt.Errorf("open store %s: %w", target, target.refused(err))
	}
	return s, nil
}

func (s *Store) connect(ctx context.Context, target *Target, o Options) error {
	if err := migrate(ctx, target, s.schema, o); err != nil {
		return err
	}
	conn, err := target.connect()
	if err != nil {
		return err
	}
	s.conn = conn
	if s.identity, err = s.readIdentity(ctx); err != nil {
		return errors.Join(err, conn.Close())
	}
	s.writer = startWriter(s, o)
	return nil
}

// Close stores what is queued, answers everyone who waits, lets what is under
// way finish and disconnects. What is called after Close returns
// [storage.ErrUnavailable].
func (s *Store) Close() error {
	s.close.Do(func() {
		s.life.End()
		s.writer.stop()
		s.life.Wait()
		if err := s.conn.Close(); err != nil {
			s.closeErr = fmt.Errorf("close store: %w", err)
		}
	})
	return s.closeErr
}
