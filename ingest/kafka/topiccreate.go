package kafka

import (
	"fmt"
	"strings"
	"time"
)

// TopicUse is what a topic is for, by which it is made. The zero TopicUse is
// ForDeadLetters.
type TopicUse uint8

// The uses.
const (
	ForDeadLetters TopicUse = iota
	ForFacts
	ForLines
)

// topicAdvice is how topics are made that nobody has measured yet, by their use.
var topicAdvice = [...]struct {
	partitions int
	retention  time.Duration
}{
	ForDeadLetters: {3, 30 * 24 * time.Hour},
	ForFacts:       {3, 7 * 24 * time.Hour},
	ForLines:       {24, 2 * 24 * time.Hour},
}

// CreateTopic is the command that makes a topic as it should be. Records are kept
// for twice as long as consumers may be down, outage, at least; zero is no bound.
func CreateTopic(brokers []string, topic string, use TopicUse, outage time.Duration) string {
	a := topicAdvice[use]
	return fmt.Sprintf("kafka-topics.sh --bootstrap-server %s --create --topic %s --partitions %d"+
		" --replication-factor 3 --config min.insync.replicas=2 --config retention.ms=%d",
		strings.Join(brokers, ","), topic, a.partitions, max(a.retention, 2*outage).Milliseconds())
}

// MissingTopic is the error for a topic that must exist and does not.
type MissingTopic struct {
	Topic string
	// Brokers are where it was looked for.
	Brokers []string
	// Use is what it is for.
	Use TopicUse
	// Outage is how long its consumers must be able to be down; zero where that is
	// not known.
	Outage time.Duration
}

func (e *MissingTopic) Error() string {
	return fmt.Sprintf("topic %q does not exist; create it, as with: %s", e.Topic, CreateTopic(e.Brokers, e.Topic, e.Use, e.Outage))
}

// smallTopic is the error for a topic of log lines that takes too little.
type smallTopic struct {
	topic   string
	brokers []string
	// maxBytes is 0 when it is not known.
	maxBytes int
}

func (e *smallTopic) Error() string {
	has := "is smaller"
	if e.maxBytes > 0 {
		has = fmt.Sprintf("is %d", e.maxBytes)
	}
	return fmt.Sprintf("topic %q cannot take log lines: its max.message.bytes %s; set it to %d or more, as with: "+
		"kafka-configs.sh --bootstrap-server %s --alter --topic %s --add-config max.message.bytes=1048588",
		e.topic, has, leastMaxBytes, strings.Join(e.brokers, ","), e.topic)
}
