package alertmanager

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// cursor takes values from JSON that [scanValue] has checked. It is not for
// other input.
//
// Objects and arrays are read so; every value must be taken, by skip at least:
//
//	if c.enter('{') {
//		for c.more('}') {
//			switch string(c.key()) {
//			case "name":
//				name = c.text()
//			default:
//				c.skip()
//			}
//		}
//	}
type cursor struct {
	b []byte
	i int
	// scratch holds the last string that had escapes.
	scratch []byte
}

func newCursor(raw []byte) *cursor { return &cursor{b: raw} }

// peek is the first byte of the next value: one of { [ " t f n, or the first
// byte of a number.
func (c *cursor) peek() byte {
	c.i = skipSpace(c.b, c.i)
	return c.b[c.i]
}

// enter goes into an object ('{') or an array ('['). When the next value is
// something else it is skipped.
func (c *cursor) enter(open byte) bool {
	if c.peek() != open {
		c.skip()
		return false
	}
	c.i++
	return true
}

// more reports whether the object or array that was entered goes on. It leaves
// it when it does not.
func (c *cursor) more(closing byte) bool {
	c.i = skipSpace(c.b, c.i)
	switch c.b[c.i] {
	case closing:
		c.i++
		return false
	case ',':
		c.i = skipSpace(c.b, c.i+1)
	}
	return true
}

// key takes the key and the colon of an object's next member. It is valid
// until the next call.
func (c *cursor) key() []byte {
	k := c.str()
	c.i = skipSpace(c.b, c.i) + 1
	return k
}

// skip takes the next value and returns it as it is written.
func (c *cursor) skip() []byte {
	start := skipSpace(c.b, c.i)
	depth := 0
	for i := start; i < len(c.b); i++ {
		switch c.b[i] {
		case '"':
			i = stringEnd(c.b, i)
			if depth == 0 {
				c.i = i + 1
				return c.b[start:c.i]
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 { // the end of what a number or literal is in
				c.i = i
				return bytes.TrimRight(c.b[start:i], " \n\t\r")
			}
			if depth == 0 {
				c.i = i + 1
				return c.b[start:c.i]
			}
		case ',':
			if depth == 0 {
				c.i = i
				return bytes.TrimRight(c.b[start:i], " \n\t\r")
			}
		}
	}
	c.i = len(c.b)
	return bytes.TrimRight(c.b[start:], " \n\t\r")
}

// stringEnd is the index of the closing quote of the string that begins at
// b[i].
func stringEnd(b []byte, i int) int {
	for i++; b[i] != '"'; i++ {
		if b[i] == '\\' {
			i++
		}
	}
	return i
}

// null takes the next value when it is null.
func (c *cursor) null() bool {
	if c.peek() != 'n' {
		return false
	}
	c.i += len("null")
	return true
}

// text takes the next value as a text. Numbers and booleans are taken as they
// are written, null as "". ok is false for objects and arrays. The text is
// valid until the next call.
func (c *cursor) text() (text []byte, ok bool) {
	switch c.peek() {
	case '"':
		return c.str(), true
	case 'n':
		c.skip()
		return nil, true
	case '{', '[':
		c.skip()
		return nil, false
	}
	return c.skip(), true
}

// str takes the string that comes next.
func (c *cursor) str() []byte {
	start := skipSpace(c.b, c.i) + 1
	for i := start; ; i++ {
		switch c.b[i] {
		case '"':
			c.i = i + 1
			return c.b[start:i]
		case '\\':
			end := stringEnd(c.b, start-1)
			c.i = end + 1
			c.scratch = unescape(c.scratch[:0], c.b[start:end])
			return c.scratch
		}
	}
}

// unescape appends what a string's text stands for. Half a surrogate pair
// stands for U+FFFD.
func unescape(dst, s []byte) []byte {
	for len(s) > 0 {
		k := bytes.IndexByte(s, '\\')
		if k < 0 {
			return append(dst, s...)
		}
		dst = append(dst, s[:k]...)
		s = s[k:]
		switch s[1] {
		case 'u':
			r, _ := hex4(s)
			s = s[6:]
			if utf16.IsSurrogate(r) {
				low, ok := hex4(s)
				if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
					s = s[6:]
				}
			}
			dst = utf8.AppendRune(dst, r)
			continue
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		default:
			dst = append(dst, s[1])
		}
		s = s[2:]
	}
	return dst
}
