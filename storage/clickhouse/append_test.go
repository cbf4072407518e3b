package clickhouse

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// openDSN opens a store that is closed when the test ends.
func openDSN(t testing.TB, dsn string, o Options) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, o)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// openNew opens a store on a database of its own.
func openNew(t testing.TB) *Store {
	t.Helper()
	return openDSN(t, enginetest.Shared(t).Database(t), Options{})
}

// tablesInOrder are the tables that an append writes, in its order.
var tablesInOrder = []string{"chunks", "lines", "counts", "replaced", "events", "observations", "asides", "journal"}

// insertsInto matches inserts into exactly one table.
func insertsInto(table string) func(*http.Request) bool {
	return func(r *http.Request) bool {
		return strings.HasPrefix(r.URL.Query().Get("query"), "INSERT INTO "+table+" (")
	}
}

var appendTime = time.Date(2026, 3, 14, 9, 26, 53, 589793238, time.UTC)

// testChunk is a chunk of some lines over several days. Its version is part of
// what it holds and not of its ID.
func testChunk(name string, version string, lines int, step time.Duration) event.Chunk {
	c := event.Chunk{ReceivedAt: appendTime.Add(time.Minute), Road: event.RoadLoki}
	id := event.NewID(appendTime, "chunk", name)
	copy(c.ID[:], id[:])
	c.Streams = []event.Stream{{Service: "payments", Environment: "prod", Labels: event.Labels{"app": "payments", "of": name}}, {Service: "checkout"}}
	for i := range lines {
		at := appendTime.Add(time.Duration(i) * step)
		level := event.Level(i % 6)
		pattern := event.PatternID(1<<63 | uint64(i%6))
		text := fmt.Sprintf("line %d of %s \xff", i, name)
		c.Lines = append(c.Lines, event.Line{Stream: i % 2, At: at, Level: level, Pattern: pattern, Version: version, Trace: "4bf92f", Metadata: event.Labels{"n": fmt.Sprint(i)}, Text: text})
		c.Counts = append(c.Counts, event.Count{
			CountKey: event.CountKey{Service: c.Streams[i%2].Service, Environment: c.Streams[i%2].Environment, Version: version, Level: level, Pattern: pattern, Second: at.Unix()},
			N:        1, First: at, Last: at, Digest: 1<<63 | uint64(i), Template: "line <*>", Sample: text, Upstreams: []string{"db", "mq"}[:i%3],
		})
	}
	return c
}

func testEvent(n int, at time.Time) event.Event {
	return event.Event{
		ID: event.NewID(at, "message", fmt.Sprint(n)), Kind: event.KindMessage, OccurredAt: at, ReceivedAt: at.Add(time.Second), Road: event.RoadMessages,
		Service: "payments", Message: &event.Message{Author: "dana", Text: fmt.Sprint("message ", n)}, Raw: json.RawMessage(fmt.Sprintf(`{"n": %d}`, n)),
	}
}

func testObservation(n int, starts, seen time.Time) event.Observation {
	labels := event.Labels{"alertname": "Errors", "n": fmt.Sprint(n)}
	return event.Observation{
		Fingerprint: labels.Fingerprint(), StartsAt: starts, Labels: labels, GeneratorURL: "http://prometheus/graph", KeepAliveUntil: seen.Add(4 * time.Minute),
		FiringSeenAt: seen, FirstReceivedAt: seen, LastReceivedAt: seen, Roads: []event.Road{event.RoadPrometheus}, SentFingerprints: []event.Fingerprint{labels.Fingerprint()},
		Groups: []string{"{}:{}"}, Instances: []string{"prom-0"}, Raw: json.RawMessage(fmt.Sprintf(`{"seen": %d}`, seen.Unix())),
	}
}

