package correlate

import (
	"strings"
	"sync"

	"github.com/hindcast/hindcast/ingest/event"
)

// recall remembers what a pure function made of its input, for the last inputs
// that it was asked for: between size and twice as many. It only saves time:
// what is forgotten is worked out again, the same. It may be used by several
// goroutines.
type recall[K comparable, V any] struct {
	mu       sync.Mutex
	size     int
	now, old map[K]V
}

func newRecall[K comparable, V any](size int) *recall[K, V] {
	return &recall[K, V]{size: size, now: map[K]V{}}
}

func (r *recall[K, V]) get(key K, work func() V) V {
	r.mu.Lock()
	value, ok := r.now[key]
	if !ok {
		value, ok = r.old[key]
	}
	r.mu.Unlock()
	if !ok {
		value = work()
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.now) >= r.size {
		r.old, r.now = r.now, map[K]V{}
	}
	r.now[key] = value
	return value
}

// commitText is all that readCommit reads.
type commitText struct{ sha, message, files, diff string }

var knownCommits = newRecall[commitText, *commitFacts](512)

// recallCommit reads a commit, or remembers it. What it returns is shared and
// must not be changed.
func recallCommit(c event.Commit) *commitFacts {
	read := knownCommits.get(commitText{c.SHA, c.Message, strings.Join(c.Files, "\n"), c.Diff}, func() *commitFacts { return readCommit(c) })
	if read.Repository == c.Repository && read.Author == c.Author && read.URL == c.URL && read.At.Equal(c.At) {
		return read
	}
	own := *read
	own.Commit = c
	own.Files = read.Files
	return &own
}
