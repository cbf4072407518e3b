package correlate

import (
	"cmp"
	"math"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// scene is a suspicion as the rules look at it: what the errors name, of what
// nature they are, what operational cause they tell of, who fails and who is
// only a victim.
type scene struct {
	*suspicion
	symptoms []*patternText
	// named are the names and words of the symptoms and alerts; stack those
	// names that are on a stack trace.
	named wordBag
	stack map[string]bool
	// stackFiles are paths of source files on stack traces.
	stackFiles []string
	// quiet are the words that the log used before the trouble as well.
	quiet wordBag
	// natures and operationals are indexes into the tables, in their order.
	natures      []nature
	operationals []operational

	failing map[string]bool // services with symptoms or alerts
	alerted map[string]bool
	member  map[string]bool
	victim  map[string]string // failing service → the failing service that it names
	near    map[string]bool   // services with any patterns here

	// rarity is by how many commits name a word or name.
	wordIn, nameIn map[string]int
	commitCount    int
	facts          map[string]*commitFacts // by SHA
}

func newScene(s *suspicion) *scene {
	sc := &scene{
		suspicion: s,
		stack:     map[string]bool{},
		failing:   map[string]bool{},
		alerted:   setOf(s.alerting),
		member:    setOf(s.services),
		victim:    map[string]string{},
		near:      map[string]bool{},
		wordIn:    map[string]int{},
		nameIn:    map[string]int{},
		facts:     map[string]*commitFacts{},
	}
	sc.pickSymptoms()
	sc.readSymptoms()
	sc.findVictims()
	sc.readCommits()
	return sc
}

func setOf(list []string) map[string]bool {
	set := map[string]bool{}
	for _, s := range list {
		set[s] = true
	}
	return set
}

var troubleRE = regexp.MustCompile(`(?i)\b(?:error|fail|failed|failure|exception|panic|fatal|time-?out|refused|denied|unavailable)\b`)

// isTrouble reports whether a pattern complains.
func isTrouble(p *patternText) bool {
	return p.level >= event.LevelWarn || p.level == event.LevelUnknown && troubleRE.MatchString(p.template)
}

// pickSymptoms chooses the patterns that complain and that began, or grew, with
// the trouble.
func (sc *scene) pickSymptoms() {
	for i := range sc.patterns {
		p := &sc.patterns[i]
		sc.near[p.service] = true
		if p.count == 0 || !isTrouble(p) {
			continue
		}
		recent := !sc.onsetKnown && p.first.After(sc.detected.Add(-unknownOnsetWithin))
		if p.isNew || p.baseline == 0 || p.count > 3*p.baseline || recent {
			sc.symptoms = append(sc.symptoms, p)
		}
	}
	slices.SortStableFunc(sc.symptoms, func(a, b *patternText) int {
		return cmp.Or(
			-cmp.Compare(sc.closeness(a.service), sc.closeness(b.service)),
			-cmp.Compare(a.level, b.level),
			-cmp.Compare(a.count, b.count))
	})
	sc.symptoms = sc.symptoms[:min(len(sc.symptoms), maxSymptoms)]
	for _, p := range sc.symptoms {
		sc.failing[p.service] = true
	}
	for service := range sc.alerted {
		sc.failing[service] = true
	}
}

func (sc *scene) closeness(service string) int {
	switch {
	case sc.alerted[service]:
		return 2
	case sc.member[service]:
		return 1
	}
	return 0
}

// textsOf is what a pattern says: its lines, which still hold the names that
// its template may mask.
func textsOf(p *patternText) []string {
	if len(p.lines) > 0 {
		return p.lines
	}
	return []string{p.template}
}

var (
	stackFileRE = regexp.MustCompile(`([\w.\-/]*\w\.(?:go|py|js|mjs|ts|tsx|jsx|java|kt|scala|rb|rs|php|cs|cpp|cc|c|h|ex|exs|swift))(?::|", line |\()\d+`)
	stackFuncRE = regexp.MustCompile(`([A-Za-z_$][\w$]*)\s*\(?[\w./\-]*\.(?:go|py|js|ts|java|kt|rb|rs|php|cs)[:)]|\.(?:go|py|js|ts|java|kt|rb|rs|php|cs):\d+:?\d*\)?\s+([\w.$()*]+)|\bat\s+([\w.$<>]+)\s*\(|\)\.([A-Za-z_]\w*)\(|->\s*([\w./()*$]+)`)
)

// readSymptoms collects what the trouble names.
func (sc *scene) readSymptoms() {
	var texts, quiet []string
	for _, p := range sc.symptoms {
		texts = append(texts, textsOf(p)...)
	}
	for _, a := range sc.alerts {
		texts = append(texts, alertTexts(a)...)
	}
	for i := range sc.patterns {
		if p := &sc.patterns[i]; p.baseline > 0 {
			quiet = append(quiet, textsOf(p)[0])
		}
	}
	sc.named, sc.quiet = newBag(), newBag()
	for _, text := range quiet {
		sc.quiet.take(readText(text).bag)
	}
	for _, text := range texts {
		r := readText(text)
		sc.named.take(r.bag)
		for _, file := range r.files {
			if !slices.Contains(sc.stackFiles, file) {
				sc.stackFiles = append(sc.stackFiles, file)
			}
		}
		for _, name := range r.frames {
			if !sc.near[name] {
				sc.stack[name] = true
			}
		}
	}
	sc.forgetServices()
	sc.explain()
}

// forgetServices drops the names of services and their parts: every line and
// every commit of a service names it, which ties nothing to anything.
func (sc *scene) forgetServices() {
	services := slices.Concat(sc.services, sc.alerting)
	for service := range sc.near {
		services = append(services, service)
	}
	for _, c := range sc.changes {
		services = append(services, c.service)
	}
	for _, service := range services {
		low := strings.ToLower(service)
		delete(sc.named.names, low)
		for _, part := range strings.FieldsFunc(low, func(r rune) bool { return r == '-' || r == '_' || r == '.' }) {
			part = strings.TrimSuffix(strings.TrimSuffix(part, "service"), "svc")
			delete(sc.named.words, stem(part))
		}
	}
}

// findVictims finds the failing services whose complaints name another failing
// one: trouble comes to them from there.
func (sc *scene) findVictims() {
	for _, p := range sc.symptoms {
		if sc.victim[p.service] != "" {
			continue
		}
		text := strings.Join(textsOf(p), "\n")
		for _, other := range slices.Sorted(keys(sc.failing)) {
			if other == p.service {
				continue
			}
			if slices.Contains(p.upstreams, other) || slices.Contains(sc.calls[p.service], other) && containsWord(text, other) {
				sc.victim[p.service] = other
				break
			}
		}
	}
	// Who names one another is no victim: neither is deeper.
	for service, of := range sc.victim {
		if sc.victim[of] == service {
			sc.victim[service], sc.victim[of] = "", ""
		}
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// containsWord reports whether text has word with no letter or digit beside it.
func containsWord(text, word string) bool {
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 || word == "" {
			return false
		}
		start, end := from+i, from+i+len(word)
		if (start == 0 || !isNameByte(text[start-1])) && (end == len(text) || !isNameByte(text[end])) {
			return true
		}
		from = end
	}
}

func isNameByte(b byte) bool {
	return b == '_' || '0' <= b && b <= '9' || 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z'
}

// readCommits reads all commits once, and counts how many name a word.
func (sc *scene) readCommits() {
	read := func(c event.Commit) {
		if _, seen := sc.facts[c.SHA]; seen || len(sc.facts) >= maxCommits {
			return
		}
		f := recallCommit(c)
		sc.facts[c.SHA] = f
		sc.commitCount++
		for w := range f.words {
			sc.wordIn[w]++
		}
		for n := range f.names {
			sc.nameIn[n]++
		}
	}
	for _, c := range sc.changes {
		for _, commit := range c.commits {
			read(commit)
		}
	}
	for _, commit := range sc.commits {
		read(commit)
	}
}

// rarity is 1 for what one commit names and nears 0 for what all name.
func (sc *scene) rarity(in map[string]int, what string) float64 {
	if sc.commitCount == 0 {
		return 1
	}
	all := float64(sc.commitCount + 1)
	return math.Log(all/float64(max(in[what], 1))) / math.Log(all)
}

// wordWeight is how much it says that a change names a word of the errors.
func (sc *scene) wordWeight(word string) float64 {
	w := min(sc.rarity(sc.wordIn, word), 1)
	if sc.quiet.words[word] {
		w *= quietWeight
	}
	return max(w, 0)
}

func (sc *scene) nameWeight(name string) float64 {
	w := min(sc.rarity(sc.nameIn, name), 1)
	if sc.quiet.names[name] {
		w *= quietWeight
	}
	return max(w, 0)
}

// quietWeight is what a word counts that the log used before the trouble too.
const quietWeight = 0.3

// onStack finds the file of the stack that a commit changes; common says that
// only its base name agrees, and that this is a name that many files have.
func (sc *scene) onStack(files []string) (file string, common, found bool) {
	for _, f := range files {
		if harmlessFileRE.MatchString(f) {
			continue
		}
		for _, s := range sc.stackFiles {
			switch {
			case strings.HasSuffix("/"+f, "/"+strings.TrimLeft(s, "./")) || strings.HasSuffix("/"+s, "/"+f):
				return f, commonFiles[path.Base(f)] && !strings.Contains(s, "/"), true
			case path.Base(f) == path.Base(s) && !strings.Contains(strings.TrimLeft(s, "./"), "/"):
				return f, commonFiles[path.Base(f)], true
			case path.Base(f) == path.Base(s) && !commonFiles[path.Base(f)]:
				return f, true, true
			}
		}
	}
	return "", false, false
}

var commonFiles = setOf([]string{
	"main.go", "server.go", "handler.go", "client.go", "service.go", "util.go", "utils.go", "config.go", "types.go", "errors.go", "db.go", "api.go",
	"index.js", "index.ts", "app.js", "app.ts", "server.js", "server.ts", "utils.js", "utils.ts", "main.js", "main.ts",
	"main.py", "app.py", "views.py", "models.py", "utils.py", "__init__.py", "client.py", "base.py",
	"Main.java", "Application.java", "main.rs", "lib.rs", "mod.rs",
})
