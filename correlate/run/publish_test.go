package run

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hindcast/hindcast/correlate"
	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestLastOfEach: an incident that was gone and came back before either was
// published is not gone, and the other way round.
func TestLastOfEach(t *testing.T) {
	d := func(id byte, digest string) correlate.Derived {
		return correlate.Derived{Timeline: timeline.Timeline{Incident: timeline.Incident{ID: event.ID{id}}}, Digest: digest, Retired: digest == ""}
	}
	for _, test := range []struct {
		name string
		in   []correlate.Derived
		want string
	}{
		{"nothing", nil, ""},
		{"one", []correlate.Derived{d(1, "a")}, "1a "},
		{"gone and back", []correlate.Derived{d(1, ""), d(2, "b"), d(1, "a")}, "2b 1a "},
		{"there and gone", []correlate.Derived{d(1, "a"), d(2, "b"), d(1, "")}, "2b 1 "},
		{"twice", []correlate.Derived{d(1, "a"), d(1, "b")}, "1b "},
	} {
		got := ""
		for _, k := range lastOfEach(slices.Clone(test.in)) {
			got += fmt.Sprintf("%d%s ", k.Timeline.Incident.ID[0], k.Digest)
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}
