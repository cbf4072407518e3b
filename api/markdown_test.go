package api

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/text"
	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read the golden file (go test ./api -update writes it): %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not current; go test ./api -update writes it. Got:\n%s", path, got)
	}
}

func markdown(t testing.TB, tl timeline.Timeline, base string) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := WriteMarkdown(&b, tl, base); err != nil {
		t.Fatalf("WriteMarkdown: %v", err)
	}
	return b.Bytes()
}

func TestMarkdownGolden(t *testing.T) {
	golden(t, filepath.Join("testdata", "sample.md"), markdown(t, sample(), ""))
	golden(t, filepath.Join("testdata", "empty.md"), markdown(t, small(1), "https://hindcast.example/"))
}

func TestMarkdownNamesTheNextPage(t *testing.T) {
	tl := small(1)
	tl.EntriesCursor = "abc"
	want := "(/incidents/" + id(1).String() + "/timeline?entries_cursor=abc)"
	if got := markdown(t, tl, ""); !bytes.Contains(got, []byte(want)) {
		t.Errorf("no link %s in:\n%s", want, got)
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, os.ErrClosed }

func TestMarkdownReportsTheWriter(t *testing.T) {
	if err := WriteMarkdown(brokenWriter{}, sample(), ""); !errors.Is(err, os.ErrClosed) {
		t.Errorf("WriteMarkdown to a closed writer = %v, want os.ErrClosed", err)
	}
}

// skeleton is what a parser makes of a document but for the texts: the kinds
// of nodes, nested, with the addresses of links.
func skeleton(source []byte) string {
	// Linkify is left out: an address in a text may become a link.
	parser := goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough, extension.TaskList, extension.Footnote)).Parser()
	var b strings.Builder
	walk := func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		switch n.Kind() {
		case ast.KindText, ast.KindString:
			return ast.WalkContinue, nil
		}
		if !entering {
			b.WriteByte(')')
			return ast.WalkContinue, nil
		}
		b.WriteByte('(')
		b.WriteString(n.Kind().String())
		switch n := n.(type) {
		case *ast.Link:
			b.WriteByte(' ')
			b.Write(n.Destination)
		case *ast.FencedCodeBlock:
			b.WriteString(strings.Repeat("-", n.Lines().Len()))
		}
		b.WriteByte('\n')
		return ast.WalkContinue, nil
	}
	if err := ast.Walk(parser.Parse(text.NewReader(source)), walk); err != nil {
		return err.Error()
	}
	return b.String()
}

// spoil puts a text into every place that a sender can fill.
func spoil(s string) timeline.Timeline {
	t := sample()
	t.Incident.Title, t.Incident.Severity, t.Incident.Environment = s, s, s
	t.Incident.Services = []string{s, s}
	for i := range t.Milestones {
		m := &t.Milestones[i]
		m.Explanation, m.Actor, m.Rule = s, s, s
		for j := range m.Alternatives {
			m.Alternatives[j].WhyNot = s
		}
	}
	for i := range t.Entries {
		e := &t.Entries[i]
		e.Summary, e.Service, e.Actor, e.Why = s, s, s, s
		e.Labels = event.Labels{s: s}
		if e.Log != nil {
			e.Log.Template = s
			e.Log.Lines = []string{s, s}
		}
	}
	for i := range t.Changes {
		c := &t.Changes[i]
		c.Service, c.Version, c.PreviousVersion, c.Actor = s, s, s, s
		c.Reasons = []string{s}
		for j := range c.Commits {
			c.Commits[j].Message, c.Commits[j].Author, c.Commits[j].SHA = s, s, s
			c.Commits[j].Reasons = []string{s}
		}
	}
	for i := range t.Participants {
		t.Participants[i].Name, t.Participants[i].Did = s, []string{s}
	}
	for i := range t.Gaps {
		t.Gaps[i].Explanation = s
	}
	return t
}

