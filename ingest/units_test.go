package ingest

import (
	"testing"
	"time"
)

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 17: "17", 1000: "1000", 1 << 10: "1KiB", 1536: "1536", 3 << 19: "1536KiB", 1 << 20: "1MiB", 5 << 30: "5GiB", 1 << 40: "1TiB", -1 << 20: "-1MiB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d bytes are written as %q, want %q", n, got, want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", time.Millisecond: "1ms", 90 * time.Minute: "1h30m", 2 * time.Hour: "2h", 7 * 24 * time.Hour: "1w", 8*24*time.Hour + time.Millisecond: "8d1ms",
		365 * 24 * time.Hour:    "1y",
		1500 * time.Microsecond: "1.5ms", -time.Second: "-1s",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d ns are written as %q, want %q", d, got, want)
		}
	}
}
