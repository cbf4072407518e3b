package sqlite

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/hindcast/hindcast/storage"
)

// A transaction takes further jobs until it is this large or has lasted this
// long: then whoever waits for the next one does not wait long.
const (
	txBytes = 8 << 20
	txTime  = 20 * time.Millisecond
)

// Checkpoints copy the write-ahead log into the file. The writer does it
// between transactions, after its waiters were answered, at checkpointSoon
// when no alert waits and at checkpointLate in any case. A log of
// checkpointFull bytes that readers keep from starting over is made to.
const (
	checkpointSoon = 8 << 20
	checkpointLate = 64 << 20
	checkpointFull = 256 << 20
)

// writer is the one goroutine that writes. Jobs that share a transaction share
// its fate.
type writer struct {
	conn  *writeConn
	queue *queue
	log   *slog.Logger
	// onCommit may be nil.
	onCommit func(Commit)
	// seq is the last committed one.
	seq int64
	// broken says that the connection must be renewed before it is used.
	broken bool
	// unhomed estimates the bytes in the write-ahead log.
	unhomed int64
	stopped chan error
}

func startWriter(conn *writeConn, seq int64, opts Options) *writer {
	w := &writer{
		conn: conn, queue: newQueue(opts.QueueBytes), log: opts.Logger,
		onCommit: opts.OnCommit, seq: seq, stopped: make(chan error, 1),
	}
	go w.run()
	return w
}

// do queues a job and waits for its fate, or until ctx ends: then the job may
// or may not be done.
func (w *writer) do(ctx context.Context, j *job) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	j.done = make(chan error, 1)
	if err := w.queue.push(j); err != nil {
		return err
	}
	select {
	case err := <-j.done:
		return err
	case <-ctx.Done():
		j.abandoned.Store(true)
		return ctx.Err()
	}
}

// stop stores what is queued and ends the goroutine.
func (w *writer) stop() error {
	w.queue.close()
	return <-w.stopped
}

func (w *writer) run() {
	for {
		j, ok := w.queue.next()
		if !ok {
			break
		}
		w.transact(j)
		w.checkpoint()
	}
	if !w.broken {
		// What stays in the log is read from there at the next start.
		if _, _, cerr := w.walCheckpoint("TRUNCATE"); cerr != nil {
			w.log.Warn("the write-ahead log stays beside the store", "error", cerr)
		}
	}
	w.stopped <- w.conn.close()
}

// transact runs one transaction that begins with the given job and answers
// all that joined it. When a shared one fails, each job is tried by itself, so
// that one that cannot be stored does not take others with it.
func (w *writer) transact(first *job) {
	if first.abandoned.Load() {
		w.queue.finish(first, context.Canceled)
		return
	}
	begun := time.Now()
	group, err := w.share(first, begun)
	if err != nil && len(group) > 1 {
		for _, j := range group {
			begun := time.Now()
			err := w.within(j.apply)
			w.report([]*job{j}, begun, err)
			w.queue.finish(j, err)
		}
		return
	}
	w.report(group, begun, err)
	for _, j := range group {
		w.queue.finish(j, err)
	}
}

// share commits the first job and those that may join it.
func (w *writer) share(first *job, begun time.Time) (group []*job, err error) {
	group = []*job{first}
	err = w.within(func(t *tx) error {
		bytes := first.bytes
		if err := first.apply(t); err != nil {
			return err
		}
		for !first.alone && bytes < txBytes && time.Since(begun) < txTime {
			j := w.queue.more(first.class)
			if j == nil {
				break
			}
			group = append(group, j)
			bytes += j.bytes
			if err := j.apply(t); err != nil {
				return err
			}
		}
		return nil
	})
	return group, err
}

func (w *writer) report(group []*job, begun time.Time, err error) {
	if w.onCommit == nil || group[0].alone {
		return
	}
	c := Commit{Batches: len(group), Took: time.Since(begun), Err: err}
	for _, j := range group {
		c.Bytes += j.bytes
	}
	w.onCommit(c)
}

// tx is the transaction under way.
type tx struct {
	*writeConn
	seq   int64
	bytes int64
}

// next is the seq of a fact that becomes visible with this transaction.
func (t *tx) next() int64 {
	t.seq++
	return t.seq
}

// within runs apply in a transaction. Nil means that it is durable.
func (w *writer) within(apply func(*tx) error) error {
	if w.broken {
		if err := w.conn.renew(); err != nil {
			return fmt.Errorf("%w: reopen: %w", storage.ErrUnavailable, err)
		}
		w.broken = false
	}
	if _, err := w.conn.exec("BEGIN IMMEDIATE"); err != nil {
		w.broken = true
		return unavailable(fmt.Errorf("begin: %w", err))
	}
	t := &tx{writeConn: w.conn, seq: w.seq}
	err := apply(t)
	if err == nil && t.seq != w.seq {
		_, err = t.exec("UPDATE meta SET seq = ?", t.seq)
	}
	if err == nil {
		_, err = t.exec("COMMIT")
	}
	if err != nil {
		w.rollback(err)
		return unavailable(err)
	}
	w.seq = t.seq
	w.unhomed += t.bytes + 16<<10
	return nil
}

// rollback ends a failed transaction. After some failures SQLite has ended it
// by itself, and says so with SQLITE_ERROR; after an I/O error, or when it
// cannot be ended, the connection is renewed to be sure.
func (w *writer) rollback(cause error) {
	_, err := w.conn.exec("ROLLBACK")
	w.broken = code(cause) == sqlite3.SQLITE_IOERR || (err != nil && code(err) != sqlite3.SQLITE_ERROR)
	if code(cause) != 0 {
		w.log.Warn("a transaction failed", "error", cause)
	}
}

func (w *writer) checkpoint() {
	if w.broken || w.unhomed < checkpointSoon || (w.unhomed < checkpointLate && w.queue.waiting(urgent)) {
		return
	}
	log, home, err := w.walCheckpoint("PASSIVE")
	if err != nil {
		w.log.Warn("checkpoint failed", "error", err)
		w.broken = true
		return
	}
	w.unhomed = log - home
	if w.unhomed == 0 && log >= checkpointFull {
		// All is home, and still readers come and go so that the log never
		// starts over.
		if _, _, err := w.walCheckpoint("RESTART"); err != nil {
			w.log.Warn("restart of the write-ahead log failed", "error", err)
		}
	}
}

// walCheckpoint returns the bytes in the log and how many of them are home.
func (w *writer) walCheckpoint(mode string) (log, home int64, err error) {
	var busy, logPages, homePages int64
	var pageSize int64
	if err := w.conn.row("PRAGMA wal_checkpoint("+mode+")").Scan(&busy, &logPages, &homePages); err != nil {
		return 0, 0, err
	}
	if err := w.conn.row("PRAGMA page_size").Scan(&pageSize); err != nil {
		return 0, 0, err
	}
	return logPages * pageSize, homePages * pageSize, nil
}
