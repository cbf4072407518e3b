package api

import (
	"fmt"
	"net/url"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest/event"
)

// Alerts, log lines and messages say what their senders like. The functions
// here make them safe to stand in a document, whatever they hold: the result
// is one line, holds no markup, and its length is bounded.

// Lengths, in characters, at which texts are cut.
const (
	maxInline = 400
	maxLine   = 600
)

// inline is a text that stands within a line, a heading or a cell of a table.
// Every character that can begin markup, in CommonMark or GitHub's tables, is
// escaped; <, > and & become entities, which also those renderers respect that
// let HTML through.
func inline(text string) string {
	text = oneLine(text, maxInline)
	var b strings.Builder
	b.Grow(len(text) + 16)
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch c {
		case '<':
			b.WriteString("&lt;")
			continue
		case '>':
			b.WriteString("&gt;")
			continue
		case '&':
			b.WriteString("&amp;")
			continue
		case '\\', '`', '*', '[', ']', '|', '~', '$', '#':
			b.WriteByte('\\')
		case '_':
			// Between letters or digits an underscore is no emphasis; names stay readable.
			if i == 0 || i == len(text)-1 || !isWord(text[i-1]) || !isWord(text[i+1]) {
				b.WriteByte('\\')
			}
		case '+', '-', '=':
			// These mean something at the start of a block only.
			if i == 0 {
				b.WriteByte('\\')
			}
		case '.', ')':
			// "1. " and "1) " begin a list there.
			if i > 0 && allDigits(text[:i]) && (i+1 == len(text) || text[i+1] == ' ') {
				b.WriteByte('\\')
			}
		}
		b.WriteByte(c)
	}
	return b.String()
}

func isWord(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func allDigits(s string) bool {
	return len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// code is a text as a code span. It must not stand in a table, where a bar
// would end the cell.
func code(text string) string {
	text = oneLine(text, maxInline)
	if text == "" {
		return "` `"
	}
	fence := strings.Repeat("`", longestRun(text, '`')+1)
	pad := ""
	if text[0] == '`' || text[len(text)-1] == '`' || (text[0] == ' ' && text[len(text)-1] == ' ') {
		pad = " "
	}
	return fence + pad + text + pad + fence
}

// block is lines as a fenced block of code, every line behind indent. The
// fence is longer than any run of backticks in the lines.
func block(lines []string, indent string) string {
	fence := 2
	clean := make([]string, len(lines))
	for i, l := range lines {
		clean[i] = oneLine(l, maxLine)
		fence = max(fence, longestRun(clean[i], '`'))
	}
	var b strings.Builder
	mark := strings.Repeat("`", fence+1)
	fmt.Fprintf(&b, "%s%stext\n", indent, mark)
	for _, l := range clean {
		fmt.Fprintf(&b, "%s%s\n", indent, l)
	}
	fmt.Fprintf(&b, "%s%s\n", indent, mark)
	return b.String()
}

// oneLine is a text without line breaks, control characters and characters
// that reorder what is around them, cut to a number of characters.
func oneLine(text string, limit int) string {
	var b strings.Builder
	n, space := 0, false
	for _, r := range strings.TrimSpace(clipBytes(text, 8*limit)) {
		switch {
		case unicode.IsSpace(r):
			space = true
			continue
		case r == utf8.RuneError, unicode.IsControl(r), unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp):
			r = utf8.RuneError
		}
		if space {
			b.WriteByte(' ')
			space = false
			n++
		}
		if n >= limit {
			b.WriteString("…")
			return b.String()
		}
		b.WriteRune(r)
		n++
	}
	if len(text) > 8*limit {
		b.WriteString("…")
	}
	return b.String()
}

// clipBytes keeps the work on a long text in bounds. It may cut within a
// character; what is cut in two becomes a replacement character.
func clipBytes(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// link is a link to an address that a sender gave, when it is one that a
// browser opens as a page, and else the text alone.
func link(text, address string) string {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || len(address) > 2048 {
		return inline(text)
	}
	return "[" + inline(text) + "](" + destination(u.String()) + ")"
}

// destination escapes what would end the address of a link or a cell of a
// table.
func destination(address string) string {
	var b strings.Builder
	for i := range len(address) {
		switch c := address[i]; {
		case c <= ' ', c >= 0x7f, strings.IndexByte("()<>[]|\\`*_~\"'", c) >= 0:
			fmt.Fprintf(&b, "%%%02X", c)
		case c == '&':
			b.WriteString("&amp;")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// maxEvidence is how many links to evidence are written in one place.
const maxEvidence = 5

// evidence links to facts, under the API's base address.
func evidence(base string, facts []event.ID) string {
	var b strings.Builder
	for i, id := range facts {
		if i == maxEvidence {
			fmt.Fprintf(&b, " and %d more", len(facts)-maxEvidence)
			break
		}
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "[%d](%s/events/%s)", i+1, base, id)
	}
	return b.String()
}

// clock is a time in UTC to the millisecond.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000Z") }

// clockOr is a time, or what to say without one.
func clockOr(t *time.Time, without string) string {
	if t == nil {
		return without
	}
	return clock(*t)
}

// span is a number of seconds as people say it.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d.Abs() >= time.Minute {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}
