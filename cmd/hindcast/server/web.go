package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/hindcast/hindcast/ingest"
)

// webServer serves one handler on several listeners, with TLS and basic
// authentication as a web configuration file says.
type webServer struct {
	servers []*http.Server
	loops   []*loop
}

func startWeb(handler http.Handler, listeners []net.Listener, configFile string, logger *slog.Logger, failed chan<- error) *webServer {
	w := &webServer{}
	for _, listener := range listeners {
		// A server for each: the toolkit wraps the handler of the one it is given.
		s := &http.Server{Handler: handler, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug)}
		ingest.ConfigureServer(s)
		w.servers = append(w.servers, s)
		w.loops = append(w.loops, startLoop("web server", func(context.Context) error {
			err := web.Serve(listener, s, &web.FlagConfig{WebConfigFile: &configFile}, logger)
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			return err
		}, failed))
	}
	return w
}

// stop takes no new connections, lets requests under way end, and closes what
// remains when ctx is done.
func (w *webServer) stop(ctx context.Context) error {
	var errs []error
	for i, s := range w.servers {
		if err := s.Shutdown(ctx); err != nil {
			errs = append(errs, fmt.Errorf("requests were cut off: %w", err), s.Close())
		}
		errs = append(errs, w.loops[i].stop(ctx))
	}
	return errors.Join(errs...)
}
