package server

import (
	"context"
	"fmt"
	"strings"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/sqlite"
)

// StoreSpecError says that a --store cannot be understood.
type StoreSpecError struct{ Spec string }

func (e StoreSpecError) Error() string {
	text := fmt.Sprintf("%q is not a store: want sqlite:PATH", e.Spec)
	if e.Spec != "" && !strings.Contains(e.Spec, ":") {
		text += "; did you mean sqlite:" + e.Spec + "?"
	}
	return text
}

// SQLitePath is the path of a store like sqlite:PATH.
func SQLitePath(spec string) (string, error) {
	path, ok := strings.CutPrefix(spec, "sqlite:")
	if !ok || path == "" {
		return "", StoreSpecError{spec}
	}
	return path, nil
}

// openStore opens what --store names, and makes it when it does not exist.
func openStore(ctx context.Context, spec string, options sqlite.Options) (storage.Store, error) {
	path, err := SQLitePath(spec)
	if err != nil {
		return nil, err
	}
	return sqlite.Open(ctx, path, options)
}
