package kafka

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	kafkago "github.com/segmentio/kafka-go"

	"github.com/hindcast/hindcast/ingest"
)

// record is a record to write.
type record struct {
	key, value []byte
	headers    []kafkago.Header
	time       time.Time
}

// size is at least what the record takes in a batch, before compression.
func (r *record) size() int {
	n := 48 + len(r.key) + len(r.value)
	for _, h := range r.headers {
		n += 12 + len(h.Key) + len(h.Value)
	}
	return n
}

// batchOverhead is at least what a batch takes beside its records, with what
// compressing may add to what cannot be compressed.
const batchOverhead = 1 << 10

// topicWriter writes records to one topic and waits until all in-sync replicas
// have them. It may be used concurrently.
//
// kafka-go's Writer is not used: it retries where a partition's leader is gone
// for as long as it takes, bounds nothing that waits, and goes on with what its
// caller has given up.
type topicWriter struct {
	client  *kafkago.Client
	topic   string
	brokers []string
	// request bounds questions to the brokers.
	request time.Duration
	// least is how large records the topic must take; 0 for any.
	least    int
	room     int64
	settings atomic.Pointer[topicSettings]
	now      func() time.Time

	mu      sync.Mutex
	writing int64
	turn    uint
	// shunned are partitions that failed just now, until when.
	shunned map[int]time.Time
	learned time.Time
}

// newTopicWriter is a writer that has at most room bytes under way.
func newTopicWriter(l *link, topic string, room int64) *topicWriter {
	return &topicWriter{
		client: l.client, topic: topic, brokers: l.config.Brokers, request: l.config.RequestTimeout, room: room, now: time.Now,
		turn: rand.Uint(), shunned: map[int]time.Time{},
	}
}

// learn asks the brokers about the topic.
func (w *topicWriter) learn(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, w.request)
	defer cancel()
	s, err := describeTopic(ctx, w.client, w.topic, w.brokers)
	if err != nil {
		return err
	}
	if before := w.settings.Load(); before != nil && !before.described && !s.described {
		s.maxBytes = before.maxBytes // found out by trying
	}
	w.settings.Store(&s)
	w.mu.Lock()
	w.learned = time.Now()
	w.mu.Unlock()
	return nil
}

// relearn asks again, unless that was done just now.
func (w *topicWriter) relearn() {
	w.mu.Lock()
	recent := time.Since(w.learned) < time.Second
	w.mu.Unlock()
	if !recent {
		// What fails leaves what was known.
		_ = w.learn(context.Background())
	}
}

// limit is how large a record may be, as [record.size] measures it.
func (w *topicWriter) limit() limit {
	s := w.settings.Load()
	if s == nil {
		return limit{topic: w.topic, bytes: defaultMaxBytes - batchOverhead}
	}
	return limit{topic: w.topic, bytes: max(s.maxBytes-batchOverhead, 0)}
}

// limit is what a topic takes at most.
type limit struct {
	topic string
	bytes int
}

// maxProduce bounds what is sent in one request, before compression.
const maxProduce = 1 << 20

// parallel is how many requests of one write run at once.
const parallel = 4

// write writes records, to any partitions. After an error some may have been
// written. Errors wrap [ErrUnavailable], [ingest.ErrTooMuch], or are of a broker
// that will say the same again.
func (w *topicWriter) write(ctx context.Context, timeout time.Duration, records []record) error {
	return w.writeTo(ctx, timeout, anyPartition, records)
}

// anyPartition leaves it to the writer where records go.
const anyPartition = -1

// writeTo writes records to one partition.
func (w *topicWriter) writeTo(ctx context.Context, timeout time.Duration, partition int, records []record) error {
	var bytes int64
	for i := range records {
		bytes += int64(records[i].size())
	}
	if !w.enter(bytes) {
		return fmt.Errorf("%w: %d bytes are being written to topic %q already", ErrUnavailable, w.room, w.topic)
	}
	defer w.leave(bytes)
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	at := parallel
	if partition != anyPartition {
		at = 1 // their order is kept
	}
	slots := make(chan struct{}, at)
	var wg sync.WaitGroup
	lots := cutRecords(records, min(maxProduce, w.limit().bytes))
	failures := make([]error, len(lots))
	for i, lot := range lots {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			_, failures[i] = w.deliver(ctx, patience{timeout * 2 / 5, false}, partition, lot)
		})
	}
	wg.Wait()
	for _, err := range failures {
		if err != nil {
			return err
		}
	}
	return nil
}

