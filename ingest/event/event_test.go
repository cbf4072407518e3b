package event_test

import (
	"math"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
)

func TestClamp(t *testing.T) {
	last := event.MaxTime.Add(-time.Nanosecond)
	berlin := time.FixedZone("CET", 3600)
	for _, c := range []struct {
		name    string
		at      time.Time
		want    time.Time
		suspect bool
	}{
		{"the zero time", time.Time{}, event.MinTime, true},
		{"just before", event.MinTime.Add(-1), event.MinTime, true},
		{"the first", event.MinTime, event.MinTime, false},
		{"now", began, began, false},
		{"in another zone", began.In(berlin), began, false},
		{"the last", last, last, false},
		{"just after", event.MaxTime, last, true},
		{"far away", time.Unix(math.MaxInt32<<20, 0), last, true},
		{"far back", time.Unix(math.MinInt32<<20, 0), event.MinTime, true},
	} {
		got, suspect := event.Clamp(c.at)
		if !got.Equal(c.want) || suspect != c.suspect {
			t.Errorf("%s: got %s and %v, want %s and %v", c.name, got, suspect, c.want, c.suspect)
		}
		if got.Location() != time.UTC {
			t.Errorf("%s: got a time in %s, want UTC", c.name, got.Location())
		}
		if !event.InRange(got) || event.InRange(c.at) == c.suspect {
			t.Errorf("%s: in range: got %v before and %v after", c.name, event.InRange(c.at), event.InRange(got))
		}
	}
}
