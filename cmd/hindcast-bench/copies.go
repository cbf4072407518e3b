package main

import (
	"context"
	"fmt"
	"time"
)

// copyLines stores more lines of the shape of those that were pushed: copies
// inside the engine, with sources of their own, whose times are spread over the
// stretch before the pushed ones.
func (b *onClickHouse) copyLines(ctx context.Context) error {
	missing := b.size.lines - b.size.pushed
	if missing <= 0 {
		return nil
	}
	first, err := b.number(ctx, "SELECT toUnixTimestamp64Nano(min(at)) FROM "+database+".lines")
	if err != nil {
		return err
	}
	last, err := b.number(ctx, "SELECT toUnixTimestamp64Nano(max(at)) FROM "+database+".lines")
	if err != nil {
		return err
	}
	copies := (missing + b.size.pushed - 1) / b.size.pushed
	c := lineCopy{
		first: first, length: max(last-first, 1), stretch: int64(b.size.spread) / int64(copies),
		// Sources are chosen by a digest, so a share of them is about that share.
		share: min(1.01*float64(missing)/float64(copies*b.size.pushed), 1),
	}
	began := time.Now()
	for c.n = range copies {
		b.report.Say("copying lines, %d of %d times", c.n+1, copies)
		for _, sql := range c.statements() {
			if _, err := b.engine.Rows(ctx, sql); err != nil {
				return err
			}
		}
	}
	n, err := b.number(ctx, "SELECT count() FROM "+database+".lines")
	if err != nil {
		return err
	}
	b.report.note("log lines stored", number(float64(n)), fmt.Sprintf("%s of them copied inside the engine in %.0f s, over %s", number(float64(n-int64(b.size.pushed))), time.Since(began).Seconds(), b.size.spread))
	return nil
}

// lineCopy is one copy of the pushed lines and their counts.
type lineCopy struct {
	n             int
	first, length int64 // of the pushed lines, in nanoseconds
	stretch       int64 // that the copy's times fill, in nanoseconds
	share         float64
}

// statements copy chunks, lines and counts as the store writes them: a source's
// rows stay together, and a count lies within its second.
func (c lineCopy) statements() []string {
	from := c.first - int64(c.n+1)*c.stretch
	moved := func(column string) string {
		return fmt.Sprintf("(%d + toInt64((toUnixTimestamp64Nano(t.%s) - %d) * %.9f))", from, column, c.first, float64(c.stretch)/float64(c.length))
	}
	at, second := moved("at"), moved("first")
	return []string{
		c.insert("chunks", "toUnixTimestamp64Nano(received_at)", fmt.Sprintf("substring(SHA256(concat(t.chunk, '%d')), 1, 16) AS chunk", c.n)),
		c.insert("lines", "toUnixTimestamp64Nano(at)", fmt.Sprintf("fromUnixTimestamp64Nano(%s, 'UTC') AS at", at)),
		c.insert("counts", "toUnixTimestamp64Nano(first)", fmt.Sprintf("toInt32(intDiv(%[1]s, 60000000000)) AS minute, toDateTime64(intDiv(%[1]s, 1000000000), 0, 'UTC') AS second, "+
			"fromUnixTimestamp64Nano(%[1]s, 'UTC') AS first, fromUnixTimestamp64Nano(%[1]s, 'UTC') AS last", second)),
	}
}

// insert copies the share of a table's pushed rows: those whose time is not
// before the pushed lines.
func (c lineCopy) insert(table, nanoseconds, replaced string) string {
	return fmt.Sprintf("INSERT INTO %[1]s.%[2]s SELECT * REPLACE(%[3]s, cityHash64(t.source, %[4]d) AS source) "+
		"FROM (SELECT * FROM %[1]s.%[2]s WHERE intHash32(source) %% 10000 < %.0[5]f AND %[6]s >= %[7]d) AS t",
		database, table, replaced, c.n+1, c.share*10_000, nanoseconds, c.first)
}
