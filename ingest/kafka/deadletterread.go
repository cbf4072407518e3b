package kafka

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// Place is where a record is in a topic.
type Place struct {
	Partition int
	Offset    int64
}

// String is the place as PARTITION/OFFSET.
func (p Place) String() string { return fmt.Sprintf("%d/%d", p.Partition, p.Offset) }

// Compare orders places by partition, then by offset.
func (p Place) Compare(other Place) int {
	return cmp.Or(cmp.Compare(p.Partition, other.Partition), cmp.Compare(p.Offset, other.Offset))
}

// MarshalText writes the place as String does.
func (p Place) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads PARTITION/OFFSET.
func (p *Place) UnmarshalText(text []byte) error {
	partition, offset, ok := strings.Cut(string(text), "/")
	n, errPartition := strconv.ParseInt(partition, 10, 31)
	at, errOffset := strconv.ParseInt(offset, 10, 64)
	if !ok || errPartition != nil || errOffset != nil || n < 0 || at < 0 {
		return fmt.Errorf("%.60q is not PARTITION/OFFSET, as 0/17", text)
	}
	*p = Place{Partition: int(n), Offset: at}
	return nil
}

// Letter is a dead letter, as the topic of dead letters holds it.
type Letter struct {
	// Place is where it is in the topic of dead letters.
	Place Place
	// Topic and Origin are where the record was. Topic is "" when the record was
	// not put by hindcast.
	Topic  string
	Origin Place
	// Format is what it was taken for, and Error why it could not be decoded.
	Format, Error string
	// At is when it was given up, and Time the record's own time; they may be
	// zero.
	At, Time time.Time
	// Cut names what is missing of a record that was too large; "" for nothing.
	Cut        string
	Key, Value []byte
	// Headers are those that the record had, as they were.
	Headers []delivery.Header
}

// Redriven is whether a letter was written to its topic again.
type Redriven uint8

// The states of a letter.
const (
	// NotRedriven is the state of a letter that nobody redrove.
	NotRedriven Redriven = iota
	// PerhapsRedriven: it was begun, and whether it ended is not known.
	PerhapsRedriven
	WasRedriven
)

// String is "no", "perhaps" or "yes".
func (r Redriven) String() string { return [...]string{"no", "perhaps", "yes"}[r%3] }

// MarshalText writes the state as String does.
func (r Redriven) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// ErrNoLetter says that there is no dead letter at a place.
var ErrNoLetter = errors.New("there is no dead letter")

// DeadLetterTopic reads the topic of dead letters, without a consumer group,
// and writes letters to their topics again. One goroutine uses it.
type DeadLetterTopic struct {
	link       *link
	topic      string
	id         topicID
	partitions int
	writers    map[string]*topicWriter
	// allowed are the topics that are written to.
	allowed map[string]bool
	// timeout bounds each write.
	timeout time.Duration
	now     func() time.Time
}

// OpenDeadLetters connects to the brokers. The error is a [MissingTopic] when
// there is no topic of dead letters, and wraps [ErrUnavailable] when no broker
// answers.
func OpenDeadLetters(ctx context.Context, c Config) (*DeadLetterTopic, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	if len(c.Brokers) == 0 {
		return nil, errors.New("kafka: brokers: must not be empty")
	}
	// Letters may be of any topic.
	l, err := newLink(&c, nil)
	if err != nil {
		return nil, fmt.Errorf("kafka: %w", err)
	}
	t := &DeadLetterTopic{link: l, topic: c.DeadLetters, writers: map[string]*topicWriter{}, allowed: map[string]bool{}, timeout: redriveTimeout, now: time.Now}
	for _, topic := range c.Topics {
		t.allowed[topic.Name] = true
	}
	t.allowed[c.ForwardTopics.Alerts], t.allowed[c.ForwardTopics.Logs] = true, true
	if err := t.find(ctx); err != nil {
		l.close()
		return nil, err
	}
	return t, nil
}

