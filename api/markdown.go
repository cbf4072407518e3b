package api

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// WriteMarkdown writes a timeline as the draft of a post-mortem, in CommonMark
// with GitHub's tables. Links to evidence begin with base, the API's address
// without a slash at its end; "" makes them absolute paths. Whatever senders
// wrote stands in it as text and cannot change the document's structure. The
// only errors are those of w.
func WriteMarkdown(w io.Writer, t timeline.Timeline, base string) error {
	d := &draft{w: bufio.NewWriter(w), t: &t, base: strings.TrimRight(base, "/")}
	d.head()
	d.summary()
	d.milestones()
	d.cause()
	d.entries()
	d.participants()
	d.gaps()
	d.context()
	if err := d.w.Flush(); err != nil {
		return fmt.Errorf("write Markdown: %w", err)
	}
	return nil
}

// draft writes the parts of the document. Errors stick to w until it is
// flushed.
type draft struct {
	w    *bufio.Writer
	t    *timeline.Timeline
	base string
}

func (d *draft) printf(format string, args ...any) { fmt.Fprintf(d.w, format, args...) }

// row writes a row of a table. The cells are escaped already.
func (d *draft) row(cells ...string) {
	d.printf("| %s |\n", strings.Join(cells, " | "))
}

// table writes the head of a table.
func (d *draft) table(names ...string) {
	d.row(names...)
	d.printf("|%s\n", strings.Repeat(" --- |", len(names)))
}

func (d *draft) head() {
	i := &d.t.Incident
	d.printf("# Post-mortem: %s\n\n", orText(inline(i.Title), "untitled incident"))
	d.printf("A draft from revision %d of [incident %s](%s/incidents/%s). ", i.Revision, i.ID, d.base, i.ID)
	d.printf("Every time below is in UTC; the numbered links lead to the facts behind a statement.\n")
}

// section begins a section. Sections end without an empty line.
func (d *draft) section(title string) { d.printf("\n## %s\n\n", title) }

func (d *draft) summary() {
	i := &d.t.Incident
	d.section("Summary")
	d.table("What", "Value")
	status := inline(string(i.Status))
	if i.Sealed {
		status += ", sealed"
	}
	if i.Minor {
		status += ", minor"
	}
	d.row("Status", status)
	d.row("Severity", orText(inline(i.Severity), "unknown"))
	d.row("Services", orText(inlineList(i.Services), "unknown"))
	d.row("Environment", orText(inline(i.Environment), "unknown"))
	d.row("Started", clock(i.StartedAt))
	d.row("Ended", clockOr(i.EndedAt, "not known to have ended"))
	d.printf("\n")
	d.durations()
}

var durationTitles = map[timeline.DurationName]string{
	timeline.TimeToDetect:      "Time to detect",
	timeline.TimeToNotify:      "Time to notify",
	timeline.TimeToAcknowledge: "Time to acknowledge",
	timeline.TimeToMitigate:    "Time to mitigate",
	timeline.TimeToRestore:     "Time to restore",
}

func (d *draft) durations() {
	if len(d.t.Durations) == 0 {
		d.printf("No duration is known: each needs two milestones.\n")
		return
	}
	d.table("Duration", "Length", "From", "To", "Basis")
	for _, n := range timeline.DurationNames {
		if l, ok := d.t.Durations[n.Name]; ok {
			d.row(durationTitles[n.Name], span(l.Seconds), inline(string(l.From)), inline(string(l.To)), inline(string(l.Basis)))
		}
	}
}

func (d *draft) participants() {
	d.section("Participants")
	if len(d.t.Participants) == 0 {
		d.printf("Nobody is known to have acted.\n")
		return
	}
	d.table("Who", "Did", "Stages", "First", "Last")
	for _, p := range d.t.Participants {
		d.row(inline(p.Name), inlineList(p.Did), inlineList(p.Stages), clock(p.FirstAt), clock(p.LastAt))
	}
}

func (d *draft) gaps() {
	d.section("Gaps")
	if len(d.t.Gaps) == 0 {
		d.printf("None were found.\n")
		return
	}
	for _, g := range d.t.Gaps {
		d.printf("- **%s**: %s%s\n", inline(string(g.Kind)), inline(g.Explanation), d.cited(g.Evidence))
	}
}

// orText is a text, or what to say when it is empty.
func orText(text, without string) string {
	if text == "" {
		return without
	}
	return text
}

func inlineList[T ~string](list []T) string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = inline(string(s))
	}
	return strings.Join(out, ", ")
}
