package clickhouse

import (
	"bytes"
	"embed"
	"fmt"
	"strings"
	"text/template"
	"time"
)

//go:embed migrations views
var scripts embed.FS

// schema says how the SQL of the migrations is filled in.
type schema struct {
	database string
	// cluster is the cluster's name; "" for one node.
	cluster string
	ttl     TTL
}

// TTL is how long after their insert the engine deletes rows by itself; 0 is
// never. It stands behind [Store.Prune], which counts from when a fact happened
// and saves what incidents cite, and is for the time when no hindcast runs: give
// it some days more than the retention. It counts from the insert so that a
// backup or a recorded outage can be read in, however old it is.
type TTL struct {
	Lines, Counts, Events, Asides time.Duration
}

// localSuffix names the tables that hold rows in a cluster.
const localSuffix = "_local"

// local is the name of the table that holds a table's rows.
func (s schema) local(table string) string {
	if s.cluster == "" {
		return table
	}
	return table + localSuffix
}

// on is the clause that makes a statement reach all nodes.
func (s schema) on() string {
	if s.cluster == "" {
		return ""
	}
	return "ON CLUSTER " + quoteName(s.cluster)
}

// engine is a table's engine with its arguments.
func (s schema) engine(name string, args ...string) string {
	if s.cluster == "" {
		return name + "(" + strings.Join(args, ", ") + ")"
	}
	// The engine knows its replica and where the table's metadata lies by its
	// macros.
	args = append([]string{"'/clickhouse/tables/{uuid}/{shard}'", "'{replica}'"}, args...)
	return "Replicated" + name + "(" + strings.Join(args, ", ") + ")"
}

// spread is the statement that makes the table over all shards.
func (s schema) spread(table, key string) string {
	if s.cluster == "" {
		return ""
	}
	return fmt.Sprintf("CREATE TABLE IF NOT EXISTS %s %s AS %s ENGINE = Distributed(%s, %s, %s, %s);",
		table, s.on(), s.local(table), quoteText(s.cluster), quoteText(s.database), quoteText(s.local(table)), key)
}

// idTime is the time, in milliseconds, that an ID begins with.
func idTime(column string) string {
	return "reinterpretAsInt64(reverse(substring(" + column + ", 1, 6)))"
}

// month is the partition of an ID.
func (s schema) month(id string) string {
	return "toYYYYMM(fromUnixTimestamp64Milli(" + idTime(id) + ", 'UTC'))"
}

// day is the partition of a time.
func (s schema) day(column string) string { return "toYYYYMMDD(" + column + ")" }

// ages says, of the tables that have a TTL, what it is and the column of the
// insert's time.
func (s schema) ages() map[string]tableTTL {
	return map[string]tableTTL{
		"events":       {s.ttl.Events, "inserted_at"},
		"observations": {s.ttl.Events, "inserted_at"},
		"asides":       {s.ttl.Asides, "inserted_at"},
		"lines":        {s.ttl.Lines, "inserted_at"},
		"counts":       {s.ttl.Counts, "inserted_at"},
		// What was hidden must not come to light again.
		"chunks":   {s.ttl.logs(), "toDateTime(appended_at)"},
		"replaced": {s.ttl.logs(), "toDateTime(replaced_at)"},
	}
}

// logs is the longer one of the lives of lines and counts.
func (t TTL) logs() time.Duration {
	if t.Lines == 0 || t.Counts == 0 {
		return 0
	}
	return max(t.Lines, t.Counts)
}

type tableTTL struct {
	age   time.Duration
	since string
}

// age is a table's TTL clause.
func (s schema) age(table string) string {
	t := s.ages()[table]
	if t.age == 0 {
		return ""
	}
	return "TTL " + t.expression()
}

func (t tableTTL) expression() string {
	return fmt.Sprintf("%s + INTERVAL %d SECOND", t.since, int64(t.age/time.Second))
}

// durable are the settings of every table. An insert is on disk before it is
// answered, and one that is repeated with its token is dropped; parts stay
// compact until they are large, so that an insert writes few files.
const durable = "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, " +
	"ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, " +
	"non_replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728"

// durableReplicated is the same for replicated tables.
const durableReplicated = "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, " +
	"ttl_only_drop_parts = 1, materialize_ttl_recalculate_only = 1, " +
	"replicated_deduplication_window = 1000, min_bytes_for_wide_part = 134217728"

func (s schema) durable() string {
	if s.cluster == "" {
		return durable
	}
	return durableReplicated
}

// statements fills in a script and cuts it into its statements.
func (s schema) statements(script string) ([]string, error) {
	t, err := template.New("").Option("missingkey=error").Funcs(template.FuncMap{
		"local": s.local, "on": s.on, "engine": s.engine, "spread": s.spread, "month": s.month, "day": s.day,
		"ttl": s.age, "durable": s.durable, "database": func() string { return quoteName(s.database) },
	}).Funcs(s.viewFuncs()).Parse(script)
	if err != nil {
		return nil, fmt.Errorf("read SQL: %w", err)
	}
	var filled bytes.Buffer
	if err := t.Execute(&filled, nil); err != nil {
		return nil, fmt.Errorf("fill in SQL: %w", err)
	}
	var list []string
	var statement strings.Builder
	for line := range strings.Lines(filled.String()) {
		if text := strings.TrimSpace(line); text == "" || strings.HasPrefix(text, "--") {
			continue
		}
		statement.WriteString(line)
		if strings.HasSuffix(strings.TrimSpace(line), ";") {
			list = append(list, strings.TrimSuffix(strings.TrimSpace(statement.String()), ";"))
			statement.Reset()
		}
	}
	if statement.Len() > 0 {
		return nil, fmt.Errorf("the last statement has no end: %.60q", statement.String())
	}
	return list, nil
}

// quoteName quotes an identifier, quoteText a string.
func quoteName(name string) string {
	return "`" + strings.NewReplacer(`\`, `\\`, "`", "\\`").Replace(name) + "`"
}

func quoteText(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}
