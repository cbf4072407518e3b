package logs

import (
	"strings"
	"unicode/utf8"

	"github.com/hindcast/hindcast/ingest/event"
)

// MaxTemplate bounds a pattern's text, in bytes.
const MaxTemplate = 512

// What stands in a template for what varies. Numbers and identifiers share
// one: an identifier in hex may by chance be all digits, and would then make a
// pattern of its own.
const (
	anyNumber = "<n>"
	anyTime   = "<time>"
	anyIP     = "<ip>"
	anyEmail  = "<email>"
)

// Mask turns a text into its pattern: words stay, what varies from line to
// line is masked. It depends on nothing but the text, and masking a pattern
// again changes nothing. The result is valid UTF-8 of at most [MaxTemplate]
// bytes.
//
// Masked are
//
//   - numbers with their sign and unit, also within words: order 4711, 95.2%,
//     10.4GiB, 1m3.5s, worker-12, ListObjectsV2, charge.go:118, v2.3.1;
//     lists of them become one;
//   - identifiers: hex from six digits on, UUIDs, hardware addresses, and
//     other words that mix letters and digits at random;
//   - times and dates, IP and e-mail addresses;
//   - what follows key= where the key says that it varies (trace_id, token,
//     version, user, anything that ends in an id …). An HTTP status becomes
//     its class: status=502 is status=5xx.
//
// Not masked are quoted words (relation "users" does not exist) and short
// names with a digit: s3, x509, utf8, k8s, p99, v1. White space counts as one
// space, colours not at all.
func Mask(text string) string {
	m := masker{table: defaultFields}
	m.begin(MaxTemplate)
	m.text(text)
	return string(m.end())
}

var defaultFields = newFieldTable(event.DefaultLabelMap())

// masker writes patterns. It can be used again and again; what end returns is
// valid until begin.
type masker struct {
	table *fieldTable
	// into is told of the fields in the text; nil when nobody asks.
	into *facets

	out  []byte
	max  int
	full bool
	// run is where in out the current run of letters, digits and what joins
	// them begins: a key, if "=" follows. Keys are looked up as masked, so that
	// masking again finds the same.
	run int
	// noQuote says that no closing quote of this sort comes any more.
	noQuote [2]bool
}

func (m *masker) begin(limit int) {
	if m.out == nil {
		m.out = make([]byte, 0, MaxTemplate)
	}
	m.out, m.max, m.full, m.run = m.out[:0], limit, false, 0
}

// end is what was written.
func (m *masker) end() []byte {
	for len(m.out) > 0 && m.out[len(m.out)-1] == ' ' {
		m.out = m.out[:len(m.out)-1]
	}
	return m.out
}

// The classes of bytes.
const (
	isLetterByte uint8 = 1 << iota
	isDigitByte
	isRunByte // may be part of a key beside letters and digits
	isSpaceByte
	isHighByte // part of a rune beyond ASCII
	isEndByte  // ends a value that is not quoted
	isJoinByte // joins the parts of a word of a sentence

	isAlnumByte = isLetterByte | isDigitByte
)

var classes = func() (t [256]uint8) {
	for c := range 256 {
		b := byte(c)
		switch {
		case c >= utf8.RuneSelf:
			t[c] = isHighByte
		case isDigit(b):
			t[c] = isDigitByte
		case isAlnum(b):
			t[c] = isLetterByte
		case c <= ' ' || c == 0x7f:
			t[c] = isSpaceByte
		case strings.IndexByte("_.-+%<>", b) >= 0:
			t[c] = isRunByte
		}
		if t[c]&isSpaceByte != 0 || strings.IndexByte(`"',;)]}&|`, b) >= 0 {
			t[c] |= isEndByte
		}
		if strings.IndexByte("_-./$", b) >= 0 {
			t[c] |= isJoinByte
		}
	}
	return t
}()

// maskWindow is how far into a text the mask looks, for the pattern and for
// fields, in bytes. It bounds the work on lines that are made to be slow.
const maskWindow = 8 << 10

// text appends the pattern of s.
func (m *masker) text(s string) {
	s = stripColours(clipRunes(s, maskWindow))
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	m.noQuote = [2]bool{}
	i := 0
	for i < len(s) && !m.full {
		c := s[i]
		switch k := classes[c]; {
		case k&isAlnumByte != 0:
			i = m.word(s, i)
		case k&isSpaceByte != 0:
			if m.last() != ' ' {
				m.putByte(' ')
			}
			m.run = len(m.out)
			i++
		case c == '=':
			i = m.assignment(s, i)
		case c == '@':
			i = m.email(s, i)
		case c == ':' && strings.HasPrefix(s[i:], "::") && m.atBoundary():
			i = m.doubleColon(s, i)
		case k&isHighByte != 0:
			_, n := utf8.DecodeRuneInString(s[i:])
			m.put(s[i : i+n])
			m.run = len(m.out)
			i += n
		default:
			m.putByte(c)
			if k&isRunByte == 0 {
				m.run = len(m.out)
			}
			i++
		}
	}
	if m.into != nil && i < len(s) {
		m.fieldsOf(s[i:])
	}
}

