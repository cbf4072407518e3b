package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// onKafka holds log lines that come from a real Kafka broker against the same ones
// over HTTP, in pushes of the same bytes, into ClickHouse. The broker's part of
// the work is in the figures, what the producers do is not: the lines lie in the
// topic before.
type onKafka struct {
	*onClickHouse
	broker *kafkatest.Broker
	kafka  *kgo.Client
	pushes []preparedPush
	// ends are the offsets behind the last record, by partition.
	ends map[int32]int64
}

const (
	kafkaTopic      = "bench-lines"
	kafkaPartitions = 12
)

func (b *onKafka) run(ctx context.Context) error {
	return b.beside(ctx, func() (err error) {
		b.broker, err = kafkatest.Run(ctx, kafkatest.Options{Dir: filepath.Join(b.launch.dir, "kafka")})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, b.broker.Close()) }()
		b.kafka, err = kgo.NewClient(kgo.SeedBrokers(b.broker.Addr()), kgo.RecordPartitioner(kgo.RoundRobinPartitioner()),
			kgo.ProducerBatchCompression(kgo.NoCompression())) // a push is compressed
		if err != nil {
			return fmt.Errorf("connect to the broker: %w", err)
		}
		defer b.kafka.Close()
		return b.inTurn(ctx)
	})
}

// road is a way of lines to the store.
type road struct {
	name string
	// config is what the road needs in the section kafka of the configuration.
	config string
	// measure brings all lines to the store and says how long it took.
	measure func(ctx context.Context, group string) (time.Duration, error)
}

// inTurn measures both roads, some times, and compares the medians.
func (b *onKafka) inTurn(ctx context.Context) error {
	n := b.size.pushed / linesPerPush
	b.report.Say("preparing %s pushes", number1(n))
	const perSecond = 150_000
	from := time.Now().Add(-time.Second * time.Duration(b.size.pushed) / perSecond)
	b.pushes = prepare(n, func(i int) time.Time { return from.Add(time.Second * time.Duration(i*linesPerPush) / perSecond) })
	if err := b.produce(ctx); err != nil {
		return err
	}
	rates := map[string][]float64{}
	roads := []road{
		{name: "http", measure: b.overHTTP},
		{name: "kafka", measure: b.overKafka, config: fmt.Sprintf("  topics: [{name: %s, format: loki}]\n", kafkaTopic)},
	}
	for round := range b.size.rounds {
		for _, one := range roads {
			rate, err := b.over(ctx, one, fmt.Sprintf("%s_%d", one.name, round))
			if err != nil {
				return fmt.Errorf("over %s: %w", one.name, err)
			}
			rates[one.name] = append(rates[one.name], rate)
		}
		slices.Reverse(roads) // neither is always the first
	}
	ratios := make([]float64, b.size.rounds)
	for i := range ratios {
		ratios[i] = rates["kafka"][i] / rates["http"][i]
	}
	how := fmt.Sprintf("%s against %s lines/s, medians of %d in turn; ratios of the rounds %s to %s; %s lines, %d a message, %d partitions",
		number(median(rates["kafka"])), number(median(rates["http"])), b.size.rounds, number(slices.Min(ratios)), number(slices.Max(ratios)),
		number1(b.size.pushed), linesPerPush, kafkaPartitions)
	b.report.atLeast("log lines from Kafka to ClickHouse against HTTP", median(rates["kafka"])/median(rates["http"]), 0.9, "", how)
	return nil
}

// produce puts all pushes into the topic.
func (b *onKafka) produce(ctx context.Context) error {
	if err := b.broker.CreateTopic(ctx, kafkaTopic, kafkaPartitions, nil); err != nil {
		return err
	}
	if err := b.broker.CreateTopic(ctx, "bench-dead-letters", 1, nil); err != nil {
		return err
	}
	b.ends = map[int32]int64{}
	for some := range slices.Chunk(b.pushes, 100) {
		records := make([]*kgo.Record, len(some))
		for i := range some {
			records[i] = &kgo.Record{Topic: kafkaTopic, Value: some[i].body}
		}
		for _, r := range b.kafka.ProduceSync(ctx, records...) {
			if r.Err != nil {
				return fmt.Errorf("produce: %w", r.Err)
			}
			b.ends[r.Record.Partition] = max(b.ends[r.Record.Partition], r.Record.Offset+1)
		}
	}
	return nil
}

