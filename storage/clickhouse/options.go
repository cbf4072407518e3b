package clickhouse

import (
	"fmt"
	"log/slog"
	"strconv"
	"time"
)

// Options says how a store works. The zero value is good for one node.
type Options struct {
	// Logger is told what goes wrong; nil for none.
	Logger *slog.Logger
	// Cluster is the name of the ClickHouse cluster to spread the data over, as
	// its nodes' configuration has it; "" for one node.
	Cluster string
	// InsertQuorum is how many replicas must have an insert before it is
	// answered: a number, or "auto" or "" for the majority. It counts in a
	// cluster only.
	InsertQuorum string
	// TTL is used when the tables are made; [Migrate] changes it.
	TTL TTL
	// KeepTTL leaves the TTL of tables that exist as it is, whatever TTL says, and
	// warns of none: for who does not know what is wanted.
	KeepTTL bool
	// Password is that of the environment: it is used where the DSN has none and
	// names no file with one.
	Password Secret
	// Version is hindcast's, for the server's query log and the record of
	// migrations; "" is "dev".
	Version string
	// Batching says how appends are joined.
	Batching Batching
	// Existing makes [Open] refuse a database in which there is no store, with
	// [storage.ErrNotFound], instead of making one. An older schema is still
	// brought up to date.
	Existing bool
}

// Secret is a text that is not printed.
type Secret string

const notShown = "(not shown)"

// String hides the text.
func (s Secret) String() string { return notShown }

// GoString hides the text.
func (s Secret) GoString() string { return notShown }

// LogValue hides the text.
func (s Secret) LogValue() slog.Value { return slog.StringValue(notShown) }

// MarshalText hides the text.
func (s Secret) MarshalText() ([]byte, error) { return []byte(notShown), nil }

// Times that bound what may hang. A DSN can set the first by dial_timeout and
// the last by read_timeout.
const (
	// dialTimeout bounds connecting to one host, its greeting included.
	dialTimeout = 5 * time.Second
	// insertTimeout bounds an insert. It is shorter than the feed's overlap.
	insertTimeout = 30 * time.Second
	queryTimeout  = 30 * time.Second
	// patientTimeout bounds a query or a deletion that nobody waits for.
	patientTimeout = 10 * time.Minute
	// readTimeout bounds the wait for any answer, also that of statements which
	// the whole cluster executes.
	readTimeout = 5 * time.Minute
)

// ValidQuorum says what is wrong with an [Options.InsertQuorum].
func ValidQuorum(quorum string) error {
	if quorum == "" || quorum == "auto" {
		return nil
	}
	if n, err := strconv.Atoi(quorum); err != nil || n < 1 || n > 1000 {
		return fmt.Errorf("%q: want auto, or a number of replicas", quorum)
	}
	return nil
}
