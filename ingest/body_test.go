package ingest

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"

	"github.com/hindcast/hindcast/ingest/event"
)

// compressed encodes a text by the name of a content encoding; "raw-deflate"
// is deflate as some senders send it.
func compressed(t testing.TB, name string, text []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch name {
	case "gzip", "x-gzip":
		w = gzip.NewWriter(&buf)
	case "deflate":
		w = zlib.NewWriter(&buf)
	case "raw-deflate":
		w, err = flate.NewWriter(&buf, flate.DefaultCompression)
	case "zstd":
		w, err = zstd.NewWriter(&buf)
	case "snappy":
		return snappy.Encode(nil, text)
	default:
		return text
	}
	if err != nil {
		t.Fatalf("%s writer: %v", name, err)
	}
	if _, err := w.Write(text); err != nil {
		t.Fatalf("compress: %v", err)
	}
	if err := w.Close(); err != nil {
		t.Fatalf("compress: %v", err)
	}
	return buf.Bytes()
}

var encodings = []string{"gzip", "x-gzip", "deflate", "raw-deflate", "zstd", "identity"}

func TestContentEncodings(t *testing.T) {
	for _, name := range encodings {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			header := []string{"Content-Encoding", strings.TrimPrefix(name, "raw-")}
			body := compressed(t, name, []byte(`["one","two"]`))
			if w := r.post("/ingest/plain", string(body), header...); w.Code != 200 {
				t.Fatalf("status = %d: %s", w.Code, w.Body)
			}
			if got, want := r.store.texts(), []string{"one", "two"}; !slices.Equal(got, want) {
				t.Errorf("stored %q, want %q", got, want)
			}
			if name == "identity" {
				return
			}
			for n := range len(body) {
				if w := r.post("/ingest/plain", string(body[:n]), header...); w.Code != 400 {
					t.Fatalf("cut off after %d of %d bytes: status %d, want 400", n, len(body), w.Code)
				}
			}
		})
	}
}

// A body that is small on the wire and huge in memory is refused before it is
// huge.
func TestDecompressionBombs(t *testing.T) {
	zeros := make([]byte, 64<<20)
	for _, name := range encodings[:5] {
		bomb := string(compressed(t, name, zeros))
		t.Run(name, func(t *testing.T) {
			r := newRig(t, func(o *Options) { o.Limits.MaxDecompressed = 4 << 20 })
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			w := r.post("/ingest/plain", bomb, "Content-Encoding", strings.TrimPrefix(name, "raw-"))
			runtime.ReadMemStats(&after)
			if w.Code != 413 {
				t.Errorf("status = %d, want 413: %s", w.Code, w.Body)
			}
			if got := after.TotalAlloc - before.TotalAlloc; got > 32<<20 {
				t.Errorf("a bomb of 64 MiB made %d bytes of garbage, with a limit of 4 MiB", got)
			}
			if w := r.post("/ingest/plain", `["good"]`); w.Code != 200 {
				t.Errorf("status after a bomb = %d, want 200", w.Code)
			}
		})
	}
}

// A body that is as large as allowed is taken, and one that is larger is told
// so: neither may be told to come again later, when nothing else is under way.
func TestLargestBodyFitsItsLane(t *testing.T) {
	for _, limit := range []int64{4 << 20, 5_000_001} {
		r := newRig(t, func(o *Options) {
			o.Limits.MaxBody, o.Limits.MaxDecompressed = 64<<10, limit
			o.Limits.Alerts.Bytes = 64<<10 + limit + (limit+1)/2
			if err := o.Limits.Validate(); err != nil {
				t.Fatalf("the least that a lane must hold: %v", err)
			}
		})
		for _, tt := range []struct {
			size int64
			want int
		}{{limit - 1, 200}, {limit, 200}, {limit + 1, 413}, {4 * limit, 413}} {
			text := append([]byte(`["x"]`), bytes.Repeat([]byte(" "), int(tt.size)-5)...)
			w := r.post("/ingest/plain", string(compressed(t, "gzip", text)), "Content-Encoding", "gzip")
			if w.Code != tt.want {
				t.Errorf("%d bytes, with a limit of %d: status = %d, want %d: %s", tt.size, limit, w.Code, tt.want, w.Body)
			}
		}
	}
}

func TestSnappyBombIsRefusedByItsHeader(t *testing.T) {
	r := newRig(t, nil)
	bomb := append(binary.AppendUvarint(nil, 1<<31), "xxxx"...)
	w := r.post("/ingest/logs", string(bomb), "Content-Type", "application/x-protobuf", "Content-Encoding", "snappy")
	if w.Code != 413 {
		t.Errorf("status = %d, want 413: %s", w.Code, w.Body)
	}
}

func TestReadAllGrowsToTheSize(t *testing.T) {
	for _, size := range []int{0, 1, 4095, 4096, 64 << 10, 64<<10 + 1, 1 << 20, 3_000_000} {
		for _, known := range []bool{true, false} {
			for _, limit := range []int64{int64(size) - 1, int64(size), 16 << 20} {
				b := budget{limit: 64 << 20}
				h := hold{of: &b}
				announced := int64(-1)
				if known {
					announced = int64(size)
				}
				body, err := readAll(bytes.NewReader(make([]byte, size)), announced, limit, &h)
				if limit < int64(size) {
					if !errors.Is(err, errTooLarge) {
						t.Errorf("%d bytes with a limit of %d: %v", size, limit, err)
					}
				} else if err != nil || len(body) != size {
					t.Errorf("%d bytes with a limit of %d: got %d, %v", size, limit, len(body), err)
				} else if h.n != int64(cap(body)) {
					t.Errorf("%d bytes are held for %d", h.n, cap(body))
				}
				h.free()
				if got := b.used.Load(); got != 0 {
					t.Errorf("%d bytes are held afterwards", got)
				}
			}
		}
	}
}

