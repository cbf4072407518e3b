package clickhouse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// databaseOf is the name of the database that a test's DSN names.
func databaseOf(t *testing.T, dsn string) string {
	t.Helper()
	u, err := url.Parse(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(u.Path, "/")
}

func mustOpen(t *testing.T, dsn string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return s
}

func closeStore(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// TestOpenExisting opens what is to be read from: nothing is made.
func TestOpenExisting(t *testing.T) {
	engine := enginetest.Shared(t)
	missing, empty, there := engine.DSN("is_not_there_either"), engine.Database(t), engine.Database(t)
	for dsn, want := range map[string]string{missing: "does not exist", empty: "there is no store in the database"} {
		_, err := Open(t.Context(), dsn, Options{Existing: true})
		if !errors.Is(err, storage.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want %q, not found", dsn, err, want)
		}
	}
	made := engine.Query(t, "SELECT (SELECT count() FROM system.databases WHERE name = 'is_not_there_either') + (SELECT count() FROM system.tables WHERE database = '"+databaseOf(t, empty)+"')")
	if made[0][0] != "0" {
		t.Errorf("%s databases and tables were made", made[0][0])
	}
	closeStore(t, mustOpen(t, there, Options{}))
	closeStore(t, mustOpen(t, there, Options{Existing: true}))
}

// TestOpenMakesTheDatabase opens a database that does not exist.
func TestOpenMakesTheDatabase(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	name := databaseOf(t, dsn)
	engine.Exec(t, "DROP DATABASE "+name)
	closeStore(t, mustOpen(t, dsn, Options{}))
	if got := engine.Query(t, "SELECT count() FROM "+name+".schema_versions")[0][0]; got == "0" {
		t.Error("no migration was recorded")
	}
}

// TestOpenAtOnce opens an empty database from many goroutines: each migration is
// run by several of them, and all see one identity.
func TestOpenAtOnce(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	const many = 8
	stores := make([]*Store, many)
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			s, err := Open(t.Context(), dsn, Options{})
			if err != nil {
				t.Errorf("open %d: %v", i, err)
				return
			}
			stores[i] = s
		})
	}
	all.Wait()
	identities := map[uint64]bool{}
	for _, s := range stores {
		if s != nil {
			identities[s.identity] = true
			closeStore(t, s)
		}
	}
	if len(identities) != 1 {
		t.Errorf("the stores have %d identities, want 1", len(identities))
	}
	name := databaseOf(t, dsn)
	if got := engine.Query(t, "SELECT count() FROM "+name+".identity")[0][0]; got != "1" {
		t.Errorf("there are %s rows of identity, want 1", got)
	}
}

