package storagetest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Contents is all that a store gives out by its [storage.Exporter], as texts by
// names: two stores with equal facts and timelines have equal contents, to the
// byte. Lines and counts are sorted, because their order within a chunk tells
// nothing.
func Contents(t *testing.T, e storage.Exporter) map[string]string {
	t.Helper()
	all := make(map[string]string)
	err := e.Export(context.Background(), "", func(b event.Batch, _ string) error {
		addContents(t, all, b)
		return nil
	})
	if err != nil {
		t.Fatalf("export: %v", err)
	}
	err = e.ExportDerived(context.Background(), "", func(list []storage.Derived, _ string) error {
		for _, d := range list {
			all["incident "+d.Timeline.Incident.ID.String()] = asJSON(t, d)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("export timelines: %v", err)
	}
	return all
}

// Facts is the contents that a batch makes in a store that is empty.
func Facts(t *testing.T, b event.Batch) map[string]string {
	t.Helper()
	all := make(map[string]string)
	addContents(t, all, b)
	return all
}

// SameContents fails the test when contents differ, and says where.
func SameContents(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d facts and timelines, want %d", what, len(got), len(want))
	}
	shown := 0
	for name, w := range want {
		if g, ok := got[name]; g != w && shown < 3 {
			t.Errorf("%s: %s (there: %v):\n got %s\nwant %s", what, name, ok, clip(g), clip(w))
			shown++
		}
	}
	for name, g := range got {
		if _, ok := want[name]; !ok && shown < 3 {
			t.Errorf("%s: %s should not be there: %s", what, name, clip(g))
			shown++
		}
	}
}

func clip(text string) string { return text[:min(len(text), 2000)] }

func addContents(t *testing.T, all map[string]string, b event.Batch) {
	t.Helper()
	for _, e := range b.Events {
		raw := e.Raw
		e.Raw = nil
		all["event "+e.ID.String()] = fmt.Sprintf("%s raw %q", asJSON(t, e), raw)
	}
	for _, o := range b.Observations {
		raw := o.Raw
		o.Raw = nil
		all["observation "+o.ID().String()] = fmt.Sprintf("%s raw %q", asJSON(t, o), raw)
	}
	for _, a := range b.Asides {
		all["aside "+a.ID.String()] = fmt.Sprintf("%v %q %q %q %q", a.ReceivedAt, a.Road, a.Class, a.Reason, a.Raw)
	}
	for _, c := range b.Chunks {
		all["chunk "+c.ID.String()] = chunkText(c)
	}
}

func chunkText(c event.Chunk) string {
	text := []string{fmt.Sprintf("chunk %v %q", c.ReceivedAt, c.Road)}
	for _, l := range c.Lines {
		s := c.Streams[l.Stream]
		text = append(text, fmt.Sprintf("line %q %q %q: %v %v %v %q %q %q %q",
			s.Service, s.Environment, s.Labels, l.At, l.Level, l.Pattern, l.Version, l.Trace, l.Metadata, l.Text))
	}
	for _, n := range c.Counts {
		key, _ := json.Marshal(n.CountKey)
		text = append(text, fmt.Sprintf("count %s: %d %v %v %x %q %q %q", key, n.N, n.First, n.Last, n.Digest, n.Template, n.Sample, n.Upstreams))
	}
	slices.Sort(text)
	return strings.Join(text, "\n")
}
