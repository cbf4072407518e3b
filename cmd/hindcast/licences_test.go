package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// licences are recognised by phrases that stand in their texts, in this order:
// the first that is found counts. A copyleft licence is not taken.
var licences = []struct {
	name, phrase string
	ok           bool
}{
	{"AGPL", "gnu affero general public license", false},
	{"LGPL", "gnu lesser general public license", false},
	{"GPL", "gnu general public license", false},
	{"MPL", "mozilla public license", false},
	{"EPL", "eclipse public license", false},
	{"CDDL", "common development and distribution license", false},
	{"EUPL", "european union public licence", false},
	{"SSPL", "server side public license", false},
	{"BUSL", "business source license", false},
	{"CC-BY-SA", "sharealike", false},
	{"Apache-2.0", "apache license", true},
	{"MIT", "permission is hereby granted, free of charge", true},
	{"BSD", "redistribution and use in source and binary forms", true},
	{"ISC", "permission to use, copy, modify, and/or distribute this software for any purpose", true},
	{"Unlicense", "this is free and unencumbered software released into the public domain", true},
	{"CC0", "cc0 1.0 universal", true},
}

var licenceFile = regexp.MustCompile(`(?i)^(licen[cs]e|copying)([.-].*)?$`)

// othersLicences are files that repeat the licences of other modules, linked or
// not. Those that are linked are looked at themselves.
var othersLicences = regexp.MustCompile(`(?i)3rd-?party|third-?party`)

// TestLicences wants a licence that is known and not copyleft in every module
// of which something is linked into the binary.
func TestLicences(t *testing.T) {
	seen := map[string]bool{module: true}
	for _, p := range goList(t, "-deps", module+"/cmd/hindcast") {
		if p.Module == nil || seen[p.Module.Path] {
			continue
		}
		seen[p.Module.Path] = true
		if p.Module.Dir == "" {
			t.Errorf("%s: its source is not here: run go mod download", p.Module.Path)
			continue
		}
		names, bad := licencesOf(t, p.Module.Dir)
		switch {
		case len(bad) > 0:
			t.Errorf("%s is under %v, which the binary must not hold", p.Module.Path, bad)
		case len(names) == 0:
			t.Errorf("%s has no licence that is known here", p.Module.Path)
		}
	}
	if len(seen) < 10 {
		t.Errorf("only %d modules were found: the list is broken", len(seen))
	}
}

// licencesOf reads the licence files at the top of a module.
func licencesOf(t *testing.T, dir string) (names, bad []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) || othersLicences.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		words := strings.ToLower(strings.Join(strings.Fields(string(text)), " "))
		for _, l := range licences {
			if !strings.Contains(words, l.phrase) {
				continue
			}
			if names = append(names, l.name); !l.ok {
				bad = append(bad, l.name)
			}
			break
		}
	}
	slices.Sort(names)
	return names, bad
}
