package e2e

import (
	"fmt"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// endOf is the offset behind the last record of a partition.
func endOf(t *testing.T, broker *kafkatest.Broker, topic string, partition int) int64 {
	t.Helper()
	p := kmsg.NewListOffsetsRequestTopicPartition()
	p.Partition, p.Timestamp = int32(partition), -1 // the end
	asked := kmsg.NewListOffsetsRequestTopic()
	asked.Topic, asked.Partitions = topic, []kmsg.ListOffsetsRequestTopicPartition{p}
	request := kmsg.NewPtrListOffsetsRequest()
	request.ReplicaID, request.Topics = -1, []kmsg.ListOffsetsRequestTopic{asked}
	response, err := request.RequestWith(t.Context(), broker.Client(t))
	if err != nil {
		t.Fatal(err)
	}
	got := response.Topics[0].Partitions[0]
	if err := kerr.ErrorForCode(got.ErrorCode); err != nil {
		t.Fatalf("the end of %s/%d: %v", topic, partition, err)
	}
	return got.Offset
}

// awaitCommitted waits until a group has consumed a partition up to an offset.
func awaitCommitted(t *testing.T, broker *kafkatest.Broker, group, topic string, partition int, want int64) {
	t.Helper()
	got := int64(0)
	defer func() {
		if t.Failed() {
			t.Logf("%s/%d is consumed up to %d", topic, partition, got)
		}
	}()
	wait(t, fmt.Sprintf("%s/%d is consumed up to %d", topic, partition, want), liveness, func() bool {
		offset, _, err := broker.Committed(t.Context(), group, topic, partition)
		got = max(offset, 0) // -1: nothing is committed
		return err == nil && got == want
	})
}

// recordsOf reads the first partition of a topic.
func recordsOf(t *testing.T, broker *kafkatest.Broker, topic string) []*kgo.Record {
	t.Helper()
	end := endOf(t, broker, topic, 0)
	client := broker.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {0: kgo.NewOffset().AtStart()}}))
	var records []*kgo.Record
	for int64(len(records)) < end {
		fetched := client.PollFetches(t.Context())
		if err := fetched.Err(); err != nil {
			t.Fatalf("read %s: %v", topic, err)
		}
		records = append(records, fetched.Records()...)
	}
	return records
}
