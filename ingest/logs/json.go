package logs

import (
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// jsonReader reads JSON from a string without copying what needs no copy. It
// serves two readers that encoding/json serves badly: a push of many thousand
// short strings, and log lines, each of which is a small object that may be
// cut off. Strings are taken as they are, also where they are not UTF-8.
type jsonReader struct {
	s string
	i int
	// unescaped holds the strings that had escapes, many to an allocation, of
	// which the next is of block bytes.
	unescaped strings.Builder
	block     int
}

var (
	errJSON     = errors.New("not valid JSON")
	errJSONDeep = errors.New("nested too deeply")
)

// maxJSONDepth bounds nesting.
const maxJSONDepth = 64

// peek skips white space and returns the byte that comes, 0 at the end.
func (r *jsonReader) peek() byte {
	for r.i < len(r.s) {
		switch c := r.s[r.i]; c {
		case ' ', '\t', '\n', '\r':
			r.i++
		default:
			return c
		}
	}
	return 0
}

// take skips white space and eats c if that is what comes.
func (r *jsonReader) take(c byte) bool {
	if r.peek() != c || r.i >= len(r.s) {
		return false
	}
	r.i++
	return true
}

// object calls field for each member; field must read the value.
func (r *jsonReader) object(field func(name string) error) error {
	if !r.take('{') {
		return errJSON
	}
	if r.take('}') {
		return nil
	}
	for {
		name, err := r.str()
		if err != nil {
			return err
		}
		if !r.take(':') {
			return errJSON
		}
		if err := field(name); err != nil {
			return err
		}
		if r.take('}') {
			return nil
		}
		if !r.take(',') {
			return errJSON
		}
	}
}

// array calls element for each element; element must read it.
func (r *jsonReader) array(element func(i int) error) error {
	if !r.take('[') {
		return errJSON
	}
	if r.take(']') {
		return nil
	}
	for i := 0; ; i++ {
		if err := element(i); err != nil {
			return err
		}
		if r.take(']') {
			return nil
		}
		if !r.take(',') {
			return errJSON
		}
	}
}

// str reads a string.
func (r *jsonReader) str() (string, error) {
	if !r.take('"') {
		return "", errJSON
	}
	start := r.i
	end := strings.IndexByte(r.s[start:], '"')
	if end < 0 {
		return "", errJSON
	}
	if esc := strings.IndexByte(r.s[start:start+end], '\\'); esc < 0 {
		r.i = start + end + 1
		return r.s[start : start+end], nil
	}
	return r.unescape()
}

// skipStr reads a string that nobody wants.
func (r *jsonReader) skipStr() error {
	for i := r.i + 1; i < len(r.s); i++ {
		switch r.s[i] {
		case '\\':
			i++
		case '"':
			r.i = i + 1
			return nil
		}
	}
	return errJSON
}

// minBlock and maxBlock bound what is allocated at once for strings with
// escapes.
const minBlock, maxBlock = 256, 16 << 10

// unescape reads a string, behind its opening quote, that has escapes.
func (r *jsonReader) unescape() (string, error) {
	start := r.i
	if err := func() error { r.i--; return r.skipStr() }(); err != nil {
		return "", err
	}
	quoted := r.s[start : r.i-1]
	b := &r.unescaped
	// A string handed out earlier shares the builder's block; one that does not
	// fit begins a new block.
	if b.Cap()-b.Len() < len(quoted) {
		r.block = min(max(minBlock, 2*r.block), maxBlock)
		b.Reset()
		b.Grow(max(len(quoted), r.block))
	}
	from := b.Len()
	for quoted != "" {
		i := strings.IndexByte(quoted, '\\')
		if i < 0 {
			b.WriteString(quoted)
			break
		}
		b.WriteString(quoted[:i])
		// skipStr has seen a byte behind every backslash.
		c := quoted[i+1]
		quoted = quoted[i+2:]
		switch c {
		case '"', '\\', '/':
			b.WriteByte(c)
		case 'b':
			b.WriteByte('\b')
		case 'f':
			b.WriteByte('\f')
		case 'n':
			b.WriteByte('\n')
		case 'r':
			b.WriteByte('\r')
		case 't':
			b.WriteByte('\t')
		case 'u':
			u, ok := hex4(quoted)
			if !ok {
				return "", errJSON
			}
			quoted = quoted[4:]
			if utf16.IsSurrogate(u) {
				low, ok := rune(0), false
				if strings.HasPrefix(quoted, `\u`) {
					low, ok = hex4(quoted[2:])
				}
				if u = utf16.DecodeRune(u, low); ok && u != utf8.RuneError {
					quoted = quoted[6:]
				}
			}
			b.WriteRune(u)
		default:
			return "", errJSON
		}
	}
	return b.String()[from:], nil
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var u rune
	for i := range 4 {
		c := s[i]
		switch {
		case isDigit(c):
			u = u<<4 | rune(c-'0')
		case isHex(c):
			u = u<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return u, true
}

// literal reads a number, true, false or null and returns its text.
func (r *jsonReader) literal() (string, error) {
	r.peek()
	start := r.i
	for r.i < len(r.s) {
		c := r.s[r.i]
		if !isAlnum(c) && c != '-' && c != '+' && c != '.' {
			break
		}
		r.i++
	}
	text := r.s[start:r.i]
	switch text {
	case "true", "false", "null":
		return text, nil
	}
	if text == "" || (text[0] != '-' && !isDigit(text[0])) {
		return "", errJSON
	}
	for i := 1; i < len(text); i++ {
		if c := text[i]; isAlnum(c) && !isDigit(c) && c|0x20 != 'e' {
			return "", errJSON
		}
	}
	return text, nil
}

// scalar reads a string or a literal; isString tells which.
func (r *jsonReader) scalar() (text string, isString bool, err error) {
	if r.peek() == '"' {
		text, err = r.str()
		return text, true, err
	}
	text, err = r.literal()
	return text, false, err
}

// skip reads a value of any type that nobody wants and returns its text.
func (r *jsonReader) skip() (string, error) {
	r.peek()
	start := r.i
	err := r.skipDepth(0)
	return r.s[start:r.i], err
}

func (r *jsonReader) skipDepth(depth int) error {
	if depth > maxJSONDepth {
		return errJSONDeep
	}
	switch r.peek() {
	case '"':
		return r.skipStr()
	case '{':
		r.i++
		if r.take('}') {
			return nil
		}
		for {
			if r.peek() != '"' {
				return errJSON
			}
			if err := r.skipStr(); err != nil {
				return err
			}
			if !r.take(':') {
				return errJSON
			}
			if err := r.skipDepth(depth + 1); err != nil {
				return err
			}
			if r.take('}') {
				return nil
			}
			if !r.take(',') {
				return errJSON
			}
		}
	case '[':
		r.i++
		if r.take(']') {
			return nil
		}
		for {
			if err := r.skipDepth(depth + 1); err != nil {
				return err
			}
			if r.take(']') {
				return nil
			}
			if !r.take(',') {
				return errJSON
			}
		}
	default:
		_, err := r.literal()
		return err
	}
}
