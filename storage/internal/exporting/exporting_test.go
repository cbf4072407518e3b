package exporting_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"testing"

	"github.com/hindcast/hindcast/ingest/event"
	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
	"github.com/hindcast/hindcast/storage/internal/exporting"
	"github.com/hindcast/hindcast/storage/internal/lifetime"
)

// part yields batches of one event each, named by the part and their number from
// 1 to n. Those with even numbers are empty.
func part(name string, n int) exporting.Part {
	return exporting.Part{Name: name, Run: func(_ context.Context, after string, yield func(event.Batch, string) error) error {
		first, err := strconv.Atoi("0" + after)
		if err != nil {
			return storage.ErrBadCursor
		}
		for i := first + 1; i <= n; i++ {
			var b event.Batch
			if i%2 == 1 {
				b.Events = []event.Event{{Service: name + strconv.Itoa(i)}}
			}
			if err := yield(b, strconv.Itoa(i)); err != nil {
				return err
			}
		}
		return nil
	}}
}

var parts = []exporting.Part{part("a", 4), part("none", 0), part("b", 3)}

func TestExport(t *testing.T) {
	var life lifetime.Lifetime
	want := []string{"a1", "a3", "b1", "b3"}
	var got, positions []string
	collect := func(b event.Batch, position string) error {
		got, positions = append(got, b.Events[0].Service), append(positions, position)
		return nil
	}
	if err := exporting.Export(t.Context(), &life, "data", parts, "", collect); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("from the start: got %v, want %v", got, want)
	}
	for i, position := range slices.Clone(positions) {
		got = nil
		if err := exporting.Export(t.Context(), &life, "data", parts, position, collect); err != nil {
			t.Fatalf("from %q: %v", position, err)
		}
		if !slices.Equal(got, want[i+1:]) {
			t.Errorf("from %q: got %v, want %v", position, got, want[i+1:])
		}
	}
	for _, bad := range []string{"x", cursor.Position("other", "a", "1"), cursor.Position("data", "c", "1"), cursor.Position("data", "a", "x")} {
		if err := exporting.Export(t.Context(), &life, "data", parts, bad, collect); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("from %q: got error %v, want %v", bad, err, storage.ErrBadCursor)
		}
	}
}

func TestExportStops(t *testing.T) {
	var life lifetime.Lifetime
	full := errors.New("the other store is full")
	n := 0
	yield := func(event.Batch, string) error { n++; return full }
	if err := exporting.Export(t.Context(), &life, "data", parts, "", yield); !errors.Is(err, full) || n != 1 {
		t.Errorf("got error %v after %d batches, want %v after one", err, n, full)
	}
	n = 0
	yield = func(event.Batch, string) error { n++; life.End(); return nil }
	if err := exporting.Export(t.Context(), &life, "data", parts, "", yield); !errors.Is(err, lifetime.ErrClosed) || n != 1 {
		t.Errorf("the store ends: got error %v after %d batches, want %v after one", err, n, lifetime.ErrClosed)
	}
}

func TestDerivedPosition(t *testing.T) {
	for position, want := range map[string]string{"": "", exporting.DerivedPosition("data", "7_8"): "7_8"} {
		if got, err := exporting.ParseDerived("data", position); err != nil || got != want {
			t.Errorf("%q: got %q and error %v, want %q", position, got, err, want)
		}
	}
	for _, bad := range []string{"x", exporting.DerivedPosition("other", "7"), cursor.Position("data", "events", "7")} {
		if _, err := exporting.ParseDerived("data", bad); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%q: got error %v, want %v", bad, err, storage.ErrBadCursor)
		}
	}
}
