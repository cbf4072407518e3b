package clickhouse

import "time"

// nanos is a time as nanoseconds since 1970, within what DateTime64(9) holds;
// the zero time is 0.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Before(leastTime):
		return leastTime.UnixNano()
	case t.After(greatestTime):
		return greatestTime.UnixNano()
	}
	return t.UnixNano()
}

// inRange is the time that nanos makes of a time.
func inRange(t time.Time) time.Time { return time.Unix(0, nanos(t)).UTC() }

// timeOf reads what nanos wrote; 0 is the zero time, which no sender's time
// within [event.MinTime, event.MaxTime) but the very first is.
func timeOf(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}

// DateTime64(9) holds the years 1900 to 2262; [event.Clamp] keeps senders' times
// well within.
var (
	leastTime    = time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC)
	greatestTime = time.Date(2262, 1, 1, 0, 0, 0, 0, time.UTC)
)
