package server

import (
	"fmt"
	"net/http"
	"sync/atomic"
)

// gate answers requests while the store, or Kafka, is waited for: senders are told to come
// again, instead of being left without an answer. Once it is open it lets pass
// what the handler takes.
type gate struct{ handler atomic.Pointer[http.Handler] }

func (g *gate) open(handler http.Handler) { g.handler.Store(&handler) }

// ServeHTTP passes a request on, or refuses it for now.
func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if handler := g.handler.Load(); handler != nil {
		(*handler).ServeHTTP(w, r)
		return
	}
	starting(w, r)
}

// starting refuses a request for now.
func starting(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/-/healthy" {
		fmt.Fprintln(w, "hindcast is starting.")
		return
	}
	w.Header().Set("Retry-After", "5")
	problem(w, http.StatusServiceUnavailable, "hindcast is starting: it waits for its store, or for Kafka where it forwards")
}
