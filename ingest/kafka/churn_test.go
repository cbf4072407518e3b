package kafka

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// TestExactThroughChurn has members come and go, and the broker with them,
// while records are written. Each line is counted once at the end.
func TestExactThroughChurn(t *testing.T) {
	broker := kafkatest.Start(t, kafkatest.Options{})
	topic := broker.Topic(t, 6, nil)
	r := newRig(t, &broker.Admin, Topic{Name: topic, Format: "loki-json"})
	r.options.Config.BatchRecords = 50
	random := rand.New(rand.NewPCG(1, 2))
	var delayed sync.Mutex
	r.fail = func(ctx context.Context) error {
		delayed.Lock()
		d := time.Duration(random.IntN(20)) * time.Millisecond
		delayed.Unlock()
		pause(ctx, d)
		return ctx.Err()
	}
	stops := []func(){r.start(t), r.start(t), r.start(t)}

	const total = 12_000
	client := broker.Client(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.UnknownTopicRetries(-1))
	var sent sync.WaitGroup
	sent.Go(func() {
		for i := range total {
			client.Produce(context.Background(), &kgo.Record{Topic: topic, Partition: int32(i % 6), Value: []byte(lokiBody("payments", fmt.Sprintf("line %d", i)))}, func(_ *kgo.Record, err error) {
				if err != nil {
					t.Errorf("send: %v", err)
				}
			})
			if i%400 == 399 {
				time.Sleep(400 * time.Millisecond)
			}
		}
		_ = client.Flush(context.Background())
	})
	for round := range 6 {
		time.Sleep(1500 * time.Millisecond)
		stops[round%3]()
		stops[round%3] = r.start(t)
		switch round {
		case 2:
			if err := broker.Kill(); err != nil {
				t.Fatal(err)
			}
			if err := broker.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
		case 4:
			if err := broker.Freeze(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(3 * time.Second)
			if err := broker.Thaw(); err != nil {
				t.Fatal(err)
			}
		}
	}
	sent.Wait()
	eventually(t, strconv.Itoa(total)+" lines", func() bool { return len(r.lines()) >= total })
	for p := range 6 {
		eventually(t, "the last commit", func() bool {
			offset, _, err := broker.Committed(t.Context(), r.options.Config.Group, topic, p)
			return err == nil && offset == total/6
		})
	}
	twice := 0
	for _, n := range r.lines() {
		if n != 1 {
			twice++
		}
	}
	if twice > 0 {
		t.Errorf("%d lines are counted more than once", twice)
	}
}