// put appends what is kept. What does not fit ends the pattern.
func (m *masker) put(s string) bool {
	if len(m.out)+len(s) > m.max {
		m.full = true
		return false
	}
	m.out = append(m.out, s...)
	return true
}

func (m *masker) putByte(c byte) bool {
	if len(m.out) >= m.max {
		m.full = true
		return false
	}
	m.out = append(m.out, c)
	return true
}

// last is the last byte written, a space at the beginning.
func (m *masker) last() byte {
	if len(m.out) == 0 {
		return ' '
	}
	return m.out[len(m.out)-1]
}

// atBoundary reports whether something whole can begin here: what was written
// does not end in a part of a word. A placeholder counts as one.
func (m *masker) atBoundary() bool {
	c := m.last()
	return c != '>' && c != '_' && classes[c]&isAlnumByte == 0
}

// findRun finds where the run begins, after out was shortened.
func (m *masker) findRun() {
	for m.run = len(m.out); m.run > 0 && classes[m.out[m.run-1]]&(isAlnumByte|isRunByte) != 0; {
		m.run--
	}
}

// assignment reads "=" and, when the key asks for it, the value behind.
func (m *masker) assignment(s string, i int) int {
	key := m.out[m.run:]
	var f field
	varies := false
	if len(key) > 0 {
		f = lookUp(m.table, key)
		varies = f.roles&roleVaries != 0 || endsInID(key)
	}
	if !m.putByte('=') {
		return i
	}
	m.run = len(m.out)
	i++
	if f.roles == 0 && !varies {
		return i
	}
	value, end := m.valueAt(s, i)
	if value == "" {
		return i
	}
	if m.into != nil && f.roles != 0 {
		m.into.take(f, value, false)
	}
	switch {
	case varies:
		m.put(anyNumber)
		for end < len(s) && !endsValue(s[end]) {
			end++ // what is glued to a quoted value
		}
		return end
	case f.roles&roleStatus != 0 && isStatus(value):
		m.put(statusClass(value))
		return end
	}
	return i
}

// valueAt is the value that begins at i, without its quotes, and where it
// ends.
func (m *masker) valueAt(s string, i int) (value string, end int) {
	if i >= len(s) {
		return "", i
	}
	if q := s[i]; q == '"' || q == '\'' {
		no := &m.noQuote[0]
		if q == '\'' {
			no = &m.noQuote[1]
		}
		if !*no {
			for j := i + 1; j < len(s); j++ {
				if s[j] == '\\' {
					j++
				} else if s[j] == q {
					return s[i+1 : j], j + 1
				}
			}
			*no = true
		}
		return "", i
	}
	j := i
	for j < len(s) && !endsValue(s[j]) {
		j++
	}
	return s[i:j], j
}

// endsValue reports whether a byte ends a value that is not quoted.
func endsValue(c byte) bool { return classes[c]&isEndByte != 0 }

// fieldsOf tells of the fields in a text that is beyond the pattern.
func (m *masker) fieldsOf(s string) {
	for {
		eq := strings.IndexByte(s, '=')
		if eq < 0 {
			return
		}
		from := eq
		for from > 0 && classes[s[from-1]]&(isAlnumByte|isRunByte) != 0 {
			from--
		}
		next := eq + 1
		if f := lookUp(m.table, s[from:eq]); f.roles != 0 {
			var value string
			if value, next = m.valueAt(s, eq+1); value != "" {
				m.into.take(f, value, false)
			}
		}
		s = s[max(next, eq+1):]
	}
}

// email masks local@domain, of which the local part is written already.
func (m *masker) email(s string, i int) int {
	local := m.run
	if local < len(m.out) && m.out[local] == '<' && m.out[len(m.out)-1] != '>' {
		local++ // Bob <bob@example.org>
	}
	end := i + 1
	dots, tail := 0, 0
	for end < len(s) && (classes[s[end]]&isAlnumByte != 0 || s[end] == '-' || s[end] == '.' && end+1 < len(s) && classes[s[end+1]]&isAlnumByte != 0) {
		if tail++; s[end] == '.' {
			dots, tail = dots+1, 0
		}
		end++
	}
	if local == len(m.out) || dots == 0 || tail < 2 || strings.HasPrefix(strings.TrimLeft(s[end:min(len(s), end+2)], "."), "<") {
		m.put("@")
		m.run = len(m.out)
		return i + 1
	}
	m.out = m.out[:local]
	m.put(anyEmail)
	m.findRun()
	return end
}

func isStatus(s string) bool {
	return len(s) == 3 && '1' <= s[0] && s[0] <= '5' && isDigit(s[1]) && isDigit(s[2])
}

// statusClass is 5xx for 502.
func statusClass(s string) string {
	return [...]string{"1xx", "2xx", "3xx", "4xx", "5xx"}[s[0]-'1']
}
