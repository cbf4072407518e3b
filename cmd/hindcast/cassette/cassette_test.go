package cassette

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"strings"
	"testing"
	"time"
)

const twoLines = `{"at":"2026-11-22T15:19:08.462555Z","method":"POST","path":"/ingest/messages","headers":{"Content-Type":"application/json"},"body":{"text":"on it"}}

{"at":"2026-11-22T15:19:09Z","path":"/ingest/messages","body":"not \"JSON\""}
`

func TestReadAll(t *testing.T) {
	var zipped bytes.Buffer
	w := gzip.NewWriter(&zipped)
	io.WriteString(w, twoLines)
	w.Close()
	for name, text := range map[string]string{
		"plain": twoLines, "gzip": zipped.String(), "no newline at the end": strings.TrimSuffix(twoLines, "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ReadAll(strings.NewReader(text), "x.jsonl")
			if err != nil || len(got) != 2 {
				t.Fatalf("got %d requests and error %v, want 2 and none", len(got), err)
			}
			if want := time.Date(2026, 11, 22, 15, 19, 8, 462555000, time.UTC); !got[0].At.Equal(want) {
				t.Errorf("at: got %v, want %v", got[0].At, want)
			}
			if got[1].Method != "POST" || got[1].Where != "x.jsonl:3" {
				t.Errorf("second request: got method %q from %q, want POST from x.jsonl:3", got[1].Method, got[1].Where)
			}
			for i, want := range []string{`{"text":"on it"}`, `not "JSON"`} {
				if body, err := got[i].Bytes(); err != nil || string(body) != want {
					t.Errorf("body %d: got %q, error %v, want %q", i, body, err, want)
				}
			}
		})
	}
}

func TestReadAllRefuses(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"not JSON":      {"{}x\n", "x.jsonl:1: not a request"},
		"no time":       {"\n" + `{"path":"/a"}`, `x.jsonl:2: "at" is missing`},
		"no path":       {`{"at":"2026-11-22T15:19:09Z","path":"a"}`, `"path" is "a"`},
		"half a line":   {twoLines + `{"at":`, "x.jsonl:4: not a request"},
		"bad gzip":      {"\x1f\x8bxx", "open x.jsonl"},
		"broken string": {`{"at":"2026-11-22T15:19:09Z","path":"/a","body":"` + "\n", "x.jsonl:1"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadAll(strings.NewReader(c.text), "x.jsonl"); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want one with %q", err, c.want)
			}
		})
	}
}

// endless yields one byte for ever.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func TestReaderBoundsLines(t *testing.T) {
	r, err := NewReader(endless{}, "x.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Next(); err == nil || !strings.Contains(err.Error(), "longer than 64 MiB") {
		t.Errorf("got error %v, want one that tells the bound", err)
	}
}

func FuzzReadAll(f *testing.F) {
	f.Add([]byte(twoLines))
	f.Add([]byte("\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, text []byte) {
		requests, err := ReadAll(bytes.NewReader(text), "x")
		if err != nil {
			return
		}
		for _, req := range requests {
			if _, err := req.Bytes(); err != nil {
				t.Errorf("a request was read whose body cannot be: %v", err)
			}
		}
	})
}

func TestErrorsAreWrapped(t *testing.T) {
	if _, err := ReadFile("testdata/absent"); err == nil || errors.Is(err, io.EOF) {
		t.Errorf("got %v, want an error about the file", err)
	}
}
