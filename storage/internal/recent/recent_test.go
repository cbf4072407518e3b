package recent_test

import (
	"testing"
	"time"

	"github.com/hindcast/hindcast/correlate/timeline"
	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/recent"
)

func id(name string) event.ID { return event.NewID(time.Unix(1e9, 0), name) }

func titled(title string) timeline.Timeline {
	return timeline.Timeline{Incident: timeline.Incident{Title: title}}
}

func TestVersions(t *testing.T) {
	var c recent.Timelines[int]
	if _, ok := c.Get(id("a"), 0); ok {
		t.Error("an empty cache has a timeline")
	}
	c.Put(id("a"), 1, 10, titled("one"))
	c.Put(id("b"), 1, 10, titled("other"))
	c.Put(id("a"), 2, 10, titled("two"))
	if got, ok := c.Get(id("a"), 2); !ok || got.Incident.Title != "two" {
		t.Errorf("version 2: got %q, %v, want \"two\"", got.Incident.Title, ok)
	}
	if _, ok := c.Get(id("a"), 1); ok {
		t.Error("version 1 is still there after version 2 was put in its place")
	}
	if got, ok := c.Get(id("b"), 1); !ok || got.Incident.Title != "other" {
		t.Errorf("another incident: got %q, %v, want \"other\"", got.Incident.Title, ok)
	}
}

func TestBounded(t *testing.T) {
	var c recent.Timelines[int]
	c.Put(id("a"), 1, 3<<20, titled("a"))
	c.Put(id("b"), 1, 3<<20, titled("b"))
	c.Get(id("a"), 1)
	c.Put(id("c"), 1, 3<<20, titled("c"))
	for name, want := range map[string]bool{"a": true, "b": false, "c": true} {
		if _, ok := c.Get(id(name), 1); ok != want {
			t.Errorf("timeline %s: kept %v, want %v: the one that was read longest ago makes room", name, ok, want)
		}
	}
	c.Put(id("d"), 1, 100<<20, titled("d"))
	if _, ok := c.Get(id("d"), 1); ok {
		t.Error("a timeline larger than the cache was kept")
	}
	c.Put(id("a"), 2, 1, titled("a"))
	if _, ok := c.Get(id("a"), 2); !ok {
		t.Error("nothing is kept after one that was too large")
	}
}
