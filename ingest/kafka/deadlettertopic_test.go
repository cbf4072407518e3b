package kafka

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
)

// That dead letters cannot be kept is said at the start, and not at the first of them.
func TestTellsThatDeadLettersCannotBeKept(t *testing.T) {
	fake := kafkatest.NewFake(t)
	const says = "dead letters cannot be kept"
	for name, test := range map[string]struct{ topic, want string }{
		"missing":   {"absent", `kafka-topics.sh --bootstrap-server ` + fake.Addr() + ` --create --topic absent --partitions 3 --replication-factor 3 --config min.insync.replicas=2 --config retention.ms=2592000000`},
		"compacted": {fake.Topic(t, 1, map[string]string{"cleanup.policy": "compact"}), "set its cleanup.policy to delete"},
		"fine":      {fake.Topic(t, 1, nil), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, &fake.Admin, Topic{Name: fake.Topic(t, 1, nil), Format: "deploys"})
			r.options.Config.DeadLetters = test.topic
			if test.want == "" {
				r.options.Logger = slog.New(slog.NewTextHandler(r.log, nil))
				c, err := New(r.options)
				if err != nil {
					t.Fatal(err)
				}
				l, err := newLink(&r.options.Config, []string{test.topic})
				if err != nil {
					t.Fatal(err)
				}
				defer l.close()
				c.checkDeadLetters(t.Context(), l)
				if log := r.log.String(); strings.Contains(log, says) {
					t.Errorf("the log warns:\n%s", log)
				}
				return
			}
			stop := r.start(t)
			defer stop()
			for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
				log := r.log.String()
				if strings.Contains(log, says) && strings.Contains(log, test.want) {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("the log lacks %q with %q:\n%s", says, test.want, log)
				}
			}
		})
	}
}
