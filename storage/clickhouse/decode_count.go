package clickhouse

import (
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"

	"github.com/hindcast/hindcast/ingest/event"
)

// countKeyFields are what scanCountKey reads, countFields what scanCount does,
// in their order.
const (
	countKeyFields = "service, environment, version, toUInt8(level), pattern, toInt64(second)"
	countFields    = countKeyFields + ", n, toUnixTimestamp64Nano(first), toUnixTimestamp64Nano(last), digest, template, sample, upstreams, toUnixTimestamp64Nano(received_at)"
)

// scanCount reads a row of countFields, and when its chunk was received; more is
// where what the row has behind them goes.
func scanCount(r driver.Rows, more ...any) (c event.Count, receivedAt time.Time, err error) {
	var level uint8
	var pattern, n uint64
	var first, last, received int64
	err = r.Scan(append([]any{&c.Service, &c.Environment, &c.Version, &level, &pattern, &c.Second, &n, &first, &last, &c.Digest, &c.Template, &c.Sample, &c.Upstreams, &received}, more...)...)
	if err != nil {
		return c, receivedAt, fmt.Errorf("read count: %w", err)
	}
	c.Level, c.Pattern, c.N = event.Level(level), event.PatternID(pattern), int64(n)
	c.First, c.Last = instant(first), instant(last)
	if len(c.Upstreams) == 0 {
		c.Upstreams = nil
	}
	return c, timeOf(received), nil
}

// scanCountKey reads a row of countKeyFields.
func scanCountKey(r driver.Rows) (k event.CountKey, err error) {
	var level uint8
	var pattern uint64
	if err := r.Scan(&k.Service, &k.Environment, &k.Version, &level, &pattern, &k.Second); err != nil {
		return k, fmt.Errorf("read key of count: %w", err)
	}
	k.Level, k.Pattern = event.Level(level), event.PatternID(pattern)
	return k, nil
}
