package ingest

import (
	"fmt"
	"strconv"
	"time"
)

// FormatDuration writes a duration as Prometheus, and hindcast's configuration,
// do: 30s, 1h30m, 7d, 2w. Weeks and years stand alone.
func FormatDuration(d time.Duration) string {
	if d <= 0 || d%time.Millisecond != 0 {
		return d.String()
	}
	const day = 24 * time.Hour
	text := ""
	for _, unit := range []struct {
		name  string
		size  time.Duration
		alone bool
	}{
		{"y", 365 * day, true}, {"w", 7 * day, true}, {"d", day, false}, {"h", time.Hour, false},
		{"m", time.Minute, false}, {"s", time.Second, false}, {"ms", time.Millisecond, false},
	} {
		if n := d / unit.size; n > 0 && (!unit.alone || d%unit.size == 0) {
			text += fmt.Sprintf("%d%s", n, unit.name)
			d %= unit.size
		}
	}
	return text
}

// FormatSize writes a number of bytes with the greatest unit that divides it, up
// to TiB; without a unit where none does.
func FormatSize(bytes int64) string {
	for _, unit := range []struct {
		name string
		size int64
	}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}} {
		if bytes != 0 && bytes%unit.size == 0 {
			return fmt.Sprintf("%d%s", bytes/unit.size, unit.name)
		}
	}
	return strconv.FormatInt(bytes, 10)
}
