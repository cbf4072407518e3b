package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// pipeline appends pieces while the next ones are read, and lands them in the
// order in which they were read. It is used by one goroutine.
type pipeline struct {
	c       *copying
	ctx     context.Context
	cancel  context.CancelFunc
	waiting []*inFlight
	// chunks are those that are being appended: one of them that comes again must
	// come after.
	chunks map[event.ChunkID]bool
	failed error
}

type inFlight struct {
	piece Piece
	// err is set when done is closed.
	err  error
	done chan struct{}
}

func newPipeline(ctx context.Context, c *copying) *pipeline {
	p := &pipeline{c: c, chunks: make(map[event.ChunkID]bool)}
	p.ctx, p.cancel = context.WithCancel(ctx)
	return p
}

// push begins to append a piece. It waits while too many are under way.
func (p *pipeline) push(piece Piece) error {
	if p.c.due() || p.collides(&piece.Batch) {
		if err := p.drain(); err != nil {
			return err
		}
		if err := p.c.saveSometimes(); err != nil {
			return err
		}
	}
	for len(p.waiting) >= max(p.c.to.Parallel(), 1) {
		if err := p.land(); err != nil {
			return err
		}
	}
	if err := p.ctx.Err(); err != nil {
		return err
	}
	f := &inFlight{piece: piece, done: make(chan struct{})}
	for i := range piece.Batch.Chunks {
		p.chunks[piece.Batch.Chunks[i].ID] = true
	}
	p.waiting = append(p.waiting, f)
	if p.c.to.Parallel() <= 1 {
		p.append(f)
		return p.land()
	}
	go p.append(f)
	return nil
}

func (p *pipeline) append(f *inFlight) {
	defer close(f.done)
	b := &f.piece.Batch
	if len(b.Events)+len(b.Observations)+len(b.Asides)+len(b.Chunks) == 0 {
		return
	}
	f.err = p.c.retry(p.ctx, "write "+p.c.o.To, nowhere, func() error { return p.c.to.Append(p.ctx, *b) })
}

// nowhere is the place of what has no places in between.
func nowhere() string { return "" }

// collides reports whether a batch must wait for what is under way.
func (p *pipeline) collides(b *event.Batch) bool {
	for i := range b.Chunks {
		// What a pinned fact tells beyond its counts hangs on what these are.
		if p.chunks[b.Chunks[i].ID] || (len(p.waiting) > 0 && storage.IsPinnedRest(&b.Chunks[i])) {
			return true
		}
	}
	return false
}

// land waits for the piece that was pushed first.
func (p *pipeline) land() error {
	if p.failed != nil {
		return p.failed
	}
	f := p.waiting[0]
	p.waiting = p.waiting[1:]
	<-f.done
	if f.err != nil {
		p.failed = permanent{fmt.Errorf("write %s: %w", p.c.o.To, f.err)}
		p.cancel()
		return p.failed
	}
	for i := range f.piece.Batch.Chunks {
		delete(p.chunks, f.piece.Batch.Chunks[i].ID)
	}
	p.c.landed(&f.piece)
	return nil
}

// drain lands all pieces, or after a failure waits for them.
func (p *pipeline) drain() error {
	for len(p.waiting) > 0 && p.failed == nil {
		if err := p.land(); err != nil {
			break
		}
	}
	for _, f := range p.waiting {
		<-f.done // it is cancelled, or failed as the first did
	}
	p.waiting = nil
	return p.failed
}

// permanent is an error after which the copy ends: it was retried already.
type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

func isPermanent(err error) bool {
	var p permanent
	return errors.As(err, &p)
}
