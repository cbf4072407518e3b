package delivery

import (
	"context"
	"errors"
	"fmt"
)

// Run delivers a partition until ctx is done (nil) or the partition is lost
// ([ErrLost]); an error of the options is returned at once. Whatever else fails
// is tried again for ever. Nothing of it runs any more when it returns.
func Run(ctx context.Context, o Options) error {
	o, err := o.withDefaults()
	if err != nil {
		return fmt.Errorf("options of %s/%d: %w", o.Topic, o.Partition, err)
	}
	p := &partition{o: o, topic: o.TopicID}
	err = p.begin(ctx)
	for err == nil {
		err = p.step(ctx)
	}
	if ctx.Err() != nil && !errors.Is(err, ErrLost) {
		return nil
	}
	return fmt.Errorf("deliver %s/%d: %w", o.Topic, o.Partition, err)
}

// partition is the place of a Run. Its methods return an error only when Run
// must end.
type partition struct {
	o Options
	// topic is the topic's ID in marks and chunks.
	topic string
	// pos: everything below it is durable. committed is the offset that the
	// group knows.
	pos, committed int64
	// fetched are records from pos on, none of them done; next is where they
	// end.
	fetched []Record
	next    int64
	// end is the log's end, as far as it was learnt; for the Observer only.
	end int64
	// records and letters were done since the last commit.
	records, letters int
	// empty is how many answers in a row had nothing of what the log is said to have.
	empty int
	// density is how many lines a record of the last chunk held.
	density float64
}

// begin finds the place to begin at, and finishes what another member had
// announced.
func (p *partition) begin(ctx context.Context) error {
	var mark Mark
	var known bool
	err := p.retry(ctx, "read the committed offset", func() (err error) {
		mark, known, err = p.o.Offsets.Committed(ctx)
		return err
	})
	switch {
	case err != nil:
		return err
	case !known || mark.Offset < 0:
		return p.start(ctx)
	case p.topic != "" && mark.Topic != "" && mark.Topic != p.topic:
		return p.restart(ctx, mark)
	case p.topic == "":
		p.topic = mark.Topic
	}
	p.pos, p.committed = mark.Offset, mark.Offset
	p.look(ctx)
	if p.o.Ranges && mark.Pending() {
		return p.resume(ctx, mark)
	}
	return nil
}

// start begins where nothing was committed. The place is committed at once: a
// successor that began at the latest offset again would miss what came between.
func (p *partition) start(ctx context.Context) error {
	first, end, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	if p.pos = first; p.o.Start == StartLatest {
		p.pos = end
	}
	return p.commit(ctx, Mark{Offset: p.pos})
}

// look learns how far the log goes, if it can. The first fetch may come to nothing
// for long, and what waits behind it is to be seen meanwhile.
func (p *partition) look(ctx context.Context) {
	if _, end, err := p.o.Log.Bounds(ctx); err == nil {
		p.end = end
	}
	p.o.Observer.Position(p.committed, p.end)
}

// restart begins at the start of a topic that took the place of another one.
func (p *partition) restart(ctx context.Context, mark Mark) error {
	first, _, err := p.bounds(ctx)
	if err != nil {
		return err
	}
	gap := p.gap(GapRecreated, mark.Offset, 0, first)
	gap.TopicID = mark.Topic
	return p.jump(ctx, gap)
}

func (p *partition) bounds(ctx context.Context) (first, end int64, err error) {
	err = p.retry(ctx, "ask for the log's bounds", func() (err error) {
		first, end, err = p.o.Log.Bounds(ctx)
		return err
	})
	p.end = end
	return first, end, err
}

// step delivers a chunk, or waits a moment for records.
func (p *partition) step(ctx context.Context) error {
	if len(p.fetched) == 0 {
		return p.fetchMore(ctx)
	}
	c := p.cut()
	if p.o.Ranges && len(c.batch.Chunks) > 0 {
		// The boundary is written ahead. Nobody else may know less than that
		// when the lines are in the store.
		if err := p.commit(ctx, c.mark); err != nil {
			return err
		}
	}
	if err := p.deliver(ctx, c); err != nil {
		return err
	}
	clear(p.fetched[:c.records]) // what is done need not be held for the rest
	p.fetched = p.fetched[c.records:]
	if p.o.Ranges && len(p.fetched) > 0 {
		return nil // the next boundary is committed with this offset
	}
	return p.commit(ctx, Mark{Offset: p.pos})
}