// fullBatch has facts for every table. Its chunk replaces that of before.
func fullBatch() (before, batch event.Batch) {
	before.Chunks = []event.Chunk{testChunk("a", "1", 20, time.Hour), testChunk("b", "1", 3, time.Hour)}
	batch.Chunks = []event.Chunk{testChunk("a", "2", 30, time.Hour), testChunk("c", "1", 5, time.Minute)}
	for i := range 5 {
		at := appendTime.Add(time.Duration(i%2) * 40 * 24 * time.Hour)
		batch.Events = append(batch.Events, testEvent(i, at))
		batch.Observations = append(batch.Observations, testObservation(i, at, at.Add(time.Minute)))
		batch.Asides = append(batch.Asides, event.Aside{ID: event.NewID(at, "aside", fmt.Sprint(i)), ReceivedAt: at, Road: event.RoadWebhook, Class: "class", Reason: "reason", Raw: []byte("\xff raw")})
	}
	batch.Events = append(batch.Events, batch.Events[0])
	batch.Observations = append(batch.Observations, testObservation(0, appendTime, appendTime.Add(time.Hour)))
	return before, batch
}

// contents is what readers may see of all tables, without times of insertion.
func contents(t *testing.T, s *Store) map[string][]string {
	t.Helper()
	all := make(map[string][]string)
	for table, query := range map[string]string{
		"lines":    "SELECT toString(tuple(* EXCEPT inserted_at)) FROM lines FINAL WHERE " + visibleSources,
		"counts":   "SELECT toString(tuple(* EXCEPT inserted_at)) FROM counts FINAL WHERE " + visibleSources,
		"chunks":   "SELECT toString(tuple(* EXCEPT appended_at)) FROM chunks FINAL WHERE " + visibleSources,
		"replaced": "SELECT toString((source, hidden)) FROM replaced FINAL",
		"events":   "SELECT toString(tuple(* EXCEPT inserted_at)) FROM events FINAL",
		"observations": `SELECT toString(tuple(* EXCEPT (inserted_at, roads, sent_fingerprints, groups, instances))) ||
			toString((arraySort(roads), arraySort(sent_fingerprints), arraySort(groups), arraySort(instances))) FROM observations FINAL`,
		"asides": "SELECT toString(tuple(* EXCEPT inserted_at)) FROM asides FINAL",
		"journal": `SELECT DISTINCT arrayJoin(arrayConcat(arrayMap(x -> hex(x), events), arrayMap(x -> hex(x), observations),
			arrayMap(x -> toString(x), arrayFilter(x -> x NOT IN (SELECT source FROM replaced FINAL WHERE hidden), sources)))) FROM journal`,
	} {
		err := s.rows(t.Context(), query, func(r driver.Rows) error {
			var row string
			err := r.Scan(&row)
			all[table] = append(all[table], row)
			return err
		})
		if err != nil {
			t.Fatalf("read %s: %v", table, err)
		}
		slices.Sort(all[table])
	}
	return all
}

const visibleSources = "source NOT IN (SELECT source FROM replaced FINAL WHERE hidden)"

// sameContents compares two stores by what readers may see.
func sameContents(t *testing.T, got, want map[string][]string) {
	t.Helper()
	for _, table := range tablesInOrder {
		if len(want[table]) == 0 {
			t.Errorf("%s: nothing is there to compare", table)
		}
		if slices.Equal(got[table], want[table]) {
			continue
		}
		t.Errorf("%s: got %d rows, want %d", table, len(got[table]), len(want[table]))
		for i := range max(len(got[table]), len(want[table])) {
			if i >= len(got[table]) || i >= len(want[table]) || got[table][i] != want[table][i] {
				if i < len(got[table]) {
					t.Logf("%s: first difference at %d:\n got %.400q", table, i, got[table][i])
				}
				if i < len(want[table]) {
					t.Logf("%s: first difference at %d:\nwant %.400q", table, i, want[table][i])
				}
				break
			}
		}
	}
}

func count(t *testing.T, s *Store, table string) (n uint64) {
	t.Helper()
	if err := s.row(t.Context(), "SELECT count() FROM "+table, &n); err != nil {
		t.Fatalf("count %s: %v", table, err)
	}
	return n
}

func optimize(t *testing.T, s *Store) {
	t.Helper()
	for _, table := range tablesInOrder {
		if err := s.conn.Exec(t.Context(), "OPTIMIZE TABLE "+s.schema.local(table)+" FINAL"); err != nil {
			t.Fatalf("optimize %s: %v", table, err)
		}
	}
}

