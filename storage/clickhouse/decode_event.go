package clickhouse

import (
	"encoding/json"
	"fmt"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
)

// eventFields are what scanEvent reads; eventRaw comes behind them where the
// payload is wanted.
const (
	eventFields = "body, toUnixTimestamp64Nano(received_at)"
	eventRaw    = ", raw"
)

// scanEvent reads a row of eventFields; raw is where the payload goes that the
// row has behind them, or nothing.
func scanEvent(r driver.Rows, raw ...any) (event.Event, error) {
	var body string
	var receivedAt int64
	if err := r.Scan(append([]any{&body, &receivedAt}, raw...)...); err != nil {
		return event.Event{}, fmt.Errorf("read event: %w", err)
	}
	return decodeEvent(body, receivedAt)
}

func decodeEvent(body string, receivedAt int64) (event.Event, error) {
	var e event.Event
	if err := json.Unmarshal([]byte(body), &e); err != nil {
		return e, fmt.Errorf("decode event: %w", err)
	}
	// Of several copies the column has the least time, the body any.
	e.ReceivedAt = timeOf(receivedAt)
	return e, nil
}

// payload is a payload as it was before it was stored: none is empty.
func payload(raw string) []byte {
	if raw == "" {
		return nil
	}
	return []byte(raw)
}
