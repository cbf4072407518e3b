package enginetest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
)

// Engine is a ClickHouse engine that tests may use: a server that was there
// already, or a process that was started for them. Its methods may be called
// concurrently, but for Kill, Restart, Freeze, Thaw and Close.
type Engine struct {
	kind    kind
	options Options
	scratch string // removed by Close; "" when the caller gave the folder
	given   string // the DSN of a server that was there already
	http    string // host:port of the HTTP interface, "" when there is none
	native  string // host:port of the native protocol, "" when there is none
	client  *http.Client
	process *child.Process // nil for a server that was there already
}

// Options say how an engine is started. The zero value is a good one.
type Options struct {
	// Dir holds the data. Empty: a new folder, removed when the engine is closed.
	Dir string
	// Args are further flags of chdb-server. Another engine ignores them.
	Args []string
	// Env is added to the environment of the engine's process.
	Env []string
	// Under is put in front of the engine's command, such as unshare with its
	// flags: it must become the engine by exec.
	Under []string
}

// Run starts an engine of its own without a test, for commands. Close ends it.
// The error is a *component.Unavailable when this machine has no engine to start.
func Run(ctx context.Context, o Options) (*Engine, error) {
	c, err := choose()
	if err != nil {
		return nil, err
	}
	if c.kind == kindGiven {
		return nil, unavailable("HINDCAST_TEST_CLICKHOUSE names a server, which cannot be started or killed")
	}
	return start(ctx, c, o)
}

// start starts the chosen engine and waits until it answers.
func start(ctx context.Context, c choice, o Options) (*Engine, error) {
	e := &Engine{kind: c.kind, options: o, client: newClient()}
	if c.kind == kindGiven {
		return e, e.useGiven(ctx, c.dsn)
	}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "hindcast-engine-")
		if err != nil {
			return nil, fmt.Errorf("make the engine's folder: %w", err)
		}
		e.scratch, e.options.Dir = dir, dir
	}
	dir, err := filepath.Abs(e.options.Dir)
	if err != nil {
		return nil, fmt.Errorf("find the engine's folder: %w", err)
	}
	e.options.Dir = dir
	if err = e.prepare(c); err == nil {
		err = e.launch(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// launch starts the process, again or for the first time, and waits until it
// answers on its ports.
func (e *Engine) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := e.process.Start(); err != nil {
		return err
	}
	return e.process.Ready(ctx, e.answers)
}

// startTimeout is how long an engine may take until it answers.
const startTimeout = 2 * time.Minute

// answers says whether the engine answers a ping, and where.
func (e *Engine) answers(ctx context.Context) error {
	if e.http == "" {
		if err := e.findAddress(); err != nil {
			return err
		}
	}
	return child.Answers("http://" + e.http + "/ping")(ctx)
}

// Close ends an engine that was started, and removes its folder if Options named
// none. A server that was there already is left alone.
func (e *Engine) Close() error {
	e.client.CloseIdleConnections()
	var err error
	if e.process != nil {
		err = e.process.Stop(stopTimeout)
	}
	if e.scratch != "" {
		err = errors.Join(err, os.RemoveAll(e.scratch))
	}
	return err
}

const stopTimeout = 30 * time.Second

// Log is the beginning and the end of what the engine said; "" for a server that
// was there already.
func (e *Engine) Log() string {
	if e.process == nil {
		return ""
	}
	return e.process.Said()
}

// Addr is the host:port of the engine's HTTP interface, or that of the native
// protocol for a given server without HTTP.
func (e *Engine) Addr() string {
	if e.http != "" {
		return e.http
	}
	return e.native
}

// DSN is what hindcast's --store takes to use a database of this engine: over
// the native protocol where there is one, else over HTTP.
func (e *Engine) DSN(database string) string {
	if e.given != "" {
		u, err := url.Parse(e.given)
		if err == nil {
			u.Path = "/" + database
			return u.String()
		}
	}
	if e.native != "" {
		return "clickhouse://" + e.native + "/" + database
	}
	return "http://" + e.http + "/" + database
}

// Native reports whether DSN is one of the native protocol.
func (e *Engine) Native() bool { return e.native != "" }

// Real reports whether this is a ClickHouse server, not the engine's library:
// query_log, users and KILL QUERY are then there.
func (e *Engine) Real() bool { return e.kind != kindLibrary }

// Dir is the folder of the data, "" for a server that was there already.
func (e *Engine) Dir() string { return e.options.Dir }

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16, DisableCompression: true}}
}
