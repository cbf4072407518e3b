package kafka

import (
	"testing"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }
