package clickhouse

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strconv"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage"
)

// Change is one thing that [Migrate] does: a statement, and why.
type Change struct {
	Why, SQL string
	// Database is where the statement must be run, quoted as SQL wants it; "" for
	// anywhere.
	Database string
}

// Migrate brings the database that a DSN names to what this version and the
// options want: it makes what does not exist, applies what is pending, and
// changes the tables' TTL, which [Open] does not, unless [Options.KeepTTL] is set. Each change is told to report
// before it is made; report may be nil. With dryRun nothing is made. It may be
// interrupted and run again, and by several at once.
func Migrate(ctx context.Context, dsn string, o Options, dryRun bool, report func(Change)) error {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	target, err := ParseDSN(dsn, o)
	if err != nil {
		return fmt.Errorf("migrate store: %w", err)
	}
	m := migration{target: target, schema: target.schema(o), log: o.Logger, keepTTL: o.KeepTTL, dryRun: dryRun, report: report}
	if err := m.run(ctx, true); err != nil {
		return fmt.Errorf("migrate store %s: %w", target, target.refused(err))
	}
	return nil
}

// migrate is what [Open] does of [Migrate]: it leaves an existing table's TTL as
// it is, and warns when that is not what is configured. When the schema is
// current, it changes nothing and needs no right to.
func migrate(ctx context.Context, target *Target, s schema, o Options) error {
	m := migration{target: target, schema: s, log: o.Logger, keepTTL: o.KeepTTL, existing: o.Existing}
	return m.run(ctx, false)
}

// migration is one run of migrations.
type migration struct {
	target *Target
	schema schema
	log    *slog.Logger
	dryRun bool
	// existing is [Options.Existing].
	existing bool
	// keepTTL is [Options.KeepTTL].
	keepTTL bool
	report  func(Change)

	conn    driver.Conn
	outside bool // conn is of no database
	missing bool // the database, in a dry run
}

