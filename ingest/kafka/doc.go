// Package kafka takes facts from Kafka and puts forwarded ones there.
//
// In the flow it stands beside the HTTP receivers: what they take by requests,
// it takes by records, with the same table of formats, and both end in the
// store's Append. Nil from that becomes the commit of an offset. It also stands
// behind the receivers, where a [Forwarder] appends what they decoded to topics
// instead of to the store.
//
//	brokers ──fetch──► fetcher ─┐   one of each for every partition
//	   ▲                        │   and generation
//	   │ commit                 ▼
//	offsets ◄──────────── delivery.Run ──append──► store
//	   ▲                        │
//	   │                        └──what cannot be decoded──► dead letters
//	membership
//	   ▲
//	session: joins, leaves ◄── watcher: which topics there are
//
// [Consumer].Run looks which topics can be consumed (topics.go), joins the
// group for them (group.go), and works on each partition that a generation
// assigned (worker.go) by the protocol of ingest/kafka/delivery, for which this
// package provides the log (fetch.go) and the offsets (offsets.go). When the
// generation ends all work is cancelled and waited for, and only then the group
// is joined again.
//
// # kafka-go
//
// kafka-go provides connections, routing, authentication and the group's
// protocol. Of these things it is not used as it is:
//
//   - Its Reader: it commits offsets of one generation under the next.
//   - Its fetches: they tell neither topic IDs nor where batches end, give
//     records of aborted transactions, and ignore the broker's times. Fetches
//     and metadata are encoded here (wire.go, metadata.go, batch.go), and sent
//     by its Transport. With Kafka 3.1 and later fetches go by topic ID, so that
//     records of a topic that took the place of another one cannot be taken for
//     the other one's.
//   - Generation.CommitOffsets: it writes no metadata, in which delivery keeps
//     boundaries.
//
// # Memory
//
// All partitions of a generation share one budget (budget.go). What a fetcher
// holds is taken from it before: a response (loan.go), one batch of it unpacked
// (unpack.go), and the records of a portion, which are decoded one by one
// (page.go).
//
// # Who is refused
//
// Commits are fenced by brokers: by generation and member. A commit that was not
// answered may arrive late, so the member leaves and returns under another name
// before anything else is committed.
//
// Compacted topics are refused. Of transactions, what was committed is read, and
// what is open is waited for.
package kafka
