package kafkatest

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Fake is a broker inside the test process, which starts in no time: for tests
// of what any broker does. It is no measure of rebalances, restarts and offsets.
type Fake struct {
	Admin
	// Cluster injects faults and tells what the broker holds.
	Cluster *kfake.Cluster
}

// NewFake starts a broker in this process and ends it when the test ends.
func NewFake(tb testing.TB, o ...kfake.Opt) *Fake {
	tb.Helper()
	cluster, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1)}, o...)...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(cluster.Close)
	return &Fake{Admin: Admin{addr: cluster.ListenAddrs()[0]}, Cluster: cluster}
}
