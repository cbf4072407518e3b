package kafka

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Redrive is what was redriven.
type Redrive struct {
	// Written is how many letters are in their topics again.
	Written int
	// Retimed is how many of them got a new time, because their own is older than
	// what their topic keeps.
	Retimed int
}

// Bounds of what is redriven between two marks.
const (
	redriveLetters = 100
	redriveBytes   = 4 << 20
	redriveTimeout = 15 * time.Second
)

// RedriveError says that letters were begun to be redriven and not seen to the end.
// They are PerhapsRedriven then.
type RedriveError struct {
	// Topic is where they were to be written, Letters how many they are, and First
	// is the place of the first of them.
	Topic   string
	Letters int
	First   Place
	// Outcome is what became of them.
	Outcome RedriveOutcome
	// Err is what went wrong.
	Err error
}

// RedriveOutcome is what became of letters that were begun to be redriven.
type RedriveOutcome uint8

// The outcomes.
const (
	// NotWritten: none of them is in its topic again.
	NotWritten RedriveOutcome = iota
	// PerhapsWritten: they were sent, and nobody knows whether they were written.
	PerhapsWritten
	// WrittenNotNoted: all of them are in their topic again, and the mark is missing
	// that says so.
	WrittenNotNoted
)

func (e *RedriveError) Error() string {
	var what string
	switch e.Outcome {
	case NotWritten:
		what = "not written"
	case PerhapsWritten:
		what = "perhaps written"
	case WrittenNotNoted:
		what = "written, which could not be noted"
	}
	return fmt.Sprintf("of the letters from %s on %d %s to topic %q: %v", e.First, e.Letters, what, e.Topic, e.Err)
}

func (e *RedriveError) Unwrap() error { return e.Err }

// Redrive writes the letters at some places to their topics again: their keys,
// values, headers and times, to the partition where they were, if it is there.
// Progress is told how many are done.
//
// It can be interrupted: when ctx is done, it ends what it is at and returns
// ctx's error. Before letters are written, a mark in the topic of dead letters
// says so, and afterwards another that they were, so that [DeadLetterTopic.Scan]
// knows what was redriven, and for which letters it is not known. No letter is sent
// again that may have arrived: where that is so it ends, with a [RedriveError]. Of
// letters that are copies of each other ([States.CopyOf]) only one should be
// redriven. A letter that was cut cannot be redriven, nor one for which
// [DeadLetterTopic.Redrivable] has another reason.
func (t *DeadLetterTopic) Redrive(ctx context.Context, places []Place, progress func(done int)) (Redrive, error) {
	var sum Redrive
	places = slices.Compact(slices.SortedFunc(slices.Values(places), Place.Compare))
	for len(places) > 0 {
		partition := places[0].Partition
		n := slices.IndexFunc(places, func(p Place) bool { return p.Partition != partition })
		if n < 0 {
			n = len(places)
		}
		if err := t.redrivePartition(ctx, partition, places[:n], &sum, progress); err != nil {
			return sum, fmt.Errorf("redrive from topic %q: %w", t.topic, err)
		}
		places = places[n:]
	}
	return sum, nil
}

func (t *DeadLetterTopic) redrivePartition(ctx context.Context, partition int, places []Place, sum *Redrive, progress func(int)) error {
	log := t.log(partition)
	defer log.close()
	var lot []Letter
	bytes := 0
	for i, place := range places {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		l, err := t.one(ctx, log, place)
		if err != nil {
			return err
		}
		lot, bytes = append(lot, l), bytes+len(l.Value)
		if len(lot) < redriveLetters && bytes < redriveBytes && i+1 < len(places) {
			continue
		}
		// What is begun is ended: an interruption would leave it unknown.
		if err := t.redriveLot(context.WithoutCancel(ctx), partition, lot, sum); err != nil {
			return err
		}
		progress(sum.Written)
		lot, bytes = nil, 0
	}
	return nil
}

func (t *DeadLetterTopic) one(ctx context.Context, log *fetcher, place Place) (Letter, error) {
	for from := place.Offset; from <= place.Offset; {
		got, err := log.Fetch(ctx, from, place.Offset+1)
		if err != nil {
			if _, gone := errors.AsType[*delivery.OutOfRange](err); gone {
				break
			}
			return Letter{}, err
		}
		for i := range got.Records {
			if r := &got.Records[i]; r.Offset == place.Offset && redriveMark(r) == "" {
				l := letterOf(place, r)
				return l, t.Redrivable(&l)
			}
		}
		from = got.Next
	}
	return Letter{}, fmt.Errorf("%w at %s", ErrNoLetter, place)
}

// Allow lets letters of a topic be redriven that is not in the configuration.
func (t *DeadLetterTopic) Allow(topic string) { t.allowed[topic] = true }

