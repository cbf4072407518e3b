package cursor

import (
	"errors"
	"testing"

	"github.com/hindcast/hindcast/storage"
)

func TestPosition(t *testing.T) {
	part, place, err := ParsePosition("a1", Position("a1", "events", "00ff"))
	if part != "events" || place != "00ff" || err != nil {
		t.Errorf("got %q, %q and error %v", part, place, err)
	}
	if part, place, err := ParsePosition("a1", ""); part+place != "" || err != nil {
		t.Errorf("the start: got %q, %q and error %v", part, place, err)
	}
	for _, wrong := range []string{"a1", "a1.events", "a1..x", "b2.events.x", "a1.events.x.y", ".."} {
		if _, _, err := ParsePosition("a1", wrong); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%q: got error %v, want ErrBadCursor", wrong, err)
		}
	}
}
