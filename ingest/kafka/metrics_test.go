package kafka

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// TestObserverTellsEachReason: that a batch cannot be read is told though the
// partition waits already for something else, and the same is not told twice.
func TestObserverTellsEachReason(t *testing.T) {
	var told []string
	o := newMetrics(nil).observe("topic", "format", 0, func(err error) { told = append(told, fmt.Sprint(err)) }, func(int64) {})
	corrupt := fmt.Errorf("fetch: %w", &Corrupt{Topic: "topic", Reason: "its checksum is wrong"})
	for _, step := range []func(){
		o.Resumed,
		func() { o.Paused(errors.New("time-out of one port")) },
		func() { o.Paused(errors.New("time-out of another port")) },
		func() { o.Paused(corrupt) },
		func() { o.Paused(corrupt) },
		func() { o.waitsForMemory(true) },
		func() { o.waitsForMemory(false) },
		o.Resumed,
		func() { o.Paused(corrupt) },
	} {
		step()
	}
	want := []string{"time-out of one port", corrupt.Error(), errShortOfMemory.Error(), "<nil>", corrupt.Error()}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
}
