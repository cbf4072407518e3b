package kafkatest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/hindcast/hindcast/cmd/child/component"
)

var shared = component.Shared[*Broker]{Name: "the broker", Run: func(ctx context.Context) (*Broker, error) { return Run(ctx, Options{}) }}

// Shared is the one broker of this test process, without security. The first
// call starts it, Main ends it. Where none can run the test is skipped with the
// reason, and fails when CI=true. Tests share it by Admin.Topic; one that kills or
// freezes a broker takes one of its own by Start.
func Shared(tb testing.TB) *Broker {
	tb.Helper()
	return shared.Get(tb)
}

// Main runs the tests, ends the shared broker and exits: a package that uses
// Shared calls it from TestMain.
func Main(m *testing.M) { os.Exit(Finish(m.Run())) }

// Finish ends the shared broker and returns the exit code that a TestMain exits
// with: for one that has more to do than Main does.
func Finish(code int) int { return shared.Finish(code) }

// Start starts a broker of the test's own, with a process and a folder of its
// own, and ends it when the test ends. Its log is shown when the test failed.
func Start(tb testing.TB, o Options) *Broker {
	tb.Helper()
	b, err := Run(context.Background(), o)
	component.Need(tb, err)
	component.Own(tb, "the broker", b)
	return b
}

// topics counts those made by Admin.Topic.
var topics atomic.Int64

// Topic makes a topic with a name of its own that begins with the test's, and
// returns the name. Settings may be nil.
func (a *Admin) Topic(tb testing.TB, partitions int, settings map[string]string) string {
	tb.Helper()
	name := Name(tb)
	if err := a.CreateTopic(tb.Context(), name, partitions, settings); err != nil {
		tb.Fatal(err)
	}
	return name
}

// Name is a name that no other call returns, for a topic or a group.
func Name(tb testing.TB) string {
	const most = 100
	name := []byte(tb.Name())
	for i, c := range name {
		if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", rune(c)) {
			name[i] = '-'
		}
	}
	return fmt.Sprintf("%s-%d", name[:min(len(name), most)], topics.Add(1))
}

// Client is a franz-go client of the broker, closed when the test ends. Its
// records go to the partition that each names.
func (a *Admin) Client(tb testing.TB, o ...kgo.Opt) *kgo.Client {
	tb.Helper()
	client, err := a.client(append([]kgo.Opt{kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0)}, o...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}
