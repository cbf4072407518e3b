package kafka

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	kafkago "github.com/segmentio/kafka-go"
)

// leastMaxBytes is the smallest max.message.bytes of a topic for log lines: what
// a part of a chunk takes, with some room.
const leastMaxBytes = 300_000

// topicSettings is what is known of a topic that is written.
type topicSettings struct {
	// maxBytes is how large a batch of records may be.
	maxBytes   int
	partitions int
	// described says that the broker told the rest.
	described bool
	minInSync int
	replicas  int
	// retention is negative for ever, and retentionBytes, of each partition, when
	// there is no bound.
	retention      time.Duration
	retentionBytes int64
	compacted      bool
	unclean        bool
}

// defaultMaxBytes is Kafka's default of max.message.bytes, less a little.
const defaultMaxBytes = 1_000_000

// describeTopic asks what is known of a topic.
func describeTopic(ctx context.Context, client *kafkago.Client, topic string, brokers []string) (topicSettings, error) {
	metadata, err := client.Metadata(ctx, &kafkago.MetadataRequest{Topics: []string{topic}})
	if err != nil {
		return topicSettings{}, fmt.Errorf("%w: ask for topic %q: %w", ErrUnavailable, topic, err)
	}
	found := topicIn(metadata, topic)
	switch {
	case found == nil, errors.Is(found.Error, kafkago.UnknownTopicOrPartition):
		return topicSettings{}, &MissingTopic{Topic: topic, Brokers: brokers}
	case found.Error != nil:
		return topicSettings{}, fmt.Errorf("%w: ask for topic %q: %w", ErrUnavailable, topic, found.Error)
	}
	s := topicSettings{maxBytes: defaultMaxBytes, partitions: len(found.Partitions), retention: -1, retentionBytes: -1}
	for _, p := range found.Partitions {
		s.replicas = max(s.replicas, len(p.Replicas))
	}
	response, err := client.DescribeConfigs(ctx, &kafkago.DescribeConfigsRequest{Resources: []kafkago.DescribeConfigRequestResource{{
		ResourceType: kafkago.ResourceTypeTopic, ResourceName: topic,
		ConfigNames: []string{"max.message.bytes", "min.insync.replicas", "retention.ms", "retention.bytes", "cleanup.policy", "unclean.leader.election.enable"},
	}}})
	if err != nil {
		return topicSettings{}, fmt.Errorf("%w: ask for the settings of topic %q: %w", ErrUnavailable, topic, err)
	}
	for _, resource := range response.Resources {
		// Not being allowed to know is no reason not to write.
		s.described = s.described || resource.Error == nil
		for _, entry := range resource.ConfigEntries {
			s.set(entry.ConfigName, entry.ConfigValue)
		}
	}
	return s, nil
}

func (s *topicSettings) set(name, value string) {
	n, err := strconv.ParseInt(value, 10, 64)
	number := err == nil
	switch {
	case name == "cleanup.policy":
		s.compacted = strings.Contains(value, "compact")
	case name == "unclean.leader.election.enable":
		s.unclean = value == "true"
	case !number:
	case name == "max.message.bytes" && n > 0:
		s.maxBytes = int(min(n, 1<<30))
	case name == "min.insync.replicas":
		s.minInSync = int(n)
	case name == "retention.ms" && n >= 0:
		s.retention = time.Duration(min(n, int64(1<<53)/1000)) * time.Millisecond
	case name == "retention.bytes":
		s.retentionBytes = n
	}
}

// dangers are the ways in which records could be lost that were acknowledged,
// when consumers are down for as long as was promised to be no harm.
func (s *topicSettings) dangers(outage time.Duration) []string {
	if !s.described {
		return []string{"the brokers do not tell the topic's settings (grant DescribeConfigs on the topic): whether they are safe is not known, and records are kept below " + strconv.Itoa(defaultMaxBytes) + " bytes"}
	}
	var list []string
	add := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	switch {
	case s.replicas == 1:
		add("the topic has one replica: when its broker's disk is lost, so are they; a replication factor of 3 with min.insync.replicas=2 survives it")
	case s.minInSync > s.replicas:
		add("min.insync.replicas is %d of %d replicas: nothing can be written", s.minInSync, s.replicas)
	case s.minInSync <= 1:
		add("min.insync.replicas is %d: a record is acknowledged when a single replica has it; set 2, with 3 replicas", s.minInSync)
	}
	if s.unclean {
		add("unclean.leader.election.enable is true: a replica that lacks records may become the leader; set it to false")
	}
	if s.maxBytes < leastMaxBytes {
		add("max.message.bytes is %d: a larger fact is put aside, or refused when nothing comes with it; set %d or more", s.maxBytes, leastMaxBytes)
	}
	if s.retention >= 0 && s.retention < outage {
		add("retention.ms keeps records for %s, and consumers may be down for %s (kafka.forward_topics.outage)", s.retention, outage)
	}
	if s.retentionBytes >= 0 {
		rate := float64(s.retentionBytes) * float64(s.partitions) / outage.Seconds()
		add("retention.bytes keeps %d bytes of each of %d partitions: an outage of %s (kafka.forward_topics.outage) is survived up to %.3g bytes a second", s.retentionBytes, s.partitions, outage, rate)
	}
	return list
}

func topicIn(metadata *kafkago.MetadataResponse, topic string) *kafkago.Topic {
	for i := range metadata.Topics {
		if metadata.Topics[i].Name == topic {
			return &metadata.Topics[i]
		}
	}
	return nil
}
