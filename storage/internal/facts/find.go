package facts

import (
	"context"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Find looks for a fact where it may be, one place after the other, and returns
// the first that is found. A place that has none says [storage.ErrNotFound], and
// so does Find when all do. Errors name the fact.
func Find(ctx context.Context, id event.ID, places ...func(context.Context, event.ID) (storage.Fact, error)) (storage.Fact, error) {
	for _, find := range places {
		f, err := find(ctx, id)
		if errors.Is(err, storage.ErrNotFound) {
			continue
		}
		if err != nil {
			return storage.Fact{}, fmt.Errorf("fact %s: %w", id, err)
		}
		return f, nil
	}
	return storage.Fact{}, fmt.Errorf("fact %s: %w", id, storage.ErrNotFound)
}
