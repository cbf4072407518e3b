package clickhouse

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// inFlight is how many groups of a lane may be written at once. While one is on
// its way the next is encoded.
const inFlight = 2

// writer joins batches into groups and writes these. Batches of one group share
// its fate. The lanes have their own room and their own inserts, so that logs do
// not keep alerts waiting.
type writer struct {
	store    *Store
	onCommit func(Commit)
	rooms    [lanes]room
	queue    *queue
	workers  sync.WaitGroup
	// stopping is set by stop, failing when a group failed after that.
	stopping, failing atomic.Bool
}

// startWriter starts a writer. Stop ends it.
func startWriter(s *Store, o Options) *writer {
	b := o.Batching.withDefaults()
	w := &writer{store: s, onCommit: b.OnCommit, queue: newQueue(int64(b.Rows), b.Bytes, b.Age)}
	for l := range w.rooms {
		w.rooms[l].limit = b.Queue / int64(lanes)
	}
	for l := range lanes {
		for range inFlight {
			w.workers.Go(func() { w.run(l) })
		}
	}
	return w
}

// append encodes a batch and waits until it is stored.
func (w *writer) append(ctx context.Context, b *event.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j := &job{lane: urgent, done: make(chan error, 1)}
	if len(b.Events)+len(b.Observations)+len(b.Asides) == 0 {
		if len(b.Chunks) == 0 {
			return nil
		}
		j.lane = bulk
	}
	rows, bytes := sizeOf(b)
	taken, err := w.rooms[j.lane].take(ctx, bytes)
	if err != nil {
		return err
	}
	j.rows, j.bytes = rows, taken
	if j.batch, err = encodeBatch(b); err != nil {
		w.rooms[j.lane].give(taken)
		return err
	}
	if !w.queue.push(j) {
		w.rooms[j.lane].give(taken)
		return lifetime.ErrClosed
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		j.abandoned.Store(true)
		return ctx.Err()
	}
}

// stop writes what is queued, answers everyone and ends the writer. When the
// engine is not there, what is queued is answered with the first failure.
func (w *writer) stop() {
	w.stopping.Store(true)
	for l := range w.rooms {
		w.rooms[l].close()
	}
	w.queue.close()
	w.workers.Wait()
}

// run writes the groups of a lane.
func (w *writer) run(l lane) {
	for {
		group, ok := w.queue.next(l)
		if !ok {
			return
		}
		err := w.write(group)
		w.queue.finished(group)
		for _, j := range group {
			w.rooms[l].give(j.bytes)
			j.done <- err
		}
	}
}

// write writes those of a group that somebody waits for. It does not hang on
// anybody's context: what has begun goes on.
func (w *writer) write(group []*job) error {
	if w.stopping.Load() && w.failing.Load() {
		return lifetime.ErrClosed
	}
	commit := Commit{}
	var batches []*encodedBatch
	for _, j := range group {
		if !j.abandoned.Load() {
			batches = append(batches, j.batch)
			commit.Bytes += j.bytes
		}
	}
	if len(batches) == 0 {
		return context.Canceled
	}
	begun := time.Now()
	err := w.store.writeSet(context.Background(), newInsertSet(batches))
	if err != nil {
		// Whoever waits is told, and says so if it is news.
		w.store.log.Debug("batches could not be stored", "batches", len(batches), "error", err)
		w.failing.Store(w.stopping.Load())
		err = fmt.Errorf("write with %d others: %w", len(batches)-1, err)
	}
	if w.onCommit != nil {
		commit.Batches, commit.Took, commit.Err = len(batches), time.Since(begun), err
		w.onCommit(commit)
	}
	return err
}

// QueueDepth is how many batches wait to be written, and about how many bytes
// they take.
func (s *Store) QueueDepth() (batches int, bytes int64) { return s.writer.queue.depth() }
