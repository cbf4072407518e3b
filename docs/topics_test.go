package docs

import (
	"strings"
	"testing"

	"github.com/hindcast/hindcast/ingest/kafka"
)

// TestTopicCommands holds that the page makes topics as errors say that they should
// be made.
func TestTopicCommands(t *testing.T) {
	page := strings.Join(strings.Fields(strings.ReplaceAll(read(t, "kafka.md"), "\\\n", " ")), " ")
	for topic, use := range map[string]kafka.TopicUse{
		"app-logs": kafka.ForLines, "alertmanager": kafka.ForFacts, "hindcast-dead-letters": kafka.ForDeadLetters,
	} {
		if want := kafka.CreateTopic([]string{"kafka-1:9092"}, topic, use, 0); !strings.Contains(page, want) {
			t.Errorf("docs/kafka.md does not make %s with: %s", topic, want)
		}
	}
}
