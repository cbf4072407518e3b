package grafana

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
)

// mayBeMissing are columns that the API leaves out when there is nothing to say.
var mayBeMissing = []string{"actor", "service"}

// TestAPIColumns reads the real timelines as the dashboard over the API does:
// its paths are there, and what it selects is there.
func TestAPIColumns(t *testing.T) {
	data := theCases(t)
	incidents := map[string]any{"incidents": []any{}}
	for _, one := range data.timelines {
		incidents["incidents"] = append(incidents["incidents"].([]any), generic(t, one.Incident))
	}
	for _, d := range dashboards(t) {
		if d.UID != "hindcast-api" {
			continue
		}
		for _, p := range d.Panels {
			for _, q := range p.Targets {
				if q.Type != "json" || q.Source != "url" || q.Parser != "backend" {
					t.Errorf("panel %q: type %s, source %s, parser %s: want json, url, backend", p.Title, q.Type, q.Source, q.Parser)
				}
				if path := strings.Replace(q.URL, "${incident}", "{id}", 1); !slices.Contains(apiPaths(t), path) {
					t.Errorf("panel %q: the API has no %s", p.Title, path)
				}
				answers := []any{incidents}
				if strings.HasSuffix(q.URL, "/timeline") {
					answers = timelines(t, data.timelines)
				}
				for _, c := range q.Columns {
					found := slices.ContainsFunc(answers, func(answer any) bool { return selects(answer, q.RootSelector, c.Selector) })
					if !found && !slices.Contains(mayBeMissing, c.Selector) {
						t.Errorf("panel %q: no answer has %s of %s", p.Title, c.Selector, q.RootSelector)
					}
				}
			}
		}
	}
}

func timelines(t *testing.T, all []timeline.Timeline) (answers []any) {
	for _, one := range all {
		answers = append(answers, generic(t, one))
	}
	return answers
}

// generic is a value as its JSON has it.
func generic(t *testing.T, v any) (out any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// selects reports whether a row under the root has what the selector, names with
// dots between, leads to.
func selects(answer any, root, selector string) bool {
	under := answer.(map[string]any)[root]
	rows, ok := under.([]any)
	if !ok {
		rows = []any{under}
	}
	return slices.ContainsFunc(rows, func(row any) bool {
		for name := range strings.SplitSeq(selector, ".") {
			fields, ok := row.(map[string]any)
			if !ok {
				return false
			}
			if row, ok = fields[name]; !ok {
				return false
			}
		}
		return true
	})
}
