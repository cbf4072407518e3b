package alertmanager

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// FuzzScan holds the scanner and the cursor against encoding/json: they accept
// the same texts, nesting aside, and read the same strings.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		``, ` `, `{}`, `[]`, `[1,2.5e-3,-0,0.1]`, `01`, `-`, `1.`, `1e`, `nul`, `nulll`, `true`, `"a\u00e9\ud83d\ude00\ud800x\n"`,
		"\"a\x00\"", `"\x"`, `"\u12"`, `{"a":1,}`, `{"a" 1}`, `{1:2}`, `[1 2]`, `[,]`, `{"a":{"b":[null,true,false]}}`, `"abc`, `{"a":"\"}"}`, "\xff", "\"\xff\"",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		text = cleanBody(text)
		raw, err := wholeValue(text)
		if valid := json.Valid(text); valid != (err == nil) {
			if valid && strings.Contains(err.Error(), "nested too deeply") {
				return
			}
			t.Fatalf("encoding/json says valid is %t, we say %v", valid, err)
		}
		if err != nil {
			return
		}
		c := newCursor(raw)
		if got := c.skip(); !bytes.Equal(got, raw) || c.i != len(raw) {
			t.Fatalf("skip takes %q of %q", got, raw)
		}
		walk(t, newCursor(raw))
	})
}

// walk reads a whole value and compares what it reads.
func walk(t *testing.T, c *cursor) {
	switch c.peek() {
	case '{':
		c.enter('{')
		for c.more('}') {
			c.key()
			walk(t, c)
		}
	case '[':
		c.enter('[')
		for c.more(']') {
			walk(t, c)
		}
	case '"':
		raw := (&cursor{b: c.b, i: c.i}).skip()
		var want string
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatal(err)
		}
		if got := string(c.str()); got != want {
			t.Fatalf("string %s is read as %q, want %q", raw, got, want)
		}
	default:
		raw := c.skip()
		if !json.Valid(raw) {
			t.Fatalf("skip takes %q", raw)
		}
	}
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, open := range []string{"[", `{"a":`} {
		body := strings.Repeat(open, 1_000_000)
		if _, err := wholeValue([]byte(body)); err == nil || !strings.Contains(err.Error(), "nested too deeply") {
			t.Errorf("%s…: %v", open, err)
		}
	}
}
