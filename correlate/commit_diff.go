package correlate

import (
	"regexp"
	"strconv"
	"strings"
)

// commitDiff is what a diff says, with the lines that it only moves set aside:
// a refactoring moves lines, a mistake is in those that differ.
type commitDiff struct {
	// headers is the text of hunk headers: mostly the function around.
	headers []string
	// removed and added are the lines that are on one side only, without
	// comments, imports and what only answers or logs: those that can change
	// what a program does.
	removed, added []string
	// moved are lines that stand on both sides, and context.
	moved []string
	// told are the changed lines that only answer, log or comment.
	told []string
	// order is what the diff adds or keeps, in order, for finding calls in loops.
	order []diffLine
	// lines is the number of changed lines of any sort.
	lines int
}

type diffLine struct {
	text  string
	added bool
}

var (
	hunkRE    = regexp.MustCompile(`^@@[^@]*@@(.*)$|^@@(.*)$`)
	fileRE    = regexp.MustCompile(`^(?:---|\+\+\+) (?:[ab]/|/dev/null)|^(?:diff --git|index [0-9a-f]+\.\.)`)
	commentRE = regexp.MustCompile(`^(?://|#(?:[^{]|$)|/\*|\*(?:\s|/|$)|--\s|<!--|"""|''')`)
	importRE  = regexp.MustCompile(`^(?:import\b|from\s+\S+\s+import\b|#include\b|using\s+[\w.]+;|use\s+[\w:]+;|require\s*[('"]|const\s+\w+\s*=\s*require\()`)
	// tellRE finds lines that only answer or log.
	tellRE = regexp.MustCompile(`(?i)^(?:return\s+)?(?:\w+[.:]+)*(?:log(?:ger)?|console|slog|zap|LOG_[A-Z]+|fmt)[.(]|^(?:return\s+)?(?:w|rw|res|resp|response|ctx|c)(?:\.\w+\([^()]*\))*\.(?:header\(\)\.set|status|json|send|writeheader|write)\b.*\(|^(?:return\s+)?http\.Error\(|^(?:return\s+)?write(?:JSON|Error)\(|^Err\w+\s*=\s*["']|^["'][^"']*["'],?$`)
)

// maxDiffLines bounds how much of a diff is read.
const maxDiffLines = 4000

func parseDiff(diff string) commitDiff {
	var d commitDiff
	var removed, added []string
	for n, raw := range strings.Split(diff, "\n") {
		if n == maxDiffLines {
			break
		}
		switch {
		case raw == "" || fileRE.MatchString(raw):
		case strings.HasPrefix(raw, "@@"):
			m := hunkRE.FindStringSubmatch(raw)
			d.headers = append(d.headers, strings.TrimSpace(m[1]+m[2]))
			d.order = append(d.order, diffLine{})
		case raw[0] == '-':
			removed = append(removed, squeeze(raw[1:]))
		case raw[0] == '+':
			added = append(added, squeeze(raw[1:]))
			d.order = append(d.order, diffLine{squeeze(raw[1:]), true})
		default:
			d.moved = append(d.moved, squeeze(raw))
			d.order = append(d.order, diffLine{squeeze(raw), false})
		}
	}
	d.lines = len(removed) + len(added)
	onlyRemoved, kept := subtract(removed, added)
	onlyAdded, _ := subtract(added, removed)
	d.moved = append(d.moved, kept...)
	d.removed = d.setAside(onlyRemoved)
	d.added = d.setAside(onlyAdded)
	return d
}

// squeeze makes lines equal that differ in white space only.
func squeeze(line string) string { return strings.Join(strings.Fields(line), " ") }

// subtract takes from lines those that others has as well, each once.
func subtract(lines, others []string) (rest, common []string) {
	left := map[string]int{}
	for _, o := range others {
		left[o]++
	}
	for _, l := range lines {
		if left[l] > 0 {
			left[l]--
			common = append(common, l)
		} else {
			rest = append(rest, l)
		}
	}
	return rest, common
}

// setAside keeps the lines that can change what the program does.
func (d *commitDiff) setAside(lines []string) []string {
	var acting []string
	for _, l := range lines {
		switch {
		case l == "" || strings.Trim(l, "(){}[];, ") == "" || importRE.MatchString(l):
		case commentRE.MatchString(l) || tellRE.MatchString(l):
			d.told = append(d.told, l)
		default:
			acting = append(acting, l)
		}
	}
	return acting
}

// tokenRE finds what a line is made of, for telling whether a change moves code
// or makes it do something else.
var tokenRE = regexp.MustCompile(`[A-Za-z_$][A-Za-z0-9_$]*|\d+(?:\.\d+)?|==|!=|<=|>=|&&|\|\||[<>!]`)

// balance counts tokens on the added side less those on the removed one.
func (d *commitDiff) balance() map[string]int {
	n := map[string]int{}
	for _, l := range d.removed {
		for _, t := range tokenRE.FindAllString(l, -1) {
			n[t]--
		}
	}
	for _, l := range d.added {
		for _, t := range tokenRE.FindAllString(l, -1) {
			n[t]++
		}
	}
	return n
}

var (
	calledRE  = regexp.MustCompile(`([A-Za-z_$][A-Za-z0-9_$]*)\s*(?:\[[^\]]*\])?\(`)
	definedRE = regexp.MustCompile(`^(?:export\s+|public\s+|private\s+|static\s+|async\s+|pub\s+)*(?:func(?:\s*\([^)]*\))?|function|def|fn|fun|sub|class|struct|[A-Z]\w*(?:<[^>]*>)?)\s+([A-Za-z_$][A-Za-z0-9_$]*)\s*[(\[<]`)
)

