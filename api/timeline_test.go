package api

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
)

var zone = time.FixedZone("", 2*3600)

func timelinePath(n int) string { return "/incidents/" + id(n).String() + "/timeline" }

func TestTimelineGolden(t *testing.T) {
	w := get(t, newTestAPI(t, sampleStore()), timelinePath(20))
	if got := w.Header().Get("Content-Type"); got != "application/json" {
		t.Errorf("Content-Type = %q, want application/json", got)
	}
	indented, err := json.MarshalIndent(json.RawMessage(w.Body.Bytes()), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("testdata", "sample.json"), append(indented, '\n'))
}

// Lists are lists, durations an object and times in UTC, also when a backend
// returned neither.
func TestTimelineIsFilled(t *testing.T) {
	tl := small(1)
	local := t0.In(zone)
	tl.Incident.StartedAt, tl.Incident.EndedAt = local, &local
	tl.Milestones = []timeline.Milestone{{
		Name: timeline.Onset, At: &local, Earliest: &local, Latest: &local,
		Alternatives: []timeline.Alternative{{At: local}}, Derived: &timeline.Milestone{Name: timeline.Onset, At: &local},
	}}
	tl.Entries = []timeline.Entry{{At: local, Until: &local, Log: &timeline.LogExcerpt{FirstSeen: local, LastSeen: local}}}
	tl.Context = []timeline.Entry{{At: local}}
	tl.Changes = []timeline.Change{{At: local, StartedAt: &local, FinishedAt: &local, Commits: []timeline.Commit{{}}}, {At: local}}
	tl.Participants = []timeline.Participant{{FirstAt: local, LastAt: local}}
	tl.Gaps = []timeline.Gap{{}}
	h := newTestAPI(t, &fakeStore{timelines: []timeline.Timeline{tl, small(2)}})

	got := get(t, h, timelinePath(1)).Body.String()
	if strings.Contains(got, "+02:00") {
		t.Errorf("a time is not in UTC: %s", got)
	}
	for _, null := range []string{
		`"aliases":null`, `"services":null`, `"evidence":null`, `"alternatives":null`, `"events":null`, `"links":null`,
		`"lines":null`, `"commits":null`, `"reasons":null`, `"did":null`, `"stages":null`,
	} {
		if strings.Contains(got, null) {
			t.Errorf("%s in %s", null, got)
		}
	}
	if tl.Milestones[0].At.Location() != zone || tl.Milestones[0].Derived.Evidence != nil || tl.Entries[0].Log.Lines != nil {
		t.Error("what the store returned was changed")
	}

	got = get(t, h, timelinePath(2)).Body.String()
	for _, want := range []string{
		`"milestones":[]`, `"entries":[]`, `"context":[]`, `"changes":[]`, `"participants":[]`, `"gaps":[]`, `"durations":{}`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}

func TestTimelineNegotiation(t *testing.T) {
	const md = "text/markdown; charset=utf-8"
	h := newTestAPI(t, sampleStore())
	tests := []struct {
		accept []string
		want   string
	}{
		{nil, typeJSON},
		{[]string{"Accept: text/markdown"}, md},
		{[]string{"Accept: TEXT/Markdown; charset=utf-8; variant=GFM"}, md},
		{[]string{"Accept: application/json"}, typeJSON},
		{[]string{"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}, typeJSON},
		{[]string{"Accept: application/json;q=0.5", "Accept: text/markdown"}, md},
	}
	for _, tt := range tests {
		w := get(t, h, timelinePath(20), tt.accept...)
		if w.Code != http.StatusOK || w.Header().Get("Content-Type") != tt.want {
			t.Errorf("%v: %d %s, want 200 %s", tt.accept, w.Code, w.Header().Get("Content-Type"), tt.want)
		}
		if got := w.Header().Get("Vary"); got != "Accept" {
			t.Errorf("%v: Vary = %q, want Accept", tt.accept, got)
		}
		if isMarkdown := strings.HasPrefix(w.Body.String(), "# Post-mortem: "); isMarkdown != (tt.want == md) {
			t.Errorf("%v: the body is not %s: %.60s", tt.accept, tt.want, w.Body)
		}
	}
	wantProblem(t, get(t, h, timelinePath(20), "Accept: application/pdf"), http.StatusNotAcceptable, "text/markdown")
	wantProblem(t, get(t, h, timelinePath(999), "Accept: text/markdown"), http.StatusNotFound, "GET /incidents")
	// Resources that have one form give it to everybody.
	if w := get(t, h, "/incidents", "Accept: text/markdown"); w.Code != http.StatusOK {
		t.Errorf("GET /incidents with Accept: text/markdown = %d, want 200", w.Code)
	}
}

func TestETag(t *testing.T) {
	store := sampleStore(30)
	h := newTestAPI(t, store)
	paths := []string{
		"/incidents", "/incidents?limit=1", "/incidents/" + id(20).String(), timelinePath(20), "/openapi.json",
	}
	seen := map[string]string{}
	for _, path := range paths {
		w := get(t, h, path)
		tag := w.Header().Get("ETag")
		if !strings.HasPrefix(tag, `"`) || !strings.HasSuffix(tag, `"`) || len(tag) < 10 {
			t.Errorf("GET %s: ETag = %s, want a strong one", path, tag)
		}
		if other, ok := seen[tag]; ok {
			t.Errorf("%s and %s share an ETag", path, other)
		}
		seen[tag] = path
		if got := w.Header().Get("Cache-Control"); got != "private, no-cache" {
			t.Errorf("GET %s: Cache-Control = %q", path, got)
		}
		for _, noneMatch := range []string{tag, "W/" + tag, `"other", ` + tag, "*"} {
			w := get(t, h, path, "If-None-Match: "+noneMatch)
			if w.Code != http.StatusNotModified || w.Body.Len() != 0 || w.Header().Get("ETag") != tag || w.Header().Get("Content-Type") != "" {
				t.Errorf("GET %s with If-None-Match: %s = %d with %d bytes, %v; want 304 with none", path, noneMatch, w.Code, w.Body.Len(), w.Header())
			}
		}
		if w := get(t, h, path, "If-None-Match: \"x\"", "If-None-Match: "+tag); w.Code != http.StatusNotModified {
			t.Errorf("GET %s with the ETag on a second line = %d, want 304", path, w.Code)
		}
		if w := get(t, h, path, `If-None-Match: "other"`); w.Code != http.StatusOK {
			t.Errorf("GET %s with another ETag = %d, want 200", path, w.Code)
		}
	}

	asJSON := get(t, h, timelinePath(20)).Header().Get("ETag")
	asMarkdown := get(t, h, timelinePath(20), "Accept: text/markdown").Header().Get("ETag")
	if asJSON == asMarkdown {
		t.Error("JSON and Markdown share an ETag")
	}
	if w := get(t, h, timelinePath(20), "Accept: text/markdown", "If-None-Match: "+asMarkdown); w.Code != http.StatusNotModified || w.Header().Get("Vary") != "Accept" {
		t.Errorf("Markdown again = %d, Vary %q; want 304, Accept", w.Code, w.Header().Get("Vary"))
	}
	store.timelines[0].Incident.Revision++
	for _, path := range []string{"/incidents", "/incidents/" + id(20).String()} {
		if _, ok := seen[get(t, h, path).Header().Get("ETag")]; ok {
			t.Errorf("GET %s: a new revision has the old ETag", path)
		}
	}
	if w := get(t, h, timelinePath(20), "If-None-Match: "+asJSON); w.Code != http.StatusOK {
		t.Errorf("a new revision of the timeline = %d, want 200", w.Code)
	}
}

func TestHead(t *testing.T) {
	server := httptest.NewServer(newTestAPI(t, sampleStore()))
	defer server.Close()
	for _, path := range []string{"/incidents", "/incidents/" + id(20).String(), timelinePath(20), "/-/healthy", "/-/ready", "/openapi.json", "/"} {
		got, err := server.Client().Get(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		got.Body.Close()
		head, err := server.Client().Head(server.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		head.Body.Close()
		if head.StatusCode != http.StatusOK || head.Header.Get("ETag") != got.Header.Get("ETag") || head.ContentLength != got.ContentLength {
			t.Errorf("HEAD %s = %d, %s, length %d; GET has %s, length %d", path,
				head.StatusCode, head.Header.Get("ETag"), head.ContentLength, got.Header.Get("ETag"), got.ContentLength)
		}
	}
}
