package correlate

import (
	"fmt"
	"regexp"
	"strings"
)

const (
	// operationalShare is the share of the failing services' lines, or of the
	// alerts, that must tell of an operational cause to count: one odd line
	// among a thousand panics explains nothing.
	operationalShare     = 0.1
	operationalAlertPart = 0.5
)

// codeRE finds what lines quote of programs: files, frames and stack traces
// say where it failed, not of what nature it is (ratelimit.go). What is on every
// line of a site, as its region, is no evidence either.
var codeRE = regexp.MustCompile(`(?i)\b[\w.]*(?:region|zone|cluster)\w*=\S+|\b(?:github\.com|(?:google\.)?golang\.org|gopkg\.in|k8s\.io|go\.uber\.org)/\S+|\b\w*stack\w*="[^"]*"|[\w./\-]+\.(?:go|py|js|ts|java|kt|rb|rs|php|cs|cpp|c)(?::\d+)+|\bat [\w.$/]+\([^)]*\)|[\w./]+\.\(\*?\w+\)\.\w+`)

func prose(text string) string { return codeRE.ReplaceAllString(text, " ") }

// alertTexts are what an alert says.
func alertTexts(a alertText) []string {
	texts := []string{a.labels["alertname"]}
	for _, name := range a.annotations.Names() {
		if !linkRE.MatchString(name) {
			texts = append(texts, a.annotations[name])
		}
	}
	return texts
}

// linkRE finds annotations that lead elsewhere.
var linkRE = regexp.MustCompile(`(?i)url|link|runbook|dashboard|image`)

// tells is which natures and operational causes a text tells of: bits by their
// place in the tables.
type tells struct{ natures, operationals uint64 }

func (t tells) or(o tells) tells {
	return tells{t.natures | o.natures, t.operationals | o.operationals}
}

// textReading is all that is read from one text. It is shared and must not be
// changed.
type textReading struct {
	tells
	bag wordBag
	// files are paths of source files on a stack trace, frames the names of its
	// functions.
	files, frames []string
}

// knownTexts remembers texts: incidents are derived again and again from the
// same lines, and reading them costs more than all the rest of the weighing.
var knownTexts = newRecall[string, *textReading](2048)

func readText(text string) *textReading {
	return knownTexts.get(text, func() *textReading {
		r := &textReading{bag: bagOf(text)}
		plain := prose(text)
		for i, n := range natures {
			if n.says.MatchString(plain) {
				r.natures |= 1 << i
			}
		}
		for i, o := range operationals {
			if o.says.MatchString(plain) {
				r.operationals |= 1 << i
			}
		}
		for _, m := range stackFileRE.FindAllStringSubmatch(text, -1) {
			r.files = append(r.files, m[1])
		}
		for _, m := range stackFuncRE.FindAllStringSubmatch(text, -1) {
			r.frames = append(r.frames, frameNames(strings.Join(m[1:], ""))...)
		}
		return r
	})
}

// frameNames are the function, and the type that it belongs to, of a frame, in
// lower case: frontend/middleware.(*Limiter).Allow is Limiter and Allow.
func frameNames(frame string) []string {
	ids := identifierRE.FindAllString(frame[strings.LastIndexByte(frame, '/')+1:], -1)
	if len(ids) > 1 {
		ids = ids[max(1, len(ids)-2):]
	}
	var names []string
	for _, id := range ids {
		if low := strings.ToLower(id); len(low) >= 4 && !stopWords[stem(low)] {
			names = append(names, low)
		}
	}
	return names
}

func tellAll(texts []string) (all tells) {
	for _, text := range texts {
		all = all.or(readText(text).tells)
	}
	return all
}

// explain tells of what nature the errors are, and which operational causes
// enough of the evidence names: a good part of what the failing services say,
// at least half of the alerts, or anything that the infrastructure says, which
// is no service of the incident and to which nobody deploys.
func (sc *scene) explain() {
	deployed := map[string]bool{}
	for _, c := range sc.changes {
		deployed[c.service] = true
	}
	var any, infrastructure tells
	var all float64
	lines, alerts := make([]float64, len(operationals)), make([]float64, len(operationals))
	for _, p := range sc.symptoms {
		t := tellAll(textsOf(p))
		any = any.or(t)
		if !sc.member[p.service] && !sc.alerted[p.service] {
			if !deployed[p.service] && sc.callerOf(p.service) == "" {
				infrastructure = infrastructure.or(t)
			}
			continue
		}
		all += float64(p.count)
		addBits(lines, t.operationals, float64(p.count))
	}
	for _, a := range sc.alerts {
		t := tellAll(alertTexts(a))
		any = any.or(t)
		addBits(alerts, t.operationals, 1)
	}
	for i, n := range natures {
		if any.natures&(1<<i) != 0 {
			sc.natures = append(sc.natures, n)
		}
	}
	for i, o := range operationals {
		if infrastructure.operationals&(1<<i) != 0 || lines[i] > 0 && lines[i] >= operationalShare*all ||
			alerts[i] > 0 && alerts[i] >= operationalAlertPart*float64(len(sc.alerts)) {
			sc.operationals = append(sc.operationals, o)
		}
	}
}

func addBits(sums []float64, bits uint64, n float64) {
	for i := range sums {
		if bits&(1<<i) != 0 {
			sums[i] += n
		}
	}
}

// operationalCause: something outside of what is deployed explains the errors,
// unless the change does what brings that about, or is a switch or setting for
// just that.
func (sc *scene) operationalCause(c *change, told *content) clue {
	var about string
	if isSwitch(c) {
		if told.points >= namedSwitch {
			return clue{}
		}
		about = strings.NewReplacer("_", " ", "-", " ").Replace(c.version + "\n" + c.message)
	}
	for _, o := range sc.operationals {
		if _, does := anyTrait(told.traits, o.unless); does && !told.harmless || o.says.MatchString(about) {
			continue
		}
		reason := fmt.Sprintf("%s explains the errors; nothing in it %s", o.name, o.excuse)
		if told.direct {
			return clue{pointsHalfExplained, reason}
		}
		return clue{pointsOperational, reason}
	}
	return clue{}
}
