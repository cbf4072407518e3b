package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/prometheus/exporter-toolkit/web"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
)

// logFlags say what is logged, and how.
type logFlags struct {
	Level  string `name:"level" enum:"debug,info,warn,error" default:"info" help:"Log what is at least this severe: ${enum}."`
	Format string `name:"format" enum:"text,json" default:"text" help:"Log as ${enum}."`
}

func (f logFlags) logger(w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(f.Level)); err != nil {
		return nil, fmt.Errorf("--log.level: %w", err)
	}
	options := &slog.HandlerOptions{Level: level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}

// atLeast drops what is less severe than a level.
func atLeast(logger *slog.Logger, level slog.Level) *slog.Logger {
	return slog.New(leveled{logger.Handler(), level})
}

// span is a duration as Prometheus writes it.
type span time.Duration

// UnmarshalText reads the duration.
func (s *span) UnmarshalText(text []byte) error {
	d, err := config.ParseDuration(string(text))
	*s = span(d)
	return err
}

// storeSpec is a --store; it is checked when the command line is read.
type storeSpec string

// UnmarshalText checks the store.
func (s *storeSpec) UnmarshalText(text []byte) error {
	*s = storeSpec(text)
	return server.CheckStore(string(text))
}

// LogValue leaves out what may be a password.
func (s storeSpec) LogValue() slog.Value { return slog.StringValue(server.RedactStore(string(s))) }

// webFlags say where to listen, and how.
type webFlags struct {
	ListenAddress []string `name:"listen-address" sep:"none" placeholder:"HOST:PORT" default:":9097" help:"Listen here (${default}). Can be given several times."`
	ConfigFile    string   `name:"config.file" placeholder:"FILE" help:"Take TLS and basic authentication from a web configuration file of the Prometheus exporter toolkit."`
}

// listen opens all addresses, or none.
func (f webFlags) listen() ([]net.Listener, error) {
	if err := web.Validate(f.ConfigFile); err != nil {
		return nil, fmt.Errorf("--web.config.file %s: %w", f.ConfigFile, err)
	}
	var listeners []net.Listener
	for _, address := range f.ListenAddress {
		l, err := net.Listen("tcp", address)
		if err != nil {
			for _, open := range listeners {
				open.Close()
			}
			if errors.Is(err, syscall.EADDRINUSE) {
				return nil, fmt.Errorf("listen: %w; choose another with --web.listen-address", err)
			}
			return nil, fmt.Errorf("listen: %w", err)
		}
		listeners = append(listeners, l)
	}
	return listeners, nil
}

// examples formats a command's examples for its help.
func examples(text string, lines ...string) string {
	return text + "\n\nExamples:\n\n    " + strings.Join(lines, "\n    ")
}
