package kafkatest

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Admin makes, changes and deletes topics, of a Broker or of a Fake. It uses
// another client library than hindcast does, so that both cannot be wrong in the
// same way. Errors of Kafka are those of kerr.
type Admin struct{ addr string }

// Addr is the host:port of the broker's plain listener.
func (a *Admin) Addr() string { return a.addr }

// client is a client of this broker.
func (a *Admin) client(o ...kgo.Opt) (*kgo.Client, error) {
	client, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(a.addr),
		kgo.MetadataMinAge(10 * time.Millisecond),
		kgo.RetryTimeout(adminTimeout),
	}, o...)...)
	if err != nil {
		return nil, fmt.Errorf("make a Kafka client: %w", err)
	}
	return client, nil
}

// adminTimeout is how long a call may take, a broker that starts included.
const adminTimeout = time.Minute

const adminMillis = int32(adminTimeout / time.Millisecond)

// do sends one request.
func (a *Admin) do(ctx context.Context, do func(context.Context, *kgo.Client) error) error {
	ctx, cancel := context.WithTimeout(ctx, adminTimeout)
	defer cancel()
	client, err := a.client()
	if err != nil {
		return err
	}
	defer client.Close()
	return do(ctx, client)
}

// CreateTopic makes a topic, with settings such as cleanup.policy, and waits
// until all its partitions have a leader.
func (a *Admin) CreateTopic(ctx context.Context, name string, partitions int, settings map[string]string) error {
	return a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		topic := kmsg.NewCreateTopicsRequestTopic()
		topic.Topic, topic.NumPartitions, topic.ReplicationFactor = name, int32(partitions), 1
		for key, value := range settings {
			config := kmsg.NewCreateTopicsRequestTopicConfig()
			config.Name, config.Value = key, kmsg.StringPtr(value)
			topic.Configs = append(topic.Configs, config)
		}
		request := kmsg.NewPtrCreateTopicsRequest()
		request.TimeoutMillis, request.Topics = adminMillis, []kmsg.CreateTopicsRequestTopic{topic}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("create topic %q: %w", name, err)
		}
		for _, t := range response.Topics {
			if err := failure(t.ErrorCode, t.ErrorMessage); err != nil {
				return fmt.Errorf("create topic %q: %w", name, err)
			}
		}
		return waitForTopic(ctx, client, name, func(t *kmsg.MetadataResponseTopic) bool { return led(t, partitions) })
	})
}

// DeleteTopic deletes a topic and waits until it is gone.
func (a *Admin) DeleteTopic(ctx context.Context, name string) error {
	return a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		request := kmsg.NewPtrDeleteTopicsRequest()
		topic := kmsg.NewDeleteTopicsRequestTopic()
		topic.Topic = kmsg.StringPtr(name)
		request.TimeoutMillis, request.TopicNames = adminMillis, []string{name}
		request.Topics = []kmsg.DeleteTopicsRequestTopic{topic}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("delete topic %q: %w", name, err)
		}
		for _, t := range response.Topics {
			if err := failure(t.ErrorCode, t.ErrorMessage); err != nil {
				return fmt.Errorf("delete topic %q: %w", name, err)
			}
		}
		return waitForTopic(ctx, client, name, func(t *kmsg.MetadataResponseTopic) bool {
			return errors.Is(kerr.ErrorForCode(t.ErrorCode), kerr.UnknownTopicOrPartition)
		})
	})
}

// AddPartitions makes a topic have that many partitions in all, which is more
// than it has, and waits until all have a leader.
func (a *Admin) AddPartitions(ctx context.Context, name string, inAll int) error {
	return a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		topic := kmsg.NewCreatePartitionsRequestTopic()
		topic.Topic, topic.Count = name, int32(inAll)
		request := kmsg.NewPtrCreatePartitionsRequest()
		request.TimeoutMillis, request.Topics = adminMillis, []kmsg.CreatePartitionsRequestTopic{topic}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("add partitions to topic %q: %w", name, err)
		}
		for _, t := range response.Topics {
			if err := failure(t.ErrorCode, t.ErrorMessage); err != nil {
				return fmt.Errorf("add partitions to topic %q: %w", name, err)
			}
		}
		return waitForTopic(ctx, client, name, func(t *kmsg.MetadataResponseTopic) bool { return led(t, inAll) })
	})
}

// Configure changes settings of a topic, such as max.message.bytes.
func (a *Admin) Configure(ctx context.Context, name string, settings map[string]string) error {
	return a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		resource := kmsg.NewIncrementalAlterConfigsRequestResource()
		resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeTopic, name
		for key, value := range settings {
			config := kmsg.NewIncrementalAlterConfigsRequestResourceConfig()
			config.Name, config.Value = key, kmsg.StringPtr(value)
			resource.Configs = append(resource.Configs, config)
		}
		request := kmsg.NewPtrIncrementalAlterConfigsRequest()
		request.Resources = []kmsg.IncrementalAlterConfigsRequestResource{resource}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("configure topic %q: %w", name, err)
		}
		for _, r := range response.Resources {
			if err := failure(r.ErrorCode, r.ErrorMessage); err != nil {
				return fmt.Errorf("configure topic %q: %w", name, err)
			}
		}
		return nil
	})
}