func mustAppend(t testing.TB, s *Store, b event.Batch) {
	t.Helper()
	if err := s.Append(t.Context(), b); err != nil {
		t.Fatalf("append: %v", err)
	}
}

// An append may fail between any two tables, with the table's rows stored or
// not. Sending it again must give what one that went well gives.
func TestFailedAppendIsRepeated(t *testing.T) {
	engine := enginetest.Shared(t)
	before, batch := fullBatch()
	right := openNew(t)
	mustAppend(t, right, before)
	mustAppend(t, right, batch)
	want := contents(t, right)

	for i, table := range tablesInOrder {
		for name, fail := range failures {
			pair := fmt.Sprintf("before %s", table)
			if name == "persisted" {
				pair = fmt.Sprintf("behind %s", table)
			}
			t.Run(fmt.Sprintf("%d %s", i, pair), func(t *testing.T) {
				t.Parallel()
				proxy := enginetest.NewProxy(t, engine)
				s := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
				mustAppend(t, s, before)
				// The writer tries each insert twice.
				fail(proxy, insertsInto(table))
				fail(proxy, insertsInto(table))
				err := s.Append(t.Context(), batch)
				if !errors.Is(err, storage.ErrUnavailable) {
					t.Fatalf("append: got error %v, want %v", err, storage.ErrUnavailable)
				}
				mustAppend(t, s, batch)
				sameContents(t, contents(t, s), want)
				mustAppend(t, s, batch)
				optimize(t, s)
				sameContents(t, contents(t, s), want)
			})
		}
	}
}

// After an append that failed half-way its chunk may come with what it held
// before: nothing of the failed one may show.
func TestFailedReplacementIsUndone(t *testing.T) {
	engine := enginetest.Shared(t)
	before, batch := fullBatch()
	right := openNew(t)
	mustAppend(t, right, before)
	want := contents(t, right)
	for _, table := range []string{"chunks", "lines", "counts", "replaced", "journal"} {
		t.Run("behind "+table, func(t *testing.T) {
			t.Parallel()
			proxy := enginetest.NewProxy(t, engine)
			s := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
			mustAppend(t, s, before)
			proxy.DropAnswerNext(insertsInto(table))
			proxy.DropAnswerNext(insertsInto(table))
			err := s.Append(t.Context(), event.Batch{Chunks: batch.Chunks[:1]})
			if !errors.Is(err, storage.ErrUnavailable) {
				t.Fatalf("append: got error %v, want %v", err, storage.ErrUnavailable)
			}
			mustAppend(t, s, before)
			got := contents(t, s)
			for _, table := range []string{"lines", "counts"} {
				if !slices.Equal(got[table], want[table]) {
					t.Errorf("%s: got %d rows, want %d", table, len(got[table]), len(want[table]))
				}
			}
		})
	}
}

// One broken connection is nothing that the caller hears of; what had arrived
// is not stored twice.
func TestBrokenConnection(t *testing.T) {
	engine := enginetest.Shared(t)
	proxy := enginetest.NewProxy(t, engine)
	s := openDSN(t, proxy.DSN(engine.Database(t)), Options{})
	_, batch := fullBatch()
	for _, table := range tablesInOrder {
		proxy.DropAnswerNext(insertsInto(table))
	}
	mustAppend(t, s, batch)
	for table, want := range map[string]uint64{"chunks": 2, "lines": 35, "counts": 35, "events": 5, "observations": 5, "asides": 5, "journal": 1} {
		if got := count(t, s, table); got != want {
			t.Errorf("%s: got %d rows, want %d", table, got, want)
		}
	}
	for _, table := range tablesInOrder {
		proxy.RefuseNext(insertsInto(table))
	}
	_, batch = fullBatch()
	batch.Events = []event.Event{testEvent(1000, appendTime)}
	mustAppend(t, s, batch)
	if got := count(t, s, "events"); got != 6 {
		t.Errorf("events: got %d rows, want 6", got)
	}
}

