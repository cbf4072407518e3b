package kafkatest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/cmd/child"
)

// Broker is a real Kafka broker in a process of its own: one node in KRaft mode.
// Its methods may be called concurrently, but for Kill, Stop, Restart, Freeze and
// Thaw.
type Broker struct {
	Admin
	options Options
	scratch string // removed by Close; "" when the caller gave the folder
	at      addresses
	secure  *Secure
	process *child.Process
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
// Close ends it. The error is a *component.Unavailable when no broker can run on
// this machine.
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
		if err := b.chooseAddresses(); err != nil {
			return err
		}
		if err := b.prepare(ctx, from); err != nil {
			return err
		}
		if failed = b.launch(ctx); failed == nil || ctx.Err() != nil {
			return failed
		}
		if err := b.process.Kill(); err != nil {
			return errors.Join(failed, err)
		}
	}
	return failed
}

func (b *Broker) chooseAddresses() error {
	free, err := child.FreeAddresses(6)
	if err != nil {
		return err
	}
	b.at = addresses{plain: free[0], controller: free[1], tls: free[2], mutual: free[3], sasl: free[4], saslTLS: free[5]}
	b.addr = b.at.plain
	if b.secure != nil {
		b.secure.use(b.at)
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
	if err := b.process.Start(); err != nil {
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
	return b.process.Ready(ctx, func(ctx context.Context) error { return answers(ctx, client) })
}

// Close ends the broker, and removes its folder if Options named none.
func (b *Broker) Close() error {
	var err error
	if b.process != nil {
		if b.scratch != "" {
			err = b.process.Kill() // nobody reads its data again
		} else {
			err = b.process.Stop(stopTimeout)
		}
	}
	if b.scratch != "" {
		err = errors.Join(err, os.RemoveAll(b.scratch))
	}
	return err
}

const stopTimeout = 30 * time.Second

// Kill ends the broker at once, as kill -9 does, and waits until it has ended.
func (b *Broker) Kill() error { return b.process.Kill() }

// Stop ends the broker in order: it hands over what it leads and says so to its
// clients. Restart starts it again.
func (b *Broker) Stop() error { return b.process.Stop(stopTimeout) }

// Restart starts the broker again, on the same folder and the same addresses,
// and waits until it answers. One that still runs is killed before.
func (b *Broker) Restart(ctx context.Context) error {
	if err := b.Kill(); err != nil {
		return err
	}
	return b.launch(ctx)
}

// Freeze stops the broker as SIGSTOP does: connections stay, nothing answers.
func (b *Broker) Freeze() error { return b.process.Freeze() }

// Thaw lets a frozen broker go on.
func (b *Broker) Thaw() error { return b.process.Thaw() }

// Pid is the broker's process id.
func (b *Broker) Pid() int { return b.process.Pid() }

// Dir is the folder of the broker's data.
func (b *Broker) Dir() string { return b.options.Dir }

// Log is the beginning and the end of what the broker said.
func (b *Broker) Log() string { return b.process.Said() }

// Secure is what clients need for the listeners with TLS and SASL, nil without
// Options.Secure.
func (b *Broker) Secure() *Secure { return b.secure }
