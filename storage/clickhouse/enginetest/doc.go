// Package enginetest runs a real ClickHouse engine for tests and benchmarks. Only
// they import it.
//
// # Which engine
//
// The first of these that is there:
//
//   - the server that HINDCAST_TEST_CLICKHOUSE names by a DSN, clickhouse:// or
//     http://; it cannot be killed, so tests that Start an engine are skipped;
//   - a clickhouse binary on the PATH: a server process with a folder and ports
//     of its own, used over the native protocol;
//   - the engine as a shared library, served over HTTP by chdb-server: what
//     `make components` puts into .cache, or HINDCAST_TEST_CHDB_SERVER and
//     HINDCAST_TEST_LIBCHDB name.
//
// Without any, a test is skipped and names what is missing; with CI=true it fails.
// Only the third was run where this was written.
//
// # Use
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
//	func TestX(t *testing.T) {
//		dsn := enginetest.Shared(t).Database(t) // an empty database, dropped at the end
//	}
//
// A test that kills, freezes or fills an engine takes its own by Start, 0.1 s,
// and may put a Proxy in front of it. An engine dies with the test process.
//
// # What the library's engine is, as measured (26.5)
//
// It is the same code as a server's: parser, MergeTree family with background
// merges and TTL, FINAL, projections, skipping indexes, views, materialized and
// refreshable views, dictionaries, parameterized views, lightweight DELETE,
// mutations, EXPLAIN indexes/projections/AST, KILL QUERY by its text,
// max_execution_time, fsync_after_insert, and deduplication of inserts: by token
// and by block, in the table and behind materialized views, where
// non_replicated_deduplication_window is set.
//
// What it has not:
//
//   - users: CREATE USER, ROLE and ROW POLICY are refused with code 497, GRANT
//     with 511. Check such SQL with EXPLAIN AST;
//   - system.query_log and the other logs: they do not exist, and SYSTEM FLUSH
//     LOGS does nothing;
//   - clusters: system.clusters is empty, clusterAllReplicas and Distributed say
//     701, Replicated tables 225. EXPLAIN AST parses ON CLUSTER, Replicated and
//     Distributed; remote('127.0.0.1', …) does work;
//   - the native protocol, sessions (session_id), external tables;
//   - a say in query_id: the HTTP header repeats the client's, system.processes
//     shows the engine's own;
//   - queueing of async inserts: async_insert is on by default in this version,
//     but rows are there at once, whatever wait_for_async_insert says.
//
// Times on two cores: a start 0.1 s, a restart after kill -9 with 5 million rows
// 0.2 s; SELECT 1 by clickhouse-go 1.6 ms; one row by its key out of a
// million 4 ms; 1.1 million rows of 100 bytes a second in batches of 100,000.
// Memory 200 MB when idle, some 350 MB under inserts.
package enginetest
