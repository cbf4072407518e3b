package api

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// cited links to evidence in parentheses, behind a space; "" without any.
func (d *draft) cited(facts []event.ID) string {
	if len(facts) == 0 {
		return ""
	}
	return " (" + evidence(d.base, facts) + ")"
}

func (d *draft) milestones() {
	d.section("Milestones")
	if len(d.t.Milestones) == 0 {
		d.printf("None has evidence.\n")
		return
	}
	d.table("Milestone", "At", "Between", "Confidence", "Rule", "By", "Evidence")
	for i := range d.t.Milestones {
		m := &d.t.Milestones[i]
		by := inline(m.Actor)
		if m.Origin == timeline.OriginHuman {
			by = strings.TrimSpace(by + " (stated by a person)")
		}
		d.row(inline(string(m.Name)), clockOr(m.At, "unknown"),
			clockOr(m.Earliest, "open")+" – "+clockOr(m.Latest, "open"),
			fmt.Sprintf("%.0f %%", 100*m.Confidence), inline(m.Rule), by, evidence(d.base, m.Evidence))
	}
	d.notes()
	var absent []string
	for _, name := range timeline.MilestoneNames {
		if d.t.Milestone(name) == nil {
			absent = append(absent, string(name))
		}
	}
	if len(absent) > 0 {
		d.printf("\nWithout evidence, and so not stated: %s.\n", strings.Join(absent, ", "))
	}
}

// notes says of each milestone why it is where it is.
func (d *draft) notes() {
	wrote := false
	for i := range d.t.Milestones {
		m := &d.t.Milestones[i]
		if m.Explanation == "" && m.Derived == nil && len(m.Alternatives) == 0 {
			continue
		}
		if !wrote {
			d.printf("\n")
			wrote = true
		}
		d.printf("- **%s**: %s\n", inline(string(m.Name)), orText(inline(m.Explanation), "see its evidence."))
		if m.Derived != nil {
			d.printf("  - Derived: %s, by %s%s\n", clockOr(m.Derived.At, "unknown"), inline(m.Derived.Rule), d.cited(m.Derived.Evidence))
		}
		for _, a := range m.Alternatives {
			d.printf("  - Not %s, by %s: %s%s\n", clock(a.At), inline(a.Rule), inline(a.WhyNot), d.cited(a.Evidence))
		}
	}
}

func (d *draft) cause() {
	d.section("Suspected cause")
	if !slices.ContainsFunc(d.t.Changes, func(c timeline.Change) bool { return c.Verdict == timeline.VerdictSuspect }) {
		d.printf("No change is suspected.\n")
	}
	var others []*timeline.Change
	for i := range d.t.Changes {
		if c := &d.t.Changes[i]; c.Verdict == timeline.VerdictSuspect {
			d.change(c)
		} else {
			others = append(others, c)
		}
	}
	if len(others) == 0 {
		return
	}
	d.section("Other changes")
	for _, c := range others {
		d.change(c)
	}
}

// change writes what is known of one change: a line, its reasons and commits.
func (d *draft) change(c *timeline.Change) {
	what := orText(inline(c.Service), "an unknown service")
	if c.Version != "" {
		what += " " + inline(c.Version)
	}
	if c.PreviousVersion != "" {
		what += " (before: " + inline(c.PreviousVersion) + ")"
	}
	d.printf("- **%s** (score %.2f): %s of %s, %s at %s", inline(string(c.Verdict)), c.Score,
		inline(string(c.Kind)), what, inline(string(c.Status)), clock(c.At))
	if c.Actor != "" {
		d.printf(", by %s", inline(c.Actor))
	}
	if c.URL != "" {
		d.printf(", %s", link("run", c.URL))
	}
	d.printf("%s\n", d.cited(c.Events))
	for _, r := range c.Reasons {
		d.printf("  - %s\n", inline(r))
	}
	for i := range c.Commits {
		d.commit(&c.Commits[i])
	}
}

func (d *draft) commit(c *timeline.Commit) {
	sha := c.SHA[:min(len(c.SHA), 12)]
	d.printf("  - Commit %s", link(sha, c.URL))
	if c.Author != "" {
		d.printf(" by %s", inline(c.Author))
	}
	title, _, _ := strings.Cut(c.Message, "\n")
	if title != "" {
		d.printf(": %s", inline(title))
	}
	d.printf(" (score %.2f)\n", c.Score)
	for _, r := range c.Reasons {
		d.printf("    - %s\n", inline(r))
	}
}

func (d *draft) entries() {
	d.section("Timeline")
	for i := range d.t.Entries {
		d.entry(&d.t.Entries[i])
	}
	if len(d.t.Entries) == 0 {
		d.printf("There are no entries.\n")
	}
	if next := d.t.EntriesCursor; next != "" {
		d.printf("\nThis is one page of the timeline; [the next page](%s/incidents/%s/timeline?entries_cursor=%s) continues it.\n",
			d.base, d.t.Incident.ID, destination(next))
	}
}

func (d *draft) entry(e *timeline.Entry) {
	d.printf("- **%s** %s", clock(e.At), inline(string(e.Kind)))
	if e.Service != "" {
		d.printf(" %s", inline(e.Service))
	}
	d.printf(": %s", orText(inline(e.Summary), "(no summary)"))
	if e.Actor != "" {
		d.printf(", by %s", inline(e.Actor))
	}
	if e.Count > 1 {
		d.printf(", %d times", e.Count)
		if e.Until != nil {
			d.printf(" until %s", clock(*e.Until))
		}
	}
	if e.Why != "" {
		d.printf(" — %s", inline(e.Why))
	}
	d.printf("%s", d.cited(e.Events))
	for i, l := range e.Links {
		if i == maxEvidence {
			break
		}
		d.printf(" %s", link("link", l))
	}
	d.printf("\n")
	if e.Log != nil {
		d.log(e.Log)
	}
}

func (d *draft) log(l *timeline.LogExcerpt) {
	d.printf("  - %s %s: %d lines from %s to %s", l.Level, code(l.Template), l.Count, clock(l.FirstSeen), clock(l.LastSeen))
	if l.New {
		d.printf(", new")
	} else {
		d.printf(", %d in the hour before", l.Baseline)
	}
	d.printf("\n")
	if len(l.Lines) > 0 {
		d.printf("\n%s", block(l.Lines, "    "))
	}
}

func (d *draft) context() {
	if len(d.t.Context) == 0 {
		return
	}
	d.section("Context")
	d.printf("What went on beside the incident and is no part of it:\n\n")
	for i := range d.t.Context {
		d.entry(&d.t.Context[i])
	}
}
