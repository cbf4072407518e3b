// Package transfer copies what a store holds into another one, or into a
// backup and back: the logic of hindcast copy.
//
// It reads batches from a [Source], appends them to a [Target] and notes in a
// checkpoint how far all that came before is durable. A copy that ends early,
// in whatever way, goes on there. What was copied twice changes nothing, because
// stores take facts that way.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
)

// Source is what is copied.
type Source interface {
	// Identity names the data: a position is good for equal data only.
	Identity() string
	// Size is how much there is, as far as it is known.
	Size(ctx context.Context) (storage.ExportSize, error)
	// Export yields everything behind a position; "" is the start. It stops at an
	// error of yield and returns it. A position that is not of this data is
	// [storage.ErrBadCursor].
	Export(ctx context.Context, position string, yield func(Piece) error) error
	// Close releases it.
	Close() error
}

// Piece is some facts of a source.
type Piece struct {
	Batch event.Batch
	// Position is behind the piece.
	Position string
	// Wrong are the lines of a backup that could not be read.
	Wrong []string
	// Read and Of are how much of the source was read and how much there is, in
	// bytes; 0 where that is not known.
	Read, Of int64
}

// Target is where it goes.
type Target interface {
	// Identity names the data that there is already.
	Identity() string
	// Append adds facts. Up to Parallel calls are made at once.
	Append(ctx context.Context, b event.Batch) error
	Parallel() int
	// Mark makes durable what was appended, and returns the place that a target
	// is opened with to go on behind it; "" where it needs none. No Append is
	// under way.
	Mark() (string, error)
	// Finish completes the target when everything was appended.
	Finish() error
	// Close releases it, complete or not.
	Close() error
}

// Timelines is what a Source and a Target are beside when derived timelines can
// be copied from one to the other.
type (
	// TimelineSource gives timelines out.
	TimelineSource interface {
		ExportDerived(ctx context.Context, position string, yield func(d []storage.Derived, position string) error) error
		// Holds reports whether an incident has the ID now.
		Holds(ctx context.Context, id event.ID) (bool, error)
		// Said is how many lines a log fact sums up; 0 when there is none.
		Said(ctx context.Context, id event.ID) (int64, error)
	}
	// TimelineTarget takes them.
	TimelineTarget interface {
		// Follow says what is copied, before anything is.
		Follow(from TimelineSource)
		// Publish stores those that the target has not, or has as they were
		// before, and says how many that were. It stores none, with a
		// [ServedError], where that would take them from a hindcast that serves the target.
		Publish(ctx context.Context, d []storage.Derived) (int, error)
	}
)

// Options says how to copy.
type Options struct {
	// From and To name source and target in the checkpoint and in errors. They
	// hold no secrets.
	From, To string
	// Checkpoint is the file that tells how far a copy is; "" for none.
	Checkpoint string
	// Every is how often it is written. Default 2 s; negative: after every batch.
	Every time.Duration
	// RetryFor is for how long a source or a target may be unavailable.
	RetryFor time.Duration
	// FactsOnly leaves the timelines out.
	FactsOnly bool
	// Progress is told how far it is after every batch; Notice what people
	// should know meanwhile. They must return quickly, and may be nil.
	Progress func(Progress)
	Notice   func(text string)
}

// Summary is what a copy did, including what it had done before it was
// resumed.
type Summary struct {
	Copied Counts
	// Wrong is how many lines of a backup could not be read, and WrongLines says
	// of the first of them what is wrong.
	Wrong      int64
	WrongLines []string
	// Published is how many timelines were stored; the others of Copied.Timelines
	// were at the target already.
	Published int64
	Took      time.Duration
}

// Counts is how much was copied.
type Counts struct {
	Events       int64 `json:"events"`
	Observations int64 `json:"observations"`
	Asides       int64 `json:"asides"`
	Chunks       int64 `json:"chunks"`
	Lines        int64 `json:"lines"`
	Counts       int64 `json:"counts"`
	Timelines    int64 `json:"timelines"`
}

// Facts is the number of facts, of log lines and of their counts.
func (c Counts) Facts() int64 { return c.Events + c.Observations + c.Asides + c.Lines + c.Counts }

func (c *Counts) add(b *event.Batch) {
	c.Events += int64(len(b.Events))
	c.Observations += int64(len(b.Observations))
	c.Asides += int64(len(b.Asides))
	c.Chunks += int64(len(b.Chunks))
	for i := range b.Chunks {
		c.Lines += int64(len(b.Chunks[i].Lines))
		c.Counts += int64(len(b.Chunks[i].Counts))
	}
}

// shownWrong is how many wrong lines are told in full.
const shownWrong = 10