// Redrivable says why a letter cannot be redriven, or must not: anybody who may
// write to the topic of dead letters could name any topic, so only those that the
// configuration has, or that were allowed, are written to.
func (t *DeadLetterTopic) Redrivable(l *Letter) error {
	switch {
	case l.Topic == "":
		return fmt.Errorf("the record at %s does not say which topic it is of", l.Place)
	case l.Cut != "":
		return fmt.Errorf("the letter at %s was too large to be kept whole: it lacks %q", l.Place, l.Cut)
	case l.Topic == t.topic:
		return fmt.Errorf("the letter at %s names the topic of dead letters itself as its topic", l.Place)
	case !t.allowed[l.Topic]:
		return fmt.Errorf("the letter at %s names the topic %q, which is neither in kafka.topics nor in kafka.forward_topics; --topic=%[2]q redrives to it all the same", l.Place, l.Topic)
	}
	return nil
}

// target is where letters go.
type target struct {
	topic     string
	partition int
}

// redriveLot writes letters of one partition to their topics, between marks.
func (t *DeadLetterTopic) redriveLot(ctx context.Context, partition int, lot []Letter, sum *Redrive) error {
	targets := map[target][]Letter{}
	for _, l := range lot {
		w, err := t.writer(ctx, l.Topic)
		if err != nil {
			return err
		}
		to := target{l.Topic, l.Origin.Partition}
		if to.partition >= w.settings.Load().partitions {
			to.partition = anyPartition
		}
		targets[to] = append(targets[to], l)
	}
	inOrder := func(a, b target) int {
		return cmp.Or(strings.Compare(a.topic, b.topic), cmp.Compare(a.partition, b.partition))
	}
	for _, to := range slices.SortedFunc(maps.Keys(targets), inOrder) {
		if err := t.redriveTo(ctx, to, partition, targets[to], sum); err != nil {
			return err
		}
	}
	return nil
}

// redriveTo writes letters of one partition to one other, between marks. What it
// knows to be written is marked so, whatever becomes of the rest.
func (t *DeadLetterTopic) redriveTo(ctx context.Context, to target, partition int, lot []Letter, sum *Redrive) error {
	w := t.writers[to.topic]
	now := t.now()
	records := make([]record, len(lot))
	retimed := make([]bool, len(lot))
	for i := range lot {
		l := &lot[i]
		records[i] = record{key: l.Key, value: l.Value, headers: rawHeaders(l.Headers), time: l.Time}
		if !hasTime(l.Time) || tooOld(l.Time, now, w.settings.Load()) {
			records[i].time, retimed[i] = recordTime(now), true
		}
	}
	if err := t.mark(ctx, partition, redriveBegun, lot); err != nil {
		return err
	}
	written, err := w.writeOnce(ctx, t.timeout, to.partition, records)
	failed := func(lot []Letter, outcome RedriveOutcome, err error) error {
		return &RedriveError{Topic: to.topic, Letters: len(lot), First: lot[0].Place, Outcome: outcome, Err: err}
	}
	if written > 0 {
		if errMark := t.mark(ctx, partition, redriveDone, lot[:written]); errMark != nil {
			errMark = failed(lot[:written], WrittenNotNoted, errMark)
			if err == nil {
				return errMark
			}
			err = errors.Join(err, errMark)
		} else {
			sum.Written += written
			for _, is := range retimed[:written] {
				if is {
					sum.Retimed++
				}
			}
		}
	}
	switch {
	case errors.Is(err, errUnsure):
		return failed(lot[written:], PerhapsWritten, err)
	case err != nil:
		return failed(lot[written:], NotWritten, err)
	}
	return nil
}

// tooOld reports whether a topic would delete a record of that time at once, or
// soon.
func tooOld(at, now time.Time, s *topicSettings) bool {
	return s.retention >= 0 && now.Sub(at) > s.retention-min(time.Hour, s.retention/2)
}

// mark writes what is said of letters being redriven, behind them.
func (t *DeadLetterTopic) mark(ctx context.Context, partition int, state string, lot []Letter) error {
	offsets := make([]int64, len(lot))
	for i := range lot {
		offsets[i] = lot[i].Place.Offset
	}
	value, err := json.Marshal(offsets)
	if err != nil {
		return fmt.Errorf("note what is redriven: %w", err)
	}
	w, err := t.writer(ctx, t.topic)
	if err != nil {
		return err
	}
	r := record{value: value, headers: []kafkago.Header{textHeader(headerRedrive, state)}, time: recordTime(t.now())}
	if err := w.writeTo(ctx, t.timeout, partition, []record{r}); err != nil {
		return fmt.Errorf("note what is redriven: %w", err)
	}
	return nil
}

// writer writes to a topic, whose settings are known then.
func (t *DeadLetterTopic) writer(ctx context.Context, topic string) (*topicWriter, error) {
	if w, ok := t.writers[topic]; ok {
		return w, nil
	}
	w := newTopicWriter(t.link, topic, deadLetterRoom)
	if err := w.learn(ctx); err != nil {
		return nil, err
	}
	t.writers[topic] = w
	return w, nil
}
