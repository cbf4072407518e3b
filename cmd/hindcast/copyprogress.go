package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/transfer"
)

// copyEvery is how often the progress is told where it cannot be written over.
const copyEvery = 10 * time.Second

// copyDisplay tells how far a copy is: on a terminal in one line that is written
// over, elsewhere in a line now and then.
type copyDisplay struct {
	mu   sync.Mutex
	w    io.Writer
	line *progress
	last time.Time
}

func newCopyDisplay(w io.Writer) *copyDisplay {
	return &copyDisplay{w: w, line: newProgress(w), last: time.Now()}
}

// say writes a line.
func (d *copyDisplay) say(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line.clear()
	fmt.Fprintf(d.w, format+"\n", args...)
}

func (d *copyDisplay) clear() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.line.clear()
}

func (d *copyDisplay) progress(p transfer.Progress) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.line.w != nil {
		d.line.text(copyText(p))
		return
	}
	if time.Since(d.last) < copyEvery {
		return
	}
	d.last = time.Now()
	fmt.Fprintln(d.w, copyText(p))
}

// copyText is, for example, "log chunks: 1200 of 25000 (4 %), 45210 facts/s,
// about 3m0s left".
func copyText(p transfer.Progress) string {
	var b strings.Builder
	amount := func(n int64) string { return fmt.Sprint(n) }
	if p.Part == "backup" {
		amount = func(n int64) string { return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20)) }
	}
	fmt.Fprintf(&b, "%s: %s", p.Part, amount(p.Done))
	if p.Of > 0 {
		fmt.Fprintf(&b, " of %s (%d %%)", amount(p.Of), 100*p.Done/p.Of)
	}
	fmt.Fprintf(&b, ", %.0f facts/s", p.Rate)
	if left := p.Left.Round(time.Second); left > 0 {
		fmt.Fprintf(&b, ", about %v left", left)
	}
	return b.String()
}

// summary says what was copied.
func (d *copyDisplay) summary(sum transfer.Summary) {
	for _, line := range sum.WrongLines {
		d.say("%s", line)
	}
	if more := sum.Wrong - int64(len(sum.WrongLines)); more > 0 {
		d.say("and %s more", plural(int(more), "line"))
	}
	c := sum.Copied
	text := fmt.Sprintf("copied %s, %s, %s in %s, %s of lines, %s put aside", plural(int(c.Events), "event"), plural(int(c.Observations), "alert"),
		plural(int(c.Lines), "log line"), plural(int(c.Chunks), "chunk"), plural(int(c.Counts), "count"), entries(int(c.Asides)))
	if c.Timelines > 0 {
		text += fmt.Sprintf(", %s (%d new)", plural(int(c.Timelines), "timeline"), sum.Published)
	}
	d.say("%s in %v", text, sum.Took.Round(time.Millisecond))
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}
