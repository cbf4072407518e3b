package clickhouse

import (
	"fmt"
	"log/slog"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options says how a store works. The zero value is good for one node.
type Options struct {
	// Logger is told what goes wrong; nil for none.
	Logger *slog.Logger
	// Cluster is the name of the ClickHouse cluster to spread the data over, as
	// its nodes' configuration has it; "" for one node.
	Cluster string
	// TTL is used when the tables are made; [Migrate] changes it.
	TTL TTL
	// Password is used where the DSN has none.
	Password string
}

// Target is a database and the way to it.
type Target struct {
	options *clickhouse.Options
}

// insertTimeout bounds an insert. It is shorter than the feed's overlap.
const (
	insertTimeout = 30 * time.Second
	queryTimeout  = 30 * time.Second
)

// ParseDSN reads a DSN.
func ParseDSN(dsn string, o Options) (*Target, error) {
	options, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, fmt.Errorf("read DSN: %w", err)
	}
	if options.Settings == nil {
		options.Settings = clickhouse.Settings{}
	}
	options.Settings["max_query_size"] = 64 << 20
	if options.Auth.Password == "" {
		options.Auth.Password = o.Password
	}
	return &Target{options}, nil
}

// String names the database without its password.
func (t *Target) String() string { return fmt.Sprint(t.options.Addr, "/", t.options.Auth.Database) }

func (t *Target) schema(o Options) schema {
	return schema{database: t.options.Auth.Database, cluster: o.Cluster, ttl: o.TTL}
}

func (t *Target) connect() (driver.Conn, error) {
	conn, err := clickhouse.Open(t.options)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return conn, nil
}
