package kafka

import (
	"fmt"
	"time"

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
		if err := p.add(event.Batch{Events: b.Events[i : i+1]}, "an event"); err != nil {
			return nil, err
		}
	}
	for i := range b.Observations {
		if err := p.add(event.Batch{Observations: b.Observations[i : i+1]}, "an alert"); err != nil {
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
// aside beside them.
func encodeLines(b *event.Batch, most limit, now time.Time) ([]record, error) {
	p := packer{most: most, time: recordTime(now)}
	for i := range b.Chunks {
		parts, err := splitChunk(&b.Chunks[i], partBytes(most.bytes))
		if err != nil {
			return nil, err
		}
		for j := range parts {
			if err := p.add(event.Batch{Chunks: parts[j : j+1]}, "a log line, with its labels,"); err != nil {
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
		return p.most.exceeded(what, size)
	}
	if len(p.value) > 0 && len(p.value)+alone.size() > min(recordBytes, p.most.bytes) {
		p.flush()
	}
	p.value = append(p.value, encoded...)
	return nil
}

func (p *packer) addAsides(b *event.Batch) error {
	for i := range b.Asides {
		if err := p.add(event.Batch{Asides: b.Asides[i : i+1]}, "an entry that was put aside"); err != nil {
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
