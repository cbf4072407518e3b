package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/prometheus/common/version"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse"
	"github.com/hindcast/hindcast/storage/sqlite"
)

// StoreSpecError says that a --store cannot be understood. It does not print
// what may be a password.
type StoreSpecError struct{ Spec string }

func (e StoreSpecError) Error() string {
	text := fmt.Sprintf("%q is not a store: want sqlite:PATH or clickhouse://USER@HOST:PORT/DATABASE (http:// or https:// for ClickHouse's HTTP interface)", RedactStore(e.Spec))
	switch {
	case e.Spec == "" || strings.HasPrefix(e.Spec, "sqlite:"):
	case strings.HasPrefix(e.Spec, "clickhouse:"):
		text += "; did you forget the two slashes?"
	case !strings.Contains(e.Spec, ":"):
		text += "; did you mean sqlite:" + RedactStore(e.Spec) + "?"
	}
	return text
}

// SQLitePath is the path of a store like sqlite:PATH.
func SQLitePath(spec string) (string, error) {
	path, ok := strings.CutPrefix(spec, "sqlite:")
	if !ok || path == "" {
		return "", StoreSpecError{spec}
	}
	return path, nil
}

// CheckStore reports what is wrong with a --store, as far as that can be told
// without opening it. What it returns holds no password.
func CheckStore(spec string) error {
	if !clickhouse.IsDSN(spec) {
		_, err := SQLitePath(spec)
		return err
	}
	_, err := clickhouse.ParseDSN(spec, clickhouse.Options{})
	return err
}

// RedactStore is a --store as it may be shown.
func RedactStore(spec string) string { return clickhouse.Redact(spec) }

// PasswordVariable names the environment variable that holds ClickHouse's
// password where --store has none.
const PasswordVariable = "HINDCAST_CLICKHOUSE_PASSWORD" //nolint:gosec // it is a name

// StoreOptions say how [OpenStore] opens a store.
type StoreOptions struct {
	Config config.Config
	// Wait is how long a ClickHouse that does not answer is waited for: it may
	// start later than hindcast.
	Wait time.Duration
	// Replay says that one sender waits for each answer before it sends more: then
	// a ClickHouse gets inserts as often as they come, and not a few in a second.
	Replay bool
	// Existing refuses a ClickHouse database in which there is no store, with
	// [storage.ErrNotFound], instead of making one.
	Existing bool
	// KeepTTL says that nobody need hear when a ClickHouse's tables have another
	// TTL than the configuration wants.
	KeepTTL bool
	// Logger is told what happens; it must not be nil.
	Logger *slog.Logger
}

// OpenStore opens what a --store names, and makes it when it does not exist; see
// [StoreOptions.Existing].
func OpenStore(ctx context.Context, spec string, o StoreOptions) (storage.Store, error) {
	if clickhouse.IsDSN(spec) {
		return openClickHouse(ctx, spec, o)
	}
	path, err := SQLitePath(spec)
	if err != nil {
		return nil, err
	}
	s, err := sqlite.Open(ctx, path, sqlite.Options{Logger: o.Logger})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// ClickHouseOptions are those that a configuration and the environment make.
func ClickHouseOptions(c config.Config, logger *slog.Logger) clickhouse.Options {
	ttl := func(kept time.Duration) time.Duration {
		if kept == 0 {
			return 0
		}
		return kept + c.ClickHouse.TTLMargin
	}
	return clickhouse.Options{
		Logger: logger, Cluster: c.ClickHouse.Cluster, InsertQuorum: c.ClickHouse.InsertQuorum,
		Password: clickhouse.Secret(os.Getenv(PasswordVariable)), Version: version.Version,
		TTL: clickhouse.TTL{
			Lines: ttl(c.Retention.Lines), Counts: ttl(c.Retention.Counts),
			Events: ttl(c.Retention.Events), Asides: ttl(c.Retention.Asides),
		},
	}
}

// Pauses between attempts to reach a ClickHouse that does not answer.
const (
	firstPause   = 250 * time.Millisecond
	longestPause = 10 * time.Second
)

// openClickHouse tries until the store answers, says that it never will, or has
// been waited for long enough.
func openClickHouse(ctx context.Context, dsn string, o StoreOptions) (storage.Store, error) {
	options := ClickHouseOptions(o.Config, o.Logger)
	options.Existing, options.KeepTTL = o.Existing, o.KeepTTL
	if o.Replay {
		options.Batching.Age = time.Millisecond
	}
	began, pause := time.Now(), firstPause
	for {
		s, err := clickhouse.Open(ctx, dsn, options)
		if err == nil {
			return s, nil
		}
		left := o.Wait - time.Since(began)
		if !errors.Is(err, storage.ErrUnavailable) || o.Wait <= 0 {
			return nil, err
		}
		if left <= 0 {
			return nil, fmt.Errorf("%w; it was waited for %s (--store.wait)", err, ingest.FormatDuration(o.Wait))
		}
		pause = min(pause, left)
		o.Logger.Warn("the store cannot be used yet: it is tried again", "err", err, "in", pause, "until", began.Add(o.Wait))
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; stopped while waiting for it: %w", err, context.Cause(ctx))
		case <-time.After(pause):
		}
		pause = min(2*pause, longestPause)
	}
}
