package docs

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"html"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/hindcast/hindcast/cmd/hindcast/term"
	"github.com/hindcast/hindcast/correlate/timeline"
)

var update = flag.Bool("update", false, "write the demo's output into README.md and docs/demo.svg")

const (
	demoMark = "<!-- demo -->\n```\n"
	// demoWidth is in columns.
	demoWidth = 100
)

// TestDemoOutput holds the output in README.md against what the demo prints,
// and the picture against the same timeline in colour. The output is that of a
// recording, so it is the same wherever it is played.
func TestDemoOutput(t *testing.T) {
	command := exec.Command(binary, "demo", "--once")
	command.Env = append(os.Environ(), "NO_COLOR=1", fmt.Sprintf("COLUMNS=%d", demoWidth))
	var errs bytes.Buffer
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, errs.String())
	}
	// What follows the changes is left out: people, gaps and entries.
	shown, _, found := strings.Cut(string(out), "\nPeople\n")
	if !found {
		t.Fatalf("the demo prints no people:\n%s", out)
	}
	shown = withoutEvidence(shown)

	readme := read(t, "../README.md")
	before, rest, ok := strings.Cut(readme, demoMark)
	old, after, ok2 := strings.Cut(rest, "```\n")
	if !ok || !ok2 {
		t.Fatalf("README.md has no block behind %q", demoMark)
	}
	picture := svg(inColour(t))
	if *update {
		write(t, "../README.md", before+demoMark+shown+"```\n"+after)
		write(t, "demo.svg", picture)
		return
	}
	if old != shown {
		t.Errorf("README.md shows another output than the demo has; run this test with -update and look at the difference. The demo prints\n%s", shown)
	}
	if read(t, "demo.svg") != picture {
		t.Error("docs/demo.svg shows another output than the demo has; run this test with -update")
	}
}

// withoutEvidence leaves out the lines that only list IDs and lost candidates.
func withoutEvidence(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		l := strings.TrimSpace(line)
		if strings.HasPrefix(l, "evidence 0") || strings.HasPrefix(l, "not 1") || strings.HasPrefix(l, "and ") && strings.HasSuffix(l, "that lost") {
			continue
		}
		b.WriteString(line)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inColour is the demo's timeline as a terminal shows it.
func inColour(t *testing.T) string {
	t.Helper()
	demo := startDemo(t)
	defer demo.stop()
	answer, err := http.Get(demo.timeline)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var tl timeline.Timeline
	if err := json.NewDecoder(answer.Body).Decode(&tl); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	if err := term.Print(&b, &tl, term.Options{Width: demoWidth, Color: true}); err != nil {
		t.Fatal(err)
	}
	// The picture ends with the milestones.
	shown, _, found := strings.Cut(b.String(), "\n\n\x1b[1mDurations")
	if !found {
		t.Fatalf("the demo's timeline has no durations:\n%s", b.String())
	}
	return shown
}

var escape = regexp.MustCompile("\x1b\\[([0-9]*)m")

// inks are the colours of the picture for the terminal's styles.
var inks = map[string]string{
	"1": `font-weight="bold"`, "2": `fill="#8b949e"`, "31": `fill="#ff7b72"`, "32": `fill="#7ee787"`,
	"33": `fill="#e3b341"`, "36": `fill="#79c0ff"`,
}

// svg draws a terminal's output.
func svg(output string) string {
	const advance, height, margin = 8.43, 19, 16
	lines := strings.Split(output, "\n")
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="#e6edf3" role="img" aria-label="A timeline that hindcast derived, in a terminal">`+"\n",
		int(demoWidth*advance)+2*margin, len(lines)*height+2*margin)
	b.WriteString(`<rect width="100%" height="100%" rx="8" fill="#0d1117"/>` + "\n")
	for i, line := range lines {
		column, style := 0, ""
		for line != "" {
			next := escape.FindStringSubmatchIndex(line)
			text := line
			if next != nil {
				text = line[:next[0]]
			}
			if strings.TrimSpace(text) != "" {
				n := utf8.RuneCountInString(text)
				indent := n - utf8.RuneCountInString(strings.TrimLeft(text, " "))
				shown := strings.TrimSpace(text)
				fmt.Fprintf(&b, `<text x="%.1f" y="%d" textLength="%.1f" xml:space="preserve" %s>%s</text>`+"\n",
					margin+float64(column+indent)*advance, margin+i*height+14, float64(utf8.RuneCountInString(shown))*advance, inks[style], html.EscapeString(shown))
			}
			column += utf8.RuneCountInString(text)
			if next == nil {
				break
			}
			style = line[next[2]:next[3]]
			line = line[next[1]:]
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
