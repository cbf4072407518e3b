package kafka

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// page is a response that is returned in portions.
type page struct {
	// held is the memory of the response, and returned that of the portion that
	// was returned last, beside it: its records, and what they refer to that was
	// unpacked and is done.
	held, returned *hold
	// pos is where it goes on.
	pos          int64
	end, written int64
	// raw is batches that were not begun yet.
	raw []byte
	tx  transactions
	// batch is the one that was begun, nil: none. Its memory is unpacked, where it
	// was compressed. It ends before behind, which is 0 before the first.
	batch    *cursor
	unpacked *hold
	behind   int64
}

func (p *page) exhausted() bool { return len(p.raw) == 0 && p.batch == nil }

// release gives back all memory. The page may be nil.
func (p *page) release() {
	if p == nil {
		return
	}
	p.held.release()
	p.returned.release()
	if p.unpacked != nil {
		p.unpacked.release()
	}
}

// done ends the batch that was begun.
func (p *page) done() {
	if p.unpacked != nil {
		p.returned.add(p.unpacked)
	}
	p.batch, p.unpacked = nil, nil
}

// take decodes a portion of a page. What it returns is below until, if that is
// not 0, and within the bounds of a batch that is appended at once. Memory for
// the first record is waited for; what follows comes only as far as it is free.
func (f *fetcher) take(ctx context.Context, p *page, until int64) (delivery.Fetched, error) {
	config := f.link.config
	out := portion{
		Fetched: delivery.Fetched{Next: p.pos, End: p.end, Written: p.written}, page: p,
		most: config.BatchRecords, mostBytes: config.BatchBytes,
	}
	for {
		for p.batch != nil {
			r := p.batch.peek()
			switch {
			case r == nil:
				p.done()
				continue
			case r.Offset < p.pos:
				p.batch.skip() // from before what was asked for
				continue
			case until > 0 && r.Offset >= until:
				out.Next = until
				return out.Fetched, nil
			case out.full(int64(r.Size())):
				out.Next = r.Offset
				return out.Fetched, nil
			}
			if ok, err := out.add(ctx, r); !ok || err != nil {
				return out.Fetched, err
			}
			p.batch.skip()
		}
		out.Next = max(out.Next, p.behind) // the last offsets of a batch may be left out
		if until > 0 && out.Next >= until {
			out.Next = until
			return out.Fetched, nil
		}
		if len(p.raw) == 0 || out.full(0) {
			return out.Fetched, nil
		}
		if more, err := f.open(ctx, p, &out); !more || err != nil {
			return out.Fetched, err
		}
	}
}

// open begins the next batch of a page. When it cannot be read, or there is no
// memory for it, the page is left as it is.
func (f *fetcher) open(ctx context.Context, p *page, out *portion) (more bool, err error) {
	b, rest, need, err := nextBatch(p.raw)
	if errors.Is(err, errPartial) {
		cut := p.raw
		p.raw = nil
		if p.behind > 0 {
			return false, nil // it is fetched again from its beginning
		}
		return false, f.enlarge(cut, p.pos, int64(max(need, batchLeast)))
	}
	first := len(out.Records) == 0
	if err != nil {
		return false, f.unlessLater(first, f.corrupt(b.first, 0, err))
	}
	if b.first < p.behind {
		return false, f.unlessLater(first, f.corrupt(b.first, b.last+1, fmt.Errorf("it begins before the end of the one before it, at offset %d", p.behind)))
	}
	counts, err := p.tx.takes(&b)
	if err != nil {
		return false, f.unlessLater(first, f.corrupt(b.first, b.last+1, err))
	}
	if counts && b.last >= p.pos {
		unpacked := &hold{share: f.share}
		records, err := f.read(ctx, &b, unpacked, first)
		if err != nil {
			unpacked.release()
			if errors.Is(err, errNoRoom) || ctx.Err() != nil {
				return false, ctx.Err()
			}
			return false, f.unlessLater(first, f.corrupt(b.first, b.last+1, err))
		}
		p.batch, p.unpacked = records, unpacked
	}
	p.raw, p.behind = rest, b.last+1
	f.batchBytes = 0
	return true, nil
}

