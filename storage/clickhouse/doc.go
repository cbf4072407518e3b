// Package clickhouse keeps hindcast's data in ClickHouse, on one node or a
// cluster.
//
// It is a backend of the storage contract, as storage/sqlite is: ingest
// appends to it, correlate/run follows it and publishes, the API reads it, and
// Grafana reads its views.
//
// ClickHouse has no transactions, no unique keys and no order of commits. What
// stands for them:
//
//   - Facts are rows that merge. Events, observations and what was put aside
//     are in tables of aggregating engines keyed by the fact's ID, whose rules
//     are those of package event; appending twice changes nothing.
//   - Log lines and counts carry a source, a digest of their chunk's ID and
//     content. A chunk that comes again gives equal rows; one that comes with
//     other content hides what it had before.
//   - An append writes chunks, lines, counts, events and last one row of the
//     journal that names them all. The feed reads the journal: what is in it is
//     visible. It looks behind its cursor by an overlap, because a slow append
//     may show up behind a faster one.
//   - Publications carry their claim. Readers take, of an incident's revisions,
//     the greatest that was written before its owner was fenced.
//
// Appends of many callers are joined: the engine wants few large inserts.
package clickhouse
