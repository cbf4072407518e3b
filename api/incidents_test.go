package api

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

func TestListIncidents(t *testing.T) {
	store := sampleStore(30, 40, 50)
	store.timelines[1].Incident.Services = []string{"search"}
	store.timelines[2].Incident.Minor = true
	h := newTestAPI(t, store)
	tests := []struct {
		query string
		want  []event.ID
	}{
		{"", ids(50, 30, 20)},
		{"?minor=true", ids(50, 40, 30, 20)},
		{"?minor=1&limit=500", ids(50, 40, 30, 20)},
		{"?minor=false", ids(50, 30, 20)},
		{"?status=open", ids(50, 30)},
		{"?status=restored", ids(20)},
		{"?status=closed", nil},
		{"?service=search", ids(30)},
		{"?to=" + after(45).Format("2006-01-02T15:04:05.999999999Z"), ids(30, 20)},
		// Curl does not escape the plus of a zone.
		{"?from=" + after(301).In(zone).Format("2006-01-02T15:04:05.999999999-07:00"), ids(50, 30)},
	}
	for _, tt := range tests {
		got := decode[incidentList](t, get(t, h, "/incidents"+tt.query))
		var gotIDs []event.ID
		for _, i := range got.Incidents {
			gotIDs = append(gotIDs, i.ID)
		}
		if !slices.Equal(gotIDs, tt.want) {
			t.Errorf("GET /incidents%s = %v, want %v", tt.query, gotIDs, tt.want)
		}
	}
}

