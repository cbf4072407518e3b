package main

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// producer produces the messages at a steady pace, each once: it is idempotent and
// waits for the broker as long as it takes.
type producer struct {
	client   *kgo.Client
	messages messages
	// done is how many were acknowledged.
	done atomic.Int64

	mu sync.Mutex
	// ends are the offsets behind the last record, by topic and partition.
	ends map[string]map[int]int64
	err  error
}

func newProducer(broker string, m messages) (*producer, error) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker), kgo.RequiredAcks(kgo.AllISRAcks()), kgo.ProducerLinger(5*time.Millisecond),
		kgo.ProducerBatchCompression(kgo.Lz4Compression(), kgo.NoCompression()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()))
	if err != nil {
		return nil, fmt.Errorf("connect to the broker: %w", err)
	}
	return &producer{client: client, messages: m, ends: map[string]map[int]int64{}}, nil
}

// run produces all messages and returns when the broker has all of them.
func (p *producer) run(ctx context.Context) error {
	const step = 10 * time.Millisecond
	ticker := time.NewTicker(step)
	defer ticker.Stop()
	began := time.Now()
	for n := 0; n < p.messages.plan.messages; {
		due := min(int(time.Since(began).Seconds()*float64(p.messages.plan.rate)), p.messages.plan.messages)
		for ; n < due; n++ {
			one := p.messages.at(n)
			p.client.Produce(ctx, &kgo.Record{Topic: one.topic, Value: one.body}, p.acknowledged)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err := p.client.Flush(ctx); err != nil {
		return fmt.Errorf("produce: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err != nil {
		return fmt.Errorf("produce: %w", p.err)
	}
	return nil
}

func (p *producer) acknowledged(r *kgo.Record, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.err = err
		return
	}
	if p.ends[r.Topic] == nil {
		p.ends[r.Topic] = map[int]int64{}
	}
	p.ends[r.Topic][int(r.Partition)] = max(p.ends[r.Topic][int(r.Partition)], r.Offset+1)
	p.done.Add(1)
}

// written are the offsets behind the last record, by topic and partition.
func (p *producer) written() map[string]map[int]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	ends := make(map[string]map[int]int64, len(p.ends))
	for topic, of := range p.ends {
		ends[topic] = maps.Clone(of)
	}
	return ends
}

// end is the offset behind the last record of a topic's first partition.
func (p *producer) end(ctx context.Context, topic string) (int64, error) {
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Timestamp = -1 // the end
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic, asked.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{partition}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.Topics = -1, []kmsg.ListOffsetsRequestTopic{asked}
	response, err := request.RequestWith(ctx, p.client)
	if err != nil {
		return 0, fmt.Errorf("ask for the end of %s: %w", topic, err)
	}
	got := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		return 0, fmt.Errorf("ask for the end of %s: %w", topic, err)
	}
	return got.Offset, nil
}
