package correlate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/ingest/event"
)

// where says in what part of a commit a name or word stands, by how much it
// means that it stands there.
type where int

const (
	inContext where = iota + 1
	inTold          // the message or a file's name
	inTouched       // on an edited line, but there before and after
	inChanged       // added, removed, or given another value
)

func (w where) String() string {
	return [...]string{"", "edits code beside", "is about", "edits lines with", "changes"}[w]
}

// commitFacts is what a commit does, read once.
type commitFacts struct {
	event.Commit
	diff   commitDiff
	traits []trait
	names  map[string]where
	words  map[string]where
	// known says how much is known of its content: nothing, a message, or what
	// it edits.
	known knowledge
}

type knowledge int

const (
	knowNothing knowledge = iota
	knowMessage
	knowContent
)

// readCommit reads a commit.
func readCommit(c event.Commit) *commitFacts {
	f := &commitFacts{Commit: c, names: map[string]where{}, words: map[string]where{}}
	f.diff = parseDiff(c.Diff)
	if len(c.Files) == 0 {
		c.Files = filesOf(c.Diff)
		f.Files = c.Files
	}
	f.traits = traitsOf(c.Message, c.Files, &f.diff)
	switch {
	case c.Diff != "" || len(c.Files) > 0:
		f.known = knowContent
	case len(bagOf(c.Message).words) > 1: // “release 2.0.0” tells nothing
		f.known = knowMessage
	}
	f.note(inTold, bagOf(c.Message))
	f.note(inTold, bagOf(strings.Join(c.Files, "\n")))
	f.note(inContext, bagOf(slices.Concat(f.diff.headers, f.diff.moved, f.diff.told)...))
	f.noteEdits()
	return f
}

func (f *commitFacts) note(w where, b wordBag) {
	for name := range b.names {
		f.names[name] = max(f.names[name], w)
	}
	for word := range b.words {
		f.words[word] = max(f.words[word], w)
	}
}

// noteEdits tells what edited lines change from what they only touch: what
// stands there equally often before and after is touched.
func (f *commitFacts) noteEdits() {
	removed, added := countBags(f.diff.removed), countBags(f.diff.added)
	mark := func(into map[string]where, before, after map[string]int) {
		for _, side := range []map[string]int{before, after} {
			for what := range side {
				w := inTouched
				if before[what] != after[what] {
					w = inChanged
				}
				into[what] = max(into[what], w)
			}
		}
	}
	mark(f.names, removed.names, added.names)
	mark(f.words, removed.words, added.words)
	for _, s := range append(f.diff.settings(), settingsTold(f.Message)...) {
		f.note(inChanged, bagOf(s.key))
	}
}

type bagCounts struct{ names, words map[string]int }

func countBags(lines []string) bagCounts {
	n := bagCounts{map[string]int{}, map[string]int{}}
	for _, l := range lines {
		for _, name := range namesIn(l) {
			n.names[strings.ToLower(name)]++
		}
		for _, id := range identifierRE.FindAllString(l, -1) {
			for _, w := range wordsOf(id) {
				n.words[w]++
			}
		}
	}
	return n
}

// filesOf finds the files in a diff's own headers.
func filesOf(diff string) []string {
	var files []string
	for line := range strings.Lines(diff) {
		if f, ok := strings.CutPrefix(strings.TrimSpace(line), "+++ b/"); ok {
			files = append(files, f)
		}
	}
	return files
}

// clue is one piece of evidence: points for (or against) and why.
type clue struct {
	points float64
	reason string
}

// content is how well a commit fits what was seen.
type content struct {
	points float64
	clues  []clue
	// direct says that the errors name, on a stack or by a rare name, what the
	// commit adds or removes.
	direct bool
	// tied says that something ties it to the errors by more than a few words.
	tied     bool
	harmless bool
	// slow says that such an edit takes its time to show.
	slow   bool
	known  knowledge
	traits []trait
}

func (c *content) add(k clue) {
	if k.points != 0 {
		c.points += k.points
		c.clues = append(c.clues, k)
	}
}

func (c *content) reasons() []string {
	var out []string
	for _, k := range c.clues {
		out = append(out, k.reason)
	}
	return out
}

// weighCommit says how well a commit fits.
func (sc *scene) weighCommit(f *commitFacts) content {
	c := content{known: f.known, traits: f.traits}
	onStack, direct := sc.stackNamesFile(f)
	c.add(onStack)
	names, list, directly := sc.errorsShareName(f)
	c.add(names)
	c.direct = direct || directly
	words := sc.errorsShareWords(f, list, pointsWord, capWords)
	c.add(words)
	c.tied = c.direct || onStack.points > 0
	sc.addNature(&c, f, words.points)
	c.points = min(c.points, capContent)
	if t, harmless := harmlessTrait(f.traits); harmless {
		c.harmless, c.direct, c.tied = true, false, false
		c.points = c.points*harmlessContent + pointsHarmless
		c.clues = append(c.clues, clue{pointsHarmless, fmt.Sprintf("%s %s", shortSHA(f.SHA), t)})
		return c
	}
	if c.points <= 0 {
		switch f.known {
		case knowContent:
			c.add(clue{pointsNothingNamed, fmt.Sprintf("%s names nothing that the errors name", shortSHA(f.SHA))})
		case knowMessage:
			c.add(clue{pointsLittleNamed, fmt.Sprintf("the message of %s names nothing that the errors name", shortSHA(f.SHA))})
		}
	}
	return c
}