func TestListIncidentsJSON(t *testing.T) {
	if got, want := get(t, newTestAPI(t, &fakeStore{}), "/incidents").Body.String(), `{"incidents":[],"next_cursor":""}`+"\n"; got != want {
		t.Errorf("without incidents: %s, want %s", got, want)
	}
	got := get(t, newTestAPI(t, &fakeStore{timelines: []timeline.Timeline{small(1)}}), "/incidents").Body.String()
	want := fmt.Sprintf(`{"incidents":[{"id":"%s","aliases":[],"title":"incident 1","status":"open","sealed":false,"severity":"",`+
		`"minor":false,"services":[],"environment":"","started_at":"2026-03-01T12:00:01.123456789Z","ended_at":null,"revision":1}],"next_cursor":""}`+"\n", id(1))
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestBadParameters(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	tests := []struct{ path, names string }{
		{"/incidents?from=yesterday", "from: "},
		{"/incidents?to=1969-12-31T23:59:59Z", "to: "},
		{"/incidents?to=2200-01-01T00:00:00Z", "to: "},
		{"/incidents?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "to: want a time after from"},
		{"/incidents?from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z", "to: want a time after from"},
		{"/incidents?status=over", "status: want open, mitigated, restored or closed"},
		{"/incidents?minor=maybe", "minor: "},
		{"/incidents?limit=0", "limit: want a whole number from 1 to 500"},
		{"/incidents?limit=501", "limit: "},
		{"/incidents?limit=-1", "limit: "},
		{"/incidents?limit=1e2", "limit: "},
		{"/incidents?limit=99999999999999999999", "limit: "},
		{"/incidents?cursor=nonsense", "cursor: want the next_cursor of an earlier page of the same list"},
		{"/incidents?cursor=" + strings.Repeat("x", 3000), "cursor: "},
		{"/incidents?service=" + strings.Repeat("x", 3000), "service: "},
		{"/incidents?limit=x&status=%ff", "status: "},
		{"/logs?from=2026-13-01T00:00:00Z", "from: "},
		{"/logs?pattern=xyz", "pattern: want the 16 hex digits"},
		{"/logs?level=loud", "level: "},
		{"/logs?limit=many", "limit: "},
		{"/logs?cursor=***", "cursor: "},
		{"/logs?from=2100-01-01T00:00:00Z", "from: "},
		{"/logs?contains=" + strings.Repeat("x", 3000), "contains: "},
		{"/asides?limit=0", "limit: "},
		{"/asides?cursor=nonsense", "cursor: "},
		{"/incidents/" + id(20).String() + "/timeline?entries_cursor=nonsense", "entries_cursor: "},
	}
	for _, tt := range tests {
		t.Run(shortened(tt.path), func(t *testing.T) {
			wantProblem(t, get(t, h, tt.path), http.StatusBadRequest, tt.names)
		})
	}
}

func TestBadParametersAreAllNamed(t *testing.T) {
	w := get(t, newTestAPI(t, sampleStore()), "/incidents?limit=x&status=y&from=z")
	wantProblem(t, w, http.StatusBadRequest, "limit: ", "status: ", "from: ")
}

func TestIncidentsPageWhileTheyArrive(t *testing.T) {
	store := &fakeStore{}
	for n := range 25 {
		store.add(small(n * 10))
	}
	h := newTestAPI(t, store)
	var seen []event.ID
	cursor := ""
	for page := 0; ; page++ {
		if page > 100 {
			t.Fatal("paging does not end")
		}
		got := decode[incidentList](t, get(t, h, "/incidents?limit=4&cursor="+url.QueryEscape(cursor)))
		for _, i := range got.Incidents {
			seen = append(seen, i.ID)
		}
		store.add(small(10000 + page)) // a new one
		if cursor = got.NextCursor; cursor == "" {
			break
		}
	}
	var want []event.ID
	for n := 24; n >= 0; n-- {
		want = append(want, id(n*10))
	}
	if !slices.Equal(seen, want) {
		t.Errorf("pages hold %d incidents, want the 25 that were there at first, each once: %v", len(seen), seen)
	}
}

func TestGetIncident(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	want := sample().Incident
	for _, text := range []string{id(20).String(), strings.ToLower(id(20).String())} {
		got := decode[timeline.Incident](t, get(t, h, "/incidents/"+text))
		if got.ID != want.ID || got.Revision != want.Revision || !got.StartedAt.Equal(want.StartedAt) || !got.EndedAt.Equal(*want.EndedAt) {
			t.Errorf("GET /incidents/%s = %+v, want %+v", text, got, want)
		}
	}
}

func TestMemberRedirects(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	own := "/incidents/" + id(20).String()
	tests := []struct{ path, want string }{
		{"/incidents/" + id(25).String(), own},
		{"/incidents/" + strings.ToLower(id(26).String()), own},
		{"/incidents/" + id(26).String() + "?a=b&c=%20d", own + "?a=b&c=%20d"},
		{"/incidents/" + id(25).String() + "/timeline", own + "/timeline"},
		{"/incidents/" + id(25).String() + "/timeline?entries_cursor=x", own + "/timeline?entries_cursor=x"},
	}
	for _, tt := range tests {
		w := get(t, h, tt.path)
		if w.Code != http.StatusTemporaryRedirect || w.Header().Get("Location") != tt.want {
			t.Errorf("GET %s = %d to %q, want 307 to %q", tt.path, w.Code, w.Header().Get("Location"), tt.want)
		}
	}
}

func TestMissing(t *testing.T) {
	h := newTestAPI(t, sampleStore())
	tests := []struct{ path, says string }{
		{"/incidents/" + id(999).String(), "GET /incidents"},
		{"/incidents/" + id(999).String() + "/timeline", "GET /incidents"},
		{"/incidents/nonsense", "26 characters"},
		{"/incidents/%00%ff", "26 characters"},
		{"/incidents/..%2f..%2fetc", "26 characters"},
		{"/incidents/nonsense/timeline", "26 characters"},
		{"/incidents/00000000000000000000000000", "GET /incidents"},
		{"/events/" + id(999).String(), "retention"},
		{"/events/nonsense", "26 characters"},
		{"/incidents/", "/openapi.json"},
		{"/incidents/" + id(20).String() + "/", "/openapi.json"},
		{"/nothing", "/openapi.json"},
		{"/-/nothing", "/openapi.json"},
	}
	for _, tt := range tests {
		t.Run(tt.path, func(t *testing.T) { wantProblem(t, get(t, h, tt.path), http.StatusNotFound, tt.says) })
	}
}

func TestStoreFailures(t *testing.T) {
	paths := []string{
		"/incidents", "/incidents/" + id(20).String(), "/incidents/" + id(20).String() + "/timeline",
		"/events/" + id(20).String(), "/logs", "/asides",
	}
	tests := []struct {
		err        error
		want       int
		retryAfter string
	}{
		{storage.ErrUnavailable, http.StatusServiceUnavailable, "1"},
		{storage.ErrBadCursor, http.StatusBadRequest, ""},
		{errors.New("secret: disk /var/x is bad"), http.StatusInternalServerError, ""},
	}
	for _, tt := range tests {
		h := newTestAPI(t, &fakeStore{err: tt.err})
		for _, path := range paths {
			t.Run(fmt.Sprint(tt.err, path), func(t *testing.T) {
				w := get(t, h, path)
				wantProblem(t, w, tt.want)
				if got := w.Header().Get("Retry-After"); got != tt.retryAfter {
					t.Errorf("Retry-After = %q, want %q", got, tt.retryAfter)
				}
				if strings.Contains(w.Body.String(), "secret") {
					t.Errorf("the answer tells what went wrong inside: %s", w.Body)
				}
			})
		}
	}
}
