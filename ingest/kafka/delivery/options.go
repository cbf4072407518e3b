package delivery

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// Start says where a partition begins of which nothing was committed.
type Start uint8

// The starts.
const (
	StartEarliest Start = iota
	StartLatest
)

// Options says what [Run] works on. Sink, Log, Offsets, DeadLetters and Decode
// are needed.
type Options struct {
	Topic string
	// TopicID tells topics of one name apart; "" when it is not known.
	TopicID   string
	Partition int
	// Format is the name that dead letters carry.
	Format string
	// Decode turns records, at least one, into facts and into letters for those
	// that it cannot use. It is pure: the same records give the same batch. It
	// never gets a record without a value: such are dead letters. Of a letter it
	// sets Error and Record; Run sets the rest.
	//
	// For Ranges, the batch's chunks get their ID from Run, and their ReceivedAt where they have none; one
	// chunk for all the records is best.
	Decode func(records []Record) (event.Batch, []DeadLetter)
	// Ranges says that the records hold log lines: then boundaries are written
	// ahead. Without it every fact must have an identity of its own.
	Ranges bool
	// Start counts when nothing was committed.
	Start Start

	Sink        Appender
	Log         Log
	Offsets     Offsets
	DeadLetters DeadLetters

	// Chunk bounds what is appended at once.
	Chunk Limits
	// AppendTimeout bounds the first try to append, or to put dead letters; those
	// after one that was too short get up to four times as much. It has nothing to
	// do with the group's time-outs: when the partition is lost, Run's context is
	// done, and with it the try. Default 4 s.
	AppendTimeout time.Duration
	// Backoff is how long to wait after a failure.
	Backoff Backoff

	// Gap is told of offsets that were passed over; nil: nobody is.
	Gap func(Gap)
	// Observer may be nil.
	Observer Observer
	// Clock is the system's when nil.
	Clock Clock
	// Random returns numbers in [0, 1) to spread the waiting; nil: math/rand's.
	Random func() float64
}

// Limits bounds a chunk. A field that is zero stands for its default. A single
// record is taken whatever its size.
type Limits struct {
	// Records; 20,000 by default, 1,048,576 at most.
	Records int
	// Bytes of keys, values and headers; 8 MiB by default.
	Bytes int
	// Lines, and other facts, that the records hold; 100,000 by default.
	Lines int
}

// Backoff is how long to wait after the first failure, and at most; both are
// spread down to the half. Defaults: 100 ms and 5 s.
type Backoff struct{ Min, Max time.Duration }

// withDefaults fills in what was left open, and reports what is missing.
func (o Options) withDefaults() (Options, error) {
	var errs []error
	for _, need := range []struct {
		name string
		have bool
	}{
		{"Decode", o.Decode != nil},
		{"Sink", o.Sink != nil},
		{"Log", o.Log != nil},
		{"Offsets", o.Offsets != nil},
		{"DeadLetters", o.DeadLetters != nil},
	} {
		if !need.have {
			errs = append(errs, fmt.Errorf("%s is missing", need.name))
		}
	}
	if len(o.TopicID) > maxTopicID {
		errs = append(errs, fmt.Errorf("the topic's ID has %d bytes, more than %d", len(o.TopicID), maxTopicID))
	}
	o.Chunk.Records = min(orDefault(o.Chunk.Records, 20_000), maxSpan)
	o.Chunk.Bytes = orDefault(o.Chunk.Bytes, 8<<20)
	o.Chunk.Lines = orDefault(o.Chunk.Lines, 100_000)
	o.AppendTimeout = orDefault(o.AppendTimeout, 4*time.Second)
	o.Backoff.Min = orDefault(o.Backoff.Min, 100*time.Millisecond)
	o.Backoff.Max = max(orDefault(o.Backoff.Max, 5*time.Second), o.Backoff.Min)
	if o.Gap == nil {
		o.Gap = func(Gap) {}
	}
	if o.Observer == nil {
		o.Observer = unobserved{}
	}
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Random == nil {
		o.Random = rand.Float64
	}
	return o, errors.Join(errs...)
}

func orDefault[T int | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

type unobserved struct{}

func (unobserved) Position(int64, int64) {}
func (unobserved) Consumed(int, int)     {}
func (unobserved) Paused(error)          {}
func (unobserved) Resumed()              {}

type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) Sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
