// Package cassette reads recordings of the HTTP requests that hindcast
// received, and plays them back at a server.
//
// A cassette is a file of JSON objects, one request a line, in order of
// arrival. It is how an outage is kept, replayed, measured and shared.
package cassette

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// MaxLine bounds one request of a cassette, in bytes.
const MaxLine = 64 << 20

// Request is one recorded request.
type Request struct {
	// At is when it arrived.
	At      time.Time         `json:"at"`
	Method  string            `json:"method"`
	Path    string            `json:"path"`
	Headers map[string]string `json:"headers,omitempty"`
	// Body is the JSON value that was sent, or a JSON string that holds a body
	// that is no JSON. Empty: no body.
	Body json.RawMessage `json:"body,omitempty"`
	// Where is the file and line it was read from, for messages.
	Where string `json:"-"`
}

// Bytes is the body as it goes over the wire.
func (r Request) Bytes() ([]byte, error) {
	body := bytes.TrimSpace(r.Body)
	if len(body) == 0 || body[0] != '"' {
		return body, nil
	}
	var text string
	if err := json.Unmarshal(body, &text); err != nil {
		return nil, fmt.Errorf("%s: decode body: %w", r.Where, err)
	}
	return []byte(text), nil
}

// Reader reads a cassette, request by request.
type Reader struct {
	name  string
	lines *bufio.Reader
	line  int
}

// NewReader reads a cassette that is plain or compressed with gzip. The name
// is used in messages.
func NewReader(r io.Reader, name string) (*Reader, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	if magic, _ := buffered.Peek(2); bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		unzipped, err := gzip.NewReader(buffered)
		if err != nil {
			return nil, fmt.Errorf("open %s: %w", name, err)
		}
		buffered = bufio.NewReaderSize(unzipped, 64<<10)
	}
	return &Reader{name: name, lines: buffered}, nil
}

// Next is the next request, or [io.EOF] after the last one. Other errors name
// the file and the line.
func (r *Reader) Next() (Request, error) {
	for {
		text, err := r.readLine()
		if err != nil {
			return Request{}, err
		}
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		req, err := decode(text)
		req.Where = fmt.Sprintf("%s:%d", r.name, r.line)
		if err != nil {
			return Request{}, fmt.Errorf("%s: %w", req.Where, err)
		}
		return req, nil
	}
}

// readLine is the next line without its end; io.EOF when there is none.
func (r *Reader) readLine() ([]byte, error) {
	var line []byte
	r.line++
	for {
		part, err := r.lines.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > MaxLine:
			return nil, fmt.Errorf("%s:%d: the line is longer than %d MiB", r.name, r.line, MaxLine>>20)
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			return nil, io.EOF
		default:
			return nil, fmt.Errorf("%s:%d: read: %w", r.name, r.line, err)
		}
	}
}

func decode(text []byte) (Request, error) {
	var req Request
	if err := json.Unmarshal(text, &req); err != nil {
		return req, fmt.Errorf("not a request: %w", err)
	}
	switch {
	case req.At.IsZero():
		return req, errors.New(`"at" is missing: want the time of arrival in RFC 3339`)
	case !strings.HasPrefix(req.Path, "/"):
		return req, fmt.Errorf(`"path" is %q: want one that begins with "/"`, clip(req.Path))
	}
	if req.Method == "" {
		req.Method = "POST"
	}
	return req, nil
}

func clip(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}

// ReadFile reads a whole cassette.
func ReadFile(path string) ([]Request, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open cassette: %w", err)
	}
	defer f.Close()
	return ReadAll(f, path)
}

// ReadAll reads a whole cassette. The name is used in messages.
func ReadAll(r io.Reader, name string) ([]Request, error) {
	reader, err := NewReader(r, name)
	if err != nil {
		return nil, err
	}
	var all []Request
	for {
		req, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, req)
	}
}
