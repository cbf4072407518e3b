package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	xterm "golang.org/x/term"

	"github.com/hindcast/hindcast/cmd/hindcast/term"
	"github.com/hindcast/hindcast/correlate/timeline"
)

// progress is one line that is written over, on a terminal; elsewhere nothing.
type progress struct {
	w     io.Writer
	shown int
	last  time.Time
}

func newProgress(w io.Writer) *progress {
	if f, ok := w.(*os.File); !ok || !xterm.IsTerminal(int(f.Fd())) {
		w = nil
	}
	return &progress{w: w}
}

// update shows how many requests were played, of how many if that is known.
func (p *progress) update(what string, done, of int) {
	if p.w == nil || (time.Since(p.last) < 50*time.Millisecond && done != of) {
		return
	}
	p.last = time.Now()
	text := fmt.Sprintf("%s: %d requests", what, done)
	if of > 0 {
		const width = 30
		bar := strings.Repeat("█", width*done/of)
		text = fmt.Sprintf("%s: %s%s %d of %d requests", what, bar, strings.Repeat("░", width-width*done/of), done, of)
	}
	columns := utf8.RuneCountInString(text)
	fmt.Fprintf(p.w, "\r%s%s", text, strings.Repeat(" ", max(0, p.shown-columns)))
	p.shown = columns
}

// clear removes the line.
func (p *progress) clear() {
	if p.w != nil && p.shown > 0 {
		fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.shown))
	}
	p.shown = 0
}

// printAll prints the timelines of all incidents but the minor ones, which it
// counts.
func printAll(w io.Writer, timelines []timeline.Timeline, o term.Options) error {
	minor, printed := 0, 0
	for i := range timelines {
		if timelines[i].Incident.Minor {
			minor++
			continue
		}
		if printed > 0 {
			fmt.Fprintf(w, "\n%s\n\n", strings.Repeat("─", 60))
		}
		printed++
		if err := term.Print(w, &timelines[i], o); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s, and %s that nobody suffered from\n", plural(printed, "incident"), plural(minor, "minor incident"))
	return err
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
