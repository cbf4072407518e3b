package main

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
)

// disk reports what the tables take, by event and by line, beside what was sent.
func (b *onClickHouse) disk(ctx context.Context) error {
	rows, err := b.engine.Rows(ctx, "SELECT table, sum(rows), sum(bytes_on_disk), count() FROM system.parts WHERE active AND database = '"+database+"' GROUP BY table ORDER BY table")
	if err != nil {
		return err
	}
	tables := make(map[string]tableSize, len(rows))
	for _, row := range rows {
		var n [3]int64
		for i := range n {
			if n[i], err = strconv.ParseInt(row[i+1], 10, 64); err != nil {
				return err
			}
		}
		tables[row[0]] = tableSize{n[0], n[1], n[2]}
	}
	text, err := b.number(ctx, "SELECT sum(length(text)) FROM "+database+".lines")
	if err != nil {
		return err
	}
	lines, events := tables["lines"], tables["events"]
	raw := float64(text) / float64(max(lines.rows, 1))
	b.report.note("disk by log line", number(lines.each())+" bytes", fmt.Sprintf("of %.0f bytes of text: %.1f times smaller; %s lines in %d parts", raw, raw/lines.each(), number(float64(lines.rows)), lines.parts))
	counts := tables["counts"]
	b.report.note("disk by count of a pattern", number(counts.each())+" bytes", fmt.Sprintf("%s counts, %.1f bytes by log line", number(float64(counts.rows)), float64(counts.bytes)/float64(max(lines.rows, 1))))
	b.report.note("disk by event", number(events.each())+" bytes", fmt.Sprintf("of %.0f bytes of payload: %.1f times smaller; %s events in %d parts", b.raw.event, b.raw.event/events.each(), number(float64(events.rows)), events.parts))
	revisions := tables["revisions"]
	b.report.note("disk by published timeline", number(revisions.each())+" bytes", fmt.Sprintf("%s revisions", number(float64(revisions.rows))))
	b.report.note("disk of the engine", number(float64(folderSize(b.engine.Dir()))/1e9)+" GB", "all files, with what merges left behind")
	return nil
}

// tableSize is what a table's parts hold.
type tableSize struct{ rows, bytes, parts int64 }

func (t tableSize) each() float64 { return float64(t.bytes) / float64(max(t.rows, 1)) }

// folderSize is the bytes of a folder's files; those that vanish meanwhile are
// left out.
func folderSize(dir string) (total int64) {
	// What cannot be read is not counted.
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // the engine deletes files all the time
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}
