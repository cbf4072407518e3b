package correlate

import (
	"path"
	"regexp"
	"strings"
)

// majorRE is a Go module's major version at the end of its path.
var majorRE = regexp.MustCompile(`^v\d+$`)

// carriedBy finds the commits that were posted by themselves and that a change
// brings in by raising a dependency: those before it in the folder or the
// repository that the dependency is built from.
func (sc *scene) carriedBy(c *change) []*commitFacts {
	var carried []*commitFacts
	for _, own := range c.commits {
		f := sc.facts[own.SHA]
		if f == nil {
			continue
		}
		for _, b := range bumps(&f.diff) {
			for _, loose := range sc.commits {
				if lf := sc.facts[loose.SHA]; lf != nil && !loose.At.After(c.at()) && builtFrom(b.key, loose.Repository, lf.Files) {
					carried = append(carried, lf)
				}
			}
		}
	}
	return carried
}

// builtFrom reports whether a dependency's name (github.com/acme/pkg/schema,
// @acme/schema) is that of a repository, or of a folder with one of the files.
func builtFrom(dependency, repository string, files []string) bool {
	segments := strings.FieldsFunc(strings.TrimPrefix(dependency, "@"), func(r rune) bool { return r == '/' })
	if n := len(segments); n > 1 && majorRE.MatchString(segments[n-1]) {
		segments = segments[:n-1]
	}
	if repository != "" && strings.HasSuffix("/"+strings.Join(segments, "/"), "/"+repository) {
		return true
	}
	for _, f := range files {
		dir := path.Dir(f)
		for from := range segments {
			suffix := strings.Join(segments[from:], "/")
			// One segment alone is a name that many folders have; it counts below
			// a folder for what is shared.
			if from == len(segments)-1 && !underShared(dir, suffix) {
				continue
			}
			if dir == suffix || strings.HasPrefix(dir, suffix+"/") || underShared(dir, suffix) {
				return true
			}
		}
	}
	return false
}

func underShared(dir, name string) bool {
	for _, shared := range []string{"pkg", "packages", "libs", "lib", "modules", "shared", "common", "crates", "internal"} {
		if folder := shared + "/" + name; dir == folder || strings.HasPrefix(dir, folder+"/") {
			return true
		}
	}
	return false
}
