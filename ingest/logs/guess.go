package logs

import (
	"strconv"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// guessLevel is the level of a line for which nobody states one. In this
// order:
//
//  1. A level that the line itself declares by its form: klog (E1122
//     15:04:05), syslog's <PRI>, a level in capitals standing alone near the
//     beginning (2024-… ERROR [main] …, LOG:  …), one in brackets ([error]),
//     or one that begins the line and a colon follows (warning: …).
//  2. The status of an access log's line: 5xx is an error, others information.
//  3. The worst of the words of trouble: "panic:" and "fatal error" are fatal;
//     error, failed, exception, traceback and names like TypeError or
//     SQLException are errors; warning and deprecated are warnings. A word
//     counts alone (not in error_rate or /error/), and neither when it is
//     denied ("no error", "0 errors", "without errors") nor when what follows
//     says so ("errors: 0", "error=nil") or makes it a name ("error rate").
//
// A line to which none applies has no known level.
func guessLevel(s string) event.Level {
	s = strings.TrimSpace(stripColours(clipRunes(s, guessWindow)))
	if l := declaredLevel(s); l != event.LevelUnknown {
		return l
	}
	if l := accessLogLevel(s); l != event.LevelUnknown {
		return l
	}
	return worstWord(s)
}

const (
	// declarationWindow is how far into a line a level may be declared, and
	// guessWindow how far words of trouble are looked for, in bytes.
	declarationWindow = 160
	guessWindow       = 2048
)

func declaredLevel(s string) event.Level {
	if len(s) > 14 && strings.IndexByte("IWEF", s[0]) >= 0 && digitsAt(s, 1, 4) && s[5] == ' ' && clockAt(s, 6) > 0 {
		return ParseLevel(s[:1])
	}
	if len(s) > 2 && s[0] == '<' {
		if end := strings.IndexByte(s[:min(len(s), 5)], '>'); end > 1 && digitsAt(s, 1, end-1) {
			pri, _ := strconv.Atoi(s[1:end])
			return numericLevel(pri % 8)
		}
	}
	head := s[:min(len(s), declarationWindow)]
	denied, firstWord := false, true
	for i := 0; i < len(head); {
		from, to := nextWord(head, i)
		if from == to {
			break
		}
		i = to
		word := head[from:to]
		if isDigit(word[0]) {
			denied = word == "0"
			continue
		}
		if l := declared(head, from, to, firstWord); l != event.LevelUnknown && !denied {
			return l
		}
		denied = isDenial(word)
		firstWord = false
	}
	return event.LevelUnknown
}

// declared is the level that the word [from, to) declares where it stands.
func declared(s string, from, to int, firstWord bool) event.Level {
	word := s[from:to]
	if len(word) < 3 {
		return event.LevelUnknown
	}
	l := ParseLevel(word)
	if l == event.LevelUnknown {
		if word == "LOG" && isPostgresLog(firstWord, s[to:]) { // PostgreSQL
			return event.LevelInfo
		}
		return event.LevelUnknown
	}
	before, behind := byte(' '), byte(' ')
	if from > 0 {
		before = s[from-1]
	}
	if to < len(s) {
		behind = s[to]
	}
	switch {
	case before == '[' && behind == ']', before == '\t' && behind == '\t':
		return l
	case firstWord && behind == ':' && from < 40:
		return l
	case word != strings.ToUpper(word) || l == event.LevelFatal && word == "ALERT":
		return event.LevelUnknown
	case strings.IndexByte(" \t[(|<:]-,\"", before) >= 0 && strings.IndexByte(" \t])|>:,-", behind) >= 0:
		switch word {
		case "NORMAL", "DEFAULT", "CONFIG", "FINE", "FINER", "FAIL", "FAILURE", "PANIC":
			// Words in capitals more often than levels, unless a colon follows.
			if behind != ':' {
				return event.LevelUnknown
			}
		}
		return l
	}
	return event.LevelUnknown
}

// isPostgresLog reports whether what follows the word LOG makes it
// PostgreSQL's level.
func isPostgresLog(firstWord bool, behind string) bool {
	return strings.HasPrefix(behind, ":  ") || firstWord && strings.HasPrefix(behind, ": ")
}

// accessLogLevel looks for the status behind a quoted request.
func accessLogLevel(s string) event.Level {
	i := strings.Index(s, " HTTP/")
	if i < 0 {
		return event.LevelUnknown
	}
	q := strings.IndexByte(s[i:min(len(s), i+16)], '"')
	if q < 0 || i+q+5 > len(s) || s[i+q+1] != ' ' || !isStatus(s[i+q+2:i+q+5]) {
		return event.LevelUnknown
	}
	if s[i+q+2] == '5' {
		return event.LevelError
	}
	return event.LevelInfo
}

// nextWord is the next run, from i on, of letters, digits and "_", "-", ".",
// "/", "$" between them. Both ends are equal when there is none.
func nextWord(s string, i int) (from, to int) {
	for i < len(s) && classes[s[i]]&(isAlnumByte|isHighByte) == 0 {
		i++
	}
	from = i
	for i < len(s) && classes[s[i]]&(isAlnumByte|isHighByte|isJoinByte) != 0 {
		i++
	}
	for i > from && classes[s[i-1]]&(isAlnumByte|isHighByte) == 0 {
		i--
	}
	return from, i
}

func worstWord(s string) event.Level {
	worst := event.LevelUnknown
	denied := false
	for i := 0; i < len(s); {
		from, to := nextWord(s, i)
		if from == to {
			break
		}
		i = to
		word := s[from:to]
		if from > 0 && strings.IndexByte("/_-.=", s[from-1]) >= 0 {
			// A part of a path or the value of a field, no word.
			denied = false
			continue
		}
		if l := trouble(word, s[to:]); l > worst && !denied && !denies(s[to:]) {
			worst = l
		}
		denied = isDenial(word)
	}
	return worst
}

// trouble is the level of a word of trouble; behind is what follows it.
func trouble(word, behind string) event.Level {
	if len(word) < 4 {
		return event.LevelUnknown
	}
	var buf [16]byte
	if len(word) <= len(buf) {
		for i := range len(word) {
			buf[i] = lower(word[i])
		}
		switch string(buf[:len(word)]) {
		case "panic":
			if strings.HasPrefix(behind, ":") {
				return event.LevelFatal
			}
		case "panicked":
			return event.LevelFatal
		case "fatal":
			if strings.HasPrefix(behind, ":") || strings.HasPrefix(behind, " error") {
				return event.LevelFatal
			}
		case "error", "errors", "exception", "exceptions", "traceback", "failed", "failure", "failures":
			if !makesName(behind) {
				return event.LevelError
			}
		case "warning", "warnings", "warn", "deprecated", "deprecationwarning":
			return event.LevelWarn
		}
	}
	if dot := strings.LastIndexAny(word, ".$"); dot >= 0 {
		word = word[dot+1:]
	}
	if len(word) > 5 && isUpper(word[0]) {
		switch {
		case strings.HasSuffix(word, "Exception"):
			return event.LevelError
		case strings.HasSuffix(word, "Error") && (behind == "" || strings.IndexByte(":(\n", behind[0]) >= 0):
			return event.LevelError
		}
	}
	return event.LevelUnknown
}

// isDenial reports whether a word denies the one behind it.
func isDenial(word string) bool {
	switch len(word) {
	case 1:
		return word == "0"
	case 2, 3, 4, 5, 6, 7:
		switch strings.ToLower(word) {
		case "no", "non", "not", "zero", "without", "any", "if", "never", "avoid", "avoids":
			return true
		}
	}
	return false
}

// denies reports whether what follows a word says that there is none of it:
// "errors=0", "error: nil", "failures: none".
func denies(behind string) bool {
	rest := strings.TrimLeft(behind, `"'`)
	if rest == "" || rest[0] != '=' && rest[0] != ':' {
		return false
	}
	rest = strings.TrimLeft(rest[1:], ` "'<`)
	from, to := nextWord(rest, 0)
	return from == 0 && to > 0 && !tellsOfError(rest[:to]) || strings.HasPrefix(behind, `=""`)
}

// tellsOfError reports whether the value of a field named error says that
// there is one.
func tellsOfError(value string) bool {
	switch len(value) {
	case 0:
		return false
	case 1, 2, 3, 4, 5:
		switch strings.ToLower(value) {
		case "0", "0.0", "0.00", "0%", "no", "nil", "<nil>", "null", "none", "false", "ok", "-", "{}", "[]":
			return false
		}
	}
	return true
}

// makesName reports whether what follows makes a name of a word of trouble:
// error rate, error handler, error budget.
func makesName(behind string) bool {
	if !strings.HasPrefix(behind, " ") {
		return false
	}
	from, to := nextWord(behind, 0)
	if from != 1 {
		return false
	}
	switch strings.ToLower(behind[from:min(to, from+16)]) {
	case "rate", "rates", "ratio", "budget", "count", "counter", "handler", "handlers", "handling", "reporting",
		"reporter", "tracking", "page", "pages", "log", "logs", "logging", "code", "codes", "threshold", "policy":
		return true
	}
	return false
}
