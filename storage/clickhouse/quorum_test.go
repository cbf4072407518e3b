package clickhouse

import (
	"context"
	"errors"
	"testing"

	"github.com/ClickHouse/clickhouse-go/v2"
)

func TestInTurn(t *testing.T) {
	pending, other := &clickhouse.Exception{Code: codeQuorumPending}, errors.New("other")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx     context.Context
		answers []error
		want    error
		calls   int
	}{
		"at once":   {t.Context(), []error{nil}, nil, 1},
		"third":     {t.Context(), []error{pending, pending, nil}, nil, 3},
		"other":     {t.Context(), []error{pending, other}, other, 2},
		"cancelled": {ended, []error{pending, pending}, pending, 1},
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			err := inTurn(c.ctx, func() error { calls++; return c.answers[calls-1] })
			if !errors.Is(err, c.want) || calls != c.calls {
				t.Errorf("got error %v after %d calls, want %v after %d", err, calls, c.want, c.calls)
			}
		})
	}
}
