package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/hindcast/hindcast/ingest/event"
)

// Errors of a [Batcher]. In both cases nothing was appended.
var (
	// ErrFull says that too much waits to be appended already.
	ErrFull = errors.New("too much waits to be appended")
	// ErrClosed says that the batcher takes nothing any more.
	ErrClosed = errors.New("batcher is closed")
)

// ErrAbandoned says that a batch was still waiting, or being appended, when
// the time that [Batcher.Close] had was over: whether it became durable is not
// known.
var ErrAbandoned = errors.New("shut down before the store answered")

// BatcherOptions says how a [Batcher] works. Limits must be valid.
type BatcherOptions struct {
	Limits Limits
	// Unavailable tells whether an error of the store means that it can take
	// nothing now, so that appending the parts of a batch singly is no use. Nil
	// means: never.
	Unavailable func(error) bool
	// OnAppended is called with every batch that became durable, after its
	// waiters were answered, from several goroutines: it must return at once
	// and only read the batch. It may be nil.
	OnAppended func(event.Batch)
	// Registerer gets the metrics; nil for none.
	Registerer prometheus.Registerer
	// Logger is told of appends that failed; nil for none.
	Logger *slog.Logger
}

// Batcher is an [Appender] that joins the batches of many callers into fewer
// appends of the store behind it, and answers each caller with the fate of the
// append that it was part of. It bounds what waits. Log lines and everything
// else go in separate lanes.
//
// A store that groups commits itself gains little by the joining, and much by
// the bounds; the joining is for stores whose every append costs a round trip.
type Batcher struct {
	lanes [lanes]*lane
	stop  context.CancelFunc

	mu     sync.Mutex
	closed bool
	// abandoned is closed when Close gives up on the store.
	abandoned chan struct{}
	abandon   sync.Once
}

// NewBatcher starts a batcher in front of a store. Close must be called.
func NewBatcher(store Appender, o BatcherOptions) (*Batcher, error) {
	if err := o.Limits.Validate(); err != nil {
		return nil, fmt.Errorf("limits: %w", err)
	}
	if o.Unavailable == nil {
		o.Unavailable = func(error) bool { return false }
	}
	if o.OnAppended == nil {
		o.OnAppended = func(event.Batch) {}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	ctx, stop := context.WithCancel(context.Background())
	b := &Batcher{stop: stop, abandoned: make(chan struct{})}
	metrics := newBatchMetrics(o.Registerer)
	warn := newBucket(10, 1)
	for i := range lanes {
		b.lanes[i] = newLane(i, store, o, metrics, warn)
		b.lanes[i].start(ctx)
	}
	return b, nil
}

// Append waits until the batch is durable, or the store refused it, or ctx is
// done; in the last case it may become durable later. Errors are [ErrFull],
// [ErrClosed], [ErrAbandoned], ctx's, or the store's.
//
// A batch of alerts whose caller gave up is still appended: its sender's last
// try may be the one that timed out. A batch of logs is dropped if its turn
// had not come: its sender will send it again, and work for nobody would
// deepen an overload.
func (b *Batcher) Append(ctx context.Context, batch event.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	l := b.lanes[laneOf(&batch)]
	w := &waiter{ctx: ctx, batch: batch, facts: batch.Len(), bytes: sizeOf(&batch), done: make(chan error, 1)}
	if err := l.enqueue(w); err != nil {
		return err
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("wait for the batch to be durable: %w", context.Cause(ctx))
	case <-b.abandoned:
		// The store may have answered in the same instant.
		select {
		case err := <-w.done:
			return err
		default:
			return ErrAbandoned
		}
	}
}

// Close takes no new batches, appends what waits and answers all waiters. When
// ctx is done before that, it cancels the appends that run, answers who still
// waits with [ErrAbandoned], and returns ctx's error. Later calls do the same.
func (b *Batcher) Close(ctx context.Context) error {
	b.mu.Lock()
	if !b.closed {
		b.closed = true
		for _, l := range b.lanes {
			l.close()
		}
	}
	b.mu.Unlock()

	drained := make(chan struct{})
	go func() {
		for _, l := range b.lanes {
			l.wait()
		}
		close(drained)
	}()
	select {
	case <-drained:
		b.stop()
		return nil
	case <-ctx.Done():
		b.abandon.Do(func() { close(b.abandoned) })
		b.stop()
		return fmt.Errorf("append what waits: %w", context.Cause(ctx))
	}
}
