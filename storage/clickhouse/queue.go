package clickhouse

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// lane orders what waits for the writer. Lanes run beside each other.
type lane int

const (
	// urgent is batches with alerts and events.
	urgent lane = iota
	// bulk is batches of log chunks alone.
	bulk
	lanes
)

// job is a batch that waits, and its waiter.
type job struct {
	lane  lane
	rows  int
	bytes int64
	batch *encodedBatch
	// done takes the job's fate; it has room for it, so nobody need listen.
	done chan error
	// abandoned is set when nobody waits any more: a job that has not begun
	// need not.
	abandoned atomic.Bool
}

// queue holds jobs by lane and lets groups of them go. It is not bounded:
// whoever pushes has taken room before.
type queue struct {
	rows, bytes int64 // a group's limits
	paces       [lanes]pace

	mu      sync.Mutex
	changed sync.Cond
	closed  bool
	jobs    [lanes][]*job
	waiting [lanes]struct{ rows, bytes int64 }
	// underWay is how many groups of a lane are being written, ended when one
	// was written last.
	underWay [lanes]int
	ended    [lanes]time.Time
	// busy are the chunks that are being written: another job with one of them
	// waits, so that the later one counts.
	busy map[event.ChunkID]bool
}

func newQueue(rows, bytes int64, age time.Duration) *queue {
	q := &queue{rows: rows, bytes: bytes, busy: make(map[event.ChunkID]bool)}
	for i := range q.paces {
		q.paces[i].every = age
	}
	q.changed.L = &q.mu
	return q
}

// push queues a job; false when the queue is closed.
func (q *queue) push(j *job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.jobs[j.lane] = append(q.jobs[j.lane], j)
	q.waiting[j.lane].rows += int64(j.rows)
	q.waiting[j.lane].bytes += j.bytes
	q.changed.Broadcast()
	return true
}

// next waits for a group of jobs to write together, and for the time to write
// it; false when the queue is closed and the lane is empty. The caller calls
// finished with the group when it is written.
func (q *queue) next(l lane) ([]*job, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		now := time.Now()
		wait := max(q.paces[l].wait(now), q.ended[l].Add(company).Sub(now))
		full := q.holds(l, q.rows, q.bytes)
		switch {
		case len(q.jobs[l]) == 0 && q.closed:
			return nil, false
		case len(q.jobs[l]) == 0:
			q.changed.Wait()
		case q.underWay[l] > 0 && !q.closed && !q.holds(l, q.rows/2, q.bytes/2):
			// A second group beside the first would only make both small.
			q.changed.Wait()
		case wait > 0 && !full && !q.closed:
			timer := time.AfterFunc(wait, q.wake)
			q.changed.Wait()
			timer.Stop()
		default:
			if group := q.take(l); len(group) > 0 {
				q.paces[l].spend(time.Now())
				q.underWay[l]++
				return group, true
			}
			q.changed.Wait() // until a chunk is not busy any more
		}
	}
}

// company is how long the first that comes after a group waits for others: who
// has got an answer appends again, and so do those beside it.
const company = 10 * time.Millisecond

// holds reports whether so much waits in a lane.
func (q *queue) holds(l lane, rows, bytes int64) bool {
	return q.waiting[l].rows >= rows || q.waiting[l].bytes >= bytes
}

// take removes the jobs of a group: the first of the lane, without those whose
// chunks are busy.
func (q *queue) take(l lane) []*job {
	var group, rest []*job
	var rows, bytes int64
	behind := make(map[event.ChunkID]bool) // chunks of jobs that stay
	for i, j := range q.jobs[l] {
		if rows >= q.rows || bytes >= q.bytes {
			rest = append(rest, q.jobs[l][i:]...)
			break
		}
		if q.blocked(j, behind) {
			for _, c := range j.batch.chunks {
				behind[c.id] = true
			}
			rest = append(rest, j)
			continue
		}
		group = append(group, j)
		rows, bytes = rows+int64(j.rows), bytes+j.bytes
	}
	for _, j := range group {
		for _, c := range j.batch.chunks {
			q.busy[c.id] = true
		}
	}
	q.jobs[l] = rest
	q.waiting[l].rows -= rows
	q.waiting[l].bytes -= bytes
	return group
}

func (q *queue) blocked(j *job, behind map[event.ChunkID]bool) bool {
	for _, c := range j.batch.chunks {
		if q.busy[c.id] || behind[c.id] {
			return true
		}
	}
	return false
}

// finished lets others have the chunks of a group.
func (q *queue) finished(group []*job) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.underWay[group[0].lane]--
	q.ended[group[0].lane] = time.Now()
	for _, j := range group {
		for _, c := range j.batch.chunks {
			delete(q.busy, c.id)
		}
	}
	q.changed.Broadcast()
}

func (q *queue) wake() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.changed.Broadcast()
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// depth is how many jobs wait, and their bytes.
func (q *queue) depth() (jobs int, bytes int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for l := range lanes {
		jobs, bytes = jobs+len(q.jobs[l]), bytes+q.waiting[l].bytes
	}
	return jobs, bytes
}

// burst is how many groups may go at once after an idle time.
const burst = 16

// pace limits a rate: after a burst one each time.
type pace struct {
	every time.Duration
	// due is when the rate is used up: it may lie burst*every ahead.
	due time.Time
}

// wait is how long it is until the next may go.
func (p *pace) wait(now time.Time) time.Duration {
	if p.due.Before(now) {
		return 0
	}
	return p.due.Sub(now) - (burst-1)*p.every
}

func (p *pace) spend(now time.Time) {
	if p.due.Before(now) {
		p.due = now
	}
	p.due = p.due.Add(p.every)
}

// room bounds what is in the writer's hands, in bytes. Waiters are served in
// their order.
type room struct {
	limit int64

	mu      sync.Mutex
	used    int64
	closed  bool
	waiters []*roomWaiter
}

type roomWaiter struct {
	bytes int64
	ready chan struct{} // closed when it has its room, or never will
	taken bool
}

// take waits for room. What is larger than all of it takes all.
func (r *room) take(ctx context.Context, bytes int64) (taken int64, err error) {
	bytes = min(bytes, r.limit)
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return 0, lifetime.ErrClosed
	}
	if len(r.waiters) == 0 && r.used+bytes <= r.limit {
		r.used += bytes
		r.mu.Unlock()
		return bytes, nil
	}
	w := &roomWaiter{bytes: bytes, ready: make(chan struct{})}
	r.waiters = append(r.waiters, w)
	r.mu.Unlock()
	select {
	case <-w.ready:
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case w.taken:
		return bytes, nil
	case r.closed:
		return 0, lifetime.ErrClosed
	}
	r.remove(w)
	r.serve() // those behind may fit
	return 0, ctx.Err()
}

func (r *room) give(bytes int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= bytes
	r.serve()
}

func (r *room) serve() {
	for len(r.waiters) > 0 && r.used+r.waiters[0].bytes <= r.limit {
		w := r.waiters[0]
		r.waiters = r.waiters[1:]
		r.used += w.bytes
		w.taken = true
		close(w.ready)
	}
}

func (r *room) remove(w *roomWaiter) {
	for i := range r.waiters {
		if r.waiters[i] == w {
			r.waiters = append(r.waiters[:i:i], r.waiters[i+1:]...)
			return
		}
	}
}

// close sends the waiters away, and all that come later.
func (r *room) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for _, w := range r.waiters {
		close(w.ready)
	}
	r.waiters = nil
}
