package kafka

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// countUntil is how many records a topic holds once it holds a last one.
func (r *letterRig) countUntil(t *testing.T, last string) (n int) {
	t.Helper()
	client := r.broker.Client(t, kgo.ConsumeTopics(r.source), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.RecordPartitioner(kgo.ManualPartitioner()))
	end := &kgo.Record{Topic: r.source, Partition: 3, Value: []byte(last)}
	if err := client.ProduceSync(t.Context(), end).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		for _, record := range fetches.Records() {
			if string(record.Value) == last {
				return n
			}
			n++
		}
	}
}

// A record that was sent and not acknowledged may have been written: it is not sent
// again, and said to be redriven perhaps.
func TestRedriveSendsNothingTwice(t *testing.T) {
	t.Run("no answer in time", func(t *testing.T) {
		fake := kafkatest.NewFake(t)
		r := newLetterRig(t, &fake.Admin)
		r.put(t, letter("slow"))
		letters, _ := r.scan(t, time.Time{})
		given := make(chan struct{})
		written := make(chan struct{})
		write := sync.OnceFunc(func() { close(written) })
		fake.Cluster.ControlKey(kmsg.Produce.Int16(), func(kreq kmsg.Request) (kmsg.Response, error, bool) {
			request, ok := kreq.(*kmsg.ProduceRequest)
			if !ok || len(request.Topics) != 1 || request.Topics[0].Topic != r.source {
				fake.Cluster.KeepControl()
				return nil, nil, false
			}
			fake.Cluster.SleepControl(func() { <-given })
			fake.Cluster.KeepControl()
			write()
			return nil, nil, false // it is written now, and nobody waits for the answer
		})
		r.timeout = time.Second
		sum, err := r.Redrive(t.Context(), []Place{letters["slow"].Place}, func(int) {})
		close(given)
		<-written
		var failed *RedriveError
		if !errors.As(err, &failed) || failed.Outcome != PerhapsWritten || failed.Letters != 1 || failed.Topic != r.source || sum.Written != 0 {
			t.Errorf("redrove %+v with error %v, want that one was perhaps written", sum, err)
		}
		if n := r.countUntil(t, "end"); n != 1 {
			t.Errorf("its topic holds it %d times, want once", n)
		}
		if _, said := r.scan(t, time.Time{}); said["slow"] != PerhapsRedriven {
			t.Errorf("it is redriven: %v, want perhaps", said["slow"])
		}
	})
	for name, c := range map[string]struct {
		err     *kerr.Error
		outcome RedriveOutcome
		written int
		state   Redriven
		holds   int
	}{
		"replicas were too slow":           {kerr.RequestTimedOut, PerhapsWritten, 0, PerhapsRedriven, 1},
		"replicas were lost after it":      {kerr.NotEnoughReplicasAfterAppend, PerhapsWritten, 0, PerhapsRedriven, 1},
		"its leader ceased to be one":      {kerr.NotLeaderForPartition, PerhapsWritten, 0, PerhapsRedriven, 0},
		"an error without a name":          {kerr.UnknownServerError, PerhapsWritten, 0, PerhapsRedriven, 0},
		"refused for good":                 {kerr.InvalidRecord, NotWritten, 0, PerhapsRedriven, 0},
		"too few replicas, for a moment":   {kerr.NotEnoughReplicas, NotWritten, 1, WasRedriven, 1},
		"it has no leader, for a moment":   {kerr.LeaderNotAvailable, NotWritten, 1, WasRedriven, 1},
		"the topic is not there, just now": {kerr.UnknownTopicOrPartition, NotWritten, 1, WasRedriven, 1},
	} {
		t.Run(name, func(t *testing.T) {
			fake := kafkatest.NewFake(t)
			r := newLetterRig(t, &fake.Admin)
			r.put(t, letter("x"))
			letters, _ := r.scan(t, time.Time{})
			fault := fake.Cluster.Fault(kfake.Fault{Topic: r.source, Keys: []kmsg.Key{kmsg.Produce}, Err: c.err})
			sum, err := r.Redrive(t.Context(), []Place{letters["x"].Place}, func(int) {})
			var failed *RedriveError
			if errors.As(err, &failed) != (c.written == 0) || failed != nil && failed.Outcome != c.outcome || sum.Written != c.written || fault.Hits() != 1 {
				t.Errorf("redrove %+v with error %v, want %d written", sum, err, c.written)
			}
			if _, said := r.scan(t, time.Time{}); said["x"] != c.state {
				t.Errorf("it is redriven: %v, want %v", said["x"], c.state)
			}
			if n := r.countUntil(t, "end"); n != c.holds {
				t.Errorf("its topic holds it %d times, want %d", n, c.holds)
			}
		})
	}
}

// A mark may be written twice, and so is tried again.
func TestRedriveTriesMarksAgain(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newLetterRig(t, &fake.Admin)
	r.put(t, letter("x"))
	letters, _ := r.scan(t, time.Time{})
	fault := fake.Cluster.Fault(kfake.Fault{Topic: r.topic, Keys: []kmsg.Key{kmsg.Produce}, Err: kerr.RequestTimedOut, Count: 2})
	if sum, err := r.Redrive(t.Context(), []Place{letters["x"].Place}, func(int) {}); err != nil || sum.Written != 1 || fault.Hits() != 2 {
		t.Errorf("redrove %+v with error %v", sum, err)
	}
	if n := r.countUntil(t, "end"); n != 1 {
		t.Errorf("its topic holds it %d times, want once", n)
	}
}
