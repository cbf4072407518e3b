package clickhouse

import (
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

var update = flag.Bool("update", false, "write testdata/cluster.sql")

// clusterSchema is one of a cluster whose names need quoting.
var clusterSchema = schema{
	database: "hind'cast", cluster: "prod-1",
	ttl: TTL{Lines: 10 * 24 * time.Hour, Counts: 33 * 24 * time.Hour, Events: 403 * 24 * time.Hour, Asides: 33 * 24 * time.Hour},
}

// allStatements are the migrations, the views, and every change of a TTL.
func allStatements(t *testing.T, s schema) []string {
	t.Helper()
	statements := []string{"CREATE DATABASE IF NOT EXISTS " + quoteName(s.database) + " " + s.on()}
	files, err := sqlFiles("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		more, err := s.file(file)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, more...)
	}
	views, _, err := s.views()
	if err != nil {
		t.Fatal(err)
	}
	for table, age := range s.ages() {
		views = append(views, s.ttlChange(table, foundTTL{other: true}, age)...)
		views = append(views, s.ttlChange(table, foundTTL{other: true}, tableTTL{since: age.since})...)
	}
	for _, view := range views {
		statements = append(statements, view.SQL)
	}
	return statements
}

// TestClusterStatements has the engine parse what a cluster would be sent: there
// is none here to run it on.
func TestClusterStatements(t *testing.T) {
	engine := enginetest.Shared(t)
	for _, statement := range allStatements(t, clusterSchema) {
		if !strings.Contains(statement, "ON CLUSTER `prod-1`") {
			t.Errorf("this does not reach the whole cluster: %.200s", statement)
		}
		if _, err := engine.Rows(t.Context(), "EXPLAIN AST "+statement); err != nil {
			t.Errorf("%v: %s", err, statement)
		}
	}
}

// TestClusterDDL shows what a change of the schema means in a cluster.
func TestClusterDDL(t *testing.T) {
	files, err := sqlFiles("migrations")
	if err != nil {
		t.Fatal(err)
	}
	var want strings.Builder
	for _, file := range files {
		statements, err := clusterSchema.file(file)
		if err != nil {
			t.Fatal(err)
		}
		want.WriteString("-- " + file + "\n" + strings.Join(statements, ";\n\n") + ";\n")
	}
	const golden = "testdata/cluster.sql"
	if *update {
		if err := os.WriteFile(golden, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want.String() {
		t.Errorf("%s is not what the migrations make; go test ./storage/clickhouse -run TestClusterDDL -update writes it", golden)
	}
}

// TestClusterTables wants of every table rows that are replicated and one
// table over all shards.
func TestClusterTables(t *testing.T) {
	all := strings.Join(allStatements(t, clusterSchema), ";\n")
	one := strings.Join(allStatements(t, schema{database: "x"}), ";\n")
	tables := 0
	for line := range strings.Lines(one) {
		name, ok := strings.CutPrefix(line, "CREATE TABLE IF NOT EXISTS ")
		if !ok {
			continue
		}
		tables++
		name, _, _ = strings.Cut(name, " ")
		for _, want := range []string{
			"CREATE TABLE IF NOT EXISTS " + name + "_local ON CLUSTER",
			"CREATE TABLE IF NOT EXISTS " + name + " ON CLUSTER `prod-1` AS " + name + "_local ENGINE = Distributed('prod-1', 'hind\\'cast', '" + name + "_local', ",
		} {
			if !strings.Contains(all, want) {
				t.Errorf("a cluster has no %s", want)
			}
		}
	}
	if tables == 0 || strings.Count(all, "ENGINE = Replicated") != tables {
		t.Errorf("%d tables of one node, %d replicated ones", tables, strings.Count(all, "ENGINE = Replicated"))
	}
	if strings.Contains(one, "ON CLUSTER") || strings.Contains(one, "Replicated") {
		t.Error("one node is treated as a cluster")
	}
}

// TestSettingsAreKnown has the engine take all settings of a cluster's session.
func TestSettingsAreKnown(t *testing.T) {
	engine := enginetest.Shared(t)
	target, err := ParseDSN(engine.DSN(""), Options{Cluster: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	// A quorum is for replicated tables; a bare query does not look at it.
	conn, err := target.connectOutside()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for name, want := range target.options.Settings {
		rows, err := conn.Query(t.Context(), "SELECT value FROM system.settings WHERE name = "+quoteText(name))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		var got string
		for rows.Next() {
			if err := rows.Scan(&got); err != nil {
				t.Fatal(err)
			}
		}
		rows.Close()
		if text := fmt.Sprint(want); got != text {
			t.Errorf("the setting %s is %q in the session, want %q", name, got, text)
		}
	}
}

// TestClusterDeletes has the engine parse what a cluster would be sent to prune.
// The statements that read run on one node, whose tables have the names of the
// distributed ones.
func TestClusterDeletes(t *testing.T) {
	engine := enginetest.Shared(t)
	s := mustOpen(t, engine.Database(t), Options{})
	defer closeStore(t, s)
	_, batch := fullBatch()
	mustAppend(t, s, batch)
	parsed := &parsing{Conn: s.conn, t: t, engine: engine}
	s.conn, s.schema.cluster = parsed, clusterSchema.cluster
	later := time.Now().Add(24 * time.Hour)
	for _, before := range []time.Time{later, batch.Events[0].OccurredAt.Add(time.Nanosecond)} {
		if err := s.Prune(t.Context(), storage.Retention{LinesBefore: before, CountsBefore: before, EventsBefore: before, AsidesBefore: before}); err != nil {
			t.Fatal(err)
		}
	}
	for _, table := range []string{"lines", "counts", "events", "observations", "asides"} {
		if !slices.ContainsFunc(parsed.seen, func(statement string) bool {
			return strings.Contains(statement, " "+table+"_local ON CLUSTER `prod-1` ")
		}) {
			t.Errorf("nothing was deleted of %s: %q", table, parsed.seen)
		}
	}
}

// parsing is a connection that has statements which change a cluster parsed, and
// not run.
type parsing struct {
	driver.Conn
	t      *testing.T
	engine *enginetest.Engine
	seen   []string
}

func (p *parsing) Exec(ctx context.Context, statement string, args ...any) error {
	if strings.HasPrefix(statement, "INSERT") {
		return p.Conn.Exec(ctx, statement, args...)
	}
	p.seen = append(p.seen, statement)
	if !strings.Contains(statement, "ON CLUSTER `prod-1`") {
		p.t.Errorf("this does not reach the whole cluster: %.200s", statement)
	}
	if _, err := p.engine.Rows(ctx, "EXPLAIN AST "+statement); err != nil {
		p.t.Errorf("%v: %s", err, statement)
	}
	return nil
}
