package kafka

import (
	"errors"
	"fmt"
	"time"

	"github.com/hindcast/hindcast/ingest"
	"github.com/hindcast/hindcast/ingest/envelope"
	"github.com/hindcast/hindcast/ingest/event"
)

// recordBytes is how large records are made, where one fact is not larger.
const recordBytes = 512 << 10

// encodeFacts makes records of everything in a batch but log lines and what was
// put aside beside them.
func encodeFacts(b *event.Batch, most limit, now time.Time) ([]record, error) {
	p := packer{most: most, time: recordTime(now)}
	for i := range b.Events {
		if err := p.addEvent(b.Events[i]); err != nil {
			return nil, err
		}
	}
	for i := range b.Observations {
		if err := p.addObservation(b.Observations[i]); err != nil {
			return nil, err
		}
	}
	if len(b.Chunks) == 0 {
		if err := p.addAsides(b); err != nil {
			return nil, err
		}
	}
	return p.finish(), nil
}

// encodeLines makes records of the log lines in a batch, and of what was put
// aside beside them. It wraps [ErrUnavailable] when the topic takes too little
// for what a chunk is split into: no other way of splitting it would be right. The
// brokers are for the error only.
func encodeLines(b *event.Batch, most limit, brokers []string, now time.Time) ([]record, error) {
	if len(b.Chunks) > 0 && most.bytes < leastMaxBytes-batchOverhead {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, &smallTopic{topic: most.topic, brokers: brokers, maxBytes: most.bytes + batchOverhead})
	}
	p := packer{most: most, time: recordTime(now)}
	for i := range b.Chunks {
		parts, err := splitChunk(&b.Chunks[i], partBytes)
		if err != nil {
			return nil, err
		}
		for j := range parts {
			if err := p.addPart(parts[j]); err != nil {
				return nil, err
			}
		}
	}
	if len(b.Chunks) > 0 {
		if err := p.addAsides(b); err != nil {
			return nil, err
		}
	}
	return p.finish(), nil
}

// recordTime is the time of a record: now, rounded up to what Kafka keeps of a
// time. What was received is not received after its record then.
func recordTime(now time.Time) time.Time {
	cut := now.Truncate(time.Millisecond)
	if cut.Before(now) {
		cut = cut.Add(time.Millisecond)
	}
	return cut
}

// packer joins encoded facts into records: a protobuf message that follows
// another adds to its lists.
type packer struct {
	most    limit
	time    time.Time
	records []record
	value   []byte
}

// add adds facts that cannot be divided.
func (p *packer) add(b event.Batch, what string) error {
	encoded, err := envelope.EncodeProto(b)
	if err != nil {
		return fmt.Errorf("write facts for Kafka: %w", err)
	}
	alone := record{value: encoded}
	if size := alone.size(); size > p.most.bytes {
		return &ingest.TooLarge{
			Reason: fmt.Sprintf("%s takes %d bytes, and the topic %q takes records of %d at most (max.message.bytes)", what, size, p.most.topic, p.most.bytes),
			Remedy: fmt.Sprintf("Raise max.message.bytes of Kafka's topic %q above %d, or send less with each: less at once does not help.", p.most.topic, size+batchOverhead),
		}
	}
	if len(p.value) > 0 && len(p.value)+alone.size() > min(recordBytes, p.most.bytes) {
		p.flush()
	}
	p.value = append(p.value, encoded...)
	return nil
}

// addEvent adds an event. One that is too large goes with the beginning of its
// payload only: a webhook's payload tells of alerts that are there beside it, and
// a sender that is refused loses them all.
func (p *packer) addEvent(e event.Event) error {
	err := p.add(event.Batch{Events: []event.Event{e}}, "an event")
	if errors.Is(err, ingest.ErrTooMuch) && len(e.Raw) > keptOfRaw {
		e.Raw = e.Raw[:keptOfRaw]
		err = p.add(event.Batch{Events: []event.Event{e}}, "an event")
	}
	return err
}

// addObservation adds a sighting of an alert, as addEvent does.
func (p *packer) addObservation(o event.Observation) error {
	what := nameOf(&o)
	err := p.add(event.Batch{Observations: []event.Observation{o}}, what)
	if errors.Is(err, ingest.ErrTooMuch) && len(o.Raw) > keptOfRaw {
		o.Raw = o.Raw[:keptOfRaw]
		err = p.add(event.Batch{Observations: []event.Observation{o}}, what)
	}
	return err
}

// addPart adds a part of a chunk, which a single line makes too large if anything
// does.
func (p *packer) addPart(c event.Chunk) error {
	return p.add(event.Batch{Chunks: []event.Chunk{c}}, "a log line, with its labels,")
}

// keptOfRaw is how much stays of a payload that is too large with its fact, in
// bytes.
const keptOfRaw = 16 << 10

// addAsides adds what was put aside: without its payload where a topic takes very
// little, so that it is in nobody's way.
func (p *packer) addAsides(b *event.Batch) error {
	const what = "an entry that was put aside"
	for i := range b.Asides {
		a := b.Asides[i]
		err := p.add(event.Batch{Asides: []event.Aside{a}}, what)
		if errors.Is(err, ingest.ErrTooMuch) {
			a.Raw = nil
			err = p.add(event.Batch{Asides: []event.Aside{a}}, what)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *packer) flush() {
	if len(p.value) > 0 {
		p.records = append(p.records, record{value: p.value, time: p.time})
		p.value = nil
	}
}

func (p *packer) finish() []record {
	p.flush()
	return p.records
}
