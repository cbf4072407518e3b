// Package delivery is the protocol by which the records of one partition
// become facts in the store: fetch, write the boundary ahead, append, put aside
// what cannot be decoded, commit, and go on where another member stopped.
//
// In the flow it stands between ingest/kafka, which speaks to the brokers and
// calls [Run] once for each partition that was assigned to it, and the store.
// It knows nothing of Kafka but four small interfaces ([Log], [Offsets],
// [DeadLetters], [Appender]), is sequential, and reads neither clock nor
// randomness by itself, so that a simulation can run it through every order
// of failures.
//
// # Nothing is lost
//
// An offset is committed when everything below it is durable: in the store, or
// among the dead letters. Whatever fails before is tried again, by this member
// or by the next one.
//
// # Nothing is counted twice
//
// Trying again delivers twice. Facts carry their identity with them and stay
// one; log lines do not: the lines of a chunk are replaced by those of a chunk
// with the same ID, so each delivery must cut a partition into the same chunks.
// Before a range [first, end) of log lines is appended, its boundary is
// committed: the offset stays first, and its metadata says end ([Mark]).
// Whoever takes the partition over finds the mark and appends that range as
// that chunk, before it chooses boundaries of its own. A member that lost the
// partition cannot commit any more; so it appends nothing that its successor
// does not know of, and what it still appends is the same chunk.
//
// A range of which a part is gone from the log, or which holds other records
// than when its boundary was written, is not appended: that would replace the
// whole by a part. It is passed over and reported as a [Gap].
//
// # What it needs from others
//
// A store that replaces chunks by their ID. A group that takes commits of the
// newest generation only, and those of one generation in their order: see
// [Offsets]. A log that never passes the records of a topic that was created
// again for those of the former one: see [Log]. Broken ones of each kind are
// among the simulation's tests, which show what comes of them.
//
// Lines stay exact as long as offsets go forward. When somebody sets them back
// by hand, ranges that were appended are cut again at other places: then lines may
// count twice, and nothing is lost.
//
// What brokers acknowledged and lost cannot be had from them. What is written in its
// place has the offsets of what was read, and is passed over until it is seen that
// the log was cut: see [GapTruncated].
package delivery