func harmlessTrait(traits []trait) (trait, bool) {
	return anyTrait(traits, []trait{traitHarmlessFiles, traitCosmetic, traitOnlyWhitespace, traitOnlyTells, traitOnlyMoves, traitPatchBump})
}

func shortSHA(sha string) string {
	if sha == "" {
		return "it"
	}
	return "its commit " + sha[:min(len(sha), 7)]
}

// stackNamesFile: a file on the stack is one that the commit changes.
func (sc *scene) stackNamesFile(f *commitFacts) (clue, bool) {
	file, common, found := sc.onStack(f.Files)
	if !found {
		return clue{}, false
	}
	points := pointsStackFile
	if common {
		points = pointsStackCommon
	}
	return clue{points, fmt.Sprintf("%s changes %s, which the errors' stack names", shortSHA(f.SHA), file)}, !common
}

// shared is a name or word that the errors and a commit have in common.
type shared struct {
	what   string
	where  where
	points float64
}

func strongest(list []shared) []shared {
	slices.SortFunc(list, func(a, b shared) int {
		return cmp.Or(-cmp.Compare(a.points, b.points), strings.Compare(a.what, b.what))
	})
	return list
}

// errorsShareName: the errors name what the commit names. The best name
// counts, and less so a second one.
func (sc *scene) errorsShareName(f *commitFacts) (names clue, counted []shared, direct bool) {
	var list []shared
	for name := range sc.named.names {
		if w := f.names[name]; w != 0 {
			list = append(list, shared{name, w, sc.namePoints(name, w) * sc.nameWeight(name)})
		}
	}
	// A function on the stack that is no compound (Allow) counts where the edit
	// is in it.
	header := countBags(f.diff.headers)
	for id := range sc.stack {
		if header.names[id] > 0 || containsWord(strings.ToLower(strings.Join(f.diff.headers, " ")), id) {
			list = append(list, shared{id, inTouched, pointsStackFunction})
		}
	}
	if len(list) == 0 {
		return clue{}, nil, false
	}
	list = strongest(list)
	points := list[0].points
	if len(list) > 1 {
		points += 0.4 * list[1].points
	}
	if points < 1 {
		return clue{}, nil, false
	}
	direct = list[0].where == inChanged && list[0].points >= 0.6*pointsNameChanged
	return clue{min(points, capNames), fmt.Sprintf("%s %s %s, which the errors name", shortSHA(f.SHA), list[0].where, sc.named.spelled(list[0].what))}, list[:min(2, len(list))], direct
}

func (sc *scene) namePoints(name string, w where) float64 {
	switch {
	case w == inChanged:
		return pointsNameChanged
	case sc.stack[name]:
		return pointsStackFunction
	case w == inTouched:
		return pointsNameTouched
	case w == inTold:
		return pointsNameTold
	}
	return pointsNameHeader
}

var whereWeight = map[where]float64{inContext: 0.3, inTold: 0.7, inTouched: 0.6, inChanged: 1}

// errorsShareWords: the errors and the commit have rare words in common, beside
// those that names in common are made of.
func (sc *scene) errorsShareWords(f *commitFacts, names []shared, each, most float64) clue {
	counted := map[string]bool{}
	for _, s := range names {
		for _, id := range identifierRE.FindAllString(sc.named.spelled(s.what), -1) {
			for _, w := range wordsOf(id) {
				counted[w] = true
			}
		}
	}
	var list []shared
	for word := range sc.named.words {
		if w := f.words[word]; w != 0 && !counted[word] {
			list = append(list, shared{word, w, each * whereWeight[w] * sc.wordWeight(word)})
		}
	}
	list = strongest(list)
	points := 0.0
	var words []string
	for _, s := range list {
		points += s.points
		if len(words) < 4 && s.points >= each/4 {
			words = append(words, sc.named.wordSpelled(s.what))
		}
	}
	if len(words) == 0 {
		return clue{}
	}
	slices.Sort(words)
	return clue{min(points, most), fmt.Sprintf("%s shares the words %s with the errors", shortSHA(f.SHA), quoteAll(words))}
}

func quoteAll(words []string) string {
	for i, w := range words {
		words[i] = "“" + w + "”"
	}
	return strings.Join(words, ", ")
}

// addNature: the edit is of a sort that brings such errors about, or it at
// least changes what is decided about what the errors speak of.
func (sc *scene) addNature(c *content, f *commitFacts, words float64) {
	for _, n := range sc.natures {
		if t, ok := anyTrait(f.traits, n.causes); ok {
			c.add(clue{pointsNatureCauses, fmt.Sprintf("%s %s, and the errors say that %s", shortSHA(f.SHA), t, n.name)})
			c.slow, c.tied = n.slow, true
			return
		}
	}
	for _, n := range sc.natures {
		if t, ok := anyTrait(f.traits, n.helps); ok {
			c.add(clue{pointsNatureHelps, fmt.Sprintf("%s %s, and the errors say that %s", shortSHA(f.SHA), t, n.name)})
			c.slow = n.slow
			return
		}
	}
	if t, ok := anyTrait(f.traits, decisions); ok && words >= manyWords {
		c.tied = true
		c.add(clue{pointsRisky, fmt.Sprintf("%s %s", shortSHA(f.SHA), t)})
	}
}

// decisions are the edits that make a program decide otherwise.
var decisions = []trait{traitDropsGuard, traitDropsCheck, traitDropsCall, traitDropsLock, traitCompares, traitRenames}
