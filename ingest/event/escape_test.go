package event

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

func TestEscapeText(t *testing.T) {
	for text, want := range map[string]string{
		"":                        "",
		"größe ☃ \x00 \U0010feff": "größe ☃ \x00 \U0010feff",
		"\xff":                    "\U0010ffff",
		"a\xc3b":                  "a\U0010ffc3b",
		"\U0010ffff":              "\U0010fff4\U0010ff8f\U0010ffbf\U0010ffbf",
		"\ufffd":                  "\ufffd",
	} {
		if got := EscapeText(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		pieces := rapid.SliceOf(rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"\xff", "\xf4\x8f", "\U0010ff00", "\U0010ffff", "\xed\xa0\x80", "\xf4\x90\x80\x80"}))).Draw(t, "pieces")
		text := ""
		for _, p := range pieces {
			text += p
		}
		escaped := EscapeText(text)
		if !utf8.ValidString(escaped) {
			t.Fatalf("%q: escaped as %q, which is not UTF-8", text, escaped)
		}
		if got := UnescapeText(escaped); got != text {
			t.Fatalf("%q: got %q back from %q", text, got, escaped)
		}
	})
}
