package api

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"time"
)

// ServeHTTP answers one request: what holds for all of them is here, in the
// order in which it applies.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	started := time.Now()
	sw := &statusWriter{ResponseWriter: w}
	ctx, cancel := context.WithTimeout(r.Context(), a.Timeout)
	defer cancel()
	// The mux writes the pattern that matched into the request that it is
	// given: the metrics must look at this one.
	r = r.WithContext(ctx)
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				panic(p)
			}
			a.recovered(sw, r, p)
		}
		a.metrics.observe(r.Pattern, sw.code(), time.Since(started))
	}()

	secure(sw.Header())
	if isHealth(r.URL.Path) {
		a.mux.ServeHTTP(sw, r)
		return
	}
	select {
	case a.slots <- struct{}{}:
		defer func() { <-a.slots }()
		a.mux.ServeHTTP(sw, r)
	default:
		_, r.Pattern = a.mux.Handler(r)
		sw.Header().Set("Retry-After", "1")
		writeProblem(sw, http.StatusServiceUnavailable, fmt.Sprintf(
			"%d requests are being answered already; try again in a second.", cap(a.slots)))
	}
}

// secure sets what holds for every answer. Other origins get nothing: there
// are no CORS headers. Handlers replace the Cache-Control of what may be kept.
func secure(h http.Header) {
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
}

func isHealth(path string) bool { return strings.HasPrefix(path, "/-/") }

// recovered answers a request whose handler panicked, as far as it still can.
func (a *api) recovered(w *statusWriter, r *http.Request, p any) {
	if r.Context().Err() != nil && w.status != 0 {
		return // the client is gone and the answer could not be written
	}
	a.Logger.ErrorContext(r.Context(), "a handler panicked",
		"method", r.Method, "path", r.URL.Path, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
	if w.status == 0 {
		writeProblem(w, http.StatusInternalServerError, "hindcast failed; its log says more.")
	}
}

// unknown answers what no pattern matched.
func (a *api) unknown(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		probe := &http.Request{Method: http.MethodGet, URL: r.URL, Host: r.Host}
		if _, pattern := a.mux.Handler(probe); pattern != "/" {
			w.Header().Set("Allow", "GET, HEAD")
			writeProblem(w, http.StatusMethodNotAllowed, "This resource is read only: use GET or HEAD.")
			return
		}
	}
	if r.Method == http.MethodPost && len(a.Receivers) > 0 {
		writeProblem(w, http.StatusNotFound, "Nothing is received at this path. The receivers are "+strings.Join(a.Receivers, ", ")+".")
		return
	}
	writeProblem(w, http.StatusNotFound,
		"There is nothing at this path. GET /openapi.json says what there is; /incidents is a good start.")
}

// statusWriter remembers the status that was sent.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the connection.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func (w *statusWriter) code() int {
	if w.status == 0 {
		return http.StatusOK
	}
	return w.status
}
