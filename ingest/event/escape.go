package event

import (
	"strings"
	"unicode/utf8"
)

// firstEscape is the first of the 256 characters, from the end of Unicode's
// private use, that stand for bytes.
const firstEscape = 0x10FF00

// EscapeText makes UTF-8 of a text that need not be, for formats that take
// nothing else. Bytes that are not UTF-8 are written as characters that stand
// for them, and so are, that nothing is ambiguous, the bytes of these characters
// themselves. Any other text is unchanged. [UnescapeText] is the inverse.
func EscapeText(s string) string {
	if utf8.ValidString(s) && !hasEscape(s) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		c, n := utf8.DecodeRuneInString(s[i:])
		if (c == utf8.RuneError && n == 1) || c >= firstEscape {
			for _, raw := range []byte(s[i : i+n]) {
				b.WriteRune(firstEscape + rune(raw))
			}
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

// UnescapeText is what [EscapeText] made a text of.
func UnescapeText(s string) string {
	if !hasEscape(s) {
		return s
	}
	var b strings.Builder
	for _, c := range s {
		if c >= firstEscape {
			b.WriteByte(byte(c - firstEscape))
		} else {
			b.WriteRune(c)
		}
	}
	return b.String()
}

// hasEscape reports whether there may be characters that stand for bytes: it
// looks for what these begin with in UTF-8.
func hasEscape(s string) bool { return strings.Contains(s, "\xf4\x8f") }