// The engine drops an insert whose token it knows, in every table, and takes one
// with a new token.
func TestInsertTokens(t *testing.T) {
	s := openNew(t)
	before, batch := fullBatch()
	mustAppend(t, s, before)
	for i := range batch.Events {
		// An insert into several partitions makes several parts.
		batch.Events[i].ReceivedAt = batch.Events[i].OccurredAt
	}
	encoded, err := encodeBatch(&batch)
	if err != nil {
		t.Fatalf("encode: %v", err)
	}
	set := newInsertSet([]*encodedBatch{encoded})
	list := append(set.logInserts(), chunkInsert(set.chunks), replacedInsert([]uint64{1}, []uint64{2}))
	list = append(list, eventInserts(set.events)...)
	list = append(list, observationInserts(set.observations)...)
	list = append(list, asideInserts(set.asides)...)
	list = append(list, journalInsert(journalOf(set.events, set.observations, set.chunks)))
	for _, in := range list {
		token := newToken()
		if err := s.insert(t.Context(), token, in); err != nil {
			t.Fatal(err)
		}
		once := count(t, s, in.table)
		if err := s.insert(t.Context(), token, in); err != nil {
			t.Fatal(err)
		}
		if got := count(t, s, in.table); got != once {
			t.Errorf("%s: an insert with a known token made %d rows of %d", in.table, got, once)
		}
		if err := s.insert(t.Context(), newToken(), in); err != nil {
			t.Fatal(err)
		}
		if got := count(t, s, in.table); got <= once {
			t.Errorf("%s: an insert with a new token left %d rows of %d", in.table, got, once)
		}
	}
}

// The types that inserts name are the tables' own: over HTTP nobody asks the
// engine for them.
func TestInsertColumns(t *testing.T) {
	s := openNew(t)
	for table, columns := range map[string][]insertColumn{
		"lines": linesTable, "counts": countsTable, "chunks": chunksTable, "replaced": replacedTable,
		"events": eventsTable, "observations": observationsTable, "asides": asidesTable, "journal": journalTable,
	} {
		kinds := make(map[string]string)
		var missing []string
		err := s.rows(t.Context(), "SELECT name, type, default_kind FROM system.columns WHERE database = currentDatabase() AND table = "+quoteText(table), func(r driver.Rows) error {
			var name, kind, byDefault string
			err := r.Scan(&name, &kind, &byDefault)
			kinds[name] = kind
			if byDefault == "" && !slices.ContainsFunc(columns, func(c insertColumn) bool { return c.name == name }) {
				missing = append(missing, name)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range columns {
			if kinds[c.name] != c.kind {
				t.Errorf("%s.%s: inserted as %s, but it is %q", table, c.name, c.kind, kinds[c.name])
			}
		}
		if len(missing) > 0 {
			t.Errorf("%s: columns %v have no default and are not inserted", table, missing)
		}
	}
}

// What makes an insert durable and repeatable is a setting: kill -9 would not
// tell that it is missing.
func TestDurableSettings(t *testing.T) {
	s := openNew(t)
	var tables []string
	err := s.rows(t.Context(), "SELECT name FROM system.tables WHERE database = currentDatabase() AND engine LIKE '%MergeTree'", func(r driver.Rows) error {
		var name string
		err := r.Scan(&name)
		tables = append(tables, name)
		return err
	})
	if err != nil || len(tables) < 13 {
		t.Fatalf("got tables %v and error %v", tables, err)
	}
	for _, table := range tables {
		if table == "beats" {
			continue // what it tells is worth seconds
		}
		var create string
		if err := s.row(t.Context(), "SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = "+quoteText(table), &create); err != nil {
			t.Fatal(err)
		}
		for _, setting := range []string{"fsync_after_insert = 1", "fsync_part_directory = 1", "min_rows_to_fsync_after_merge = 1", "non_replicated_deduplication_window = 1000"} {
			if !strings.Contains(create, setting) {
				t.Errorf("%s is made without %s:\n%s", table, setting, create)
			}
		}
	}
	var deduplicates string
	if err := s.row(t.Context(), "SELECT value FROM system.settings WHERE name = 'insert_deduplicate'", &deduplicates); err != nil || deduplicates != "1" {
		t.Errorf("insert_deduplicate: got %q and error %v, want 1", deduplicates, err)
	}
}
