package child

import (
	"bytes"
	"sync"
)

// output keeps the beginning of what is written to it, which tells how a process
// began, and the end, which tells how it ended.
type output struct {
	mu          sync.Mutex
	first, last []byte
	left        bool // something between them is gone
}

// keep is how many bytes of the beginning are kept, and at least of the end.
const keep = 64 << 10

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := min(len(p), keep-len(o.first))
	o.first = append(o.first, p[:n]...)
	o.last = append(o.last, p[n:]...)
	if len(o.last) > 2*keep {
		o.last, o.left = bytes.Clone(o.last[len(o.last)-keep:]), true
	}
	return len(p), nil
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.left {
		return string(o.first) + "\n…\n" + string(o.last)
	}
	return string(o.first) + string(o.last)
}
