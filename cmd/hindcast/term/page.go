// Package term prints timelines for people at a terminal: aligned, wrapped to
// the width, in colour only where that is wanted.
//
// In the flow it comes last: demo and replay print by it what a server answered.
package term

import (
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	xterm "golang.org/x/term"
)

// Options says what the terminal can do. The zero Options is plain text, 100
// columns wide.
type Options struct {
	// Width is in columns; less than 60 counts as 60.
	Width int
	Color bool
}

const (
	defaultWidth = 100
	minWidth     = 60
	maxWidth     = 160
)

// For looks at what is written to: colour and its width if it is a terminal;
// no colour if NO_COLOR is set (https://no-color.org) or TERM is "dumb".
// COLUMNS overrides the width.
func For(w io.Writer) Options {
	o := Options{Width: defaultWidth}
	if f, ok := w.(*os.File); ok && xterm.IsTerminal(int(f.Fd())) {
		o.Color = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
		if width, _, err := xterm.GetSize(int(f.Fd())); err == nil {
			o.Width = width
		}
	}
	if columns, err := strconv.Atoi(os.Getenv("COLUMNS")); err == nil && columns > 0 {
		o.Width = columns
	}
	return o
}

// style is an ANSI sequence; "" is plain.
type style string

const (
	plain  style = ""
	bold   style = "\x1b[1m"
	dim    style = "\x1b[2m"
	red    style = "\x1b[31m"
	green  style = "\x1b[32m"
	yellow style = "\x1b[33m"
	cyan   style = "\x1b[36m"
	reset        = "\x1b[0m"
)

// page collects lines and the first error of writing them.
type page struct {
	w     io.Writer
	width int
	color bool
	err   error
}

func newPage(w io.Writer, o Options) *page {
	if o.Width == 0 {
		o.Width = defaultWidth
	}
	return &page{w: w, width: min(max(o.Width, minWidth), maxWidth), color: o.Color}
}

// cell is a text in a column of a fixed width; 0 is the last one, that wraps.
type cell struct {
	text  string
	width int
	style style
}

// row prints cells side by side; the last one wraps below itself.
func (p *page) row(indent int, cells ...cell) {
	var line strings.Builder
	line.WriteString(strings.Repeat(" ", indent))
	at := indent
	for _, c := range cells[:len(cells)-1] {
		text := clean(c.text)
		line.WriteString(p.paint(c.style, text))
		n := utf8.RuneCountInString(text)
		gap := max(c.width-n, 1)
		line.WriteString(strings.Repeat(" ", gap))
		at += n + gap
	}
	last := cells[len(cells)-1]
	room := p.width - at
	if room < minWidth/3 {
		// What stands before is so long that the rest goes below it.
		p.write(strings.TrimRight(line.String(), " "))
		line.Reset()
		at = indent + 4
		line.WriteString(strings.Repeat(" ", at))
		room = p.width - at
	}
	for i, part := range wrap(clean(last.text), room) {
		if i > 0 {
			line.Reset()
			line.WriteString(strings.Repeat(" ", at))
		}
		line.WriteString(p.paint(last.style, part))
		p.write(strings.TrimRight(line.String(), " "))
	}
}

func (p *page) blank() { p.write("") }

func (p *page) heading(text string) {
	p.blank()
	p.write(p.paint(bold, text))
}

func (p *page) write(line string) {
	if p.err == nil {
		_, p.err = io.WriteString(p.w, line+"\n")
	}
}

func (p *page) paint(s style, text string) string {
	if !p.color || s == plain || text == "" {
		return text
	}
	return string(s) + text + reset
}

// clean takes out what could steer the terminal: the text is a sender's.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case unicode.IsControl(r), unicode.Is(unicode.Cf, r):
			return '·'
		}
		return r
	}, strings.ToValidUTF8(text, "·"))
}

// wrap breaks a text at spaces into lines of at most width runes; a word that
// is longer is broken. It returns at least one line.
func wrap(text string, width int) []string {
	var lines []string
	line, length := "", 0
	flush := func() { lines, line, length = append(lines, line), "", 0 }
	for _, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if length > 0 && length+1+n > width {
			flush()
		}
		for n > width {
			runes := []rune(word)
			line, word = string(runes[:width]), string(runes[width:])
			n -= width
			flush()
		}
		if length > 0 {
			line += " "
			length++
		}
		line += word
		length += n
	}
	if length > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}