var hostile = []string{
	"a | b", "`", "``` ", "~~~", "# x", "- x", "1. x", "1) x", "+ x", "> x", "=", "===", "---", "***", "* * *",
	"<script>alert(1)</script>", "<!-- ", "--> x", "</details>", "&lt;b&gt;", "&#60;b>", "[x](javascript:alert(1))",
	"![x](http://evil/x.png)", "[x]: http://evil", "[^1]: note", "x\n\n# y", "x\r\n| y | z |", "x\u2028y", "\x00\x1b[31mred",
	"\xff\xfe", "\u202egnp.exe", "x\\", "\\| x", "\\`", "**bold**", "__bold__", "_it_", "~~gone~~", "[ ] task", "$x$", "|", "||", "\\",
	"`a`` b```", "<http://evil>", "\t\tcode", "    code", "x  ", ":---:", "| --- |", "<a href='x' onclick=\"y\">", "]]>", "]", "[", "![", "(", ")", "x](y)",
	strings.Repeat("`", 5000), strings.Repeat("[", 3000), strings.Repeat("é", 5000), strings.Repeat(" ", 5000) + "x", "100%!d(MISSING) %s",
}

func TestMarkdownKeepsItsStructure(t *testing.T) {
	want := skeleton(markdown(t, spoil("word"), ""))
	for _, s := range hostile {
		got := markdown(t, spoil(s), "")
		if sk := skeleton(got); sk != want {
			t.Errorf("the text %q changes the document:\n%s", shortened(s), firstDifference(sk, want))
		}
		if !utf8.Valid(got) {
			t.Errorf("the text %q makes the document invalid UTF-8", shortened(s))
		}
	}
}

func TestMarkdownStructureProperty(t *testing.T) {
	want := skeleton(markdown(t, spoil("word"), ""))
	piece := rapid.OneOf(
		rapid.SampledFrom(hostile[:len(hostile)-5]),
		rapid.StringOfN(rapid.SampledFrom([]rune("|`*_[]()<>#-+=~!\\&.1 \n\tax:/$^\"'")), 1, 12, -1),
		rapid.StringN(1, 12, -1),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(piece, 1, 6).Draw(t, "pieces"), "")
		if strings.TrimSpace(s) == "" {
			t.Skip("a blank text may leave a list of reasons empty")
		}
		var b bytes.Buffer
		if err := WriteMarkdown(&b, spoil(s), ""); err != nil {
			t.Fatal(err)
		}
		if sk := skeleton(b.Bytes()); sk != want {
			t.Fatalf("the text %q changes the document:\n%s", s, firstDifference(sk, want))
		}
	})
}

func FuzzInline(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for name, got := range map[string]string{"inline": inline(s), "code": code(s)} {
			if strings.ContainsAny(got, "\n\r\x00") || !utf8.ValidString(got) {
				t.Errorf("%s(%q) = %q is not one line of text", name, s, got)
			}
			if n := utf8.RuneCountInString(got); n > 6*maxInline {
				t.Errorf("%s of a text of %d bytes has %d characters", name, len(s), n)
			}
		}
	})
}

func TestLink(t *testing.T) {
	tests := []struct{ text, address, want string }{
		{"run", "https://ci.example/runs/1?a=b&c=d", "[run](https://ci.example/runs/1?a=b&amp;c=d)"},
		{"run", "https://ci.example/x_(y)|z`", "[run](https://ci.example/x%5F%28y%29%7Cz%60)"},
		{"run", "javascript:alert(1)", "run"},
		{"run", "data:text/html,<b>", "run"},
		{"run", "//evil.example", "run"},
		{"r|n", "", "r\\|n"},
		{"run", "https://ci.example/" + strings.Repeat("x", 3000), "run"},
	}
	for _, tt := range tests {
		if got := link(tt.text, tt.address); got != tt.want {
			t.Errorf("link(%q, %q) = %q, want %q", tt.text, shortened(tt.address), got, tt.want)
		}
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return strings.Join(g[max(0, i-3):min(len(g), i+4)], "\n") + "\n  want\n" + strings.Join(w[max(0, i-3):min(len(w), i+4)], "\n")
		}
	}
	return "one is longer"
}

func TestMarkdownOfAChangeWithoutVersion(t *testing.T) {
	tl := small(1)
	tl.Changes = []timeline.Change{{Service: "payments", Kind: event.ChangeDeploy, Status: event.ChangeSucceeded, At: t0}}
	var b strings.Builder
	if err := WriteMarkdown(&b, tl, ""); err != nil {
		t.Fatal(err)
	}
	if want := "deploy of payments, succeeded at"; !strings.Contains(b.String(), want) {
		t.Errorf("no %q in %s", want, b.String())
	}
}
