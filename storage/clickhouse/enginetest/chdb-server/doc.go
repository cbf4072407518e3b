// Chdb-server serves ClickHouse's HTTP interface from libchdb.so, the engine as
// a shared library: for tests on a machine without a ClickHouse server. It is
// not for production, and runs on Linux only.
package main
