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
	// maxBytes is how much is asked for: more after a batch did not fit.
	maxBytes int64
	// hungry says that the last response was about as large as was allowed.
	hungry bool
}

// page is a response that is returned in portions.
type page struct {
	grant *grant
	// pos is where it goes on.
	pos int64
	end int64
	// raw is batches that are not decoded yet, and size all of them.
	raw  []byte
	size int
	tx   transactions
	// decoded is the rest of a batch that ends before behind. Its memory, where
	// it was compressed, is unpacked.
	decoded  []delivery.Record
	behind   int64
	unpacked int64
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
	if p := f.page; p != nil && (p.pos != from || p.exhausted()) {
		f.drop()
	}
	if f.page == nil {
		page, err := f.next(ctx, from)
		if err != nil {
			return delivery.Fetched{}, err
		}
		f.page = page
	}
	p := f.page
	got, err := f.take(p, until)
	if err != nil {
		f.drop()
		return delivery.Fetched{}, err
	}
	p.pos = got.Next
	p.grant.resize(int64(p.size) + p.unpacked)
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
		if c.page != nil {
			c.page.grant.release()
		}
		f.coming = nil
	}
}

func (p *page) exhausted() bool { return len(p.raw) == 0 && len(p.decoded) == 0 }

func (f *fetcher) drop() {
	if f.page != nil {
		f.page.grant.release()
		f.page = nil
	}
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
		if c.err == nil && c.from == from {
			return c.page, nil
		}
		if c.page != nil {
			c.page.grant.release()
		}
		// What failed is tried again, and told if it fails again.
	}
	return f.request(ctx, from)
}

// prefetch begins to fetch behind a page.
func (f *fetcher) prefetch(from int64) {
	ctx, cancel := context.WithCancel(context.Background())
	c := &coming{from: from, cancel: cancel, done: make(chan struct{})}
	f.coming = c
	go func() {
		defer close(c.done)
		defer cancel()
		c.page, c.err = f.request(ctx, from)
	}()
}

// request fetches from an offset, within what memory there is.
func (f *fetcher) request(ctx context.Context, from int64) (*page, error) {
	want := max(f.link.config.FetchBytes, f.maxBytes)
	if !f.hungry && f.maxBytes == 0 {
		want = min(want, f.share.budget.guaranteed)
	}
	g, err := f.share.acquire(ctx, want)
	if err != nil {
		return nil, err
	}
	asked := min(max(min(g.size(), want), f.maxBytes), 1<<30)
	got, err := f.link.fetch(ctx, fetchRequest{topic: f.topic, id: f.id, partition: f.partition, from: from, maxBytes: int32(asked)})
	if err != nil {
		g.release()
		return nil, f.refused(ctx, from, err)
	}
	f.hungry = int64(got.size) > asked/2
	g.resize(int64(got.size))
	return &page{
		grant: g, pos: from, end: got.end, raw: got.batches, size: got.size,
		tx: transactions{coming: got.aborted},
	}, nil
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

// take decodes a portion of a page. What it returns is below until, if that is
// not 0, and within the bounds of a batch that is appended at once.
func (f *fetcher) take(p *page, until int64) (delivery.Fetched, error) {
	out := delivery.Fetched{Next: p.pos, End: p.end}
	var size int64
	if len(p.decoded) == 0 {
		p.unpacked = 0
	}
	for {
		for len(p.decoded) > 0 {
			r := &p.decoded[0]
			if until > 0 && r.Offset >= until {
				out.Next = until
				return out, nil
			}
			size += int64(len(r.Key) + len(r.Value))
			if n := len(out.Records); n > 0 && (n >= f.link.config.BatchRecords || size > f.link.config.BatchBytes) {
				out.Next = r.Offset
				return out, nil
			}
			out.Records = append(out.Records, *r)
			out.Next = r.Offset + 1
			p.decoded = p.decoded[1:]
		}
		out.Next = max(out.Next, p.behind) // the last offsets of a batch may be left out
		if until > 0 && out.Next >= until {
			out.Next = until
			return out, nil
		}
		if len(p.raw) == 0 {
			return out, nil
		}
		more, err := f.decode(p, out.Next)
		switch {
		case err != nil && len(out.Records) > 0:
			return out, nil // it comes again, when this is what comes first
		case err != nil:
			return delivery.Fetched{}, err
		case !more:
			return out, nil
		}
	}
}

// decode takes the next batch of a page. When it cannot be read the page is
// left as it is.
func (f *fetcher) decode(p *page, from int64) (more bool, err error) {
	b, rest, need, err := nextBatch(p.raw)
	if errors.Is(err, errPartial) {
		cut := len(p.raw)
		p.raw = nil
		if p.behind > 0 {
			return false, nil // it is fetched again from its beginning
		}
		return false, f.enlarge(p.pos, int64(max(need, 2*cut)))
	}
	if err != nil {
		return false, f.corrupt(b.first, err)
	}
	var records []delivery.Record
	var unpacked int
	if p.tx.takes(&b) && b.last >= from {
		if records, unpacked, err = b.records(from, f.link.config.MaxDecompressed); err != nil {
			return false, f.corrupt(b.first, err)
		}
	}
	p.raw, p.decoded, p.behind = rest, records, b.last+1
	p.unpacked += int64(unpacked)
	f.maxBytes = 0
	return true, nil
}

// enlarge has the next fetch ask for as much as a batch needs that was cut.
func (f *fetcher) enlarge(offset, need int64) error {
	if most := f.link.config.MaxDecompressed; need > most {
		return f.corrupt(offset, fmt.Errorf("it has %d bytes, more than %d (max_decompressed)", need, most))
	}
	f.maxBytes = need + 1024
	return nil
}

func (f *fetcher) corrupt(offset int64, reason error) error {
	return &Corrupt{Topic: f.topic, Partition: f.partition, Offset: offset, Reason: reason.Error()}
}
