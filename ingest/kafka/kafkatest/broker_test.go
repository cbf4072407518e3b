package kafkatest_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"github.com/hindcast/hindcast/cmd/child/component"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

func TestMain(m *testing.M) { kafkatest.Main(m) }

// within bounds what waits for the broker.
func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func produce(t *testing.T, client *kgo.Client, topic string, partition int32, values ...string) {
	t.Helper()
	for _, value := range values {
		record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
		if err := client.ProduceSync(within(t), record).FirstErr(); err != nil {
			t.Fatalf("produce %d bytes to %s/%d: %.200v", len(value), topic, partition, err)
		}
	}
}

// read returns the first n values of a partition from an offset on.
func read(t *testing.T, a *kafkatest.Admin, topic string, partition int32, from int64, n int) []string {
	t.Helper()
	client := a.Client(t, kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().At(from)}}))
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %d of %s/%d from %d on: %v", n, topic, partition, from, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}

func TestTopics(t *testing.T) {
	t.Run("broker", func(t *testing.T) { testTopics(t, &kafkatest.Shared(t).Admin) })
	t.Run("fake", func(t *testing.T) { testTopics(t, &kafkatest.NewFake(t).Admin) })
}

// testTopics is what the real broker and the one in the process both do.
func testTopics(t *testing.T, a *kafkatest.Admin) {
	topic := a.Topic(t, 2, map[string]string{"max.message.bytes": "2000000"})
	client := a.Client(t, kgo.ProducerBatchMaxBytes(2_000_000), kgo.ProducerBatchCompression(kgo.NoCompression()))
	produce(t, client, topic, 1, "a", "", strings.Repeat("b", 1_500_000))
	if got := read(t, a, topic, 1, 0, 3); len(got) != 3 || got[0] != "a" || got[1] != "" || len(got[2]) != 1_500_000 {
		t.Errorf("read %d values, want a, nothing and 1.5 MB", len(got))
	}

	if err := a.DeleteRecords(t.Context(), topic, 1, 2); err != nil {
		t.Fatal(err)
	}
	if got := read(t, a, topic, 1, 2, 1); len(got[0]) != 1_500_000 {
		t.Errorf("after the deletion of what is below 2 the record there has %d bytes", len(got[0]))
	}

	if err := a.AddPartitions(t.Context(), topic, 4); err != nil {
		t.Fatal(err)
	}
	produce(t, a.Client(t), topic, 3, "new")
	if got := read(t, a, topic, 3, 0, 1); got[0] != "new" {
		t.Errorf("the added partition holds %q, want new", got[0])
	}

	if err := a.Configure(t.Context(), topic, map[string]string{"retention.ms": "1000000"}); err != nil {
		t.Error(err)
	}
	before, err := a.TopicID(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.CreateTopic(t.Context(), topic, 1, nil); !errors.Is(err, kerr.TopicAlreadyExists) {
		t.Errorf("a topic that is there was created again: %v", err)
	}
	if err := a.DeleteTopic(t.Context(), topic); err != nil {
		t.Fatal(err)
	}
	if err := a.CreateTopic(t.Context(), topic, 1, nil); err != nil {
		t.Fatal(err)
	}
	after, err := a.TopicID(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	if before == after || len(after) != 32 {
		t.Errorf("the topic's ID was %s and is %s after it was created again", before, after)
	}
}

func TestCommitted(t *testing.T) {
	b := kafkatest.Shared(t)
	topic, group := b.Topic(t, 1, nil), kafkatest.Name(t)
	produce(t, b.Client(t), topic, 0, "a", "b")
	if offset, _, err := b.Committed(within(t), group, topic, 0); err != nil || offset != -1 {
		t.Errorf("an unknown group has committed %d, %v; want -1", offset, err)
	}
	client := b.Client(t, kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.DisableAutoCommit())
	for read := 0; read < 2; {
		fetches := client.PollFetches(within(t))
		if err := fetches.Err(); err != nil {
			t.Fatal(err)
		}
		read += fetches.NumRecords()
	}
	if err := client.CommitUncommittedOffsets(within(t)); err != nil {
		t.Fatal(err)
	}
	if offset, _, err := b.Committed(within(t), group, topic, 0); err != nil || offset != 2 {
		t.Errorf("the group has committed %d, %v; want 2", offset, err)
	}
}

func TestKillRestartFreeze(t *testing.T) {
	var dir string
	t.Run("broker", func(t *testing.T) {
		b := kafkatest.Start(t, kafkatest.Options{})
		dir = b.Dir()
		testKillRestartFreeze(t, b)
	})
	if _, err := os.Stat(dir); dir != "" && !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the folder of a broker that was closed is still there: %v", err)
	}
}

func testKillRestartFreeze(t *testing.T, b *kafkatest.Broker) {
	topic := b.Topic(t, 1, nil)
	addr, pid := b.Addr(), b.Pid()
	client := b.Client(t)
	produce(t, client, topic, 0, "before")

	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	dead, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.Configure(dead, topic, map[string]string{"retention.ms": "1000000"}); err == nil {
		t.Error("a killed broker answered")
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if b.Addr() != addr || b.Pid() == pid {
		t.Errorf("after a restart: address %s, pid %d; want %s and not %d", b.Addr(), b.Pid(), addr, pid)
	}
	produce(t, client, topic, 0, "after the kill")

	if err := b.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	produce(t, client, topic, 0, "after the stop")

	if err := b.Freeze(); err != nil {
		t.Fatal(err)
	}
	frozen, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := b.Configure(frozen, topic, map[string]string{"retention.ms": "1000000"}); err == nil {
		t.Error("a frozen broker answered")
	}
	if err := b.Thaw(); err != nil {
		t.Fatal(err)
	}
	produce(t, client, topic, 0, "after the frost")

	want := []string{"before", "after the kill", "after the stop", "after the frost"}
	if got := read(t, &b.Admin, topic, 0, 0, len(want)); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("the topic holds %q, want %q", got, want)
	}
}

func TestSecure(t *testing.T) {
	b := kafkatest.Start(t, kafkatest.Options{Secure: true})
	s := b.Secure()
	topic := b.Topic(t, 1, nil)
	produce(t, b.Client(t), topic, 0, "first") // it has producer IDs to give now

	trusting := s.Config()
	trusting.Certificates = nil
	userPass := plain.Auth{User: s.Username, Pass: s.Password}
	scramAuth := scram.Auth{User: s.Username, Pass: s.Password}
	wrong := scram.Auth{User: s.Username, Pass: "wrong"}
	for _, test := range []struct {
		name    string
		addr    string
		tls     *tls.Config
		sasl    sasl.Mechanism
		refused bool
	}{
		{name: "TLS", addr: s.TLS, tls: trusting},
		{name: "TLS that trusts another", addr: s.TLS, tls: &tls.Config{MinVersion: tls.VersionTLS12}, refused: true},
		{name: "mutual TLS", addr: s.Mutual, tls: s.Config()},
		{name: "mutual TLS without a certificate", addr: s.Mutual, tls: trusting, refused: true},
		{name: "PLAIN", addr: s.SASL, sasl: userPass.AsMechanism()},
		{name: "SCRAM-SHA-256", addr: s.SASL, sasl: scramAuth.AsSha256Mechanism()},
		{name: "SCRAM-SHA-512", addr: s.SASLTLS, tls: trusting, sasl: scramAuth.AsSha512Mechanism()},
		{name: "SCRAM with a wrong password", addr: s.SASL, sasl: wrong.AsSha256Mechanism(), refused: true},
		{name: "OAUTHBEARER", addr: s.SASLTLS, tls: trusting, sasl: oauth.Auth{Token: s.Token(time.Hour)}.AsMechanism()},
		{name: "OAUTHBEARER that expired", addr: s.SASL, sasl: oauth.Auth{Token: s.Token(-time.Minute)}.AsMechanism(), refused: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			options := []kgo.Opt{kgo.SeedBrokers(test.addr), kgo.RequestRetries(0), kgo.RecordRetries(0)}
			if test.tls != nil {
				options = append(options, kgo.DialTLSConfig(test.tls))
			}
			if test.sasl != nil {
				options = append(options, kgo.SASL(test.sasl))
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			err := b.Client(t, options...).ProduceSync(ctx, &kgo.Record{Topic: topic, Value: []byte(test.name)}).FirstErr()
			if (err != nil) != test.refused {
				t.Errorf("producing says %v; want it refused: %v", err, test.refused)
			}
		})
	}
}

func TestUnavailable(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"jars": {"HINDCAST_TEST_KAFKA": t.TempDir()},
		"java": {"PATH": t.TempDir(), "JAVA_HOME": ""},
	} {
		t.Run(name, func(t *testing.T) {
			kafkatest.Shared(t) // skips where there is none
			for key, value := range env {
				t.Setenv(key, value)
			}
			_, err := kafkatest.Run(t.Context(), kafkatest.Options{})
			if unavailable := new(component.Unavailable); !errors.As(err, &unavailable) || !strings.Contains(err.Error(), name) {
				t.Errorf("without %s the error is %v", name, err)
			}
		})
	}
}

func TestDirIsKept(t *testing.T) {
	kafkatest.Shared(t) // skips where there is none
	dir := t.TempDir()
	first, err := kafkatest.Run(t.Context(), kafkatest.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	topic := first.Topic(t, 1, nil)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	second := kafkatest.Start(t, kafkatest.Options{Dir: dir})
	if _, err := second.TopicID(within(t), topic); err != nil {
		t.Errorf("a topic is not in a folder that was used before: %v", err)
	}
}
