package kafka

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// When no broker can be reached, senders are told long before the time is over that
// an answer may take; and what comes after the outage is taken.
func TestForwarderSaysSoonThatKafkaIsAway(t *testing.T) {
	fake := kafkatest.NewFake(t)
	r := newForwardRig(t, &fake.Admin, 1, safe)
	r.options.AlertTimeout, r.options.LogTimeout = time.Hour, time.Hour
	r.start(t)
	facts := event.Batch{Events: []event.Event{message(1)}}
	lines := event.Batch{Chunks: []event.Chunk{counted(event.Chunk{
		ID: event.ChunkID{1}, ReceivedAt: noon, Road: event.RoadLoki, Streams: []event.Stream{{Service: "payments"}}, Lines: []event.Line{{At: noon, Text: "x"}},
	})}}
	for _, batch := range []event.Batch{facts, lines} {
		if err := r.Append(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
	}
	_, port, err := net.SplitHostPort(fake.Addr())
	if err != nil {
		t.Fatal(err)
	}
	number, err := net.LookupPort("tcp", port)
	if err != nil {
		t.Fatal(err)
	}
	fake.Cluster.Close()
	for range 3 {
		for what, batch := range map[string]event.Batch{"facts": facts, "lines": lines} {
			if err := r.Append(t.Context(), batch); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "no broker can be reached") {
				t.Errorf("%s without a broker: error is %v", what, err)
			}
		}
	}
	topics := r.options.Config.ForwardTopics
	kafkatest.NewFake(t, kfake.Ports(number), kfake.SeedTopics(1, topics.Alerts, topics.Logs))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, batch := range []event.Batch{facts, lines} {
		for err := r.Append(ctx, batch); err != nil; err = r.Append(ctx, batch) {
			if !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
				t.Fatalf("with a broker again: %v", err)
			}
		}
	}
	if away := r.reach.awayFor(); away != 0 {
		t.Errorf("the brokers are said to be away for %s", away)
	}
}

// A connection that a caller gave up says nothing of a broker; one that failed does
// until any broker is heard.
func TestReach(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	refused := errors.New("connection refused")
	var fails error
	r := &reach{dial: func(context.Context, string, string) (net.Conn, error) { return near, fails }}
	gone, giveUp := context.WithCancel(t.Context())
	giveUp()
	fails = context.Canceled
	if _, err := r.connect(gone, "tcp", "x"); err == nil || r.awayFor() != 0 {
		t.Errorf("after a connection that was given up: error %v, away for %s", err, r.awayFor())
	}
	fails = refused
	if _, err := r.connect(t.Context(), "tcp", "x"); !errors.Is(err, refused) || r.awayFor() == 0 {
		t.Errorf("after a connection that failed: error %v, away for %s", err, r.awayFor())
	}
	ctx, done := r.while(t.Context(), time.Nanosecond)
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errAway) {
		t.Errorf("an append ends for %v", cause)
	}
	done()
	fails = nil
	conn, err := r.connect(t.Context(), "tcp", "x")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if r.awayFor() == 0 {
		t.Error("a connection alone is taken for an answer")
	}
	go func() { _, _ = far.Write([]byte("x")) }()
	if _, err := conn.Read(make([]byte, 1)); err != nil || r.awayFor() != 0 {
		t.Errorf("after an answer: error %v, away for %s", err, r.awayFor())
	}
}
