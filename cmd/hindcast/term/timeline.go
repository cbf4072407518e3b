package term

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// below is where what explains a row stands: under its time.
const below = 16

// maxEntries bounds how many entries are printed.
const maxEntries = 200

// Print writes a timeline.
func Print(w io.Writer, t *timeline.Timeline, o Options) error {
	p := newPage(w, o)
	p.incident(&t.Incident)
	p.milestones(t)
	p.durations(t)
	p.changes(t.Changes)
	p.participants(t.Participants)
	p.gaps(t.Gaps)
	p.entries("Entries", t.Entries)
	p.entries("Context: beside it, not part of it", t.Context)
	if p.err != nil {
		return fmt.Errorf("print timeline: %w", p.err)
	}
	return nil
}

func (p *page) incident(inc *timeline.Incident) {
	p.row(0, cell{text: inc.Title, style: bold})
	facts := []string{string(inc.Status)}
	if inc.Severity != "" {
		facts = append(facts, inc.Severity)
	}
	if inc.Environment != "" {
		facts = append(facts, inc.Environment)
	}
	if inc.Minor {
		facts = append(facts, "minor")
	}
	facts = append(facts, strings.Join(inc.Services, ", "))
	p.row(0, cell{text: strings.Join(facts, " · ")})
	span := inc.StartedAt.UTC().Format("2006-01-02 15:04:05") + " UTC"
	if inc.EndedAt != nil {
		span += fmt.Sprintf(" to %s (%s)", clock(*inc.EndedAt), short(inc.EndedAt.Sub(inc.StartedAt)))
	}
	p.row(0, cell{text: span + ", incident " + inc.ID.String(), style: dim})
}

func (p *page) milestones(t *timeline.Timeline) {
	p.heading("Milestones")
	if len(t.Milestones) == 0 {
		p.row(2, cell{text: "none: there is no evidence for any"})
	}
	for i := range t.Milestones {
		m := &t.Milestones[i]
		at := "unknown"
		if m.At != nil {
			at = clock(*m.At)
		}
		who := ""
		if m.Actor != "" {
			who = " by " + m.Actor
		}
		if m.Origin == timeline.OriginHuman {
			who += ", as a person says"
		}
		p.row(2,
			cell{text: string(m.Name), width: 14, style: cyan},
			cell{text: at, width: 14, style: bold},
			cell{text: fmt.Sprintf("%.0f %%", m.Confidence*100), width: 7, style: confidence(m.Confidence)},
			cell{text: interval(m) + who})
		p.row(below, cell{text: sentence(m.Explanation, m.Rule)})
		if len(m.Evidence) > 0 {
			p.row(below, cell{text: "evidence " + ids(m.Evidence), style: dim})
		}
		p.alternatives(m.Alternatives)
	}
}

// alternatives prints the candidates that lost, the first few.
func (p *page) alternatives(all []timeline.Alternative) {
	const shown = 2
	for _, a := range all[:min(len(all), shown)] {
		p.row(below, cell{text: fmt.Sprintf("not %s (%s): %s", clock(a.At), a.Rule, a.WhyNot), style: dim})
	}
	if more := len(all) - shown; more > 0 {
		p.row(below, cell{text: fmt.Sprintf("and %d more that lost", more), style: dim})
	}
}

func (p *page) durations(t *timeline.Timeline) {
	if len(t.Durations) == 0 {
		return
	}
	p.heading("Durations")
	for _, known := range timeline.DurationNames {
		d, ok := t.Durations[known.Name]
		if !ok {
			continue
		}
		p.row(2,
			cell{text: strings.ReplaceAll(string(known.Name), "_", " "), width: 21, style: cyan},
			cell{text: short(time.Duration(d.Seconds * float64(time.Second))), width: 14, style: bold},
			cell{text: fmt.Sprintf("%s to %s, %s", d.From, d.To, d.Basis)})
	}
}

func (p *page) changes(changes []timeline.Change) {
	p.heading("Changes")
	if len(changes) == 0 {
		p.row(2, cell{text: "none was weighed"})
	}
	for i := range changes {
		c := &changes[i]
		p.row(2,
			cell{text: strings.ReplaceAll(string(c.Verdict), "_", " "), width: 14, style: verdict(c.Verdict)},
			cell{text: clock(c.At), width: 14, style: bold},
			cell{text: fmt.Sprintf("%.2f", c.Score), width: 7},
			cell{text: changeText(c)})
		for _, reason := range c.Reasons {
			p.row(below, cell{text: "- " + reason})
		}
		for j := range c.Commits {
			commit := &c.Commits[j]
			if len(commit.Reasons) == 0 {
				continue
			}
			text := fmt.Sprintf("commit %.8s", commit.SHA)
			if commit.Author != "" {
				text += " by " + commit.Author
			}
			p.row(below, cell{text: fmt.Sprintf("%s (%.2f): %s", text, commit.Score, strings.Join(commit.Reasons, "; ")), style: dim})
		}
	}
}

