package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/kafka/delivery"
)

// The headers of a record in the topic of dead letters. They come first, in this
// order, and end with headerOwn; behind it are those that the record had, as they
// were, whatever their names. Its key and value are the record's own.
const (
	headerTopic     = "hindcast-topic"
	headerPartition = "hindcast-partition"
	headerOffset    = "hindcast-offset"
	headerFormat    = "hindcast-format"
	headerError     = "hindcast-error"
	// headerAt is when the record was given up, headerTime its own time; both as
	// RFC 3339.
	headerAt   = "hindcast-at"
	headerTime = "hindcast-time"
	// headerCut says what is missing, where the record was too large to be kept.
	headerCut = "hindcast-cut"
	// headerOwn says how many headers of the record follow.
	headerOwn = "hindcast-headers"

	// letterHeaders is how many of these there are at most.
	letterHeaders = 9
)

// headerRedrive is the first header of a record that is no letter, but says which
// letters of its partition were, or are about to be, written to their topics
// again.
const headerRedrive = "hindcast-redrive"

// deadLetters writes records that could not be decoded to a topic.
type deadLetters struct{ to *topicWriter }

var _ delivery.DeadLetters = (*deadLetters)(nil)

// Bounds of what puts dead letters. Several partitions may do so at once.
const (
	deadLetterTimeout = 4 * time.Second
	deadLetterRoom    = 64 << 20
)

// newDeadLetters writes to a topic, whose leaders the link must know.
func newDeadLetters(l *link, topic string) *deadLetters {
	return &deadLetters{to: newTopicWriter(l, topic, deadLetterRoom)}
}

// check learns about the topic, and says why it cannot keep dead letters: it is
// missing ([MissingTopic]), or compacted.
func (d *deadLetters) check(ctx context.Context) error {
	if err := d.to.learn(ctx); err != nil {
		return err
	}
	if d.to.settings.Load().compacted {
		return fmt.Errorf("topic %q is compacted, which would delete dead letters; set its cleanup.policy to delete", d.to.topic)
	}
	return nil
}

// Put writes letters, and returns nil when all in-sync replicas have them. What
// is larger than the topic takes is cut, and says so.
func (d *deadLetters) Put(ctx context.Context, letters []delivery.DeadLetter) error {
	if known := d.to.settings.Load(); known == nil || known.compacted {
		if err := d.check(ctx); err != nil {
			return fmt.Errorf("keep dead letters: %w", err)
		}
	}
	// The broker may take less than the topic's settings said when they were
	// read, or than is known of them: a letter must not be stuck for that.
	const least = 2 << 10
	for most := d.to.limit().bytes; ; most = min(most/2, d.to.limit().bytes) {
		records := make([]record, len(letters))
		for i := range letters {
			records[i] = letterRecord(&letters[i], most)
		}
		err := d.to.write(ctx, deadLetterTimeout, records)
		if err == nil {
			return nil
		}
		if !errors.Is(err, ingest.ErrTooMuch) || most <= least {
			return fmt.Errorf("keep dead letters: %w", err)
		}
	}
}

// letterRecord is a letter as it is kept, cut to a size.
func letterRecord(l *delivery.DeadLetter, most int) record {
	ours := []kafkago.Header{
		textHeader(headerTopic, l.Topic),
		textHeader(headerPartition, strconv.Itoa(l.Partition)),
		textHeader(headerOffset, strconv.FormatInt(l.Offset, 10)),
		textHeader(headerFormat, l.Format),
		textHeader(headerError, clipText(l.Error, maxError)),
		textHeader(headerAt, l.At.UTC().Format(time.RFC3339Nano)),
	}
	if hasTime(l.Record.Time) {
		ours = append(ours, textHeader(headerTime, l.Record.Time.UTC().Format(time.RFC3339Nano)))
	}
	var cut []string
	own := rawHeaders(l.Record.Headers)
	if l.Record.HeadersLeft > 0 {
		cut = append(cut, fmt.Sprintf("all but %d of %d headers", len(own), len(own)+l.Record.HeadersLeft))
	}
	r := record{key: l.Record.Key, value: l.Record.Value, time: recordTime(l.At)}
	put := func() {
		r.headers = slices.Clone(ours)
		if len(cut) > 0 {
			r.headers = append(r.headers, textHeader(headerCut, strings.Join(cut, ", ")))
		}
		r.headers = append(r.headers, textHeader(headerOwn, strconv.Itoa(len(own))))
		r.headers = append(r.headers, own...)
	}
	if put(); r.size() <= most {
		return r
	}
	const note = 160 // what the header about cutting takes
	if r.size()-len(r.value)+note > most && len(own) > 0 {
		own, cut = nil, []string{"its headers"}
		put()
	}
	if r.size()-len(r.value)+note > most && len(r.key) > 0 {
		cut = append(cut, fmt.Sprintf("its key of %d bytes", len(r.key)))
		r.key = nil
	}
	if over := r.size() + note - most; over > 0 {
		kept := max(len(r.value)-over, 0)
		cut = append(cut, fmt.Sprintf("all but %d of %d bytes of its value", kept, len(r.value)))
		r.value = r.value[:kept:kept]
	}
	put()
	return r
}

func textHeader(name, value string) kafkago.Header {
	return kafkago.Header{Key: name, Value: []byte(value)}
}

// rawHeaders are a record's headers, to be written as they came.
func rawHeaders(list []delivery.Header) []kafkago.Header {
	raw := make([]kafkago.Header, len(list))
	for i, h := range list {
		raw[i] = kafkago.Header{Key: h.Name, Value: h.Value}
	}
	return raw
}

func clipText(s string, most int) string {
	return strings.ToValidUTF8(s[:min(len(s), most)], "\uFFFD")
}