func (m *migration) run(ctx context.Context, withTTL bool) (err error) {
	if m.conn, err = m.target.connect(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.conn.Close()) }()
	if err := m.prepareDatabase(ctx); err != nil {
		return err
	}
	for _, warning := range m.target.warnings {
		m.log.Warn(warning)
	}
	if err := m.bringUp(ctx); err != nil || m.missing || m.keepTTL {
		return err
	}
	changes, err := m.schema.ttlChanges(ctx, m.conn)
	if err != nil {
		return classifyOpen(ctx, err)
	}
	for _, c := range changes {
		if !withTTL {
			m.log.Warn("a table's TTL is not what the configuration wants: run hindcast migrate --config.file=…", "what", c.Why)
			continue
		}
		if err := m.apply(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// apply reports a change and makes it.
func (m *migration) apply(ctx context.Context, c Change) error {
	if m.report != nil {
		if !m.outside {
			c.Database = quoteName(m.schema.database)
		}
		m.report(c)
	}
	m.log.Debug("migrate", "why", c.Why, "dry_run", m.dryRun)
	if m.dryRun {
		return nil
	}
	if err := m.conn.Exec(ctx, c.SQL); err != nil {
		return classifyOpen(ctx, fmt.Errorf("%s: %w", c.Why, err))
	}
	return nil
}

// state is what schema_versions says.
type state struct {
	version        uint32
	views, cluster string
}

// bringUp applies pending migrations, and the views when they are others.
func (m *migration) bringUp(ctx context.Context) error {
	files, err := sqlFiles("migrations")
	if err != nil {
		return err
	}
	current := state{cluster: m.schema.cluster}
	if !m.missing {
		if current, err = m.readState(ctx); err != nil {
			return err
		}
	}
	if current.version == 0 && m.existing {
		return fmt.Errorf("there is no store in the database %s: %w", quoteName(m.schema.database), storage.ErrNotFound)
	}
	if int(current.version) > len(files) {
		return fmt.Errorf("schema %d, this binary knows %d: %w", current.version, len(files), storage.ErrNewerSchema)
	}
	if current.cluster != m.schema.cluster {
		return fmt.Errorf("the tables were made for %s, the configuration wants %s: this cannot be changed afterwards, "+
			"copy the data to a new database", clusterName(current.cluster), clusterName(m.schema.cluster))
	}
	for i := int(current.version); i < len(files); i++ {
		if err := m.applyFile(ctx, i+1, files[i]); err != nil {
			return m.explainDenied(err)
		}
		current = state{version: uint32(i + 1), cluster: m.schema.cluster}
		if err := m.note(ctx, current); err != nil {
			return err
		}
	}
	return m.bringViews(ctx, current)
}

func clusterName(name string) string {
	if name == "" {
		return "one node"
	}
	return fmt.Sprintf("the cluster %q", name)
}

func (m *migration) applyFile(ctx context.Context, number int, file string) error {
	statements, err := m.schema.file(file)
	if err != nil {
		return err
	}
	name := strings.TrimSuffix(strings.TrimPrefix(file, "migrations/"), ".sql")
	if n, err := strconv.Atoi(strings.SplitN(name, "_", 2)[0]); err != nil || n != number {
		return fmt.Errorf("migration %s: want number %d", name, number)
	}
	if !m.dryRun {
		m.log.Info("the schema is brought up to date", "migration", name)
	}
	for i, statement := range statements {
		why := fmt.Sprintf("migration %s (%d of %d)", name, i+1, len(statements))
		if err := m.apply(ctx, Change{Why: why, SQL: statement}); err != nil {
			return err
		}
	}
	return nil
}

// bringViews makes the views when they are not the ones that this version has.
// A user who may not make them can do without.
func (m *migration) bringViews(ctx context.Context, current state) error {
	views, digest, err := m.schema.views()
	if err != nil || digest == current.views {
		return err
	}
	for _, view := range views {
		err := m.apply(ctx, view)
		// Two that replace a view at once get into each other's way.
		for try := 1; err != nil && try < replaceTries && !denied(err) && ctx.Err() == nil; try++ {
			err = m.apply(ctx, view)
		}
		if denied(err) {
			m.log.Warn("the views are not those of this version, and this user may not change them: "+
				"have one who may run hindcast migrate", "err", err)
			return nil
		}
		if err != nil {
			return err
		}
	}
	current.views = digest
	return m.note(ctx, current)
}

const replaceTries = 10

// note records what was applied.
func (m *migration) note(ctx context.Context, s state) error {
	if m.dryRun {
		return nil
	}
	// Without a token of its own, the engine would drop a row that it had before.
	insert := fmt.Sprintf("INSERT INTO schema_versions (version, hindcast, views, cluster) VALUES (%d, %s, %s, %s)",
		s.version, quoteText(m.target.version), quoteText(s.views), quoteText(s.cluster))
	token := withToken(ctx, rand.Text())
	err := inTurn(ctx, func() error { return m.conn.Exec(token, insert) })
	if err != nil {
		return classifyOpen(ctx, fmt.Errorf("record migration %d: %w", s.version, err))
	}
	return nil
}

// readState reads what was applied; nothing is version 0.
func (m *migration) readState(ctx context.Context) (state, error) {
	s := state{cluster: m.schema.cluster}
	rows, err := m.conn.Query(ctx, "SELECT version, views, cluster FROM schema_versions ORDER BY version DESC, applied_at DESC LIMIT 1")
	if code(err) == codeUnknownTable {
		return s, nil
	}
	if err == nil {
		defer rows.Close()
		if rows.Next() {
			err = rows.Scan(&s.version, &s.views, &s.cluster)
		}
		err = errors.Join(err, rows.Err())
	}
	if err != nil {
		return s, classifyOpen(ctx, fmt.Errorf("read the schema's version: %w", err))
	}
	return s, nil
}

// explainDenied says what to do when the user may not change the schema.
func (m *migration) explainDenied(err error) error {
	if !denied(err) {
		return err
	}
	return fmt.Errorf("the schema must be brought up to date and user %s may not do it: run hindcast migrate as one who may "+
		"(GRANT CREATE, ALTER, DROP, SELECT, INSERT ON %s.*): %w",
		m.target.options.Auth.Username, quoteName(m.schema.database), err)
}

// file is the statements of a file.
func (s schema) file(name string) ([]string, error) {
	script, err := scripts.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	statements, err := s.statements(string(script))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return statements, nil
}

// views are the statements of views/*.sql in the order of the files' names, and
// their digest.
func (s schema) views() (changes []Change, digest string, err error) {
	files, err := sqlFiles("views")
	if err != nil {
		return nil, "", err
	}
	hash := sha256.New()
	for _, file := range files {
		statements, err := s.file(file)
		if err != nil {
			return nil, "", err
		}
		for _, statement := range statements {
			changes = append(changes, Change{Why: "view " + strings.TrimSuffix(strings.TrimPrefix(file, "views/"), ".sql"), SQL: statement})
			hash.Write([]byte(statement + ";\n"))
		}
	}
	return changes, hex.EncodeToString(hash.Sum(nil)[:8]), nil
}

// sqlFiles is the SQL files of a folder, in the order of their names.
func sqlFiles(dir string) ([]string, error) {
	files, err := fs.Glob(scripts, dir+"/*.sql")
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", dir, err)
	}
	slices.Sort(files)
	return files, nil
}
