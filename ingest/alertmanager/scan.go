package alertmanager

import (
	"fmt"
	"unicode/utf8"
)

// maxDepth bounds the nesting of a body. The deepest that the senders write is
// nine.
const maxDepth = 100

// syntaxError says where and why a text is not JSON.
type syntaxError struct {
	at     int
	reason string
}

func (e *syntaxError) Error() string {
	return fmt.Sprintf("not valid JSON at byte %d: %s", e.at, e.reason)
}

// unexpectedEnd is the reason of a text that ends in the middle of a value.
const unexpectedEnd = "unexpected end"

// scanValue checks the JSON value that begins at or after b[i] and returns the
// indexes of its first byte and of the one behind its last. It does not
// allocate. Reading is in two steps, checking and then taking ([cursor]),
// because an entry that is JSON but makes no sense must not take its
// neighbours with it.
func scanValue(b []byte, i int) (start, end int, err error) {
	start = skipSpace(b, i)
	end, err = scan(b, start, 0)
	return start, end, err
}

func scan(b []byte, i, depth int) (int, error) {
	if i >= len(b) {
		return i, &syntaxError{i, unexpectedEnd}
	}
	switch c := b[i]; {
	case c == '"':
		return scanString(b, i)
	case c == '{', c == '[':
		if depth >= maxDepth {
			return i, &syntaxError{i, "nested too deeply"}
		}
		return scanComposite(b, i, depth)
	case c == '-', '0' <= c && c <= '9':
		return scanNumber(b, i)
	case c == 't':
		return scanLiteral(b, i, "true")
	case c == 'f':
		return scanLiteral(b, i, "false")
	case c == 'n':
		return scanLiteral(b, i, "null")
	}
	return i, &syntaxError{i, fmt.Sprintf("a value cannot begin with %q", b[i])}
}

func scanComposite(b []byte, i, depth int) (int, error) {
	object := b[i] == '{'
	closing := byte(']')
	if object {
		closing = '}'
	}
	i = skipSpace(b, i+1)
	if i < len(b) && b[i] == closing {
		return i + 1, nil
	}
	var err error
	for {
		if object {
			if i >= len(b) {
				return i, &syntaxError{i, unexpectedEnd}
			}
			if b[i] != '"' {
				return i, &syntaxError{i, "a key must be a string"}
			}
			if i, err = scanString(b, i); err != nil {
				return i, err
			}
			if i = skipSpace(b, i); i >= len(b) || b[i] != ':' {
				return i, unexpected(b, i, "a colon")
			}
			i = skipSpace(b, i+1)
		}
		if i, err = scan(b, i, depth+1); err != nil {
			return i, err
		}
		i = skipSpace(b, i)
		switch {
		case i < len(b) && b[i] == ',':
			i = skipSpace(b, i+1)
		case i < len(b) && b[i] == closing:
			return i + 1, nil
		default:
			return i, unexpected(b, i, fmt.Sprintf("a comma or %q", closing))
		}
	}
}

func unexpected(b []byte, i int, want string) error {
	if i >= len(b) {
		return &syntaxError{i, unexpectedEnd}
	}
	return &syntaxError{i, fmt.Sprintf("%q where %s should be", b[i], want)}
}

func scanString(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n := escapeLen(b[i:])
			if n == 0 {
				return i, &syntaxError{i, "invalid escape in a string"}
			}
			i += n - 1
		case c < ' ':
			return i, &syntaxError{i, "a control character in a string"}
		}
	}
	return i, &syntaxError{i, unexpectedEnd}
}

// escapeLen is the length of the escape sequence that b begins with, or 0 when
// it is none.
func escapeLen(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		if _, ok := hex4(b); ok {
			return 6
		}
	}
	return 0
}

// hex4 reads the code unit of an escape \uXXXX.
func hex4(b []byte) (rune, bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

func scanNumber(b []byte, i int) (int, error) {
	digits := func() bool {
		from := i
		for i < len(b) && '0' <= b[i] && b[i] <= '9' {
			i++
		}
		return i > from
	}
	if b[i] == '-' {
		i++
	}
	switch {
	case i < len(b) && b[i] == '0':
		i++
	case !digits():
		return i, unexpected(b, i, "a digit")
	}
	if i < len(b) && b[i] == '.' {
		i++
		if !digits() {
			return i, unexpected(b, i, "a digit")
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		if !digits() {
			return i, unexpected(b, i, "a digit")
		}
	}
	return i, nil
}

func scanLiteral(b []byte, i int, want string) (int, error) {
	for k := range len(want) {
		if i+k >= len(b) || b[i+k] != want[k] {
			return i + k, unexpected(b, i+k, want)
		}
	}
	return i + len(want), nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// cleanBody is the body without a byte order mark and with every byte that is
// no UTF-8 replaced, as encoding/json does it. A clean body is not copied.
func cleanBody(body []byte) []byte {
	if len(body) >= 3 && body[0] == 0xEF && body[1] == 0xBB && body[2] == 0xBF {
		body = body[3:]
	}
	if utf8.Valid(body) {
		return body
	}
	clean := make([]byte, 0, len(body)+len(body)/8)
	for len(body) > 0 {
		r, n := utf8.DecodeRune(body)
		clean = utf8.AppendRune(clean, r)
		body = body[n:]
	}
	return clean
}
