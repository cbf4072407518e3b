package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/config"
	"github.com/hindcast/hindcast/cmd/hindcast/server"
)

// settle is how long after the last receipt a replay in this process looks at
// what was derived: long enough for every incident to be closed.
const settle = 24 * time.Hour

// stopTimeout bounds the stopping of a server in this process.
const stopTimeout = 30 * time.Second

// scratch is a folder for a store that nobody keeps.
type scratch struct{ dir string }

func newScratch() (scratch, error) {
	dir, err := os.MkdirTemp("", "hindcast-*")
	if err != nil {
		return scratch{}, fmt.Errorf("make a temporary folder: %w", err)
	}
	return scratch{dir}, nil
}

func (s scratch) store() string { return "sqlite:" + filepath.Join(s.dir, "hindcast.db") }

func (s scratch) remove() { os.RemoveAll(s.dir) }

// startReplay starts a server that believes the recorded times. Without
// listeners it listens on a free port of the loopback interface.
func startReplay(ctx context.Context, loaded config.Config, store string, logger *slog.Logger, listeners ...net.Listener) (*server.Server, error) {
	if len(listeners) == 0 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("listen: %w", err)
		}
		listeners = append(listeners, l)
	}
	// A player waits for each answer: waiting for company would only slow it.
	loaded.Limits.Alerts.Linger, loaded.Limits.Logs.Linger = 0, 0
	return server.Start(ctx, server.Options{
		Config: loaded, Store: store, TrustTimes: true, Settle: settle, Logger: atLeast(logger, slog.LevelWarn),
	}, listeners...)
}
