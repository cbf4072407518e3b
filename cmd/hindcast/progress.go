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
	w io.Writer
	// columns are the terminal's.
	columns func() int
	shown   bool
	last    time.Time
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok || !xterm.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	return &progress{w: w, columns: func() int {
		columns, _, err := xterm.GetSize(int(f.Fd()))
		if err != nil || columns <= 0 {
			return 80
		}
		return columns
	}}
}

// update shows how many requests were played, of how many if that is known.
func (p *progress) update(what string, done, of int) {
	if p.w == nil || (time.Since(p.last) < 50*time.Millisecond && done != of) {
		return
	}
	p.last = time.Now()
	fmt.Fprintf(p.w, "\r%s%s", progressText(what, done, of, p.columns()), eraseRest)
	p.shown = true
}

// text shows a line of any text, cut where the terminal ends.
func (p *progress) text(line string) {
	if p.w == nil || time.Since(p.last) < 50*time.Millisecond {
		return
	}
	p.last = time.Now()
	runes := []rune(line)
	fmt.Fprintf(p.w, "\r%s%s", string(runes[:min(len(runes), max(p.columns()-1, 0))]), eraseRest)
	p.shown = true
}

// eraseRest removes what stands behind the cursor in its line.
const eraseRest = "\033[K"

// barColumns is how wide a terminal must be to have a bar, and mostBar how wide
// the bar is at most.
const (
	barColumns = 70
	mostBar    = 30
)

// progressText is never as wide as the terminal: a line that wraps cannot be
// written over.
func progressText(what string, done, of, columns int) string {
	before, after := what+": ", fmt.Sprintf("%d requests", done)
	if of > 0 {
		after = fmt.Sprintf("%d of %d requests", done, of)
	}
	room := columns - 1 - utf8.RuneCountInString(before+after)
	if width := min(mostBar, room-1); of > 0 && columns >= barColumns && width > 0 {
		filled := min(width*done/of, width)
		return before + strings.Repeat("█", filled) + strings.Repeat("░", width-filled) + " " + after
	}
	text := []rune(before + after)
	return string(text[:min(len(text), max(columns-1, 0))])
}

// clear removes the line.
func (p *progress) clear() {
	if p.shown {
		fmt.Fprint(p.w, "\r"+eraseRest)
	}
	p.shown = false
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
