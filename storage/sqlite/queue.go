package sqlite

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// class orders what waits for the writer.
type class int

const (
	// urgent is alerts, events, claims and publications.
	urgent class = iota
	// bulk is batches of log chunks alone, and deleting.
	bulk
	classes
)

// job is a piece of work for the writer and its waiter.
type job struct {
	class class
	bytes int64
	// alone says that the job has a transaction of its own.
	alone bool
	apply func(*tx) error
	// done takes the job's fate; it has room for it, so nobody need listen.
	done chan error
	// abandoned is set when nobody waits any more: a job that has not begun
	// need not.
	abandoned atomic.Bool
}

// bulkBurst is how many urgent transactions may go ahead of waiting bulk, so
// that a storm of alerts slows the logs down and does not stop them.
const bulkBurst = 16

// queue holds jobs by class, bounded in bytes. Push never blocks.
type queue struct {
	limit int64

	mu      sync.Mutex
	changed sync.Cond
	jobs    [classes][]*job
	bytes   int64
	closed  bool
	// passed counts the urgent transactions since the last bulk one.
	passed int
}

func newQueue(limit int64) *queue {
	q := &queue{limit: limit}
	q.changed.L = &q.mu
	return q
}

// push queues a job or says why it cannot. A quarter of the room is kept for
// urgent ones. A job that is larger than all the room is taken when nothing
// else waits.
func (q *queue) push(j *job) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return lifetime.ErrClosed
	}
	limit := q.limit
	if j.class == bulk {
		limit -= limit / 4
	}
	if q.bytes > 0 && q.bytes+j.bytes > limit {
		return fmt.Errorf("%w: %d bytes wait to be written", storage.ErrUnavailable, q.bytes)
	}
	q.bytes += j.bytes
	q.jobs[j.class] = append(q.jobs[j.class], j)
	q.changed.Signal()
	return nil
}

// next waits for the job that a transaction begins with; false when the queue
// is closed and empty.
func (q *queue) next() (*job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		hasUrgent, hasBulk := len(q.jobs[urgent]) > 0, len(q.jobs[bulk]) > 0
		switch {
		case hasBulk && (!hasUrgent || q.passed >= bulkBurst):
			q.passed = 0
			return q.pop(bulk), true
		case hasUrgent:
			q.passed++
			return q.pop(urgent), true
		case q.closed:
			return nil, false
		}
		q.changed.Wait()
	}
}

// more is a further job for a transaction of the given class; nil when there
// is none, or when it is better to commit now.
func (q *queue) more(c class) *job {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c == bulk && len(q.jobs[urgent]) > 0 {
		return nil
	}
	if len(q.jobs[c]) == 0 || q.jobs[c][0].alone {
		return nil
	}
	return q.pop(c)
}

func (q *queue) pop(c class) *job {
	j := q.jobs[c][0]
	q.jobs[c][0] = nil
	q.jobs[c] = q.jobs[c][1:]
	return j
}

// finish answers a job's waiter and gives its room back.
func (q *queue) finish(j *job, err error) {
	q.mu.Lock()
	q.bytes -= j.bytes
	q.mu.Unlock()
	j.done <- err
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

func (q *queue) depth() (jobs int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs[urgent]) + len(q.jobs[bulk]), q.bytes
}

// waiting reports whether jobs of a class wait.
func (q *queue) waiting(c class) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.jobs[c]) > 0
}
