package delivery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

// ErrLost says that the partition is assigned to another member, or that the
// topic is no longer the one that was assigned. Whatever returns it, [Run]
// ends with it and appends nothing more.
var ErrLost = errors.New("the partition was assigned to another")

// Record is one record of a log.
type Record struct {
	Offset int64
	// Time is the record's own time stamp: the same at every delivery.
	Time time.Time
	// Key and Value may be nil.
	Key, Value []byte
	// Headers are the record's headers as they came: in their order, with
	// whatever names. There may be none.
	Headers []Header
	// HeadersLeft is how many more headers the record has, which are not kept.
	HeadersLeft int
}

// Header is one header of a record. Names need not be unique, nor be text; a
// value may be nil.
type Header struct {
	Name  string
	Value []byte
}

// Size is about what the record holds of memory, in bytes.
func (r *Record) Size() int {
	n := 128 + len(r.Key) + len(r.Value)
	for i := range r.Headers {
		n += 40 + len(r.Headers[i].Name) + len(r.Headers[i].Value)
	}
	return n
}

// Fetched is consecutive records, in ascending order of offsets.
type Fetched struct {
	Records []Record
	// Next is the offset to go on at: behind the last record, and behind the
	// offsets that the log left out. It is never less than what was asked for.
	Next int64
	// End is the offset that the next record of the log will get, as far as it
	// may be read. Zero: not known.
	End int64
	// Written is End, and counts also what may not be read yet, because it belongs
	// to a transaction that is open. Zero: not known.
	Written int64
}

// Log gives the records of one partition, of one topic ID. Once the topic of
// that name has another ID, it must return [ErrLost] (or wait for its context
// to end), never records of the new one and never [OutOfRange] about it: in
// doubt it asks again which ID the topic has before it says OutOfRange. One
// goroutine calls it.
type Log interface {
	// Fetch returns records from an offset on, all below until (zero: no
	// bound). When there are none it waits a moment, and returns none with Next
	// equal to from. It bounds what it returns and need not return all that
	// there is.
	//
	// What is returned is the caller's until its next call. Only what is read of a
	// range, with the same until in calls that follow one another, is so until the
	// first call for something else.
	//
	// The error is an *[OutOfRange] when from is not in the log and not its end.
	// Any other is taken as temporary and tried again later, but for ErrLost.
	Fetch(ctx context.Context, from, until int64) (Fetched, error)
	// Bounds are the first offset that is there and the one that the next
	// record will get. They are equal when the log is empty.
	Bounds(ctx context.Context) (first, end int64, err error)
}

// OutOfRange says that an offset is not in the log. First and End are as in
// [Log].Bounds. Of an offset behind the end, End must not be less than what the log
// holds, shown already or not: brokers tell no end before they know it (KIP-207).
type OutOfRange struct{ First, End int64 }

func (e *OutOfRange) Error() string {
	return fmt.Sprintf("the offset is not in the log, which has [%d, %d)", e.First, e.End)
}

// Offsets is the partition's place in the consumer group, for the one
// generation that assigned it. One goroutine calls it.
type Offsets interface {
	// Committed is what was committed last, in this generation or before. Ok is
	// false when nothing was.
	Committed(ctx context.Context) (mark Mark, ok bool, err error)
	// Commit replaces it. [ErrLost] means that the generation is over and that
	// the mark was not taken. After any other error it may have been taken or
	// not: Run commits the same mark again.
	//
	// A mark that was given earlier must not be taken after a later call
	// returned nil: commits of one generation go over one connection, and when
	// that breaks with an answer outstanding, over another only when the old
	// request cannot arrive any more. Else the generation must end.
	Commit(ctx context.Context, mark Mark) error
}

// DeadLetter is a record that could not be decoded.
type DeadLetter struct {
	Topic     string
	Partition int
	Offset    int64
	Format    string
	// Error says why, for people.
	Error string
	// At is when it was given up, in UTC.
	At     time.Time
	Record Record
}

// DeadLetters keeps records that could not be decoded.
type DeadLetters interface {
	// Put keeps the letters. Nil means that they are durable; after an error
	// all of them are put again, so that one may be kept twice.
	Put(ctx context.Context, letters []DeadLetter) error
}

// Appender takes a batch of facts. Nil means that the batch is durable; after
// an error nothing, part or all of it may be, and it is appended again. It must
// return when ctx is done.
type Appender interface {
	Append(ctx context.Context, batch event.Batch) error
}

// Observer is told how a partition fares. Its methods are called by the
// goroutine of Run and must return at once.
type Observer interface {
	// Position tells the committed offset and the log's end, each time that one of
	// them was learnt. The end counts what may not be read yet; one below the
	// offset is not known yet. Else their difference is the lag.
	Position(committed, end int64)
	// Consumed tells how many records were passed by a commit, and how many of
	// them went to the dead letters.
	Consumed(records, deadLetters int)
	// Paused tells that a step failed and will be tried again after a while:
	// once for each try. The error says what was being done.
	Paused(err error)
	// Resumed tells that the step that had failed succeeded.
	Resumed()
}

// Clock is the time. It may be used concurrently.
type Clock interface {
	Now() time.Time
	// Sleep returns when the time has passed, or ctx is done.
	Sleep(ctx context.Context, d time.Duration)
}
