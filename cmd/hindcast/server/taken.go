package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/storage"
)

// TakenError says that another process has claimed the store's timelines, so that
// this one must stop. It is [storage.ErrFenced].
type TakenError struct {
	// Owner is who; "" when that could not be found out.
	Owner string
	cause error
}

func (e *TakenError) Error() string {
	by := ""
	if e.Owner != "" {
		by = " (" + e.Owner + ")"
	}
	return fmt.Sprintf("another hindcast%s has taken this store over; only one may serve it", by)
}

// Unwrap returns what the store said.
func (e *TakenError) Unwrap() error { return e.cause }

// askTimeout bounds the question who has taken the store.
const askTimeout = 5 * time.Second

// unlessTaken is run, whose [storage.ErrFenced] becomes a [TakenError].
func unlessTaken(store storage.Store, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		err := run(ctx)
		if !errors.Is(err, storage.ErrFenced) {
			return err
		}
		taken := &TakenError{cause: err}
		if shared, ok := store.(interface {
			Owner(ctx context.Context) (string, error)
		}); ok {
			ctx, cancel := context.WithTimeout(ctx, askTimeout)
			defer cancel()
			if owner, err := shared.Owner(ctx); err == nil {
				taken.Owner = owner
			}
		}
		return taken
	}
}
