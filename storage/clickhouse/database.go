package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
	"github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/hindcast/hindcast/storage"
)

// oldest is the oldest server that is taken: the long-term release of August
// 2024. Before it, a deletion by IN PARTITION, the names of settings that a
// cluster needs, or both are missing; none before it is maintained any more.
var oldest = proto.Version{Major: 24, Minor: 8}

// prepareDatabase checks the server and makes the database.
func (m *migration) prepareDatabase(ctx context.Context) error {
	err := checkServer(ctx, m.conn)
	if code(err) != codeUnknownDatabase {
		return classifyOpen(ctx, err)
	}
	if m.existing {
		return fmt.Errorf("the database %s does not exist: %w", quoteName(m.schema.database), storage.ErrNotFound)
	}
	outside, err := m.target.connectOutside()
	if err != nil {
		return err
	}
	defer outside.Close()
	if err := checkServer(ctx, outside); err != nil {
		return classifyOpen(ctx, err)
	}
	create := Change{Why: "database " + m.schema.database, SQL: "CREATE DATABASE IF NOT EXISTS " + quoteName(m.schema.database)}
	if on := m.schema.on(); on != "" {
		create.SQL += " " + on
	}
	inside := m.conn
	m.conn, m.outside = outside, true
	err = m.apply(ctx, create)
	m.conn, m.outside = inside, false
	m.missing = m.dryRun
	if denied(err) {
		return fmt.Errorf("the database does not exist and user %s may not make it; have one who may run: %s: %w",
			m.target.options.Auth.Username, create.SQL, err)
	}
	return err
}

// checkServer reports whether the server answers and is not too old.
func checkServer(ctx context.Context, conn driver.Conn) error {
	// The first query finds out whether the database exists, also where the
	// greeting does not.
	if err := conn.Exec(ctx, "SELECT 1"); err != nil {
		return err
	}
	server, err := conn.ServerVersion()
	if err != nil {
		return err
	}
	if !proto.CheckMinVersion(oldest, server.Version) {
		return permanent{fmt.Errorf("the server is ClickHouse %s, which is too old: %d.%d or later is needed",
			server.Version, oldest.Major, oldest.Minor)}
	}
	return nil
}

// permanent is an error that no waiting mends.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// Codes of ClickHouse's exceptions.
const (
	codeUnknownTable    = 60
	codeUnknownDatabase = 81
)

// hopeless are the codes of errors that come again until somebody changes
// something: the address, the configuration, rights, the server.
var hopeless = map[int32]bool{
	36: true, 42: true, 43: true, 44: true, 46: true, 47: true, 48: true, 50: true, 53: true, 62: true, // what the statement asks for is not there
	codeUnknownTable: true, codeUnknownDatabase: true,
	115: true, 164: true, 452: true, 497: true, 702: true, // settings, read-only users, rights
	139: true, 170: true, 701: true, // macros, clusters
	192: true, 193: true, 194: true, 195: true, 516: true, // users and passwords
	226: true, 344: true, 392: true, 446: true, // features that are off
}

// denied reports whether the user has no right to what was asked for.
func denied(err error) bool {
	c := code(err)
	return c == 497 || c == 164 || c == 392
}

// code is the code of the server's exception; 0 when it said nothing.
func code(err error) int32 {
	if exception, ok := errors.AsType[*clickhouse.Exception](err); ok {
		return exception.Code
	}
	return 0
}

// wrongCertificate reports whether one side does not believe the other's.
func wrongCertificate(err error) bool {
	_, wrong := errors.AsType[*tls.CertificateVerificationError](err)
	return wrong
}

// classifyOpen is [classify] while a store is opened: what waiting does not mend
// is not [storage.ErrUnavailable].
func classifyOpen(ctx context.Context, err error) error {
	if err == nil || hopeless[code(err)] || wrongCertificate(err) {
		return concise(err)
	}
	if _, ok := errors.AsType[permanent](err); ok {
		return err
	}
	return classify(ctx, err)
}
