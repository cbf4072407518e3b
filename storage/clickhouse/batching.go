package clickhouse

import "time"

// Batching says how appended batches are joined. The engine wants few large
// inserts: it makes a part of each and merges them later.
type Batching struct {
	// Rows and Bytes bound what is written together, about; a batch that is
	// larger is written by itself. Default 100,000 rows and 32 MiB.
	Rows  int
	Bytes int64
	// Age limits the rate of inserts: after a burst, batches wait until this time
	// has passed since the last ones, unless there are enough of them. Default
	// 200 ms.
	Age time.Duration
	// Queue bounds what is in the writer's hands, in bytes; who appends more
	// waits. Logs may take half of it. Default 192 MiB.
	Queue int64
	// OnCommit, when set, is called after every group of batches. It must return
	// quickly, and may be called concurrently.
	OnCommit func(Commit)
}

// Commit tells of one group of appended batches that was written.
type Commit struct {
	// Batches is how many callers shared it, Bytes about how much they brought.
	Batches int
	Bytes   int64
	// Took is the time from the first insert to durable.
	Took time.Duration
	Err  error
}

// withDefaults fills in what is not said.
func (b Batching) withDefaults() Batching {
	if b.Rows <= 0 {
		b.Rows = 100_000
	}
	if b.Bytes <= 0 {
		b.Bytes = 32 << 20
	}
	if b.Age <= 0 {
		b.Age = 200 * time.Millisecond
	}
	if b.Queue <= 0 {
		b.Queue = 192 << 20
	}
	return b
}
