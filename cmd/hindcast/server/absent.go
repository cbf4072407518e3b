package server

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"

	"github.com/hindcast/hindcast/ingest"
)

// What a process does not do for want of a role, it says.

// mountAbsentReceivers answers on the paths of all receivers that nothing is
// received.
func mountAbsentReceivers(mux *http.ServeMux, formats ingest.Formats, roles Roles) {
	refuse := absent(fmt.Sprintf("Nothing is received here: this process runs with --roles=%s. Post to one that has the role receive.", roles))
	paths := map[string]bool{"/ingest/": true}
	for _, f := range formats {
		if f.Path != "" {
			paths[f.Path] = true
		}
	}
	for path := range paths {
		mux.Handle(path, refuse)
	}
}

// mountAbsentAPI answers for the API: its health, and that there is nothing else.
func mountAbsentAPI(mux *http.ServeMux, ready *readiness, roles Roles) {
	mountHealth(mux, ready)
	mux.Handle("/", absent(fmt.Sprintf("Nothing is given out here: this process runs with --roles=%s. Ask one that has the role api.", roles)))
}

// mountHealth answers as the API does about health.
func mountHealth(mux *http.ServeMux, ready *readiness) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w, http.StatusOK, "hindcast is healthy.\n")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, r *http.Request) {
		status, text := ready.report(r.URL.Query().Get("role"))
		plainText(w, status, text)
	})
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text) // the client is gone when this fails
}

// absent answers 404 and why.
func absent(detail string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { problem(w, http.StatusNotFound, detail) }
}

// problem answers with a problem by RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct { // the client is gone when this fails
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
}
