package sqlite

import (
	"math"
	"time"
)

// The range of times that nanoseconds in 64 bits can say. Senders' times lie
// well within it.
var (
	leastTime    = time.Unix(0, math.MinInt64+1)
	greatestTime = time.Unix(0, math.MaxInt64)
)

// nanos is a time as it is stored: nanoseconds since 1970, and the least
// integer for the zero time.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return math.MinInt64
	case t.Before(leastTime):
		return math.MinInt64 + 1
	case t.After(greatestTime):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// timeOf reads what nanos wrote.
func timeOf(n int64) time.Time {
	if n == math.MinInt64 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// span is a query's interval from the first inclusive to the second exclusive;
// zero times bound nothing.
func span(from, to time.Time) (int64, int64) {
	if to.IsZero() {
		return nanos(from), math.MaxInt64
	}
	return nanos(from), nanos(to)
}

// floorDiv divides towards minus infinity.
func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// ceilDiv divides towards plus infinity.
func ceilDiv(a, b int64) int64 {
	q := a / b
	if a%b > 0 {
		q++
	}
	return q
}

const second = int64(time.Second)