// fetchMore fetches from the position on.
func (p *partition) fetchMore(ctx context.Context) error {
	f, out, err := p.fetch(ctx, p.pos, 0)
	switch {
	case err != nil:
		return err
	case out != nil && p.pos < out.First:
		return p.jump(ctx, p.gap(GapExpired, p.pos, out.First, out.First))
	case out != nil:
		return p.jump(ctx, p.truncated(out, p.pos))
	case len(f.Records) > 0:
		p.fetched, p.next, p.empty = f.Records, f.Next, 0
		return nil
	case f.Next == p.pos && f.End > p.pos:
		// It is said to be there and does not come. The log may not have waited.
		p.o.Clock.Sleep(ctx, p.delay(p.empty))
		p.empty++
		return nil
	}
	p.empty = 0
	// The log may leave offsets out, and end with such: it is read when they
	// are passed.
	if p.pos = f.Next; p.pos != p.committed {
		return p.commit(ctx, Mark{Offset: p.pos})
	}
	return nil
}

// fetch asks the log until it answers. Out is set when the offset is not in
// the log.
func (p *partition) fetch(ctx context.Context, from, until int64) (f Fetched, out *OutOfRange, err error) {
	err = p.retry(ctx, fmt.Sprintf("fetch from offset %d", from), func() error {
		var err error
		f, err = p.o.Log.Fetch(ctx, from, until)
		if out = nil; errors.As(err, &out) && (from < out.First || from > out.End) {
			return nil
		}
		return err
	})
	if err != nil {
		return Fetched{}, nil, err
	}
	if out != nil {
		p.end = out.End
		return Fetched{}, out, nil
	}
	if f.End > 0 {
		p.end = max(f.End, f.Written)
		p.o.Observer.Position(p.committed, p.end)
	}
	return f.within(from, until), nil, nil
}

// within keeps to what was asked for: brokers send whole batches of records,
// of which the first may begin before.
func (f Fetched) within(from, until int64) Fetched {
	wanted := func(r Record, next int64) bool { return r.Offset >= next && (until <= 0 || r.Offset < until) }
	next, all := from, true
	for _, r := range f.Records {
		if wanted(r, next) {
			next = r.Offset + 1
		} else {
			all = false
		}
	}
	if !all {
		kept := make([]Record, 0, len(f.Records))
		at := from
		for _, r := range f.Records {
			if wanted(r, at) {
				kept, at = append(kept, r), r.Offset+1
			}
		}
		f.Records = kept
	}
	f.Next = max(next, f.Next)
	if until > 0 {
		f.Next = min(f.Next, until)
	}
	return f
}

// deliver makes a chunk durable: what was decoded in the store, the rest among
// the dead letters.
func (p *partition) deliver(ctx context.Context, c chunk) error {
	if c.batch.Len() > 0 {
		if err := p.try(ctx, fmt.Sprintf("append offsets [%d, %d)", c.mark.Offset, c.mark.Until), func(ctx context.Context) error {
			return p.o.Sink.Append(ctx, c.batch)
		}); err != nil {
			return err
		}
	}
	if len(c.letters) > 0 {
		if err := p.try(ctx, fmt.Sprintf("put %d dead letters of offsets [%d, %d)", len(c.letters), c.mark.Offset, c.mark.Until), func(ctx context.Context) error {
			return p.o.DeadLetters.Put(ctx, c.letters)
		}); err != nil {
			return err
		}
	}
	p.pos = c.mark.Until
	p.records += c.records
	p.letters += len(c.letters)
	return nil
}

// commit tells the group the place. It may say what was said before.
func (p *partition) commit(ctx context.Context, mark Mark) error {
	mark.Topic = p.topic
	if err := p.retry(ctx, fmt.Sprintf("commit offset %d", mark.Offset), func() error {
		return p.o.Offsets.Commit(ctx, mark)
	}); err != nil {
		return err
	}
	p.committed = mark.Offset
	if p.records > 0 {
		p.o.Observer.Consumed(p.records, p.letters)
		p.records, p.letters = 0, 0
	}
	p.o.Observer.Position(p.committed, p.end)
	return nil
}

// jump goes on at another place than behind what was delivered.
func (p *partition) jump(ctx context.Context, gap Gap) error {
	// Told first: it may be told again, and is never forgotten.
	p.o.Gap(gap)
	p.pos = gap.Resume
	return p.commit(ctx, Mark{Offset: p.pos})
}

func (p *partition) gap(reason GapReason, from, to, resume int64) Gap {
	return Gap{Topic: p.o.Topic, TopicID: p.topic, Partition: p.o.Partition, Reason: reason, From: from, To: to, Resume: resume}
}
