package event_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hindcast/hindcast/ingest/event"
)

// TestNewIDIsStable holds IDs against values that were computed by another
// program from the same description. Stored data depends on them.
func TestNewIDIsStable(t *testing.T) {
	for _, c := range []struct {
		at    time.Time
		parts []string
		want  string
	}{
		{event.MinTime, nil, "0000000000WERC8GMRZGE196QV"},
		{began, []string{"alert", "00000000deadbeef"}, "01KKNTQ1Y3XEVDDRN6ZDYS951E"},
		{began.Add(999_999), []string{"alert", "00000000deadbeef"}, "01KKNTQ1Y3XEVDDRN6ZDYS951E"},
		{began, []string{"ab", "c"}, "01KKNTQ1Y3C0EN8XQ2SKZ2S1X2"},
		{began, []string{"a", "bc"}, "01KKNTQ1Y37YQT3KSF36KW24MV"},
		{event.MaxTime.Add(-1), []string{""}, "06K7MS39ZZNXAQ1XD1G45QNXWC"},
		{time.Time{}, []string{"before 1970"}, "00000000005DCC9VM6TCX9400V"},
	} {
		if got := event.NewID(c.at, c.parts...).String(); got != c.want {
			t.Errorf("ID of %q at %s: got %s, want %s", c.parts, c.at, got, c.want)
		}
	}
}

func TestIDRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := event.ID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "bytes"))
		for _, text := range []string{id.String(), strings.ToLower(id.String())} {
			got, err := event.ParseID(text)
			if err != nil || got != id {
				t.Fatalf("parse %q: got %x and error %v, want %x", text, got, err, id)
			}
		}
		b, err := json.Marshal(id)
		if err != nil {
			t.Fatalf("encode: %v", err)
		}
		var got event.ID
		if err := json.Unmarshal(b, &got); err != nil || got != id {
			t.Fatalf("decode %s: got %x and error %v, want %x", b, got, err, id)
		}
	})
}

func TestIDOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) event.ID {
			at := time.UnixMilli(rapid.Int64Range(0, event.MaxTime.UnixMilli()-1).Draw(t, name)).UTC()
			id := event.NewID(at, rapid.String().Draw(t, name+" part"))
			if !id.Time().Equal(at) {
				t.Fatalf("time of the ID: got %s, want %s", id.Time(), at)
			}
			return id
		}
		a, b := draw("a"), draw("b")
		if a.Compare(b) != strings.Compare(a.String(), b.String()) {
			t.Fatalf("%s and %s: their bytes are in another order than their texts", a, b)
		}
		if c := a.Time().Compare(b.Time()); c != 0 && c != a.Compare(b) {
			t.Fatalf("%s and %s are not in the order of their times", a, b)
		}
	})
}

func TestParseIDRefuses(t *testing.T) {
	for _, text := range []string{
		"0", "01ARZ3NDEKTSV4RRFFQ69G5FA", "01ARZ3NDEKTSV4RRFFQ69G5FAVX", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAU",
		"01ARZ3NDEKTSV4RRFFQ69G5FA\x00", strings.Repeat("ü", 13), strings.Repeat("0", 10_000),
	} {
		_, err := event.ParseID(text)
		if !errors.Is(err, event.ErrBadID) {
			t.Errorf("parse %.40q: got error %v, want %v", text, err, event.ErrBadID)
		}
		if err != nil && len(err.Error()) > 200 {
			t.Errorf("parse %.40q: the error has %d bytes", text, len(err.Error()))
		}
	}
	if id, err := event.ParseID(""); err != nil || !id.IsZero() || id.String() != "" {
		t.Errorf("parse of nothing: got %x and error %v, want the zero ID", id, err)
	}
}

func FuzzParseID(f *testing.F) {
	f.Add("")
	f.Add("01ARZ3NDEKTSV4RRFFQ69G5FAV")
	f.Add("7zzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := event.ParseID(text)
		if err == nil && !id.IsZero() && id.String() != strings.ToUpper(text) {
			t.Errorf("parse %q and back: got %q", text, id.String())
		}
	})
}
