// Chdb-server serves ClickHouse's HTTP interface from libchdb.so, the engine as
// a shared library: for tests on a machine without a ClickHouse server. It is
// not for production, and runs on Linux only.
//
//	chdb-server --lib libchdb.so --path DIR [--listen 127.0.0.1:0]
//
// It says "listening on ADDRESS" on stdout, and ends on SIGTERM. One process has
// one folder.
//
// # How a request becomes a query
//
// Every request gets a session of its own (chdb_connect on the same path, 0.3
// ms), so that nothing of one query is left for the next, as over HTTP without a
// session_id. Sessions run at the same time: up to --sessions queries, the others
// wait in line as long as their clients do. Four minutes of inserts (22 million
// rows), FINAL reads, merges and DDL at the same time lost and mixed up nothing
// (TestStress with HINDCAST_TEST_STRESS=4m), in 430 MB at most. A query that runs
// is not ended when its client goes; a server does not do so either by default.
//
// The URL's settings become one SET in the session, so that an unknown or wrong
// one is the engine's own error; the database becomes USE; param_* are bound by
// chdb_query_with_params_n. Settings in which the library differs from a server
// are set back first: implicit_select and allow_introspection_functions are off.
// GET sets readonly=2. A text of several statements is refused, which the library
// would run.
//
// # Inserts
//
// The rows of INSERT … FORMAT are decompressed into a file in memory (memfd; the
// one extra copy), and the statement is run with FROM INFILE '/proc/self/fd/N' in
// front of its SETTINGS or FORMAT. INFILE is what clickhouse-client does with a
// file: the blocks are pushed into the same INSERT pipeline as over HTTP, so block
// and token deduplication are those of a plain INSERT. Tried and not taken: rows
// inline behind FORMAT Native (the library ends them at a newline byte), and
// INSERT … SELECT FROM file() (it deduplicates by token only, not by block, and
// failed to read a memfd). A body that ends early is never inserted.
//
// # Answers
//
// The library writes Native in revision 0 only. clickhouse-go's first query asks
// for the server's revision: that one is answered here, in the client's revision,
// with 0, and all that follows is then read in 0. Answers are built whole in the
// engine's memory, up to --max-result bytes, and written from there.
//
// # What to know of the library (26.5)
//
// On a folder without metadata/ it starts no clean-up tasks and DROP … SYNC waits
// for ever: the folder is made first. Its signal handlers are switched off, the Go
// runtime needs its own.
package main
