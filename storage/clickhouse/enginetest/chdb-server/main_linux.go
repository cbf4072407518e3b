package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	var o options
	flag.StringVar(&o.library, "lib", "", "libchdb.so")
	flag.StringVar(&o.folder, "path", "", "folder of the data, made if it is not there; one process at a time")
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to serve HTTP on")
	flag.IntVar(&o.sessions, "sessions", 8, "how many queries run at once; the others wait")
	flag.Int64Var(&o.maxBody, "max-body", 1<<30, "bytes that a request's body may have, decompressed")
	flag.Int64Var(&o.maxResult, "max-result", 1<<30, "bytes that a result may have")
	flag.Parse()
	if o.library == "" || o.folder == "" || flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "chdb-server:", err)
		os.Exit(1)
	}
}

type options struct {
	library, folder, listen string
	sessions                int
	maxBody, maxResult      int64
}

// run serves until ctx ends, then lets running queries end for some seconds and
// closes the engine.
func run(ctx context.Context, o options) error {
	// In a folder without metadata the library starts no clean-up: DROP … SYNC
	// would wait for ever.
	if err := os.MkdirAll(filepath.Join(o.folder, "metadata"), 0o700); err != nil {
		return fmt.Errorf("make the data folder: %w", err)
	}
	engine, err := openEngine(o)
	if err != nil {
		return err
	}
	defer engine.close()
	listener, err := net.Listen("tcp", o.listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	server := &http.Server{Handler: newHandler(engine, o), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	fmt.Println("listening on", listener.Addr())

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("shut down: %w", err)
	}
	return nil
}
