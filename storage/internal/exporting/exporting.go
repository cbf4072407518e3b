// Package exporting goes through an export of a store: its parts one after the
// other, from the position where it is to go on. What a part reads, and in which
// order, is its backend's own.
package exporting

import (
	"context"
	"fmt"
	"slices"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// Part is one part of an export, by a name that holds no dots.
type Part struct {
	Name string
	// Run yields what comes after a place, "" for the start, with the place behind
	// each batch; places hold no dots. It returns the error of yield. Batches may be
	// empty, and yielding them lets the end of the store be noticed.
	Run func(ctx context.Context, after string, yield func(b event.Batch, place string) error) error
}

// Export yields the parts of the store with that identity, from a position on,
// with the position behind each batch; empty batches are left out. A position of
// other data, or in no part, is [storage.ErrBadCursor]. It ends with
// [lifetime.ErrClosed] when the store's end begins.
func Export(ctx context.Context, life *lifetime.Lifetime, identity string, parts []Part, position string, yield func(b event.Batch, position string) error) error {
	name, after, err := cursor.ParsePosition(identity, position)
	if err != nil {
		return err
	}
	first := slices.IndexFunc(parts, func(p Part) bool { return p.Name == name })
	if name == "" {
		first = 0
	}
	if first < 0 {
		return storage.ErrBadCursor
	}
	for _, part := range parts[first:] {
		err := part.Run(ctx, after, func(b event.Batch, place string) error {
			if life.Ended() {
				return lifetime.ErrClosed
			}
			if len(b.Events)+len(b.Observations)+len(b.Asides)+len(b.Chunks) == 0 {
				return nil
			}
			return yield(b, cursor.Position(identity, part.Name, place))
		})
		if err != nil {
			return fmt.Errorf("%s: %w", part.Name, err)
		}
		after = ""
	}
	return nil
}

// derived is the one part of an export of what is published.
const derived = "derived"

// DerivedPosition is the position of a place in an export of what is published.
func DerivedPosition(identity, place string) string {
	return cursor.Position(identity, derived, place)
}

// ParseDerived is the inverse of [DerivedPosition]; both are "" for the start.
// Any other position is [storage.ErrBadCursor].
func ParseDerived(identity, position string) (place string, err error) {
	part, place, err := cursor.ParsePosition(identity, position)
	if err != nil {
		return "", err
	}
	if part != "" && part != derived {
		return "", storage.ErrBadCursor
	}
	return place, nil
}
