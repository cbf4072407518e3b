// Package enginetest runs a real ClickHouse engine for tests and benchmarks.
package enginetest
