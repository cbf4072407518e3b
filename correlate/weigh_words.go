package correlate

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// A name is an identifier that somebody chose (dashboard_favorites,
// readThreeDSResult, memory-store, a quoted 'meta'): two texts that share one
// speak of the same thing. A word is a part of a name or plain language, cut to
// its stem: sharing one says a little.

// maxText bounds how much of one text is read, in bytes.
const maxText = 16 << 10

var (
	identifierRE = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$]*`)
	kebabRE      = regexp.MustCompile(`[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+`)
	quotedRE     = regexp.MustCompile(`'([A-Za-z][\w.\-/]{1,59})'|"([A-Za-z][\w.\-/]{1,59})\\?"|` + "`([A-Za-z][\\w.\\-/]{1,59})`")
	// sqlNameRE finds what a statement or a database's message names.
	sqlNameRE = regexp.MustCompile(`(?i)\b(?:from|into|update|join|table|relation|column|index)\s+["'` + "`" + `]?([a-z_][a-z0-9_.]{2,59})`)
	hostRE    = regexp.MustCompile(`\b[A-Za-z][A-Za-z0-9\-]*(?:\.[A-Za-z0-9\-]+){2,}\b`)
	pathRE    = regexp.MustCompile(`/?(?:[\w.\-]+/)+[\w.\-]+`)
	// keyRE finds the keys of key=value pairs: they are the logger's words.
	keyRE = regexp.MustCompile(`(?:^|[\s{,(])([A-Za-z_][\w.\-]*)=`)
	// noiseRE finds what differs from line to line.
	noiseRE = regexp.MustCompile(`(?i)\b(?:trace|span|request|req|correlation|session)[._-]?id[=:]\s*\S+|\b[0-9a-f]{12,}\b|\b[0-9a-f]{8}-[0-9a-f-]{20,}|\d{4}-\d\d-\d\dT[\d:.]+Z?|<[a-z_*#]{1,20}>`)
)

// wordBag is the names and words of a text.
type wordBag struct {
	names map[string]bool
	words map[string]bool
	// spelling is how a name, and a word behind a “~”, was first written: names
	// are in lower case, and words are stems.
	spelling map[string]string
}

// wordSpelled is the word that a stem was cut from.
func (b wordBag) wordSpelled(stem string) string {
	if s := b.spelling["~"+stem]; s != "" {
		return s
	}
	return stem
}

func (b wordBag) spelled(name string) string {
	if s := b.spelling[name]; s != "" {
		return s
	}
	return name
}

func newBag() wordBag {
	return wordBag{names: map[string]bool{}, words: map[string]bool{}, spelling: map[string]string{}}
}

// take adds what another bag holds. Of two spellings the first stays.
func (b wordBag) take(o wordBag) {
	for name := range o.names {
		if !b.names[name] {
			b.names[name], b.spelling[name] = true, o.spelling[name]
		}
	}
	for word := range o.words {
		if !b.words[word] {
			b.words[word], b.spelling["~"+word] = true, o.spelling["~"+word]
		}
	}
}

// bagOf reads a text. Keys of key=value pairs are left out, their values not.
func bagOf(texts ...string) wordBag {
	b := newBag()
	for _, text := range texts {
		if len(text) > maxText {
			text = text[:maxText]
		}
		text = noiseRE.ReplaceAllString(text, " ")
		text = keyRE.ReplaceAllString(text, " ")
		for _, name := range namesIn(text) {
			low := strings.ToLower(name)
			if !b.names[low] {
				b.names[low], b.spelling[low] = true, name
			}
		}
		for _, id := range identifierRE.FindAllString(text, -1) {
			for _, part := range splitName(id) {
				for _, w := range wordsOf(part) {
					if !b.words[w] {
						b.words[w], b.spelling["~"+w] = true, strings.ToLower(part)
					}
				}
			}
		}
	}
	return b
}

// namesIn finds the names of a text, as they are written there.
func namesIn(text string) []string {
	var names []string
	for _, id := range identifierRE.FindAllString(text, -1) {
		if isCompound(id) {
			names = append(names, strings.Trim(id, "_$"))
		}
	}
	names = append(names, kebabRE.FindAllString(text, -1)...)
	for _, re := range []*regexp.Regexp{quotedRE, sqlNameRE} {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			for _, group := range m[1:] {
				if len(group) >= 3 && !stopWords[stem(strings.ToLower(group))] {
					names = append(names, group)
				}
			}
		}
	}
	names = append(names, hostRE.FindAllString(text, -1)...)
	for _, p := range pathRE.FindAllString(text, -1) {
		if strings.Count(p, "/") >= 2 && len(p) <= 120 {
			names = append(names, p)
		}
	}
	return names
}

// isCompound reports whether an identifier is of more than one word, so that
// it is a chosen name and no plain language.
func isCompound(id string) bool {
	return len(id) >= 5 && len(splitName(id)) >= 2
}

// splitName cuts an identifier into its words at underscores, dollars and
// changes of case: readThreeDSResult is read, Three, DS, Result.
func splitName(id string) []string {
	var parts []string
	runes := []rune(id)
	start := 0
	cut := func(end int) {
		if end > start {
			parts = append(parts, string(runes[start:end]))
		}
		start = end
	}
	for i, r := range runes {
		switch {
		case r == '_' || r == '$' || r == '-':
			cut(i)
			start = i + 1
		case i > start && unicode.IsUpper(r) && (unicode.IsLower(runes[i-1]) || unicode.IsDigit(runes[i-1]) ||
			i+1 < len(runes) && unicode.IsLower(runes[i+1]) && unicode.IsUpper(runes[i-1])):
			cut(i)
		}
	}
	cut(len(runes))
	return slices.DeleteFunc(parts, func(p string) bool { return strings.Trim(p, "0123456789") == "" })
}

// wordsOf cuts a name into stems, without those that say nothing.
func wordsOf(name string) []string {
	var words []string
	for _, part := range splitName(name) {
		w := stem(strings.ToLower(strings.TrimRight(part, "0123456789")))
		if len(w) >= 3 && !stopWords[w] {
			words = append(words, w)
		}
	}
	return words
}

var suffixes = []string{
	"izations", "ization", "ations", "ation", "ements", "ement", "ating", "ators", "ator", "ates", "ated", "ate",
	"ings", "ing", "ions", "ion", "ments", "ment", "ives", "ive", "ers", "er", "ies", "ied", "ed", "es", "ry", "s", "y", "e",
}

// stem cuts the endings off an English word, roughly: expiry, expired and
// expires are all expir. At least four letters stay.
func stem(w string) string {
	for range 2 { // an ending may stand on another: retry-ing
		for _, suffix := range suffixes {
			if len(w)-len(suffix) >= 4 && strings.HasSuffix(w, suffix) {
				w = w[:len(w)-len(suffix)]
				break
			}
		}
	}
	return w
}

// stopWords are stems that every log and every program is full of, whatever it
// is about: they tie nothing to anything.
var stopWords = stems(`
the and for with from that this was were not are but has have had its our your all any can may will would
should when then than into onto over under after before since until while each per via out off yes one two new
old first last next more most less least very only also just both same other another some none
error err fail failed failing failure fatal panic exception warn warning info debug trace level log logger logging message msg
request response req resp http https api url uri route path status code method get set put post patch delete head options
return returned returning value result data item items list map string int float bool byte true false nil null none undefined
service services server client upstream downstream caller call called handler handle handling func function type struct class
interface package import const var let def self public private static void async await
runtime goroutine thread process main init start started starting stop stopped exit run running
time timestamp date second minute hour duration ms sec
id key name user users host node pod container prod production staging env environment version release build
add added adding remove removed use used using make made do does did done
internal external invalid unexpected unknown unable cannot could
attempt times count number size max min total rate ratio above below threshold observed
chore refactor feat fix docs test tests style perf tidy helper simplify update updated change changed cleanup
ctx context src lib pkg app cmd test file line code number text
critical high low page alert monitor incident overall default spike elevated increase rising
go py ts js tsx jsx java rb rs cpp cs php yaml yml json toml sql css html
`)

func stems(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
		set[stem(w)] = true
	}
	return set
}
