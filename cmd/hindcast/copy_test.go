package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/hindcast/hindcast/cmd/hindcast/transfer"
)

func TestCopySpecs(t *testing.T) {
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(here, name) }
	for _, tc := range []struct {
		from, to, name, checkpoint string
	}{
		{"sqlite:a.db", "ndjson:b.ndjson", "sqlite:" + in("a.db"), in("b.ndjson.copy.json")},
		{"sqlite:./x/../a.db", "sqlite:/b.db", "sqlite:" + in("a.db"), "/b.db.copy.json"},
		{"ndjson:/b.zst", "clickhouse://u:hush@h:9000/db", "ndjson:/b.zst", "/b.zst.copy.json"},
		{"clickhouse://u:hush@h:9000/db", "ndjson:-", "clickhouse://u@h:9000/db", ""},
		{"ndjson:-", "sqlite:/a.db", "ndjson:-", ""},
	} {
		c := copyCmd{From: copySpec(tc.from), To: copySpec(tc.to)}
		if got := c.From.name(); got != tc.name {
			t.Errorf("name of %s: got %s, want %s", tc.from, got, tc.name)
		}
		if got := c.checkpoint(); got != tc.checkpoint {
			t.Errorf("checkpoint from %s to %s: got %q, want %q", tc.from, tc.to, got, tc.checkpoint)
		}
	}
	one := copyCmd{From: "clickhouse://a@h/x", To: "clickhouse://a@h/y"}
	other := copyCmd{From: "clickhouse://a@h/x", To: "clickhouse://a@h/z"}
	if one.checkpoint() == other.checkpoint() {
		t.Errorf("two copies have one checkpoint: %s", one.checkpoint())
	}
}

func TestCopyText(t *testing.T) {
	for _, tc := range []struct {
		p    transfer.Progress
		want string
	}{
		{transfer.Progress{Part: "events", Done: 5}, "events: 5, 0 facts/s"},
		{transfer.Progress{Part: "log chunks", Done: 12, Of: 50, Rate: 1234.5, Left: 83400 * time.Millisecond}, "log chunks: 12 of 50 (24 %), 1234 facts/s, about 1m23s left"},
		{transfer.Progress{Part: "backup", Done: 3 << 19, Of: 3 << 20, Rate: 10}, "backup: 1.5 MiB of 3.0 MiB (50 %), 10 facts/s"},
	} {
		if got := copyText(tc.p); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}
