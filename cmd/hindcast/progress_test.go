package main

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestProgressFitsTheTerminal(t *testing.T) {
	for columns := range 200 {
		for _, done := range []int{0, 1, 96, 192} {
			got := progressText("playing the outage", done, 192, columns)
			if n := utf8.RuneCountInString(got); n >= max(columns, 1) {
				t.Errorf("%d columns: %q has %d", columns, got, n)
			}
			if bar := strings.ContainsAny(got, "█░"); bar != (columns >= barColumns) {
				t.Errorf("%d columns: %q: has a bar: %t", columns, got, bar)
			}
		}
	}
	if got, want := progressText("x.jsonl", 7, 0, 120), "x.jsonl: 7 requests"; got != want {
		t.Errorf("without an end: %q, want %q", got, want)
	}
}
