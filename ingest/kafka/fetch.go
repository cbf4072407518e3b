package kafka

import (
	"context"
	"errors"
	"fmt"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// fetcher is the log of one partition of one topic ID. While what it returned
// is appended, it fetches what comes next. One goroutine uses it.
//
// All that it holds is taken from its share of the memory before: a response, as
// it was sent; one batch of it, unpacked; the records that were returned last;
// and what comes next, if there is room.
type fetcher struct {
	link      *link
	topic     string
	id        topicID
	partition int
	share     *share
	// doubt is told when the topic may be another one than that it began with.
	doubt func()

	// page is what was fetched last and is not all returned yet.
	page *page
	// coming is what is being fetched behind the page.
	coming *coming
	// batchBytes is the size of a batch that was cut because less was asked for; 0:
	// none was.
	batchBytes int64
	// hungry says that the last response was about as large as was allowed.
	hungry bool
	// gathered is the range of which copies were returned.
	gathered gathered
}

// coming is a fetch that runs behind the page.
type coming struct {
	from   int64
	cancel context.CancelFunc
	done   chan struct{}
	page   *page
	err    error
}

var _ delivery.Log = (*fetcher)(nil)

// Fetch implements [delivery.Log].
func (f *fetcher) Fetch(ctx context.Context, from, until int64) (delivery.Fetched, error) {
	f.gathered.forget(from, until)
	if p := f.page; p != nil {
		p.returned.release()
		if p.pos != from || p.exhausted() {
			f.drop()
		}
	}
	if f.page == nil {
		page, err := f.next(ctx, from)
		if err != nil {
			return delivery.Fetched{}, err
		}
		f.page = page
	}
	p := f.page
	got, err := f.take(ctx, p, until)
	if err == nil && until > 0 {
		err = f.gathered.keep(ctx, f.share, &got, until)
	}
	if err != nil {
		f.drop()
		return delivery.Fetched{}, err
	}
	p.pos = got.Next
	if p.exhausted() {
		if len(got.Records) > 0 {
			f.prefetch(p.pos)
		} else {
			f.drop()
		}
	}
	return got, nil
}

// Bounds implements [delivery.Log].
func (f *fetcher) Bounds(ctx context.Context) (first, end int64, err error) {
	first, end, err = f.link.bounds(ctx, f.topic, f.partition)
	if err == nil {
		// Asked by name, so that it may have been of another topic.
		err = f.check(ctx)
	}
	return first, end, err
}

// close ends what is under way and gives back all memory.
func (f *fetcher) close() {
	f.drop()
	if c := f.coming; c != nil {
		c.cancel()
		<-c.done
		c.page.release()
		f.coming = nil
	}
	f.gathered.forget(0, 0)
}

func (f *fetcher) drop() {
	f.page.release()
	f.page = nil
}

// next is the page that begins at an offset.
func (f *fetcher) next(ctx context.Context, from int64) (*page, error) {
	if c := f.coming; c != nil {
		if c.from != from {
			c.cancel()
		}
		select {
		case <-c.done:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		f.coming = nil
		if c.err == nil && c.page != nil && c.from == from {
			return c.page, nil
		}
		c.page.release()
		// What failed is tried again, and told if it fails again.
	}
	return f.request(ctx, from, false)
}

// prefetch begins to fetch behind a page.
func (f *fetcher) prefetch(from int64) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &coming{from: from, cancel: cancel, done: make(chan struct{})}
	f.coming = c
	go func() {
		defer close(c.done)
		defer cancel()
		c.page, c.err = f.request(ctx, from, true)
	}()
}

// mostHead is what is left for the head of a response.
const mostHead = 1 << 10

// request fetches from an offset, within what memory there is. Ahead of time it
// neither waits for memory nor exceeds the budget, and there may be no page.
func (f *fetcher) request(ctx context.Context, from int64, ahead bool) (*page, error) {
	held, err := f.lend(ctx, ahead)
	if held == nil {
		return nil, err
	}
	lent := held.size()
	asked := min(max(lent-mostHead, lent/2, 1), 1<<30)
	for {
		got, err := f.ask(ctx, fetchRequest{topic: f.topic, id: f.id, partition: f.partition, from: from, maxBytes: int32(asked)}, held, ahead)
		if err == nil {
			f.hungry = int64(got.size) > asked/2
			return &page{
				held: held, returned: &hold{share: f.share}, pos: from, end: got.end, written: got.written,
				raw: got.batches, tx: transactions{coming: got.aborted},
			}, nil
		}
		tooLarge, ok := errors.AsType[*oversized](err)
		switch {
		case !ok:
			return nil, f.refused(ctx, from, err)
		case tooLarge.final:
			err := fmt.Errorf("it has about %d bytes, more than %d (max_decompressed)", tooLarge.bytes, f.link.config.MaxDecompressed)
			if first, next := placeOf(got.batches); next > from {
				return nil, f.corrupt(first, next, err)
			}
			return nil, f.corrupt(from, 0, err)
		case ahead:
			return nil, err
		}
		// The first batch comes whole, whatever was asked for.
		held = &hold{share: f.share}
		if err := held.wait(ctx, tooLarge.bytes); err != nil {
			return nil, err
		}
	}
}

// lend takes memory for a response: what is free, as far as it is of use, or what
// is needed at least. Ahead of time that may be nil.
func (f *fetcher) lend(ctx context.Context, ahead bool) (*hold, error) {
	own := f.share.budget.own
	least, most := own, own
	if f.hungry {
		most = max(own, f.link.config.FetchBytes)
	}
	if f.batchBytes > 0 {
		least, most = f.batchBytes+mostHead, max(most, f.batchBytes+mostHead)
	}
	held := &hold{share: f.share}
	if held.upTo(least, most) > 0 {
		return held, nil
	}
	if ahead {
		return nil, nil
	}
	if err := held.wait(ctx, least); err != nil {
		return nil, err
	}
	return held, nil
}

// ask sends a request. After an answer, held is as large as that. After an error it
// is not the caller's any more: it is given back when the exchange has ended, which
// may be later.
func (f *fetcher) ask(ctx context.Context, r fetchRequest, held *hold, ahead bool) (fetched, error) {
	more := held.exceed
	if ahead {
		more = held.try
	}
	r.room = &loan{hold: held, more: more}
	got, err := f.link.fetch(ctx, r)
	if err != nil {
		r.room.abandon()
		return got, err
	}
	held.give(held.size() - int64(got.size))
	return got, nil
}

// refused makes of a broker's error what [delivery.Log] promises.
func (f *fetcher) refused(ctx context.Context, from int64, err error) error {
	switch {
	case errors.Is(err, kafkago.OffsetOutOfRange):
		first, end, boundsErr := f.Bounds(ctx)
		if boundsErr != nil {
			return boundsErr
		}
		return fmt.Errorf("fetch %s/%d from offset %d: %w", f.topic, f.partition, from, &delivery.OutOfRange{First: first, End: end})
	case errors.Is(err, kafkago.UnknownTopicID), errors.Is(err, kafkago.InconsistentTopicID), errors.Is(err, kafkago.UnknownTopicOrPartition):
		f.doubt()
		if changed := f.check(ctx); changed != nil {
			return changed
		}
	}
	return fmt.Errorf("fetch %s/%d from offset %d: %w", f.topic, f.partition, from, err)
}

// check is [delivery.ErrLost] when the topic has another ID now.
func (f *fetcher) check(ctx context.Context) error {
	if f.id == (topicID{}) {
		return nil
	}
	topics, err := f.link.metadata(ctx, versions{metadata: metadataWithIDs, fetch: fetchWithIDs}, []string{f.topic})
	if err != nil {
		return err
	}
	now := topics[f.topic]
	if now.err != nil {
		return fmt.Errorf("ask for topic %s: %w", f.topic, now.err)
	}
	if now.id != f.id {
		f.doubt()
		return fmt.Errorf("topic %s was deleted and created again: %w", f.topic, delivery.ErrLost)
	}
	return nil
}

// enlarge has the next fetch ask for as much as a batch needs that was cut. The
// error is that it was cut although so much was asked for, or will not be read at
// all.
func (f *fetcher) enlarge(cut []byte, from, need int64) error {
	if most := f.link.config.MaxDecompressed; need > most {
		first, next := placeOf(cut)
		return f.corrupt(first, next, fmt.Errorf("it has %d bytes, more than %d (max_decompressed)", need, most))
	}
	if need <= f.batchBytes {
		return fmt.Errorf("fetch %s/%d from offset %d: the broker sends %d bytes of a batch of %d", f.topic, f.partition, from, len(cut), need)
	}
	f.batchBytes = need
	return nil
}

func (f *fetcher) corrupt(offset, next int64, reason error) error {
	return &Corrupt{Topic: f.topic, Partition: f.partition, Offset: offset, Next: next, Reason: reason.Error()}
}