// over measures one road, with a database and a consumer group of that name, and
// returns lines a second. The servers of both do the same beside: all roles.
func (b *onKafka) over(ctx context.Context, one road, name string) (float64, error) {
	config := filepath.Join(b.launch.dir, name+".yml")
	text := fmt.Sprintf("kafka:\n  brokers: ['%s']\n  group: %s\n  dead_letters: bench-dead-letters\n%s", b.broker.Addr(), name, one.config)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return 0, fmt.Errorf("write the configuration: %w", err)
	}
	b.launch.store, b.launch.args = b.engine.DSN(name), []string{"--config.file=" + config}
	var took time.Duration
	err := b.serving(ctx, func(ctx context.Context) (err error) {
		before := b.server.read()
		if took, err = one.measure(ctx, name); err != nil {
			return err
		}
		b.report.Say("%s: %s lines/s; %s", name, number(float64(b.size.pushed)/took.Seconds()), between(before, b.server.read()))
		return b.complete(ctx, name)
	})
	if err != nil {
		return 0, err
	}
	if _, err := b.engine.Rows(ctx, "DROP DATABASE "+name+" SYNC"); err != nil {
		return 0, err
	}
	return float64(b.size.pushed) / took.Seconds(), b.settle(ctx)
}

// complete wants all lines to be there.
func (b *onKafka) complete(ctx context.Context, name string) error {
	lines, err := b.number(ctx, "SELECT sum(n) FROM "+name+".v_log_counts")
	if err != nil {
		return err
	}
	if want := int64(len(b.pushes) * linesPerPush); lines != want {
		return fmt.Errorf("%d lines are there, want %d", lines, want)
	}
	return nil
}

// overHTTP pushes everything to a server that is ready.
func (b *onKafka) overHTTP(ctx context.Context, _ string) (time.Duration, error) {
	began := time.Now()
	err := b.logs.send(ctx, b.pushes, manyShippers)
	return time.Since(began), err
}

// overKafka waits until everything is consumed, from when the server has got its
// partitions.
func (b *onKafka) overKafka(ctx context.Context, group string) (time.Duration, error) {
	if err := b.until(ctx, "it has its partitions", func() (bool, error) {
		metrics, err := b.client.get(ctx, "/metrics", "")
		return assigned.Match(metrics.body), err
	}); err != nil {
		return 0, err
	}
	began := time.Now()
	err := b.until(ctx, "it has consumed everything", func() (bool, error) { return b.consumed(ctx, group) })
	return time.Since(began), err
}

var assigned = regexp.MustCompile(`(?m)^hindcast_kafka_assigned_partitions [1-9]`)

// consumed reports whether a group has committed the ends of all partitions.
func (b *onKafka) consumed(ctx context.Context, group string) (bool, error) {
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = kafkaTopic, slices.Collect(maps.Keys(b.ends))
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group, request.Topics = group, []kmsg.OffsetFetchRequestTopic{topic}
	response, err := request.RequestWith(ctx, b.kafka)
	if err != nil {
		return false, fmt.Errorf("ask for the committed offsets: %w", err)
	}
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return false, fmt.Errorf("ask for the committed offsets: %w", err)
			}
			if p.Offset < b.ends[p.Partition] {
				return false, nil
			}
		}
	}
	return true, nil
}

// consumeWithin bounds the wait for a consumer.
const consumeWithin = 5 * time.Minute

// until polls a condition of the server.
func (b *onKafka) until(ctx context.Context, what string, ok func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, consumeWithin)
	defer cancel()
	for {
		switch is, err := ok(); {
		case err != nil:
			return err
		case is:
			return nil
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-b.server.Done():
			return fmt.Errorf("wait until %s: it ended: %s", what, b.server.Said())
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, ctx.Err())
		}
	}
}
