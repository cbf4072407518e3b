package server

import (
	"encoding/json"
	"fmt"
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
func mountAbsentAPI(mux *http.ServeMux, ready func() error, roles Roles) {
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		plainText(w, http.StatusOK, "hindcast is healthy.")
	})
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, _ *http.Request) {
		if err := ready(); err != nil {
			plainText(w, http.StatusServiceUnavailable, "hindcast is not ready: "+err.Error())
			return
		}
		plainText(w, http.StatusOK, "hindcast is ready.")
	})
	mux.Handle("/", absent(fmt.Sprintf("Nothing is given out here: this process runs with --roles=%s. Ask one that has the role api.", roles)))
}

func plainText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	fmt.Fprintln(w, text)
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
