package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// Broker is a real Kafka broker in a process of its own: one node in KRaft mode.
// Its methods may be called concurrently, but for Kill, Stop, Restart, Freeze and
// Thaw.
type Broker struct {
	Admin
	options Options
	scratch string // removed by Close; "" when the caller gave the folder
	ports   ports
	secure  *Secure
	process *process
}

// Options say how a broker is started. The zero value is a good one.
type Options struct {
	// Dir holds the data. Empty: a new folder, removed when the broker is closed.
	Dir string
	// Secure adds listeners with TLS and SASL: see Broker.Secure.
	Secure bool
	// Properties are further lines of server.properties; they win over ours.
	Properties map[string]string
	// JVM are further flags of java, such as -Xmx1g; they win over ours.
	JVM []string
}

// Run starts a broker without a test, for commands, and waits until it answers.
// Close ends it. The error is an *Unavailable when no broker can run on this
// machine.
func Run(ctx context.Context, o Options) (*Broker, error) {
	from, err := find()
	if err != nil {
		return nil, err
	}
	b := &Broker{options: o}
	if o.Dir == "" {
		dir, err := os.MkdirTemp("", "hindcast-kafka-")
		if err != nil {
			return nil, fmt.Errorf("make the broker's folder: %w", err)
		}
		b.scratch, b.options.Dir = dir, dir
	}
	if b.options.Dir, err = filepath.Abs(b.options.Dir); err != nil {
		return nil, fmt.Errorf("find the broker's folder: %w", err)
	}
	if err := b.first(ctx, from); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// first prepares the folder and starts the broker for the first time. Another
// process may take a port between its choice and its use: then it is tried again
// with others.
func (b *Broker) first(ctx context.Context, from installed) error {
	if err := os.MkdirAll(b.options.Dir, 0o700); err != nil {
		return fmt.Errorf("make the broker's folder: %w", err)
	}
	if b.options.Secure {
		secure, err := newSecure(b.options.Dir)
		if err != nil {
			return err
		}
		b.secure = secure
	}
	var failed error
	for range 3 {
		if err := b.choosePorts(); err != nil {
			return err
		}
		if err := b.prepare(ctx, from); err != nil {
			return err
		}
		if failed = b.launch(ctx); failed == nil || ctx.Err() != nil {
			return failed
		}
		if err := b.process.kill(); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

func (b *Broker) choosePorts() error {
	chosen, err := choosePorts()
	if err != nil {
		return err
	}
	b.ports = chosen
	b.addr = loopback(chosen.plain)
	if b.secure != nil {
		b.secure.use(chosen)
	}
	return nil
}

// startTimeout is how long a broker may take until it answers.
const startTimeout = 2 * time.Minute

// launch starts the process, again or for the first time, and waits until it
// answers.
func (b *Broker) launch(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := b.process.start(ctx); err != nil {
		return err
	}
	return b.ready(ctx)
}

// ready waits until the broker answers and has registered itself: before that,
// no topic can be made and no group has a coordinator.
func (b *Broker) ready(ctx context.Context) error {
	client, err := b.client(kgo.RequestRetries(0))
	if err != nil {
		return err
	}
	defer client.Close()
	for {
		err := answers(ctx, client)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the broker: %w", err)
		case <-b.process.done():
			return fmt.Errorf("the broker ended while it started: %s", b.process.logTail())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Close ends the broker, and removes its folder if Options named none.
func (b *Broker) Close() error {
	var err error
	if b.process != nil {
		if b.scratch != "" {
			err = b.process.kill() // nobody reads its data again
		} else {
			err = b.process.stop(stopTimeout)
		}
	}
	if b.scratch != "" {
		err = errors.Join(err, os.RemoveAll(b.scratch))
	}
	return err
}

const stopTimeout = 30 * time.Second

// Kill ends the broker at once, as kill -9 does, and waits until it has ended.
func (b *Broker) Kill() error { return b.process.kill() }

// Stop ends the broker in order: it hands over what it leads and says so to its
// clients. Restart starts it again.
func (b *Broker) Stop() error { return b.process.stop(stopTimeout) }

// Restart starts the broker again, on the same folder and the same addresses,
// and waits until it answers. One that still runs is killed before.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.Kill(); err != nil {
		return err
	}
	return b.launch(ctx)
}

// Freeze stops the broker as SIGSTOP does: connections stay, nothing answers.
func (b *Broker) Freeze() error {
	if err := freeze(b.process); err != nil {
		return fmt.Errorf("freeze the broker: %w", err)
	}
	return nil
}

// Thaw lets a frozen broker go on.
func (b *Broker) Thaw() error {
	if err := thaw(b.process); err != nil {
		return fmt.Errorf("thaw the broker: %w", err)
	}
	return nil
}

// Pid is the broker's process id.
func (b *Broker) Pid() int { return b.process.pid() }

// Dir is the folder of the broker's data and log.
func (b *Broker) Dir() string { return b.options.Dir }

// Log is the end of what the broker said.
func (b *Broker) Log() string { return b.process.logTail() }

// Secure is what clients need for the listeners with TLS and SASL, nil without
// Options.Secure.
func (b *Broker) Secure() *Secure { return b.secure }
