package eval

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
)

// TestTimelinesReadsAllPages serves two pages of incidents, of which one has
// two pages of entries.
func TestTimelinesReadsAllPages(t *testing.T) {
	first, second := event.NewID(at(0), "1"), event.NewID(at(1), "2")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /incidents", func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("minor") != "true" {
			t.Errorf("incidents were asked for with %q, want minor=true", r.URL.RawQuery)
		}
		if r.FormValue("cursor") == "" {
			fmt.Fprintf(w, `{"incidents":[{"id":%q}],"next_cursor":"n"}`, second)
		} else {
			fmt.Fprintf(w, `{"incidents":[{"id":%q}],"next_cursor":null}`, first)
		}
	})
	mux.HandleFunc("GET /incidents/{id}/timeline", func(w http.ResponseWriter, r *http.Request) {
		page := timeline.Timeline{Entries: []timeline.Entry{{Summary: "one"}}}
		if err := page.Incident.ID.UnmarshalText([]byte(r.PathValue("id"))); err != nil {
			t.Error(err)
		}
		switch {
		case r.FormValue("entries_cursor") == "e":
			page.Entries[0].Summary = "two"
		case page.Incident.ID == second:
			page.EntriesCursor = "e"
		}
		json.NewEncoder(w).Encode(page)
	})
	server := httptest.NewServer(mux)
	defer server.Close()
	client := Client{URL: server.URL}
	got, err := client.Timelines(t.Context())
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d timelines, error %v; want 2", len(got), err)
	}
	if got[0].Incident.ID != first || len(got[0].Entries) != 1 || len(got[1].Entries) != 2 || got[1].Entries[1].Summary != "two" {
		t.Errorf("got %+v, want both in the order of their start, with all entries", got)
	}
}

func TestTimelinesTellsWhatTheServerSays(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	client := Client{URL: server.URL}
	if _, err := client.Timelines(t.Context()); err == nil || !strings.Contains(err.Error(), "list incidents: 404") {
		t.Errorf("got error %v, want the server's answer", err)
	}
}

func TestDifference(t *testing.T) {
	same := perfect()
	same.Incident.Revision, same.Incident.Aliases = 7, []event.ID{event.NewID(at(3), "x")}
	if got, err := Difference([]timeline.Timeline{perfect()}, []timeline.Timeline{same}); err != nil || got != "" {
		t.Errorf("other revision and aliases: got difference %q, error %v; want none", got, err)
	}
	other := perfect()
	other.Milestones[1].Confidence = 0.8
	got, err := Difference([]timeline.Timeline{perfect()}, []timeline.Timeline{other})
	if err != nil || !strings.Contains(got, `-       "confidence": 0.9,`) || !strings.Contains(got, `+       "confidence": 0.8,`) {
		t.Errorf("got difference %q, error %v; want the line that differs", got, err)
	}
	if got, _ := Difference([]timeline.Timeline{perfect()}, nil); !strings.Contains(got, "an incident more") {
		t.Errorf("got difference %q, want that one side has more", got)
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a", "b"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		for file, text := range map[string]string{cassetteFile: "", truthFile: `{"scale":8}`} {
			if err := os.WriteFile(filepath.Join(dir, name, file), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	got, err := Find(dir, filepath.Join(dir, "a"))
	if err != nil || len(got) != 3 || got[0].Name != "a" || got[1].Name != "b" || got[2].Truth.Scale != 8 {
		t.Errorf("got %+v, error %v; want a, b and a again", got, err)
	}
	if _, err := Find(filepath.Join(dir, "empty")); err == nil || !strings.Contains(err.Error(), "holds no case") {
		t.Errorf("a folder without cases: got error %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "b", truthFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Find(dir); err == nil || !strings.Contains(err.Error(), truthFile) {
		t.Errorf("a truth that is no JSON: got error %v, want one that names the file", err)
	}
}
