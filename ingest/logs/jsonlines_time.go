package logs

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// timeLayouts are those that loggers use beside RFC 3339, which is tried first.
// Fractions may follow a comma. A time without a zone is taken as UTC.
var timeLayouts = []string{
	"2006-01-02T15:04:05Z0700",
	"2006-01-02T15:04:05",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02 15:04:05 Z0700",
	"2006-01-02 15:04:05",
	"2006/01/02 15:04:05",
	"02/Jan/2006:15:04:05 -0700",
}

// parseTime reads the time of a line, which is a text or a number: seconds since
// 1970 and nanoseconds within.
func parseTime(text string) (sec, nsec int64, ok bool) {
	if len(text) < 9 || len(text) > 48 || !isDigit(text[0]) {
		return 0, 0, false
	}
	if text[4] != '-' && text[4] != '/' && text[2] != '/' {
		return parseEpoch(text)
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	for i := 0; err != nil && i < len(timeLayouts); i++ {
		at, err = time.Parse(timeLayouts[i], text)
	}
	return at.Unix(), int64(at.Nanosecond()), err == nil
}

// minEpoch is the least number of seconds that is taken as a time: what is less
// is likelier a duration, or the time since something began.
const minEpoch = 1e8

// parseEpoch reads a time since 1970. Its unit is that in which it lies between
// 1973 and 5138.
func parseEpoch(text string) (sec, nsec int64, ok bool) {
	if strings.ContainsAny(text, "eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil || f >= math.MaxInt64 {
			return 0, 0, false
		}
		text = strconv.FormatFloat(f, 'f', -1, 64)
	}
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || n < minEpoch {
		return 0, 0, false
	}
	var parts int64 // the nanoseconds of one
	switch {
	case n < minEpoch*1e3:
		parts = 1e9
	case n < minEpoch*1e6:
		parts = 1e6
	case n < minEpoch*1e9:
		parts = 1e3
	default:
		parts = 1
	}
	perSecond := int64(1e9) / parts
	sec, nsec = n/perSecond, n%perSecond*parts
	scale := parts
	for i := range len(fraction) {
		if !isDigit(fraction[i]) {
			return 0, 0, false
		}
		scale /= 10
		nsec += int64(fraction[i]-'0') * scale
	}
	return sec, nsec, true
}