// unlessLater has what comes behind records that can be returned wait: it is
// found again when it is what comes first.
func (f *fetcher) unlessLater(first bool, err error) error {
	if first {
		return err
	}
	return nil
}

// errNoRoom says that there is no memory for a batch now.
var errNoRoom = errors.New("there is no memory for it now")

// read unpacks a batch within what memory there is, and waits for that if it
// must.
func (f *fetcher) read(ctx context.Context, b *batch, unpacked *hold, must bool) (*cursor, error) {
	text := b.body
	if b.compressed() {
		var err error
		text, err = b.unpack(f.link.config.MaxDecompressed, func(all int64) error {
			more := all - unpacked.size()
			switch {
			case more <= 0:
				unpacked.give(-more)
			case must:
				return unpacked.wait(ctx, more)
			case !unpacked.try(more):
				return errNoRoom
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		// How large it would be was not known well.
		if spare := unpacked.size() - int64(len(text)); spare > int64(len(text)) && unpacked.try(int64(len(text))) {
			text = bytes.Clone(text)
			unpacked.give(unpacked.size() - int64(len(text)))
		}
	}
	return b.read(text)
}

// portion is what one Fetch returns.
type portion struct {
	delivery.Fetched
	page *page
	// most and mostBytes bound it. A single larger record is taken.
	most      int
	mostBytes int64
	// size is what the records hold, as [delivery.Record.Size] has it.
	size int64
}

// full reports whether a record of that size must wait for the next portion.
func (o *portion) full(size int64) bool {
	return len(o.Records) > 0 && (len(o.Records) >= o.most || o.size+size > o.mostBytes)
}

// emptyRecord is what a record takes of memory by itself.
var emptyRecord = int64(new(delivery.Record).Size())

// add adds a record, with memory for what does not refer to the text of its
// batch. It is false when there is none: then the portion ends before it.
func (o *portion) add(ctx context.Context, r *delivery.Record) (bool, error) {
	need := int64(r.Size()) - emptyRecord - int64(len(r.Key)+len(r.Value)) // for headers
	records := cap(o.Records)
	if len(o.Records) == records {
		records = min(max(2*records, 64), o.most)
		need += int64(records-cap(o.Records)) * emptyRecord
	}
	returned := o.page.returned
	switch {
	case need == 0:
	case len(o.Records) == 0:
		if err := returned.wait(ctx, need); err != nil {
			return false, err
		}
	case !returned.try(need):
		o.Next = r.Offset
		return false, nil
	}
	if records > cap(o.Records) {
		o.Records = append(make([]delivery.Record, 0, records), o.Records...)
	}
	o.Records = append(o.Records, *r)
	o.size += int64(r.Size())
	o.Next = r.Offset + 1
	return true, nil
}

// gathered is what was returned of a range in several portions: copies, so that
// the caller holds no more than the records.
type gathered struct {
	next, until int64
	held        *hold
}

// keep replaces the records of a portion of [.., until) by copies, unless they
// are the whole range.
func (g *gathered) keep(ctx context.Context, s *share, got *delivery.Fetched, until int64) error {
	if g.held == nil {
		if got.Next >= until {
			return nil
		}
		g.held = &hold{share: s}
	}
	var size int64
	for i := range got.Records {
		size += int64(got.Records[i].Size())
	}
	if err := g.held.wait(ctx, size); err != nil {
		return err
	}
	for i := range got.Records {
		got.Records[i] = copied(got.Records[i])
	}
	g.next, g.until = got.Next, until
	return nil
}

// forget gives back the memory of a range, when what is asked for is not its
// next part.
func (g *gathered) forget(from, until int64) {
	if g.held != nil && (until != g.until || from != g.next || until == 0) {
		g.held.release()
		*g = gathered{}
	}
}

func copied(r delivery.Record) delivery.Record {
	r.Key, r.Value = bytes.Clone(r.Key), bytes.Clone(r.Value)
	r.Headers = append([]delivery.Header(nil), r.Headers...)
	for i := range r.Headers {
		r.Headers[i].Value = bytes.Clone(r.Headers[i].Value)
	}
	return r
}
