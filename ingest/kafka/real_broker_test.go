package kafka_test

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/kafka"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// The broker is not there when the consumers start; it is killed under load and
// comes again; then it is frozen for longer than the group's time-outs.
func TestRealBrokerRestart(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t, kafkatest.Options{})
	factTopic, lineTopic := broker.Topic(t, 2, nil), broker.Topic(t, 2, nil)
	c := config(t, broker.Addr(), kafka.Topic{Name: factTopic, Format: facts}, kafka.Topic{Name: lineTopic, Format: lines})
	c.RequestTimeout = time.Second
	store := newMemory()
	if err := broker.Stop(); err != nil {
		t.Fatal(err)
	}
	first, second := consume(t, store, c), consume(t, store, c)
	first.waitLog(t, "connection refused")
	if err := broker.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []string
	round := func(name string, trouble func()) {
		factLoad := startLoad(t, broker.Client(t), name+"-f", map[string]int{factTopic: 2}, fact)
		lineLoad := startLoad(t, broker.Client(t), name+"-l", map[string]int{lineTopic: 2}, pushOne)
		trouble()
		want = append(append(want, factLoad.stop()...), lineLoad.stop()...)
		store.waitFor(t, name, want)
	}
	round("calm", func() { second.waitMetric(t, 2, "hindcast_kafka_assigned_partitions") })
	round("killed", func() {
		if err := broker.Kill(); err != nil {
			t.Fatal(err)
		}
		if err := broker.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	round("frozen", func() {
		if err := broker.Freeze(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * time.Second) // longer than the session
		if err := broker.Thaw(); err != nil {
			t.Fatal(err)
		}
	})
}