// TestMigrationDies stops after each statement of the migrations and opens the
// store then.
func TestMigrationDies(t *testing.T) {
	if testing.Short() {
		t.Skip("many databases are made")
	}
	engine := enginetest.Shared(t)
	var statements []string
	target, err := ParseDSN(engine.DSN("x"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	files, err := sqlFiles("migrations")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		more, err := target.schema(Options{}).file(file)
		if err != nil {
			t.Fatal(err)
		}
		statements = append(statements, more...)
	}
	for stop := range len(statements) + 1 {
		dsn := engine.Database(t)
		target, err := ParseDSN(dsn, Options{})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := target.connect()
		if err != nil {
			t.Fatal(err)
		}
		for _, statement := range statements[:stop] {
			if err := conn.Exec(t.Context(), statement); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dsn, Options{})
		if err != nil {
			t.Fatalf("open after %d statements: %v", stop, err)
		}
		closeStore(t, s)
		name := databaseOf(t, dsn)
		if got := engine.Query(t, "SELECT max(version) FROM "+name+".schema_versions")[0][0]; got != fmt.Sprint(len(files)) {
			t.Errorf("after %d statements and an opening the schema is %s, want %d", stop, got, len(files))
		}
	}
}

func TestNewerSchema(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	closeStore(t, mustOpen(t, dsn, Options{}))
	engine.Exec(t, "INSERT INTO "+databaseOf(t, dsn)+".schema_versions (version, hindcast) VALUES (1000, 'later')")
	if _, err := Open(t.Context(), dsn, Options{}); !errors.Is(err, storage.ErrNewerSchema) {
		t.Errorf("open: %v, want ErrNewerSchema", err)
	}
	err := Migrate(t.Context(), dsn, Options{}, false, func(c Change) { t.Errorf("change %+v of a newer schema", c) })
	if !errors.Is(err, storage.ErrNewerSchema) {
		t.Errorf("migrate: %v, want ErrNewerSchema", err)
	}
}

// TestOtherCluster opens tables of one node as those of a cluster.
func TestOtherCluster(t *testing.T) {
	dsn := enginetest.Shared(t).Database(t)
	closeStore(t, mustOpen(t, dsn, Options{}))
	_, err := Open(t.Context(), dsn, Options{Cluster: "prod"})
	if err == nil || !strings.Contains(err.Error(), "the tables were made for one node") || errors.Is(err, storage.ErrUnavailable) {
		t.Errorf("open: %v, want that the tables are of one node", err)
	}
}

// TestOpenAgainChangesNothing looks at the statements of an opening of what is
// current: a user without rights to the schema can serve.
func TestOpenAgainChangesNothing(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	ttl := TTL{Lines: 10 * day, Events: 400 * day}
	closeStore(t, mustOpen(t, dsn, Options{TTL: ttl}))
	if engine.Native() {
		t.Skip("statements are recorded over HTTP only")
	}
	statements, address := recordStatements(t, engine)
	closeStore(t, mustOpen(t, strings.Replace(dsn, engine.Addr(), address, 1), Options{TTL: ttl}))
	if len(statements()) == 0 {
		t.Fatal("no statement was seen")
	}
	for _, statement := range statements() {
		if !strings.HasPrefix(strings.TrimSpace(statement), "SELECT") {
			t.Errorf("opening what is current sends %q", statement)
		}
	}
}

// recordStatements starts a proxy in front of an engine that keeps the
// statements, and returns them and its address.
func recordStatements(t *testing.T, engine *enginetest.Engine) (statements func() []string, address string) {
	var mu sync.Mutex
	var seen []string
	forward := newForward(engine)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("read a request: %v", err)
		}
		statement := r.URL.Query().Get("query")
		if statement == "" {
			statement = string(body)
		}
		mu.Lock()
		seen = append(seen, statement)
		mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		forward.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(seen)
	}, server.Listener.Addr().String()
}

func newForward(engine *enginetest.Engine) http.Handler {
	return httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: engine.Addr()})
}

const day = 24 * time.Hour

// TestMigrateTTL changes ages after the tables were made.
func TestMigrateTTL(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	database := databaseOf(t, dsn)
	before := TTL{Lines: 10 * day, Counts: 33 * day, Events: 400 * day}
	closeStore(t, mustOpen(t, dsn, Options{TTL: before}))
	engine.Exec(t, "INSERT INTO "+database+".lines (service, at, source, n, text) VALUES ('a', now(), 1, 1, 'x')")
	engine.Exec(t, "ALTER TABLE "+database+".asides MODIFY TTL inserted_at + INTERVAL 1 MONTH")

	after := Options{TTL: TTL{Lines: 20 * day, Counts: 5 * day, Asides: day}}
	var planned, made []Change
	if err := Migrate(t.Context(), dsn, after, true, func(c Change) { planned = append(planned, c) }); err != nil {
		t.Fatalf("dry run: %v", err)
	}
	if err := Migrate(t.Context(), dsn, after, false, func(c Change) { made = append(made, c) }); err != nil {
		t.Fatalf("migrate: %v", err)
	}
	if len(planned) == 0 || fmt.Sprint(planned) != fmt.Sprint(made) {
		t.Errorf("the dry run says  %v\nand what is made is %v", planned, made)
	}
	want := map[string]string{
		"lines": "TTL inserted_at + toIntervalSecond(1728000)", "counts": "TTL inserted_at + toIntervalSecond(432000)",
		"asides": "TTL inserted_at + toIntervalSecond(86400)", "events": "", "observations": "",
		// As long as the lines: those that are hidden must not be seen again.
		"replaced": "TTL toDateTime(replaced_at) + toIntervalSecond(1728000)",
	}
	for table, clause := range want {
		engine := engine.Query(t, "SELECT engine_full FROM system.tables WHERE database = '"+database+"' AND name = '"+table+"'")[0][0]
		if clause == "" && strings.Contains(engine, "TTL ") || !strings.Contains(engine, clause) {
			t.Errorf("%s is %s, want %q", table, engine, clause)
		}
	}
	if err := Migrate(t.Context(), dsn, after, false, func(c Change) { t.Errorf("migrated again: %+v", c) }); err != nil {
		t.Fatalf("migrate again: %v", err)
	}
}

// TestKeepTTL leaves what is there, and says nothing.
func TestKeepTTL(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	closeStore(t, mustOpen(t, dsn, Options{TTL: TTL{Lines: 24 * time.Hour}}))
	var logged strings.Builder
	o := Options{KeepTTL: true, Logger: slog.New(slog.NewTextHandler(&logged, nil))}
	closeStore(t, mustOpen(t, dsn, o))
	if err := Migrate(t.Context(), dsn, o, false, func(c Change) { t.Errorf("changed: %+v", c) }); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(logged.String(), "TTL") {
		t.Errorf("it was logged: %s", &logged)
	}
}

// TestMigrateDryRun leaves a database that does not exist as it is.
func TestMigrateDryRun(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	name := databaseOf(t, dsn)
	engine.Exec(t, "DROP DATABASE "+name)
	var planned []Change
	if err := Migrate(t.Context(), dsn, Options{}, true, func(c Change) { planned = append(planned, c) }); err != nil {
		t.Fatal(err)
	}
	if len(planned) < 10 || !strings.HasPrefix(planned[0].SQL, "CREATE DATABASE") || planned[0].Database != "" || planned[1].Database != quoteName(name) {
		t.Errorf("planned %d changes, the first %+v", len(planned), planned[0])
	}
	if rows := engine.Query(t, "SELECT name FROM system.databases WHERE name = '"+name+"'"); len(rows) != 0 {
		t.Error("a dry run made the database")
	}
	engine.Exec(t, "CREATE DATABASE "+name) // for the clean-up
}

// TestViewsFollow changes what is recorded of the views: they are made again.
func TestViewsFollow(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	database := databaseOf(t, dsn)
	closeStore(t, mustOpen(t, dsn, Options{}))
	views, digest, err := schema{database: database}.views()
	if err != nil || len(views) == 0 {
		t.Fatalf("there are %d views, %v", len(views), err)
	}
	engine.Exec(t, "INSERT INTO "+database+".schema_versions (version, hindcast, views) SELECT max(version), 'other', 'other' FROM "+database+".schema_versions")
	n := 0
	if err := Migrate(t.Context(), dsn, Options{}, false, func(Change) { n++ }); err != nil {
		t.Fatal(err)
	}
	if n != len(views) {
		t.Errorf("%d changes were made, want %d views", n, len(views))
	}
	got := engine.Query(t, "SELECT views FROM "+database+".schema_versions ORDER BY version DESC, applied_at DESC LIMIT 1")
	if got[0][0] != digest {
		t.Errorf("the digest on record is %s, want %s", got[0][0], digest)
	}
}

// TestOpenErrors tells what waiting mends from what it does not.
func TestOpenErrors(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := engine.Database(t)
	for name, c := range map[string]struct {
		dsn         string
		unavailable bool
		want        string
	}{
		"nobody listens":  {"http://127.0.0.1:1/x", true, "127.0.0.1:1"},
		"second host":     {"http://127.0.0.1:1,127.0.0.1:2/x", true, "127.0.0.1:2"},
		"native":          {"clickhouse://127.0.0.1:1/x", true, "127.0.0.1:1"},
		"unknown setting": {dsn + "?max_thread=1", false, "max_thread"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Open(t.Context(), c.dsn, Options{})
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, storage.ErrUnavailable) != c.unavailable {
				t.Errorf("open: %v; want %q in it, unavailable %v", err, c.want, c.unavailable)
			}
		})
	}
}

// TestSecondHost opens a store whose first host does not answer.
func TestSecondHost(t *testing.T) {
	engine := enginetest.Shared(t)
	dsn := strings.Replace(engine.Database(t), engine.Addr(), "127.0.0.1:1,"+engine.Addr(), 1)
	closeStore(t, mustOpen(t, dsn, Options{}))
}

func TestCode(t *testing.T) {
	err := fmt.Errorf("x: %w", &clickhouse.HTTPError{StatusCode: 500, Err: &clickhouse.Exception{Code: 497}})
	if !denied(err) {
		t.Errorf("%v is not seen as denied", err)
	}
}
