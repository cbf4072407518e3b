package load

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells people how far a command is, and since when.
type Progress struct {
	began time.Time
	mu    sync.Mutex
	out   io.Writer
}

// NewProgress is one whose time begins now.
func NewProgress(out io.Writer) *Progress { return &Progress{began: time.Now(), out: out} }

// Say writes a line. It may be called concurrently.
func (p *Progress) Say(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, "%6.1fs  %s\n", time.Since(p.began).Seconds(), fmt.Sprintf(format, args...))
}