func changeText(c *timeline.Change) string {
	text := fmt.Sprintf("%s %s", c.Service, c.Kind)
	if c.Version != "" {
		text += " of " + c.Version
	}
	if c.PreviousVersion != "" {
		text += " over " + c.PreviousVersion
	}
	if c.Status != event.ChangeSucceeded {
		text += ", " + string(c.Status)
	}
	if c.Actor != "" {
		text += ", by " + c.Actor
	}
	return text
}

func (p *page) participants(people []timeline.Participant) {
	if len(people) == 0 {
		return
	}
	p.heading("People")
	for _, person := range people {
		p.row(2,
			cell{text: person.Name, width: 14, style: cyan},
			cell{text: clock(person.FirstAt), width: 14},
			cell{text: strings.Join(person.Did, ", ")})
	}
}

func (p *page) gaps(gaps []timeline.Gap) {
	p.heading("Gaps")
	if len(gaps) == 0 {
		p.row(2, cell{text: "none: nothing went unseen or untold"})
	}
	for _, g := range gaps {
		p.row(2, cell{text: strings.ReplaceAll(string(g.Kind), "_", " "), width: 21, style: yellow}, cell{text: g.Explanation})
	}
}

func (p *page) entries(title string, entries []timeline.Entry) {
	if len(entries) == 0 {
		return
	}
	p.heading(title)
	for i := range entries[:min(len(entries), maxEntries)] {
		e := &entries[i]
		text := e.Summary
		if e.Actor != "" && !strings.Contains(text, e.Actor) {
			text = e.Actor + ": " + text
		}
		if e.Count > 1 {
			text += fmt.Sprintf(" (%d times", e.Count)
			if e.Until != nil {
				text += ", until " + clock(*e.Until)
			}
			text += ")"
		}
		p.row(2,
			cell{text: clock(e.At), width: 14, style: bold},
			cell{text: strings.ReplaceAll(string(e.Kind), "_", " "), width: 15, style: kind(e.Kind)},
			cell{text: e.Service, width: 13},
			cell{text: text})
	}
	if more := len(entries) - maxEntries; more > 0 {
		p.row(2, cell{text: fmt.Sprintf("and %d more", more), style: dim})
	}
}

// clock is a time of the day; the day stands at the top.
func clock(t time.Time) string { return t.UTC().Format("15:04:05.000") }

// short is a duration as people say it.
func short(d time.Duration) string {
	switch {
	case d.Abs() < 10*time.Second:
		return d.Round(10 * time.Millisecond).String()
	case d.Abs() < time.Minute:
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func interval(m *timeline.Milestone) string {
	switch {
	case m.Earliest == nil && m.Latest == nil:
		return "no bounds"
	case m.Earliest == nil:
		return "at the latest " + clock(*m.Latest)
	case m.Latest == nil:
		return "at the earliest " + clock(*m.Earliest)
	case m.Earliest.Equal(*m.Latest):
		return "exactly"
	}
	return fmt.Sprintf("between %s and %s", clock(*m.Earliest), clock(*m.Latest))
}

func sentence(explanation, rule string) string {
	if explanation == "" {
		return "rule " + rule
	}
	return fmt.Sprintf("%s (rule %s)", strings.TrimSuffix(explanation, "."), rule)
}

// ids lists the first few IDs.
func ids(all []event.ID) string {
	const shown = 2
	var parts []string
	for _, id := range all[:min(len(all), shown)] {
		parts = append(parts, id.String())
	}
	text := strings.Join(parts, " ")
	if more := len(all) - shown; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func confidence(c float64) style {
	switch {
	case c >= 0.8:
		return green
	case c >= 0.5:
		return yellow
	}
	return red
}

func verdict(v timeline.Verdict) style {
	switch v {
	case timeline.VerdictSuspect:
		return red
	case timeline.VerdictRemedy:
		return green
	case timeline.VerdictFailedRemedy:
		return yellow
	}
	return dim
}

func kind(k timeline.EntryKind) style {
	switch k {
	case timeline.EntryAlertFired:
		return red
	case timeline.EntryAlertResolved:
		return green
	case timeline.EntryChange:
		return yellow
	}
	return cyan
}