func (t *DeadLetterTopic) find(ctx context.Context) error {
	v, err := t.link.versions(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	topics, err := t.link.metadata(ctx, v, []string{t.topic})
	if err != nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	found, ok := topics[t.topic]
	switch {
	case !ok, errors.Is(found.err, kafkago.UnknownTopicOrPartition):
		return &MissingTopic{Topic: t.topic, Brokers: t.link.config.Brokers}
	case found.err != nil:
		return fmt.Errorf("%w: ask for topic %q: %w", ErrUnavailable, t.topic, found.err)
	}
	t.id, t.partitions = found.id, found.partitions
	return nil
}

// Name is the topic's name.
func (t *DeadLetterTopic) Name() string { return t.topic }

// Close closes the connections.
func (t *DeadLetterTopic) Close() { t.link.close() }

// Scan yields the letters that are there, partition by partition, in the order
// of offsets; those that were put since a time only, unless that is zero. It
// returns which of them are copies and what is said of their being redriven, as far
// as that was put since then as well, and stops at yield's first error.
func (t *DeadLetterTopic) Scan(ctx context.Context, since time.Time, yield func(*Letter) error) (*States, error) {
	states := newStates()
	for partition := range t.partitions {
		first, end, err := t.link.bounds(ctx, t.topic, partition)
		if err == nil && !since.IsZero() {
			first, err = t.since(ctx, partition, since, first, end)
		}
		if err == nil {
			err = t.read(ctx, partition, first, end, func(r *delivery.Record) error {
				place := Place{partition, r.Offset}
				if mark := redriveMark(r); mark != "" {
					states.mark(partition, mark, r.Value)
					return nil
				}
				l := letterOf(place, r)
				states.letter(&l)
				return yield(&l)
			})
		}
		if err != nil {
			return nil, fmt.Errorf("read topic %q: %w", t.topic, err)
		}
	}
	states.settle()
	return states, nil
}

// since is the first offset of a time or later.
func (t *DeadLetterTopic) since(ctx context.Context, partition int, since time.Time, first, end int64) (int64, error) {
	got, err := t.link.client.ListOffsets(ctx, &kafkago.ListOffsetsRequest{
		Topics: map[string][]kafkago.OffsetRequest{t.topic: {kafkago.TimeOffsetOf(partition, since)}},
	})
	if err != nil {
		return 0, fmt.Errorf("ask for the offset at %s: %w", since.Format(time.RFC3339), err)
	}
	from := end
	for _, p := range got.Topics[t.topic] {
		if p.Error != nil {
			return 0, fmt.Errorf("ask for the offset at %s: %w", since.Format(time.RFC3339), p.Error)
		}
		for offset := range p.Offsets {
			if offset >= first {
				from = min(from, offset)
			}
		}
	}
	return from, nil
}

// read yields the records of a partition from an offset to another.
func (t *DeadLetterTopic) read(ctx context.Context, partition int, from, end int64, yield func(*delivery.Record) error) error {
	log := t.log(partition)
	defer log.close()
	for from < end {
		// Without a bound, so that no copies are kept: each is done with at once.
		got, err := log.Fetch(ctx, from, 0)
		if gone, ok := errors.AsType[*delivery.OutOfRange](err); ok && gone.First > from {
			from = gone.First // deleted meanwhile
			continue
		}
		if err != nil {
			return err
		}
		for i := range got.Records {
			if got.Records[i].Offset >= end {
				return nil
			}
			if err := yield(&got.Records[i]); err != nil {
				return err
			}
		}
		from = got.Next
	}
	return nil
}

func (t *DeadLetterTopic) log(partition int) *fetcher {
	c := t.link.config
	return &fetcher{
		link: t.link, topic: t.topic, id: t.id, partition: partition, doubt: func() {},
		share: &share{budget: newBudget(c.Memory, 1, c.FetchBytes)},
	}
}

// Get reads one letter. The error wraps [ErrNoLetter] when there is none.
func (t *DeadLetterTopic) Get(ctx context.Context, at Place) (Letter, error) {
	none := fmt.Errorf("%w at %s in topic %q", ErrNoLetter, at, t.topic)
	if at.Partition >= t.partitions {
		return Letter{}, fmt.Errorf("%w, which has %d partitions", none, t.partitions)
	}
	first, end, err := t.link.bounds(ctx, t.topic, at.Partition)
	switch {
	case err != nil:
		return Letter{}, fmt.Errorf("read topic %q: %w", t.topic, err)
	case at.Offset < first || at.Offset >= end:
		return Letter{}, fmt.Errorf("%w: partition %d has the offsets from %d up to %d", none, at.Partition, first, end)
	}
	var found *Letter
	err = t.read(ctx, at.Partition, at.Offset, at.Offset+1, func(r *delivery.Record) error {
		if redriveMark(r) == "" {
			l := letterOf(at, r)
			found = &l
		}
		return nil
	})
	switch {
	case err != nil:
		return Letter{}, fmt.Errorf("read topic %q: %w", t.topic, err)
	case found == nil:
		return Letter{}, none
	}
	return *found, nil
}

// letterOf reads what the headers say.
func letterOf(place Place, r *delivery.Record) Letter {
	ours, own := splitHeaders(r.Headers)
	l := Letter{
		Place: place, Key: r.Key, Value: r.Value, Headers: own,
		Topic: ours[headerTopic], Format: ours[headerFormat], Error: ours[headerError], Cut: ours[headerCut],
	}
	l.At, _ = time.Parse(time.RFC3339Nano, ours[headerAt])
	l.Time, _ = time.Parse(time.RFC3339Nano, ours[headerTime])
	if err := l.Origin.UnmarshalText([]byte(ours[headerPartition] + "/" + ours[headerOffset])); err != nil {
		l.Topic = ""
	}
	if n, err := strconv.Atoi(ours[headerOwn]); l.Cut == "" && l.Topic != "" && (err != nil || n != len(own)) {
		l.Cut = "some of its headers"
	}
	return l
}

// splitHeaders parts the headers of a letter from those that its record had: ours
// come first and end with headerOwn. A record that hindcast did not put has none
// of ours.
func splitHeaders(list []delivery.Header) (ours map[string]string, own []delivery.Header) {
	if len(list) == 0 || list[0].Name != headerTopic {
		return nil, list
	}
	ours = make(map[string]string, letterHeaders)
	for i, h := range list[:min(len(list), letterHeaders)] {
		ours[h.Name] = string(h.Value)
		if h.Name == headerOwn {
			return ours, list[i+1:]
		}
	}
	return nil, list
}

// redriveMark is what a record says of letters being redriven; "" for a letter.
func redriveMark(r *delivery.Record) string {
	if len(r.Headers) == 0 || r.Headers[0].Name != headerRedrive {
		return ""
	}
	return string(r.Headers[0].Value)
}

// The values of the header that marks what is said of letters being redriven.
// The record's value is a JSON array of their offsets in its partition. The
// marks come behind the letters, and so are not deleted before them.
const (
	redriveBegun = "begun"
	redriveDone  = "done"
)
