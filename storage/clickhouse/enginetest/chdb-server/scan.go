package main

import (
	"fmt"
	"strings"
)

// statement is what must be known of a query's text before the engine gets it:
// no more than where an INSERT's rows begin, and that there is one statement.
type statement struct {
	// sql is the text without the rows behind it.
	sql string
	// insert is true for an INSERT whose rows follow its FORMAT.
	insert bool
	// source is where FROM INFILE belongs in such an INSERT: in front of SETTINGS
	// or FORMAT.
	source int
}

// readingFrom is the INSERT that takes its rows from a file.
func (st statement) readingFrom(path string) string {
	return st.sql[:st.source] + "FROM INFILE " + quoted(path, '\'') + " COMPRESSION 'none' " + st.sql[st.source:]
}

// scan reads a query's text. Several statements in one text are refused, as the
// server does; the library would run them.
func scan(sql string) (statement, error) {
	t := tokens{sql: sql}
	st := statement{sql: sql}
	first, ok := t.next()
	if !ok {
		return st, &refusal{code: codeSyntaxError, name: "SYNTAX_ERROR", text: "Empty query"}
	}
	inserting := first.is("INSERT")
	named, depth := false, 0
	var previous token
	for {
		word, ok := t.next()
		if !ok {
			return st, nil
		}
		switch word.text {
		case "(", "[", "{":
			depth++
		case ")", "]", "}":
			depth--
		case ";":
			if rest, more := t.next(); more {
				return st, &refusal{
					code: codeSyntaxError, name: "SYNTAX_ERROR",
					text: fmt.Sprintf("Syntax error (Multi-statements are not allowed): failed at position %d: %.40s", rest.start+1, sql[rest.start:]),
				}
			}
		}
		switch {
		case !inserting || depth > 0:
		case word.is("INTO", "TABLE", "FUNCTION") && !named:
		case !named || previous.text == ".":
			named = true // a table may have a keyword's name
		case word.is("SELECT", "WITH", "FROM", "WATCH"):
			inserting = false
		case word.is("VALUES"):
			return st, nil // the engine parses them with the statement
		case word.is("SETTINGS") && st.source == 0:
			st.source = word.start
		case word.is("FORMAT"):
			if st.source == 0 {
				st.source = word.start
			}
			if name, ok := t.next(); ok {
				st.insert = true
				st.sql = sql[:rowsAfter(sql, name.start+len(name.text))]
			}
			return st, nil
		}
		previous = word
	}
}

// rowsAfter skips the blanks behind a format's name and one line's end.
func rowsAfter(sql string, at int) int {
	for at < len(sql) && strings.IndexByte(" \t\r", sql[at]) >= 0 {
		at++
	}
	if at < len(sql) && sql[at] == '\n' {
		at++
	}
	return at
}

// token is a word, a number, a quoted text or one other character.
type token struct {
	text  string
	start int
}

func (t token) is(words ...string) bool {
	for _, word := range words {
		if strings.EqualFold(t.text, word) {
			return true
		}
	}
	return false
}

// tokens cuts SQL into tokens, without blanks and comments.
type tokens struct {
	sql string
	at  int
}

func (t *tokens) next() (token, bool) {
	t.skip()
	if t.at >= len(t.sql) {
		return token{}, false
	}
	start := t.at
	switch c := t.sql[t.at]; {
	case c == '\'' || c == '"' || c == '`':
		t.at = quoteEnd(t.sql, t.at)
	case isWord(c):
		for t.at < len(t.sql) && isWord(t.sql[t.at]) {
			t.at++
		}
	case c == '$':
		t.at = heredocEnd(t.sql, t.at)
	default:
		t.at++
	}
	return token{text: t.sql[start:t.at], start: start}, true
}

// skip passes blanks and comments.
func (t *tokens) skip() {
	for t.at < len(t.sql) {
		rest := t.sql[t.at:]
		switch {
		case strings.IndexByte(" \t\r\n\f\v", rest[0]) >= 0:
			t.at++
		case strings.HasPrefix(rest, "--"), strings.HasPrefix(rest, "#!"), strings.HasPrefix(rest, "# "):
			t.at += lengthUntil(rest, "\n")
		case strings.HasPrefix(rest, "/*"):
			t.at += lengthUntil(rest, "*/")
		default:
			return
		}
	}
}

// lengthUntil is how long s is up to and with end, or to its own end.
func lengthUntil(s, end string) int {
	if i := strings.Index(s, end); i >= 0 {
		return i + len(end)
	}
	return len(s)
}

// quoteEnd is the place behind the quoted text that begins at start. Both ways
// to write a quote inside are known: a backslash before it, and two of them.
func quoteEnd(sql string, start int) int {
	for i := start + 1; i < len(sql); i++ {
		switch sql[i] {
		case '\\':
			i++
		case sql[start]:
			if i+1 < len(sql) && sql[i+1] == sql[start] {
				i++
				continue
			}
			return i + 1
		}
	}
	return len(sql)
}

// heredocEnd is the place behind $tag$…$tag$, or behind the dollar alone.
func heredocEnd(sql string, start int) int {
	end := start + 1
	for end < len(sql) && isWord(sql[end]) {
		end++
	}
	if end >= len(sql) || sql[end] != '$' {
		return start + 1
	}
	tag := sql[start : end+1]
	return end + 1 + lengthUntil(sql[end+1:], tag)
}

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