// onlyMoves reports whether the diff moves or renames code without making it
// do anything else: no name, number or comparison vanishes, and whatever is
// newly called is defined in the diff or was called before.
func (d *commitDiff) onlyMoves() bool {
	if len(d.removed)+len(d.moved) == 0 || len(d.added) == 0 && len(d.removed) > 0 {
		return false
	}
	if len(d.settings()) > 0 {
		return false
	}
	vanished, appeared := 0, 0
	for token, n := range d.balance() {
		short := len(token) <= 2 && isWordy(token) // loop variables and receivers
		switch {
		case short || glueTokens[token]:
		case n == -1 && isWordy(token):
			return false // a local name stands in two places at least
		case n < 0 && isWordy(token):
			vanished++
		case n != 0 && !isWordy(token):
			return false // a number or a comparison differs
		case n > 0:
			appeared++
		}
	}
	if vanished > 0 && (vanished > 1 || appeared != 1) {
		return false
	}
	own := map[string]bool{}
	for _, l := range d.removed {
		for _, m := range calledRE.FindAllStringSubmatch(l, -1) {
			own[m[1]] = true
		}
	}
	for _, l := range append(d.added, d.moved...) {
		if m := definedRE.FindStringSubmatch(l); m != nil {
			own[m[1]] = true
		}
	}
	for _, l := range d.added {
		for _, m := range calledRE.FindAllStringSubmatch(l, -1) {
			if !own[m[1]] && !constructorRE.MatchString(m[1]) && !glueTokens[m[1]] {
				return false
			}
		}
	}
	return len(d.removed) > 0 || movedOnBothSides(d)
}

// movedOnBothSides reports whether lines were moved, and not only kept as
// context.
func movedOnBothSides(d *commitDiff) bool {
	return d.lines > len(d.added)+len(d.removed)+len(d.told) && len(d.added) > 0
}

var constructorRE = regexp.MustCompile(`^[Nn]ew[A-Z]\w*$|^new$`)

func isWordy(token string) bool {
	c := token[0]
	return c == '_' || c == '$' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
}

// glueTokens come and go with any rewriting.
var glueTokens = map[string]bool{
	"return": true, "var": true, "const": true, "let": true, "func": true, "function": true, "def": true, "fn": true,
	"string": true, "error": true, "byte": true, "int": true, "any": true, "struct": true, "this": true, "self": true,
	"public": true, "private": true, "static": true, "final": true, "void": true, "async": true, "await": true, "export": true,
	"float64": true, "bool": true, "err": true, "range": true, "for": true, "type": true,
}

// setting is a key whose value a change replaces.
type setting struct {
	key      string
	old, new string
	// factor is new/old for numbers; 0 when either is no number.
	factor float64
}

var (
	settingRE = regexp.MustCompile(`([A-Za-z_][\w.\-]*)["']?\s*(?::=|=>|=|:)\s*["']?([A-Za-z0-9_.+\-%]+)["']?(?:\s*\*\s*([A-Za-z.]+))?`)
	replyRE   = regexp.MustCompile(`(?i)([A-Za-z_][\w.\-]{2,})["']?(?:\s*[:=])?\s+(?:was\s+)?(?:from\s+)?([0-9][\w.%]*|on|off|true|false|info|debug|warn|trace)\s*(?:->|→|=>|to)\s*([0-9][\w.%]*|on|off|true|false|info|debug|warn|trace)\b`)
	amountRE  = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z%]*)$`)
)

// settings pairs the keys that stand on both sides with other values.
func (d *commitDiff) settings() []setting {
	old := map[string]string{}
	for _, l := range d.removed {
		for _, m := range settingRE.FindAllStringSubmatch(l, -1) {
			old[m[1]] = m[2] + unitOf(m[3])
		}
	}
	var changed []setting
	for _, l := range d.added {
		for _, m := range settingRE.FindAllStringSubmatch(l, -1) {
			value := m[2] + unitOf(m[3])
			if was, ok := old[m[1]]; ok && was != value {
				changed = append(changed, newSetting(m[1], was, value))
			}
		}
	}
	return changed
}

// settingsTold finds settings in plain language, as "pool_size 50 -> 5".
func settingsTold(message string) []setting {
	var told []setting
	for _, m := range replyRE.FindAllStringSubmatch(message, -1) {
		told = append(told, newSetting(m[1], m[2], m[3]))
	}
	return told
}

func newSetting(key, old, new string) setting {
	s := setting{key: key, old: old, new: new}
	was, okWas := amountOf(old)
	now, okNow := amountOf(new)
	if okWas && okNow && was > 0 {
		s.factor = now / was
	}
	return s
}

// unitOf shortens a unit that a program multiplies by: time.Second is s.
func unitOf(unit string) string {
	switch unit[strings.LastIndexByte(unit, '.')+1:] {
	case "Millisecond":
		return "ms"
	case "Second":
		return "s"
	case "Minute":
		return "m"
	case "Hour":
		return "h"
	}
	return ""
}

var unitFactors = map[string]float64{
	"": 1, "%": 0.01, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400,
	"k": 1e3, "kb": 1e3, "ki": 1 << 10, "kib": 1 << 10,
	"mb": 1e6, "mi": 1 << 20, "mib": 1 << 20, "gb": 1e9, "g": 1e9, "gi": 1 << 30, "gib": 1 << 30,
}

// amountOf reads a number with a unit of time or size.
func amountOf(value string) (float64, bool) {
	m := amountRE.FindStringSubmatch(value)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	factor, known := unitFactors[strings.ToLower(m[2])]
	return n * factor, err == nil && known
}
