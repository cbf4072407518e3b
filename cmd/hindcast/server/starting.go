package server

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// gate answers requests while the store is waited for: senders are told to come
// again, instead of being left without an answer. Once it is open it lets all
// pass.
type gate struct{ handler atomic.Pointer[http.Handler] }

func (g *gate) open(handler http.Handler) { g.handler.Store(&handler) }

// ServeHTTP passes a request on, or refuses it for now.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := g.handler.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	if r.URL.Path == "/-/healthy" {
		fmt.Fprintln(w, "hindcast is starting.")
		return
	}
	w.Header().Set("Retry-After", "5")
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(http.StatusServiceUnavailable)
	fmt.Fprintln(w, `{"title":"Service Unavailable","status":503,"detail":"hindcast is starting: it waits for its store"}`)
}
