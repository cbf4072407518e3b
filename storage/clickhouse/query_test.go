package clickhouse

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/storage"
)

// hurried notes how long a query may take, and fails.
type hurried struct {
	driver.Conn
	left time.Duration
}

func (h *hurried) Query(ctx context.Context, _ string, _ ...any) (driver.Rows, error) {
	deadline, _ := ctx.Deadline()
	h.left = time.Until(deadline)
	return nil, errors.New("failed on purpose")
}

// Every query has an end, and those that may look at a lot have a late one.
func TestQueriesAreBounded(t *testing.T) {
	conn := &hurried{}
	s := &Store{conn: conn}
	for _, c := range []struct {
		what string
		ctx  context.Context
		want time.Duration
	}{
		{"a query", t.Context(), queryTimeout},
		{"a patient query", patient(t.Context()), patientTimeout},
	} {
		err := s.rows(c.ctx, "SELECT 1", nil)
		if !errors.Is(err, storage.ErrUnavailable) || conn.left > c.want || conn.left <= c.want-queryTimeout {
			t.Errorf("%s: got error %v with %v left, want %v", c.what, err, conn.left, c.want)
		}
	}
}
