package ingest

import (
	"context"

	"github.com/hindcast/hindcast/ingest/event"
)

// ClassTooLarge is the class of an aside that is larger than an [Appender] takes.
const ClassTooLarge = reasonTooLarge

// TooLarge is the error for a single fact that is larger than an [Appender] takes,
// however little comes with it: sending less at once is no remedy. It wraps
// [ErrTooMuch].
type TooLarge struct {
	// Reason says how large what is, and how much is taken.
	Reason string
	// Remedy says what to change so that it is taken.
	Remedy string
}

func (e *TooLarge) Error() string { return e.Reason }

// Unwrap is [ErrTooMuch].
func (e *TooLarge) Unwrap() error { return ErrTooMuch }

// fit puts aside, as it does with bad entries, what the Appender could not take of
// a batch. The error says that nothing else is left.
func (e *endpoint) fit(ctx context.Context, road event.Road, batch *event.Batch) error {
	if e.rs.o.Fit == nil {
		return nil
	}
	before := len(batch.Asides)
	err := e.rs.o.Fit(ctx, batch)
	for i := before; i < len(batch.Asides); i++ {
		e.rs.metrics.reject(road, batch.Asides[i].Class)
	}
	return err
}
