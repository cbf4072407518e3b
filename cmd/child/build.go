package child

import (
	"context"
	"path/filepath"
)

// Build makes hindcast's binary in a folder, as it is shipped, and returns its
// path.
func Build(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "hindcast")
	return path, Go(ctx, "build", "-o", path, "github.com/hindcast/hindcast/cmd/hindcast")
}

// Go runs a command of go without cgo, such as build. The error says what it said.
func Go(ctx context.Context, args ...string) error {
	p := Process{Name: "go " + args[0], Command: append([]string{"go"}, args...), Env: []string{"CGO_ENABLED=0"}}
	return p.Run(ctx)
}
