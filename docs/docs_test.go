// Package docs holds no code: its tests hold the documentation against the
// program that it describes.
package docs

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// binary is hindcast, built for these tests.
var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "hindcast-docs-*")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "hindcast")
	if out, err := exec.Command("go", "build", "-o", binary, "../cmd/hindcast").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build hindcast: %v\n%s", err, out)
		os.RemoveAll(dir)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// pages are all pages of documentation, by their path from the root.
func pages(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, pattern := range []string{"../*.md", "*.md", "decisions/*.md", "../proto/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			out[path] = read(t, path)
		}
	}
	if len(out) < 15 {
		t.Fatalf("found only %d pages", len(out))
	}
	return out
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// block is a block of code in a page, and the text between it and the one
// before.
type block struct{ before, language, text string }

var fence = regexp.MustCompile("(?ms)^```(\\w*)\n(.*?)^```$")

func blocks(page string) []block {
	var out []block
	end := 0
	for _, m := range fence.FindAllStringSubmatchIndex(page, -1) {
		out = append(out, block{page[end:m[0]], page[m[2]:m[3]], page[m[4]:m[5]]})
		end = m[1]
	}
	return out
}

// withoutBlocks is the prose of a page.
func withoutBlocks(page string) string { return fence.ReplaceAllString(page, "") }

var links = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// TestLinks holds that what pages link to exists, headings included.
func TestLinks(t *testing.T) {
	all := pages(t)
	for path, page := range all {
		for _, m := range links.FindAllStringSubmatch(withoutBlocks(page), -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, "://") {
				continue
			}
			at := path
			if target != "" {
				at = filepath.Join(filepath.Dir(path), target)
				if _, err := os.Stat(at); err != nil {
					t.Errorf("%s links to %s: %v", path, m[1], err)
					continue
				}
			}
			if heading == "" {
				continue
			}
			at = strings.TrimPrefix(at, "../docs/") // these tests run in docs
			if text, ok := all[at]; !ok || !headings(text)[heading] {
				t.Errorf("%s links to %s: %s has no such heading", path, m[1], at)
			}
		}
	}
}

// headings are the anchors that GitHub gives a page's headings.
func headings(page string) map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(withoutBlocks(page)) {
		text, ok := strings.CutPrefix(strings.TrimLeft(line, "#"), " ")
		if !ok || !strings.HasPrefix(line, "#") {
			continue
		}
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(strings.TrimSpace(text)))
		out[anchor] = true
	}
	return out
}

// TestIndex holds that every page is found from the index.
func TestIndex(t *testing.T) {
	for _, dir := range []string{".", "decisions"} {
		index := read(t, filepath.Join(dir, "README.md"))
		found, err := filepath.Glob(filepath.Join(dir, "*.md"))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range found {
			if name := filepath.Base(path); name != "README.md" && !strings.Contains(index, "]("+name+")") {
				t.Errorf("%s/README.md does not link to %s", dir, name)
			}
		}
	}
}

// TestReadmeLength keeps the first page short enough to be read.
func TestReadmeLength(t *testing.T) {
	if n := strings.Count(read(t, "../README.md"), "\n"); n > 250 {
		t.Errorf("README.md has %d lines, want at most 250", n)
	}
}

// TestSnippets holds that a snippet of a sender in README.md is a part of the
// file that is linked before it.
func TestSnippets(t *testing.T) {
	file := regexp.MustCompile(`\((deploy/senders/[\w.-]+)\)`)
	source, compared := "", 0
	for _, b := range blocks(read(t, "../README.md")) {
		before := b.before
		if i := strings.LastIndex(before, "\n## "); i >= 0 {
			source, before = "", before[i:]
		}
		if m := file.FindStringSubmatch(before); m != nil {
			source = m[1]
		}
		if source == "" {
			continue
		}
		compared++
		if !strings.Contains(read(t, filepath.Join("..", source)), b.text) {
			t.Errorf("this is not in %s:\n%s", source, b.text)
		}
	}
	if compared < 9 {
		t.Errorf("compared only %d snippets", compared)
	}
}

// running is a demo that serves.
type running struct {
	url      string
	timeline string
	stop     func()
}

// startDemo runs the demo on a free port until stop is called.
func startDemo(t *testing.T) running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	command := exec.CommandContext(ctx, binary, "demo", "--web.listen-address=127.0.0.1:0")
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	r := running{stop: func() {
		_ = command.Process.Signal(os.Interrupt)
		_ = command.Wait()
		cancel()
	}}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if url, ok := strings.CutPrefix(line, "Serving on "); ok {
			r.url, _, _ = strings.Cut(url, " ")
		}
		if strings.HasPrefix(line, "http://") && strings.HasSuffix(line, "/timeline") {
			r.timeline = line
		}
		if strings.HasPrefix(line, "curl ") {
			return r
		}
	}
	r.stop()
	t.Fatal("the demo did not come to serve")
	return r
}
