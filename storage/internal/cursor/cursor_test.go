package cursor_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/hindcast/hindcast/storage"
	"github.com/hindcast/hindcast/storage/internal/cursor"
)

func TestRoundTrip(t *testing.T) {
	c := cursor.New([]byte("a store"))
	fields := cursor.PutInt64(cursor.PutInt64(nil, -7), 1<<62)
	text := c.Encode('l', fields)
	for _, size := range []int{len(fields), cursor.Any} {
		got, err := c.Decode('l', size, text)
		if err != nil || !bytes.Equal(got, fields) {
			t.Errorf("decode with size %d: got %x and error %v, want %x", size, got, err, fields)
		}
	}
	if got := cursor.Int64(fields); got != -7 {
		t.Errorf("the first number: got %d, want -7", got)
	}
	if got, err := c.Decode('e', cursor.Any, c.Encode('e', nil)); err != nil || len(got) != 0 {
		t.Errorf("a cursor without fields: got %x and error %v", got, err)
	}
}

func TestRefused(t *testing.T) {
	c := cursor.New([]byte("a store"))
	text := c.Encode('l', make([]byte, 8))
	for name, bad := range map[string]string{
		"empty":          "",
		"not base 64":    "ÿ",
		"short":          "AAAA",
		"another store":  cursor.New([]byte("b store")).Encode('l', make([]byte, 8)),
		"another kind":   c.Encode('a', make([]byte, 8)),
		"another size":   c.Encode('l', make([]byte, 9)),
		"a changed byte": strings.Replace(text, "A", "B", 1),
		"cut":            text[:len(text)-1],
		"longer":         text + "AAAA",
		"huge":           strings.Repeat("A", 32<<20),
	} {
		if _, err := c.Decode('l', 8, bad); !errors.Is(err, storage.ErrBadCursor) {
			t.Errorf("%s: got error %v, want %v", name, err, storage.ErrBadCursor)
		}
	}
}

func FuzzDecode(f *testing.F) {
	c := cursor.New([]byte("a store"))
	f.Add(c.Encode('l', make([]byte, 8)))
	f.Add("AAAAAAAA")
	f.Fuzz(func(t *testing.T, text string) {
		fields, err := c.Decode('l', 8, text)
		if err != nil {
			if !errors.Is(err, storage.ErrBadCursor) {
				t.Fatalf("got error %v, want %v", err, storage.ErrBadCursor)
			}
			return
		}
		if got := c.Encode('l', fields); got != text {
			t.Fatalf("%q was taken and is written %q", text, got)
		}
	})
}
