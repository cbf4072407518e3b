package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hindcast/hindcast/cmd/child"
	"github.com/hindcast/hindcast/cmd/child/load"
	"github.com/hindcast/hindcast/ingest/kafka/kafkatest"
	"github.com/hindcast/hindcast/storage/clickhouse/enginetest"
)

// soak is one run.
type soak struct {
	*load.Progress
	plan plan
	out  io.Writer // takes the result

	broker    *kafkatest.Broker
	engine    *enginetest.Engine
	consumers []*child.Process
	producer  *producer
	faults    faults
}

const (
	database    = "hindcast"
	group       = "hindcast-soak"
	deadLetters = "soak-dead-letters"
)

// errWrong says that what is stored is not what was produced.
var errWrong = errors.New("what is stored is not what was produced")

// print prints a line of the result.
func (s *soak) print(format string, args ...any) {
	fmt.Fprintf(s.out, format+"\n", args...)
}

// run starts all parts in a folder and soaks.
func (s *soak) run(ctx context.Context, binary, dir string) (err error) {
	if s.engine, err = enginetest.Run(ctx, enginetest.Options{Dir: filepath.Join(dir, "engine")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.engine.Close()) }()
	if s.broker, err = kafkatest.Run(ctx, kafkatest.Options{Dir: filepath.Join(dir, "kafka")}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.broker.Close()) }()
	if err := s.makeTopics(ctx); err != nil {
		return err
	}
	if err := s.startConsumers(binary, dir); err != nil {
		return errors.Join(err, s.stopConsumers())
	}
	err = s.soak(ctx)
	err = errors.Join(err, s.stopConsumers())
	if err != nil {
		s.showLogs()
	}
	return err
}

func (s *soak) makeTopics(ctx context.Context) error {
	topics := s.plan.spread()
	for topic, partitions := range topics {
		if err := s.broker.CreateTopic(ctx, topic, partitions, nil); err != nil {
			return err
		}
	}
	return s.broker.CreateTopic(ctx, deadLetters, 1, nil)
}

func (s *soak) startConsumers(binary, dir string) error {
	config := filepath.Join(dir, "hindcast.yml")
	text := fmt.Sprintf(`kafka:
  brokers: ['%s']
  group: %s
  dead_letters: %s
  session_timeout: %v
  rebalance_timeout: %v
  heartbeat_interval: %v
  topics:
    - {name: %s, format: json-lines}
    - {name: %s, format: prometheus}
    - {name: %s, format: deploys}
`, s.broker.Addr(), group, deadLetters, s.plan.session, s.plan.session, s.plan.session/6, linesTopic, alertsTopic, deploysTopic)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	for i := range s.plan.consumers {
		c, err := newConsumer(fmt.Sprintf("consumer %d", i+1), binary, s.engine.DSN(database), config)
		if err != nil {
			return err
		}
		if err := c.Start(); err != nil {
			return err
		}
		s.consumers = append(s.consumers, c)
	}
	return nil
}

func (s *soak) stopConsumers() error {
	var errs []error
	for _, c := range s.consumers {
		errs = append(errs, stopConsumer(c))
	}
	return errors.Join(errs...)
}

func (s *soak) showLogs() {
	for _, c := range s.consumers {
		s.Say("%s said:\n%s", c.Name, c.Said())
	}
}

// soak produces and disturbs until everything is consumed, and checks.
func (s *soak) soak(ctx context.Context) (err error) {
	made := messages{plan: s.plan, from: time.Now().Truncate(time.Second).Add(-time.Duration(s.plan.messages) * time.Millisecond)}
	if s.producer, err = newProducer(s.broker.Addr(), made); err != nil {
		return err
	}
	defer s.producer.client.Close()

	disturbing, calm := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.disturb(disturbing); err != nil {
			calm(err)
		}
	})
	began := time.Now()
	consumed, err := s.flow(disturbing, began)
	if fault := context.Cause(disturbing); err != nil && fault != nil {
		err = fault
	}
	calm(nil)
	wg.Wait()
	if err != nil {
		return err
	}
	s.print("%s messages produced and consumed in %.0f s, %s/s; faults: %s", count(s.plan.messages), consumed.Seconds(), count(int(float64(s.plan.messages)/consumed.Seconds())), &s.faults)
	return s.verify(ctx, made.truth())
}

// flow produces all messages and waits until they are consumed. It returns how
// long that took.
func (s *soak) flow(ctx context.Context, began time.Time) (time.Duration, error) {
	s.Say("producing %s messages, %s a second", count(s.plan.messages), count(s.plan.rate))
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go s.watch(watching)
	if err := s.producer.run(ctx); err != nil {
		return 0, err
	}
	s.Say("produced everything in %.1f s", time.Since(began).Seconds())
	limit, cancel := context.WithTimeoutCause(ctx, s.plan.limit, fmt.Errorf("not everything was consumed %v after the last message", s.plan.limit))
	defer cancel()
	for {
		if lag, err := s.lag(limit); err == nil && lag == 0 {
			s.Say("consumed everything")
			return time.Since(began), nil
		}
		if !pause(limit, 200*time.Millisecond) {
			return 0, context.Cause(limit)
		}
	}
}

// watch tells how far it is until ctx is done.
func (s *soak) watch(ctx context.Context) {
	for pause(ctx, 5*time.Second) {
		if lag, err := s.lag(ctx); err == nil {
			s.Say("%s messages are produced, of which %s are left", count(int(s.producer.done.Load())), count(int(lag)))
		}
	}
}

// lag is how many messages are not passed by a commit. It is an error while the
// broker is away.
func (s *soak) lag(ctx context.Context) (lag int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for topic, ends := range s.producer.written() {
		for partition, end := range ends {
			offset, _, err := s.broker.Committed(ctx, group, topic, partition)
			if err != nil {
				return 0, err
			}
			lag += end - max(offset, 0) // -1: nothing is committed
		}
	}
	return lag, nil
}

// count writes a number with separators.
func count(n int) string {
	text := fmt.Sprint(n)
	var b strings.Builder
	for i, digit := range text {
		if i > 0 && (len(text)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}