// Copy copies all of a source. state is where to go on, from [Load]; it is
// updated, and saved in the checkpoint, also when Copy fails.
func Copy(ctx context.Context, from Source, to Target, state *State, o Options) (Summary, error) {
	if o.Every == 0 {
		o.Every = 2 * time.Second
	}
	if o.Notice == nil {
		o.Notice = func(string) {}
	}
	c := &copying{from: from, to: to, state: state, o: o, began: time.Now(), saved: time.Now()}
	if err := c.adopt(); err != nil {
		return Summary{}, err
	}
	size, err := from.Size(ctx)
	if err != nil {
		return Summary{}, fmt.Errorf("copy: read %s: %w", o.From, err)
	}
	c.meter = newMeter(size, state.Copied, c.began)
	err = c.run(ctx)
	return Summary{
		Copied: state.Copied, Wrong: state.Wrong, WrongLines: state.WrongLines, Published: state.Published, Took: time.Since(c.began),
	}, err
}

// copying is one run of Copy.
type copying struct {
	from         Source
	to           Target
	state        *State
	o            Options
	began, saved time.Time
	meter        *meter

	telling sync.Mutex
	told    string // what is waited for, and need not be told again before quiet
	quiet   time.Time
}

// adopt makes the state that of this source and target, or refuses one that is
// of others.
func (c *copying) adopt() error {
	source, target := c.from.Identity(), c.to.Identity()
	if !c.state.started() {
		c.state.From, c.state.To, c.state.Source, c.state.Target = c.o.From, c.o.To, source, target
		return nil
	}
	if c.state.Source != source {
		return fmt.Errorf("%s holds other data than when the copy began: %w", c.o.From, ErrOtherCopy)
	}
	if c.state.Target != target {
		return fmt.Errorf("%s holds other data than when the copy began: %w", c.o.To, ErrOtherCopy)
	}
	return nil
}

func (c *copying) run(ctx context.Context) error {
	if from, ok := c.from.(TimelineSource); ok {
		if to, ok := c.to.(TimelineTarget); ok {
			to.Follow(from)
		}
	}
	if c.state.Stage == stageFacts {
		if err := c.facts(ctx); err != nil {
			return errors.Join(err, c.save())
		}
		c.state.Stage, c.state.Position = stageTimelines, ""
		if err := c.save(); err != nil {
			return err
		}
	}
	if err := c.timelines(ctx); err != nil {
		return errors.Join(err, c.save())
	}
	if err := c.to.Finish(); err != nil {
		return fmt.Errorf("finish %s: %w", c.o.To, err)
	}
	return remove(c.o.Checkpoint)
}

// facts copies the facts. When the source fails in between, it goes on behind
// what the target has.
func (c *copying) facts(ctx context.Context) error {
	err := c.retry(ctx, "read "+c.o.From, c.position, func() error {
		p := newPipeline(ctx, c)
		defer p.cancel()
		err := c.from.Export(ctx, c.state.Position, p.push)
		if failed := p.drain(); failed != nil {
			return failed
		}
		return err
	})
	if errors.Is(err, storage.ErrBadCursor) {
		return fmt.Errorf("%s is not what it was when the copy began: %w", c.o.From, ErrOtherCopy)
	}
	return err
}

func (c *copying) timelines(ctx context.Context) error {
	from, ok := c.from.(TimelineSource)
	if !ok {
		return nil
	}
	to, ok := c.to.(TimelineTarget)
	if !ok || c.o.FactsOnly {
		return nil
	}
	err := c.retry(ctx, "copy the timelines", c.position, func() error {
		return from.ExportDerived(ctx, c.state.Position, func(list []storage.Derived, position string) error {
			n, err := to.Publish(ctx, list)
			if err != nil {
				return err
			}
			c.state.Position = position
			c.state.Copied.Timelines += int64(len(list))
			c.state.Published += int64(n)
			c.tell(Piece{})
			return c.saveSometimes()
		})
	})
	if served, ok := errors.AsType[*ServedError](err); ok {
		c.o.Notice(fmt.Sprintf("%v: its timelines are derived from the facts there; --timelines takes them over", served))
		return nil
	}
	return err
}

func (c *copying) position() string { return c.state.Position }

// landed notes that a piece, and all before it, is at the target.
func (c *copying) landed(p *Piece) {
	c.state.Position = p.Position
	c.state.Copied.add(&p.Batch)
	c.state.Wrong += int64(len(p.Wrong))
	if room := shownWrong - len(c.state.WrongLines); room > 0 {
		c.state.WrongLines = append(c.state.WrongLines, p.Wrong[:min(len(p.Wrong), room)]...)
	}
	c.tell(*p)
}

func (c *copying) tell(p Piece) {
	if c.o.Progress != nil {
		c.o.Progress(c.meter.read(c.state.Stage, c.state.Copied, p, time.Now()))
	}
}

func (c *copying) due() bool { return c.o.Every < 0 || time.Since(c.saved) >= c.o.Every }

func (c *copying) saveSometimes() error {
	if !c.due() {
		return nil
	}
	return c.save()
}

// save marks the target and writes the checkpoint. A target that cannot be
// marked leaves the checkpoint as it was.
func (c *copying) save() error {
	c.saved = time.Now()
	mark, err := c.to.Mark()
	if err != nil {
		return fmt.Errorf("write %s: %w", c.o.To, err)
	}
	c.state.Mark = mark
	return c.state.write(c.o.Checkpoint)
}