// serve is a real server, for what happens on the wire.
func serve(t *testing.T, r *rig) string {
	t.Helper()
	s := httptest.NewUnstartedServer(r.mux)
	ConfigureServer(s.Config)
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// raw writes a request by hand and returns the first line of the answer.
func raw(t *testing.T, addr, request string, hangUp bool) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatalf("send: %v", err)
	}
	if hangUp {
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatalf("hang up: %v", err)
		}
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("read the answer: %v", err)
	}
	line, _, _ := strings.Cut(string(answer), "\r\n")
	return line
}

func TestSlowSenders(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.ReadTimeout = 300 * time.Millisecond })
	addr := serve(t, r)
	const senders = 200
	lines := make(chan string, senders)
	for range senders {
		go func() {
			lines <- raw(t, addr, "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16000000\r\n\r\n[\"a", false)
		}()
	}
	// While they dawdle, others are served and little memory is held.
	for range 20 {
		resp, err := http.Post("http://"+addr+"/ingest/plain", "application/json", strings.NewReader(`["good"]`))
		if err != nil {
			t.Fatalf("post beside slow senders: %v", err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("status beside slow senders = %d, want 200", resp.StatusCode)
		}
	}
	if got := r.lanes[LaneAlerts].memory.used.Load(); got > senders*(64<<10) {
		t.Errorf("slow senders hold %d bytes, want %d at most", got, senders*(64<<10))
	}
	for range senders {
		if got, want := <-lines, "HTTP/1.1 408 Request Timeout"; got != want {
			t.Errorf("a slow sender was answered %q, want %q", got, want)
		}
	}
	http.DefaultClient.CloseIdleConnections()
}

func TestTruncatedBodies(t *testing.T) {
	r := newRig(t, nil)
	addr := serve(t, r)
	for name, request := range map[string]string{
		"less than announced": "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[\"a\"]",
		"chunks cut off":      "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[\"a\"]\r\n",
		"broken chunks":       "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
	} {
		if got, want := raw(t, addr, request, true), "HTTP/1.1 400 Bad Request"; got != want {
			t.Errorf("%s: answered %q, want %q", name, got, want)
		}
	}
	if got := r.store.texts(); len(got) != 0 {
		t.Errorf("half a body was stored: %q", got)
	}
}

func TestTooLargeOnTheWire(t *testing.T) {
	r := newRig(t, func(o *Options) {
		o.Limits.MaxBody = 100_000
		o.Limits.ReadTimeout = 300 * time.Millisecond
	})
	addr := serve(t, r)
	if got, want := raw(t, addr, "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100001\r\n\r\n", false), "HTTP/1.1 413 Request Entity Too Large"; got != want {
		t.Errorf("announced: answered %q, want %q", got, want)
	}
	chunks := strings.Repeat(fmt.Sprintf("%x\r\n%s\r\n", 1000, strings.Repeat(" ", 1000)), 101)
	if got, want := raw(t, addr, "POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"+chunks+"0\r\n\r\n", false), "HTTP/1.1 413 Request Entity Too Large"; got != want {
		t.Errorf("in chunks: answered %q, want %q", got, want)
	}
}

// What is refused before its body is read does not hold its connection for
// ever either: raw returns when the connection ends.
func TestRefusedSendersThatDawdle(t *testing.T) {
	r := newRig(t, func(o *Options) { o.Limits.ReadTimeout = 300 * time.Millisecond })
	addr := serve(t, r)
	for _, tc := range []struct{ request, want string }{
		{"PUT /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 405 Method Not Allowed"},
		{"POST /ingest/plain HTTP/1.1\r\nHost: x\r\nContent-Type: text/xml\r\nContent-Length: 1000\r\n\r\n", "HTTP/1.1 415 Unsupported Media Type"},
	} {
		if got := raw(t, addr, tc.request, false); got != tc.want {
			t.Errorf("answered %q, want %q", got, tc.want)
		}
	}
}

// The read deadline of one request must not end the next on its connection,
// nor the handler that works after the body came.
func TestReadTimeoutEndsWithTheBody(t *testing.T) {
	store := make(chan struct{})
	r := newRig(t, func(o *Options) {
		o.Limits.ReadTimeout = 50 * time.Millisecond
		next := o.Appender
		o.Appender = AppenderFunc(func(ctx context.Context, b event.Batch) error {
			<-store
			return next.Append(ctx, b)
		})
	})
	addr := serve(t, r)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for range 3 {
		go func() {
			time.Sleep(150 * time.Millisecond)
			store <- struct{}{}
		}()
		resp, err := client.Post("http://"+addr+"/ingest/plain", "application/json", strings.NewReader(`["a"]`))
		if err != nil {
			t.Fatalf("post: %v", err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("status = %d, want 200", resp.StatusCode)
		}
	}
}
