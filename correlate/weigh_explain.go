package correlate

import (
	"fmt"
	"regexp"
	"slices"
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

func says(re *regexp.Regexp, texts []string) bool {
	return slices.ContainsFunc(texts, func(t string) bool { return re.MatchString(prose(t)) })
}

// findNatures tells of what nature the errors are.
func (sc *scene) findNatures() {
	for _, n := range natures {
		if slices.ContainsFunc(sc.symptoms, func(p *patternText) bool { return says(n.says, textsOf(p)) }) ||
			slices.ContainsFunc(sc.alerts, func(a alertText) bool { return says(n.says, alertTexts(a)) }) {
			sc.natures = append(sc.natures, n)
		}
	}
}

// findOperationals tells which operational causes enough of the evidence names:
// a good part of what the failing services say, at least half of the alerts, or
// anything that the infrastructure says, which is no service of the incident
// and to which nobody deploys.
func (sc *scene) findOperationals() {
	deployed := map[string]bool{}
	for _, c := range sc.changes {
		deployed[c.service] = true
	}
	for _, o := range operationals {
		var lines, all, alerts float64
		infrastructure := false
		for _, p := range sc.symptoms {
			match := says(o.says, textsOf(p))
			if !sc.member[p.service] && !sc.alerted[p.service] {
				infrastructure = infrastructure || match && !deployed[p.service] && sc.callerOf(p.service) == ""
				continue
			}
			all += float64(p.count)
			if match {
				lines += float64(p.count)
			}
		}
		for _, a := range sc.alerts {
			if says(o.says, alertTexts(a)) {
				alerts++
			}
		}
		if infrastructure || lines > 0 && lines >= operationalShare*all || alerts > 0 && alerts >= operationalAlertPart*float64(len(sc.alerts)) {
			sc.operationals = append(sc.operationals, o)
		}
	}
}

// operationalCause: something outside of what is deployed explains the errors,
// unless the change does what brings that about.
func (sc *scene) operationalCause(told *content) clue {
	for _, o := range sc.operationals {
		if _, does := anyTrait(told.traits, o.unless); does && !told.harmless {
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
