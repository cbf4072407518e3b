package clickhouse

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"strings"
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

// TestErrorsAreConcise: the URL of a request holds all settings, and nobody reads
// that.
func TestErrorsAreConcise(t *testing.T) {
	const address = "http://h:8123/?database=db&max_query_size=67108864"
	refused := fmt.Errorf("send: %w", &url.Error{Op: "Post", URL: address, Err: errors.New("connection refused")})
	bad := fmt.Errorf("send: %w", &url.Error{Op: "Post", URL: address, Err: &tls.CertificateVerificationError{Err: errors.New("not believed")}})
	for what, err := range map[string]error{
		"connection refused": classify(t.Context(), refused),
		"not believed":       classifyOpen(t.Context(), bad),
	} {
		if text := err.Error(); strings.Contains(text, "max_query_size") || !strings.Contains(text, what) {
			t.Errorf("got %q, want %q and no URL", text, what)
		}
	}
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
