package tally_test

import (
	"slices"
	"testing"
	"time"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage/internal/tally"
)

var began = time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)

func count(second int, digest uint64, sample string) event.Count {
	at := began.Add(time.Duration(second) * time.Second)
	return event.Count{
		CountKey: event.CountKey{Service: "payments", Level: event.LevelError, Pattern: 7, Second: at.Unix()},
		N:        2, First: at, Last: at.Add(time.Millisecond), Digest: digest, Template: "<*>", Sample: sample,
	}
}

func TestSetCountsTheSameLinesOnce(t *testing.T) {
	counts := []event.Count{count(1, 1, "b"), count(1, 1, "a"), count(1, 2, "c"), count(0, 1, "d"), count(1, 1, "c")}
	for range 2 {
		s := tally.NewSet()
		for i := range counts {
			s.Add(&counts[i])
		}
		var got string
		for _, c := range s.Sorted() {
			got += c.Sample
		}
		if got != "dac" {
			t.Errorf("samples in order: got %q, want %q", got, "dac")
		}
		slices.Reverse(counts)
	}
	if got := tally.NewSet().Sorted(); got != nil {
		t.Errorf("an empty set: got %v, want nil", got)
	}
}

func TestFacts(t *testing.T) {
	counts := []event.Count{count(1, 1, "b"), count(1, 2, "a"), count(1, 1, "b"), count(2, 3, "c")}
	other := count(1, 9, "not asked for")
	other.Service = "checkout"
	id := counts[0].CountKey.ID()
	f := tally.NewFacts([]event.ID{id, event.NewID(began, "a second that has nothing"), event.NewID(began.Add(time.Millisecond), "no log")})
	if got, want := f.Seconds(), []int64{began.Unix(), began.Unix() + 1}; !slices.Equal(got, want) {
		t.Errorf("seconds: got %v, want %v", got, want)
	}
	for i, c := range append(counts, other) {
		f.Add(&c, began.Add(-time.Duration(i)*time.Minute))
	}
	sums := f.Sums()
	if len(sums) != 1 || sums[id] == nil {
		t.Fatalf("got %d sums, want that of the first key alone", len(sums))
	}
	got := *sums[id]
	if got.N != 4 || got.Sample != "a" || !got.First.Equal(counts[0].First) || !got.Last.Equal(counts[0].Last) || got.CountKey != counts[0].CountKey {
		t.Errorf("the sum: got %+v", got)
	}
	if want := began.Add(-2 * time.Minute); !got.ReceivedAt.Equal(want) {
		t.Errorf("received at: got %s, want the least of its counts, %s", got.ReceivedAt, want)
	}
}
