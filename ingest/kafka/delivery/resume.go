package delivery

import (
	"context"
	"time"
)

// patience is how long the rest of a range is waited for that the log does not
// have. A partition's new leader may know less for a moment than the one
// before did; when it stays so, the log was cut.
const patience = time.Minute

// resume delivers the range that was announced before this Run began, as the
// chunk that it was to be, whatever this member's own limits are: it was
// bounded when it was chosen.
func (p *partition) resume(ctx context.Context, mark Mark) error {
	records, skip, err := p.collect(ctx, mark)
	if err != nil {
		return err
	}
	if skip == nil && mark.Sum != "" && checksum(records) != mark.Sum {
		gap := p.gap(GapPartial, mark.Offset, mark.Until, mark.Until)
		skip = &gap
	}
	if skip != nil {
		return p.jump(ctx, *skip)
	}
	p.pos = mark.Until
	if len(records) > 0 {
		// The chunk's ID is made of what its first writer knew.
		if err := p.deliver(ctx, p.decode(mark, records)); err != nil {
			return err
		}
	}
	return p.commit(ctx, Mark{Offset: p.pos})
}

// collect fetches a range, or says how to pass over it when it is not all
// there. It asks the log for nothing else meanwhile, so that the records are its
// own until they are delivered: see [Log].
func (p *partition) collect(ctx context.Context, mark Mark) (records []Record, skip *Gap, err error) {
	partial := func(to, resume int64) ([]Record, *Gap, error) {
		gap := p.gap(GapPartial, mark.Offset, to, resume)
		return nil, &gap, nil
	}
	var waited time.Duration
	for from, empty := mark.Offset, 0; from < mark.Until; {
		f, out, err := p.fetch(ctx, from, mark.Until)
		switch {
		case err != nil:
			return nil, nil, err
		case out != nil && from < out.First:
			// Its end counts even if the log is said to end before: a new leader
			// may know less for a moment, and what is below the range's end may
			// have been appended.
			to := max(mark.Until, out.First)
			return partial(to, to)
		case out != nil && mark.Offset > out.End:
			gap := p.truncated(out, mark.Until)
			return nil, &gap, nil
		case out != nil:
			return partial(mark.Until, out.End) // cut within: what comes next is new
		}
		if records = append(records, f.Records...); f.Next > from {
			from, empty = f.Next, 0
			continue
		}
		if f.End == 0 { // not known, or the log is empty
			if _, f.End, err = p.bounds(ctx); err != nil {
				return nil, nil, err
			}
		}
		d := p.delay(empty)
		if f.End < mark.Until { // else it is said to be there
			if waited >= patience {
				return partial(mark.Until, max(from, f.End))
			}
			waited += d
		}
		empty++
		p.o.Clock.Sleep(ctx, d)
	}
	return records, nil, nil
}