// DeleteRecords deletes the records of a partition below an offset, as retention
// does. -1 deletes all.
func (a *Admin) DeleteRecords(ctx context.Context, name string, partition int, below int64) error {
	return a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		p := kmsg.NewDeleteRecordsRequestTopicPartition()
		p.Partition, p.Offset = int32(partition), below
		topic := kmsg.NewDeleteRecordsRequestTopic()
		topic.Topic, topic.Partitions = name, []kmsg.DeleteRecordsRequestTopicPartition{p}
		request := kmsg.NewPtrDeleteRecordsRequest()
		request.TimeoutMillis, request.Topics = adminMillis, []kmsg.DeleteRecordsRequestTopic{topic}
		response, err := request.RequestWith(ctx, client)
		if err != nil {
			return fmt.Errorf("delete records of topic %q: %w", name, err)
		}
		for _, t := range response.Topics {
			for _, p := range t.Partitions {
				if err := failure(p.ErrorCode, nil); err != nil {
					return fmt.Errorf("delete records of topic %q: %w", name, err)
				}
			}
		}
		return nil
	})
}

// TopicID is the ID that a topic has in this life of it, as 32 hex digits.
func (a *Admin) TopicID(ctx context.Context, name string) (id string, err error) {
	err = a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		return waitForTopic(ctx, client, name, func(t *kmsg.MetadataResponseTopic) bool {
			id = hex.EncodeToString(t.TopicID[:])
			return t.ErrorCode == 0
		})
	})
	return id, err
}

// Committed is what a group has committed for a partition: the offset, -1 when
// there is none, and the metadata beside it.
func (a *Admin) Committed(ctx context.Context, group, name string, partition int) (offset int64, metadata string, err error) {
	err = a.do(ctx, func(ctx context.Context, client *kgo.Client) error {
		for {
			offset, metadata, err = committed(ctx, client, group, name, partition)
			if err == nil || !kerr.IsRetriable(err) {
				return err
			}
			select { // the group's coordinator is on its way
			case <-ctx.Done():
				return err
			case <-time.After(10 * time.Millisecond):
			}
		}
	})
	return offset, metadata, err
}

func committed(ctx context.Context, client *kgo.Client, group, name string, partition int) (offset int64, metadata string, err error) {
	topic := kmsg.NewOffsetFetchRequestTopic()
	topic.Topic, topic.Partitions = name, []int32{int32(partition)}
	request := kmsg.NewPtrOffsetFetchRequest()
	request.Group, request.Topics = group, []kmsg.OffsetFetchRequestTopic{topic}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return -1, "", fmt.Errorf("read what group %q committed: %w", group, err)
	}
	if err := kerr.ErrorForCode(response.ErrorCode); err != nil {
		return -1, "", fmt.Errorf("read what group %q committed: %w", group, err)
	}
	offset = -1
	for _, t := range response.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return -1, "", fmt.Errorf("read what group %q committed: %w", group, err)
			}
			offset = p.Offset
			if p.Metadata != nil {
				metadata = *p.Metadata
			}
		}
	}
	return offset, metadata, nil
}

// waitForTopic asks for a topic's metadata until they are as wanted.
func waitForTopic(ctx context.Context, client *kgo.Client, name string, wanted func(*kmsg.MetadataResponseTopic) bool) error {
	for {
		topic, err := describe(ctx, client, name)
		if err == nil && wanted(topic) {
			return nil
		}
		if err == nil {
			err = kerr.ErrorForCode(topic.ErrorCode)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for topic %q: %w", name, errors.Join(context.Cause(ctx), err))
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func describe(ctx context.Context, client *kgo.Client, name string) (*kmsg.MetadataResponseTopic, error) {
	asked := kmsg.NewMetadataRequestTopic()
	asked.Topic = kmsg.StringPtr(name)
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{asked}
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(response.Topics) != 1 {
		return nil, fmt.Errorf("asked for one topic, got %d", len(response.Topics))
	}
	return &response.Topics[0], nil
}

// led reports whether a topic has that many partitions, all with a leader.
func led(t *kmsg.MetadataResponseTopic, partitions int) bool {
	if t.ErrorCode != 0 || len(t.Partitions) != partitions {
		return false
	}
	for _, p := range t.Partitions {
		if p.ErrorCode != 0 || p.Leader < 0 {
			return false
		}
	}
	return true
}

// answers reports whether the broker serves clients.
func answers(ctx context.Context, client *kgo.Client) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request := kmsg.NewPtrMetadataRequest()
	request.Topics = []kmsg.MetadataRequestTopic{} // none, not all
	response, err := request.RequestWith(ctx, client)
	if err != nil {
		return fmt.Errorf("ask the broker: %w", err)
	}
	if len(response.Brokers) == 0 {
		return errors.New("ask the broker: it has not registered itself yet")
	}
	return nil
}

// failure is the error of a code, with what the broker says beside it.
func failure(code int16, message *string) error {
	err := kerr.ErrorForCode(code)
	if err != nil && message != nil {
		return fmt.Errorf("%w (%s)", err, *message)
	}
	return err
}