// writeOnce writes records to a partition so that none is there twice: what was
// sent and may have arrived is not sent again. It returns how many of the first
// ones are there for certain. The error wraps [errUnsure] when those behind them
// may be there too; else they are not.
func (w *topicWriter) writeOnce(ctx context.Context, timeout time.Duration, partition int, records []record) (written int, err error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for _, lot := range cutRecords(records, min(maxProduce, w.limit().bytes)) {
		n, err := w.deliver(ctx, patience{timeout, true}, partition, lot)
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// errUnsure says of records that they were sent, and that nobody knows whether they
// were written.
var errUnsure = errors.New("it is not known whether the broker wrote what it was sent")

// patience is how long one request is waited for, and whether records must not be
// sent again that may have arrived.
type patience struct {
	request time.Duration
	once    bool
}

// cutRecords cuts records into lots of up to that many bytes, and of one at least.
func cutRecords(records []record, most int) [][]record {
	var lots [][]record
	begin, bytes := 0, 0
	for i := range records {
		size := records[i].size()
		if i > begin && bytes+size > most {
			lots = append(lots, records[begin:i])
			begin, bytes = i, 0
		}
		bytes += size
	}
	if begin < len(records) {
		lots = append(lots, records[begin:])
	}
	return lots
}

func (w *topicWriter) enter(bytes int64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.writing > 0 && w.writing+bytes > w.room {
		return false
	}
	w.writing += bytes
	return true
}

func (w *topicWriter) leave(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.writing -= bytes
}

// deliver writes records as one batch, to the partition that is wanted; if any is,
// to that whose turn it is, and where that fails to others, until ctx is done. It
// returns how many of the first ones were written.
func (w *topicWriter) deliver(ctx context.Context, p patience, wanted int, records []record) (int, error) {
	const least, most = 25 * time.Millisecond, 500 * time.Millisecond
	pause := least
	for {
		partition, err := wanted, error(nil)
		if wanted == anyPartition {
			partition, err = w.choose(ctx)
		}
		if err == nil && p.once {
			// Whether its leader can be reached is found out by a question that may be
			// asked again.
			err = w.answers(ctx, partition)
		}
		if err == nil {
			// A broker that hangs must leave time for another.
			err = w.produce(ctx, p.request, partition, records)
			if err != nil && p.once && !refused(err) {
				return 0, fmt.Errorf("write to topic %q: %w: %w", w.topic, errUnsure, err)
			}
		}
		if err == nil {
			return len(records), nil
		}
		switch kind := failureOf(err); {
		case kind == failedForGood:
			return 0, fmt.Errorf("write to topic %q: %w", w.topic, err)
		case kind == failedSize && len(records) > 1:
			half := len(records) / 2
			n, err := w.deliver(ctx, p, wanted, records[:half])
			if err != nil {
				return n, err
			}
			m, err := w.deliver(ctx, p, wanted, records[half:])
			return n + m, err
		case kind == failedSize:
			return 0, w.tooLarge(&records[0], err)
		case kind == failedForbidden:
			return 0, fmt.Errorf("%w: write to topic %q: %w", ErrUnavailable, w.topic, err)
		}
		if partition >= 0 {
			w.shun(partition)
		}
		select {
		case <-time.After(pause):
			pause = min(2*pause, most)
		case <-ctx.Done():
			return 0, fmt.Errorf("%w: write to topic %q: %w", ErrUnavailable, w.topic, err)
		}
	}
}

// tooLarge is the error for a record that a broker finds too large although the
// topic's settings were said to allow it. When they say otherwise now, or nobody
// may read them, what comes next is split smaller, and trying again is right.
func (w *topicWriter) tooLarge(r *record, err error) error {
	const least = 16 << 10
	w.relearn()
	known := *w.settings.Load()
	if r.size() <= w.least || known.described && w.limit().bytes < w.least {
		return fmt.Errorf("%w: %w", ErrUnavailable, &smallTopic{topic: w.topic, brokers: w.brokers, maxBytes: tooLittle(&known)})
	}
	if half := max(r.size()/2, w.least); !known.described && half > least {
		known.maxBytes = min(known.maxBytes, half+batchOverhead)
		w.settings.Store(&known)
	}
	if most := w.limit().bytes; most < r.size() {
		return fmt.Errorf("%w: topic %q takes records of %d bytes at most by now (max.message.bytes), and one has %d: sent again, they are made smaller, or put aside where that cannot be", ErrUnavailable, w.topic, most, r.size())
	}
	return fmt.Errorf("%w: write to topic %q: %w", ingest.ErrTooMuch, w.topic, err)
}

// tooLittle is how much a topic takes, where the brokers tell that it is too little for
// log lines; else 0.
func tooLittle(s *topicSettings) int {
	if s.described && s.maxBytes < leastMaxBytes {
		return s.maxBytes
	}
	return 0
}

// produce writes records to a partition.
func (w *topicWriter) produce(ctx context.Context, timeout time.Duration, partition int, records []record) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	sent := make([]kafkago.Record, len(records))
	for i, r := range records {
		sent[i] = kafkago.Record{Time: r.time, Key: kafkago.NewBytes(r.key), Value: kafkago.NewBytes(r.value), Headers: r.headers}
	}
	client := *w.client
	client.Timeout = timeout
	response, err := client.Produce(ctx, &kafkago.ProduceRequest{
		Topic: w.topic, Partition: partition, RequiredAcks: kafkago.RequireAll, Compression: kafkago.Zstd,
		Records: kafkago.NewRecordReader(sent...),
	})
	if err != nil {
		return err
	}
	return response.Error
}

// choose is the partition whose turn it is among those that have a leader and
// did not fail just now, or did so as well.
func (w *topicWriter) choose(ctx context.Context) (int, error) {
	metadata, err := w.client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{w.topic}})
	if err != nil {
		return -1, err
	}
	found := topicIn(metadata, w.topic)
	switch {
	case found == nil:
		return -1, kafkago.UnknownTopicOrPartition
	case found.Error != nil:
		return -1, found.Error
	case len(found.Partitions) == 0:
		return -1, kafkago.LeaderNotAvailable
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turn++
	first := -1
	for i := range found.Partitions {
		p := &found.Partitions[(w.turn+uint(i))%uint(len(found.Partitions))]
		if p.Error != nil {
			continue
		}
		if until, ok := w.shunned[p.ID]; !ok || w.now().After(until) {
			delete(w.shunned, p.ID)
			return p.ID, nil
		}
		if first < 0 {
			first = p.ID
		}
	}
	if first < 0 {
		return -1, kafkago.LeaderNotAvailable
	}
	return first, nil
}

// shun leaves a partition out for a moment.
func (w *topicWriter) shun(partition int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shunned[partition] = w.now().Add(2 * time.Second)
}
