package ingest

import (
	"net/http"
	"time"
)

// MaxHeaderBytes is the recommended bound of a request's header, in bytes.
const MaxHeaderBytes = 64 << 10

// ConfigureServer sets what a server in front of the receivers should bound
// and the receivers cannot: the time in which a header must have come, its
// size, how long an idle connection is kept, and how long an answer may take.
// Fields that are set already stay. The time to send a body is bounded for
// each request by [Limits.ReadTimeout], and not here: a server-wide ReadTimeout
// would bound the handler too.
func ConfigureServer(s *http.Server) {
	if s.ReadHeaderTimeout == 0 {
		s.ReadHeaderTimeout = 10 * time.Second
	}
	if s.IdleTimeout == 0 {
		// Longer than the interval at which senders usually post, or each of
		// their posts would open a connection.
		s.IdleTimeout = 5 * time.Minute
	}
	if s.WriteTimeout == 0 {
		s.WriteTimeout = 2 * time.Minute
	}
	if s.MaxHeaderBytes == 0 {
		s.MaxHeaderBytes = MaxHeaderBytes
	}
}
